"""What is asked for by name: is a name that can be nobody's told from one that is of something?"""

from __future__ import annotations

import pytest

from domain.inventory import StockReceived
from domain.order import OrderPlaced
from domain.streams import order_stream
from projections.allocation.allocations import ALLOCATIONS
from projections.inventory.stock_levels import STOCK_LEVELS
from projections.order.order_timeline import ORDER_TIMELINE
from projections.order.orders import ORDERS
from projections.order.sales import SALES
from projections.payment.payments import PAYMENTS
from projections.read_model import ReadModel
from projections.warehouse.pick_lists import PICK_LISTS
from services.audit.as_of_models import key_named
from services.audit.filters import EventFilter
from services.audit.named import NotThere, checked, merchant_asked


@pytest.mark.parametrize("named", ["demo/o-1", "order-demo.o%2D1"])
def test_an_order_is_named_with_its_merchant_or_by_its_stream(named: str) -> None:
    assert checked(EventFilter(order=named)) == EventFilter(order=order_stream("demo", "o-1"))


def test_the_id_of_an_order_is_of_the_merchant_that_is_asked_for() -> None:
    for named in ("o-1", "demo/o-1", "order-demo.o%2D1"):
        found = checked(EventFilter(merchant="demo", order=named))
        assert found == EventFilter(merchant="demo", order=order_stream("demo", "o-1"))
    assert checked(EventFilter(merchant="demo", order="order-42")).order == order_stream("demo", "order-42")
    with pytest.raises(NotThere):
        checked(EventFilter(merchant="demo", order="\udc80"))


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (EventFilter(order="o-1"), "order: o-1 is no order: say MERCHANT/o-1"),
        (EventFilter(order="order-demo.o-1"), "the stream is order-demo.o%2D1"),
        (EventFilter(order="demo/"), "order: a part of a stream's name must not be empty"),
        (EventFilter(stream="order-demo.o-1"), "stream: .* the stream is order-demo.o%2D1"),
        (EventFilter(stream="demo/o-1"), "stream: demo/o-1 is no stream"),
        (EventFilter(type="OrderPlacd"), "type: there is no type of events OrderPlacd; there is OrderPlaced"),
        (EventFilter(type="?"), "type: there is no type of events ?"),
        (EventFilter(subject="xyz"), "subject: xyz is no pseudonym: that is 32 hex digits"),
    ],
)
def test_a_name_of_nothing_is_refused_with_what_was_meant(wanted: EventFilter, said: str) -> None:
    with pytest.raises(NotThere, match=said):
        checked(wanted)


@pytest.mark.parametrize(
    ("model", "typed", "key"),
    [
        (ORDERS, "demo/o-1", "demo/o-1"),
        (ORDERS, "order-demo.o%2D1", "demo/o-1"),
        (PAYMENTS, "order-demo.o%2D1", "demo/o-1"),
        (ALLOCATIONS, "demo/o-1", "demo/o-1"),
        (PICK_LISTS, "order-demo.o%2D1", "demo/o-1"),
        (ORDER_TIMELINE, "demo/o-1", "demo/o-1"),
        (STOCK_LEVELS, "stock-demo.A.main", "stock-demo.A.main"),
    ],
)
def test_rows_are_named_by_an_order_or_a_stream_that_they_are_of(
    model: ReadModel, typed: str, key: str
) -> None:
    assert key_named(model, typed) == key


@pytest.mark.parametrize(
    ("model", "typed", "said"),
    [
        (ORDERS, "o-1", "no row of orders is of o-1: say MERCHANT/ORDER_ID"),
        (ORDERS, "order-demo.o-1", "the stream is order-demo.o%2D1"),
        (ORDERS, "stock-demo.A.main", "no row of orders is of stock-demo.A.main"),
        (PAYMENTS, "payment-demo.p1", "no row of payments is of payment-demo.p1: say MERCHANT/ORDER_ID"),
        (ALLOCATIONS, "allocation-demo.o%2D1", "no row of allocations is of .*: say MERCHANT/ORDER_ID"),
        (
            PICK_LISTS,
            "picklist-demo.p1",
            "no row of pick_lists is of picklist-demo.p1: say MERCHANT/ORDER_ID$",
        ),
        (ORDER_TIMELINE, "stock-demo.A.main", "no row of order_timeline is of .*: say MERCHANT/ORDER_ID$"),
        (STOCK_LEVELS, "demo/o-1", "say stock-MERCHANT.SKU.WAREHOUSE"),
        (STOCK_LEVELS, "stock-demo.A-1.main", "the stream is stock-demo.A%2D1.main"),
        (SALES, "demo/o-1", "of many orders: ask without a key"),
    ],
)
def test_a_key_that_no_row_can_be_of_is_refused(model: ReadModel, typed: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        key_named(model, typed)


def test_rows_of_orders_that_other_events_touch_are_not_asked_by_key() -> None:
    mixed = ReadModel("mixed", ("mixed",), (OrderPlaced, StockReceived), lambda _: {})
    with pytest.raises(ValueError, match="rows of mixed are of orders, and of what is of none: ask without"):
        key_named(mixed, "demo/o-1")


@pytest.mark.parametrize(
    ("told", "whose"),
    [
        ({"merchant": "demo", "order": "o-1"}, "demo"),
        ({"merchant": "demo", "order": "order-42"}, "demo"),
        ({"merchant": "demo", "order": "demo/o-1"}, "demo"),
        ({"order": "order-demo.o%2D1"}, "demo"),
        ({"agent": "cart", "key": "cart-demo.c1"}, "demo"),
        ({"table": "orders", "column": "merchant", "value": "demo"}, "demo"),
        ({"table": "orders", "column": "status", "value": "placed"}, ""),
        ({"stream": "user-u1"}, ""),
        ({}, ""),
        # of two nothing is found, and neither is told what was asked of the other
        ({"merchant": "other", "order": "demo/o-1"}, ""),
        ({"merchant": "other", "stream": "order-demo.o%2D1"}, ""),
        ({"key": "demo/o-1", "column": "merchant", "value": "other"}, ""),
        # what no merchant can be called
        ({"stream": "order-%00.1"}, ""),
        ({"merchant": "a\0b"}, ""),
    ],
)
def test_whose_data_is_asked_for_is_told_by_what_is_named(told: dict[str, str], whose: str) -> None:
    assert merchant_asked(told) == whose


def test_what_has_no_names_is_as_it_was() -> None:
    wanted = EventFilter(actor="agent:order", merchant="m", correlation="x")
    assert checked(wanted) == wanted
