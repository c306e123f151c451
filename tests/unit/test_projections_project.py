"""What rows do facts come to? Given facts, then rows; alike in whatever batches the facts come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.carrier import (
    LabelBought,
    LabelRefused,
    LabelVoidFailed,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentScanned,
)
from domain.inventory import (
    ReservationExpired,
    StockAdjusted,
    StockAllocated,
    StockReceived,
    StockReserved,
    StockReturned,
    StockShipped,
)
from domain.kernel import Event, Fact
from domain.order import Adjustment, OrderDiscrepancyOpened, OrderDiscrepancyResolved, OrderPlaced
from domain.payment import AuthorizationRequested, PaymentAuthorized, PaymentDeclined
from domain.personal import Erased
from projections.carrier import late_deliveries, shipments
from projections.inventory import stock_levels
from projections.merchant import merchant_overview
from projections.order import checkouts, order_discrepancies, order_timeline, orders, sales
from projections.payment import payments
from projections.read_model import order_key, partition_in_stream, partition_of_fact
from projections.read_models import PERSONAL_COLUMNS, READ_MODELS
from tests.integration.projections_trade import START, Bought, Step, setting_up

HELD = {"order_id": "o1", "sku": "A", "warehouse": "main"}
IDS = {"shipment_id": "s1", "order_id": "o1"}


def facts_of(steps: Sequence[Step], merchant: str = "m1") -> list[Fact]:
    """The facts of steps, at positions 1, 2, 3 …, an hour apart."""
    return [
        Fact(
            position=position,
            stream=stream,
            version=position,
            event=event,
            merchant=merchant,
            correlation="c",
            causation="because",
            id=UUID(int=position),
            occurred_at=START + timedelta(hours=position),
            recorded_at=START,
            actor="tester",
        )
        for position, (stream, event) in enumerate(steps, 1)
    ]


def given(*events: Event, stream: str = "stock-m1.A.main") -> list[Fact]:
    return facts_of([(stream, event) for event in events])


def own(name: str, steps: Sequence[Step]) -> list[Fact]:
    """What the runner would give the read model of these steps."""
    return [fact for fact in facts_of(steps) if type(fact.event) in READ_MODELS[name].events]


def test_an_order_is_placed_and_moves_in_one_batch() -> None:
    bought = Bought("m1", "o1", portions=2, adjustments=(Adjustment(kind="shortfall", amount_cents=1),))
    rows = orders.project(own("orders", bought.life()))
    (placed,) = rows["place_orders"]
    assert (placed.items_cents, placed.shipping_cents, placed.adjustment_cents) == (2000, 300, -1)
    assert (placed.total_cents, placed.units_count, placed.payments_count) == (2299, 2, 2)
    assert (placed.customer_id, placed.ship_to_city) == ("customer-o1", "São Paulo")
    (moved,) = rows["move_orders"]
    assert (moved.status, moved.authorized_count, moved.captured_cents) == ("completed", 2, 2299)
    assert moved.approved_at == START + timedelta(minutes=10)
    assert moved.delivered_at == START + timedelta(days=5)


def test_an_erased_person_leaves_no_personal_column() -> None:
    (fact,) = facts_of(Bought("m1", "o1").placing()[:1])
    erased = fact.event.model_copy(update={"customer": Erased()})
    (row,) = orders.project(given(erased))["place_orders"]
    assert {getattr(row, column) for column in PERSONAL_COLUMNS["orders"]} == {None}
    assert row.subject == "subject-p1"


def test_of_several_parcels_the_first_dispatch_and_the_last_delivery_stand() -> None:
    late, early = START + timedelta(days=2), START + timedelta(days=1)
    rows = orders.project(
        given(
            ShipmentDispatched(shipment_id="s1", order_id="o1", happened_at=late),
            ShipmentDispatched(shipment_id="s2", order_id="o1", happened_at=early),
            ShipmentDispatched(shipment_id="s3", order_id="o1", happened_at=None),
            ShipmentDelivered(shipment_id="s1", order_id="o1", scan_id="x", happened_at=late),
            ShipmentDelivered(shipment_id="s2", order_id="o1", scan_id="y", happened_at=early),
        )
    )
    (moved,) = rows["move_orders"]
    assert (moved.dispatched_at, moved.delivered_at) == (early, late)
    assert (moved.dispatched_count, moved.delivered_count) == (3, 2)


def told(kind: Any, about: str = "p1", fact: str = "e1") -> OrderDiscrepancyOpened:
    return OrderDiscrepancyOpened(order_id="o1", kind=kind, about=about, fact=fact)


def resolved(
    kind: Any, reason: str = "seen", about: str | None = None, remaining: int = 0
) -> OrderDiscrepancyResolved:
    what = {"about": about, "remaining": remaining}
    return OrderDiscrepancyResolved(order_id="o1", kind=kind, reason=reason, **what)


def test_what_is_resolved_about_a_payment_leaves_the_others_open() -> None:
    """It stands with the last that was told of it."""
    again = told("not_captured", fact="e2")
    one = resolved("not_captured", about="p1", remaining=1)
    rows = order_discrepancies.project(given(told("not_captured"), told("not_captured", "p2"), again, one))
    (by,) = rows["resolve_discrepancies"]
    assert (by.kind, by.about, by.resolved_by, by.reason) == ("not_captured", "p1", "tester", "seen")
    assert rows["resolve_kinds"] == []
    at = START + timedelta(hours=4)
    assert [(each.about, each.fact, each.resolved_at) for each in rows["open_discrepancies"]] == [
        ("p1", "e2", at),
        ("p2", "e1", None),
    ]


def test_a_kind_of_which_something_is_left_is_open_where_it_was() -> None:
    both = (told("not_captured"), told("not_captured", "p2"), told("not_voided"))
    one = resolved("not_captured", about="p1", remaining=1)
    (row,) = orders.project(given(*both, one))["contradict_orders"]
    assert row.open.split() == ["not_captured", "not_voided"]
    assert orders.project(given(one))["contradict_orders"] == []
    (row,) = orders.project(given(*both, one, resolved("not_captured", about="p2")))["contradict_orders"]
    assert row.open.split() == ["not_voided"]


def test_who_resolved_a_kind_resolved_all_of_it_that_was_told_before() -> None:
    rows = order_discrepancies.project(
        given(told("not_captured"), told("not_captured", "p2"), told("not_voided"), resolved("not_captured"))
    )
    (by,) = rows["resolve_kinds"]
    assert (by.kind, by.resolved_by, by.reason) == ("not_captured", "tester", "seen")
    assert rows["resolve_discrepancies"] == []
    at = START + timedelta(hours=4)
    assert [(each.kind, each.about, each.resolved_at) for each in rows["open_discrepancies"]] == [
        ("not_captured", "p1", at),
        ("not_captured", "p2", at),
        ("not_voided", "p1", None),
    ]


def test_what_was_open_before_is_closed_by_the_first_and_what_is_told_again_is_open() -> None:
    told_again = (told("not_captured", "p2"), resolved("not_captured", "twice"), told("not_captured", "p2"))
    rows = order_discrepancies.project(given(resolved("not_captured", "once"), *told_again))
    assert [each.reason for each in rows["resolve_kinds"]] == ["once"]
    (row,) = rows["open_discrepancies"]
    assert (row.about, row.opened_at, row.resolved_at) == ("p2", START + timedelta(hours=4), None)


def test_an_order_shows_the_kinds_that_are_open_the_last_that_was_told_of_at_the_end() -> None:
    facts = given(
        told("not_voided"), told("not_captured"), told("not_shippable"),
        resolved("not_captured"), told("not_voided", "p2"),
    )  # fmt: skip
    (row,) = orders.project(facts)["contradict_orders"]
    assert row.told.split() == ["not_shippable", "not_captured", "not_voided"]
    assert row.open.split() == ["not_shippable", "not_voided"]
    assert order_timeline.project(facts)["insert_order_timeline"][3].details == (
        '{"kind":"not_captured","reason":"seen","remaining":0}'
    )


def test_stock_holds_say_what_is_held_from_now_on() -> None:
    expires_at = START + timedelta(hours=1)
    rows = stock_levels.project(
        given(
            StockReceived(sku="A", warehouse="main", quantity=10),
            StockAdjusted(sku="A", warehouse="main", delta=-1, reason="loss"),
            StockReserved(**HELD, quantity=3, expires_at=expires_at),
            StockAllocated(**HELD, quantity=3),
            StockShipped(**HELD, quantity=2),
            StockReturned(**HELD, quantity=1),
        )
    )
    (level,) = rows["add_levels"]
    assert (level.on_hand, level.quality_control) == (10 - 1 - 2 + 1, 1)
    (hold,) = rows["change_holds"]
    assert (hold.quantity, hold.expires_at, hold.taken) == (3, None, 2)


def test_what_was_held_before_the_batch_is_only_reduced() -> None:
    (hold,) = stock_levels.project(given(StockShipped(**HELD, quantity=5, uncommitted=4)))["change_holds"]
    assert (hold.quantity, hold.taken) == (None, 1)
    (hold,) = stock_levels.project(given(ReservationExpired(**HELD, quantity=3)))["change_holds"]
    assert (hold.quantity, hold.taken) == (None, 3)


def test_a_payment_is_planned_by_its_order_and_only_else_by_its_request() -> None:
    rows = payments.project(own("payments", Bought("m1", "o1", portions=2).life()))
    assert [(row.payment_id, row.portion, row.amount_cents) for row in rows["plan_payments"]] == [
        ("o1.1", 1, 1150),
        ("o1.2", 2, 1150),
    ]
    asked = AuthorizationRequested(
        payment_id="p9", order_id="o1", amount_cents=5, currency="BRL", method="voucher"
    )
    (row,) = payments.project(given(asked))["plan_payments"]
    assert (row.portion, row.sequence, row.checkout_id, row.method) == (None, None, None, "voucher")


def test_an_approval_at_an_unknown_time_is_an_approval() -> None:
    authorized = PaymentAuthorized(payment_id="p1", order_id="o1", amount_cents=7, provider_reference="r")
    (moved,) = payments.project(given(authorized))["move_payments"]
    assert (moved.authorized, moved.authorized_cents, moved.authorized_at) == (True, 7, None)


def test_a_late_scan_moves_no_parcel_back() -> None:
    rows = shipments.project(
        given(
            ShipmentDelivered(**IDS, scan_id="3", happened_at=START),
            ShipmentScanned(**IDS, scan_id="2", type="in_transit", happened_at=START - timedelta(days=1)),
            ShipmentScanned(**IDS, scan_id="1", type="collected", happened_at=None),
        )
    )
    (parcel,) = rows["move_shipments"]
    assert shipments.STATUSES[parcel.stage] == "delivered"
    assert (parcel.scans_count, parcel.last_scan_at) == (3, START)
    assert [scan.scan_id for scan in rows["insert_scans"]] == ["3", "2", "1"]


def test_a_parcel_s_trouble_is_told_until_it_goes_on() -> None:
    refused = LabelRefused(**IDS, reason="too heavy")
    bought = LabelBought(**IDS, carrier="swift", tracking_number="T1")
    (parcel,) = shipments.project(given(refused))["move_shipments"]
    assert (parcel.trouble, parcel.trouble_reason) == ("no_carrier", "too heavy")
    (parcel,) = shipments.project(given(refused, bought))["move_shipments"]
    assert (parcel.trouble, parcel.trouble_told) == (None, True)
    surplus = bought.model_copy(update={"surplus": True})
    (parcel,) = shipments.project(given(bought, LabelVoidFailed(**IDS, reason="used"), surplus))[
        "move_shipments"
    ]
    assert parcel.trouble == "label_not_taken_back"


def test_sales_count_an_order_once_however_many_lines_it_has() -> None:
    (fact,) = facts_of(Bought("m1", "o1").placing()[:1])
    assert isinstance(fact.event, OrderPlaced)
    (line,) = fact.event.lines
    lines = (
        line,
        line.model_copy(update={"line": 2}),
        line.model_copy(update={"line": 3, "sku": "B", "category": None}),
    )
    rows = sales.project(given(fact.event.model_copy(update={"lines": lines})))
    (day,) = rows["add_days"]
    assert (day.day, day.orders_count, day.units_count) == (date(2018, 3, 1), 1, 6)
    by_sku = {row.name: (row.orders_count, row.units_count) for row in rows["add_products"]}
    assert by_sku == {"A": (1, 4), "B": (1, 2)}
    assert {row.name for row in rows["add_categories"]} == {"toys", sales.NO_CATEGORY}


def test_currencies_are_never_added_up() -> None:
    steps = [*Bought("m1", "o1").placing(), *Bought("m1", "o2", currency="EUR").placing()]
    rows = sales.project(own("sales", steps))
    assert sorted((row.currency, row.gross_cents) for row in rows["add_days"]) == [
        ("BRL", 2000),
        ("EUR", 2000),
    ]


def test_a_delivery_at_an_unknown_time_is_never_late() -> None:
    known = ShipmentDelivered(**IDS, scan_id="1", happened_at=datetime(2030, 1, 1, tzinfo=UTC))
    unknown = ShipmentDelivered(shipment_id="s2", order_id="o1", scan_id="2")
    rows = late_deliveries.project(given(known, unknown))
    assert [row.shipment_id for row in rows["insert_late"]] == ["s1"]


def test_the_overview_keeps_the_last_status_and_all_the_money() -> None:
    steps = [*Bought("m1", "o1").life(), *Bought("m1", "o2").placing()]
    rows = merchant_overview.project(own("merchant_overview", steps))
    assert {row.order_id: row.status for row in rows["move_statuses"]} == {
        "o1": "completed",
        "o2": "reserved",
    }
    (money,) = rows["add_money"]
    assert (money.authorized_cents, money.captured_cents, money.refunded_cents) == (2300, 2300, 0)
    (stock,) = rows["add_stock"]
    assert stock.units_on_hand == -2


def test_a_checkout_is_derived_for_each_order_that_is_touched() -> None:
    steps = [*Bought("m1", "o1").placing(), *Bought("m1", "o2").paying()]
    rows = checkouts.project(own("checkouts", steps))
    assert [(row.merchant, row.order_id) for row in rows["derive_checkouts"]] == [("m1", "o1"), ("m1", "o2")]


def test_the_timeline_tells_why_and_nothing_personal() -> None:
    declined = PaymentDeclined(payment_id="p1", order_id="o1", reason="no funds", happened_at=START)
    (row,) = order_timeline.project(given(declined))["insert_order_timeline"]
    assert (row.type, row.happened_at, row.causation) == ("PaymentDeclined", START, "because")
    assert row.details == '{"payment_id":"p1","reason":"no funds"}'
    told = order_timeline.project(own("order_timeline", Bought("m1", "o1").life()))["insert_order_timeline"]
    assert "customer-o1" not in str(told)
    assert "01310" not in str(told)


@pytest.mark.parametrize("name", sorted(READ_MODELS))
def test_a_read_model_wants_no_event_in_vain_and_is_deterministic(name: str) -> None:
    model = READ_MODELS[name]
    facts = own(name, Bought("m1", "o1").life())
    assert model.project(facts) == model.project(facts)
    assert not any(model.project([]).values())
    assert len(set(model.events)) == len(model.events)


def test_facts_of_an_order_its_payments_and_parcels_share_a_key() -> None:
    keys = {order_key(fact) for fact in facts_of(Bought("m1", "o1").life())}
    assert keys == {"m1/o1", "stock-m1.A.main"}


def test_read_models_name_their_tables_and_personal_columns_once() -> None:
    tables: list[Any] = [table for model in READ_MODELS.values() for table in model.tables]
    assert len(set(tables)) == len(tables)
    assert PERSONAL_COLUMNS.keys() <= set(tables)


def test_facts_of_one_key_are_in_one_partition() -> None:
    """However they are told apart: workers leave out what is another's by the stream alone, if they can."""
    partitions: dict[str, set[int]] = {}
    for number in range(40):
        bought = Bought(f"m-{number % 3}", f"o-{number}.x", portions=2)
        steps = [*setting_up(bought.merchant), *bought.life()]
        for fact in facts_of(steps, bought.merchant):
            found = partition_of_fact(fact)
            assert partition_in_stream(fact.stream) in (None, found)
            partitions.setdefault(order_key(fact), set()).add(found)
    assert all(len(each) == 1 for each in partitions.values())
    assert len(set.union(*partitions.values())) > 20
