"""Is what left the house on no shelf, whoever tells of it first: the warehouse, or the carrier?"""

from __future__ import annotations

import pytest

from domain.carrier import ParcelLine, ShipmentDispatched, ShipmentReturned
from domain.inventory import Backordered, ReleaseStock, ReturnStock, ShipStock
from domain.kernel import Command, Event
from domain.order import OrderConfirmed, OrderEdited, OrderLinesCancelled, UnitsChange
from domain.warehouse.pick_list import PickLine, PickListHandedOver, PickShorted
from services.agents.inventory import INVENTORY_AGENT
from tests.unit.test_agents import CALLED_OFF, CANCELLED, NOW, placed, react_to

PLACE = {"order_id": "o1", "sku": "sku0", "warehouse": "main"}
LIST = {"pick_list_id": "l1", "order_id": "o1"}
CONFIRMED = OrderConfirmed(order_id="o1")
RELEASE = ReleaseStock(**PLACE)
BOUGHT: tuple[Event, ...] = (placed(), CONFIRMED)
"""Two units of one product."""


def given(quantity: int) -> PickListHandedOver:
    return PickListHandedOver(
        **LIST, warehouse="main", lines=(PickLine(line=1, sku="sku0", quantity=quantity),)
    )


def cut(less: int, left: int) -> OrderLinesCancelled:
    return CALLED_OFF.model_copy(
        update={"units": (UnitsChange(sku="sku0", warehouse="main", quantity=left, change=-less),)}
    )


def more(units: int) -> OrderEdited:
    """As many are wanted again."""
    change = UnitsChange(sku="sku0", warehouse="main", quantity=units, change=units)
    nothing = dict.fromkeys(
        ("items_change_cents", "shipping_change_cents", "lines_change", "adjustment_cents", "change_cents"), 0
    )
    ids = {"order_id": "o1", "change_set_id": "e1", "currency": "BRL", "total_cents": 0}
    return OrderEdited(**ids, **nothing, units=(change,), payments=())


def left(quantity: int = 2) -> ShipmentDispatched:
    lines = (ParcelLine(sku="sku0", warehouse="main", quantity=quantity),)
    return ShipmentDispatched(shipment_id="o1", order_id="o1", units=quantity, lines=lines)


def returned(quantity: int) -> ShipmentReturned:
    lines = (ParcelLine(sku="sku0", warehouse="main", quantity=quantity),)
    return ShipmentReturned(shipment_id="o1", order_id="o1", scan_id="t", units=quantity, lines=lines)


def short(quantity: int) -> PickShorted:
    return PickShorted(**LIST, warehouse="main", line=1, sku="sku0", quantity=quantity, reason="missing")


def ship(quantity: int) -> ShipStock:
    return ShipStock(**PLACE, quantity=quantity)


def release(quantity: int) -> ReleaseStock:
    return ReleaseStock(**PLACE, quantity=quantity)


@pytest.mark.parametrize(
    ("heard", "commands"),
    [
        ([given(2)], []),  # until its parcel tells, it stays held
        ([given(2), left()], [ship(2)]),
        ([left(), given(2)], []),
        ([given(2), CANCELLED], [ship(2), RELEASE]),
        ([given(1), CANCELLED], [ship(1), RELEASE]),
        ([CANCELLED, given(2)], [ship(2)]),  # it was released, and may be sold by now: the books say so
        ([given(2), CANCELLED, left()], []),
        ([given(2), CANCELLED, left(), returned(2)], [ReturnStock(**PLACE, quantity=2)]),
        ([given(2), cut(1, 1)], [ship(1)]),
        ([given(1), cut(1, 1)], [release(1)]),
        ([given(2), cut(1, 1), left(2)], [ship(1)]),
        ([given(2), cut(1, 1), left(1)], [ship(1)]),  # the parcel was told of the cut, its box was not
        ([given(2), cut(2, 0), more(1), left(1)], [ship(1)]),  # of another parcel: what is held for it leaves
        ([given(2), cut(2, 0), more(1), left(1), left(2)], []),  # and this is the one that was called off
        ([PickListHandedOver(**LIST), CANCELLED], [RELEASE]),  # of before: it does not say of what
    ],
)
def test_what_a_carrier_was_given_is_sold_to_nobody_else(heard: list[Event], commands: list[Command]) -> None:
    assert react_to(INVENTORY_AGENT, *BOUGHT, *heard)[1] == commands


@pytest.mark.parametrize(
    ("heard", "commands"),
    [
        ([cut(1, 1), left(2)], [ship(2)]),  # called off too late
        ([cut(1, 1), left(2), returned(2)], [ReturnStock(**PLACE, quantity=2)]),
        ([short(1), left(2)], [ship(1)]),  # one was never there, as the parcel does not know yet
        ([short(1), left(1)], [ship(1)]),
        ([short(1), left(2), returned(2)], [ReturnStock(**PLACE, quantity=1)]),
        ([CANCELLED, left(2)], [ship(2)]),
        ([left(2), short(1)], []),  # it is not held any more
    ],
)
def test_what_left_is_booked_out_though_nobody_wants_it_any_more(
    heard: list[Event], commands: list[Command]
) -> None:
    assert react_to(INVENTORY_AGENT, *BOUGHT, *heard)[1] == commands


WAITS = Backordered(order_id="o1", sku="sku0", warehouse="main", quantity=2, expires_at=NOW)


@pytest.mark.parametrize(
    ("heard", "commands"),
    [
        ([short(1), cut(1, 1)], []),  # the one that is there stays the order's
        ([short(1), cut(1, 1), left(1)], [ship(1)]),
        ([short(1), cut(1, 1), CANCELLED], [RELEASE]),
        ([short(1), cut(1, 1), cut(1, 0)], [release(1)]),
        ([short(1), cut(2, 0)], [release(1)]),
        ([WAITS, short(2)], []),  # nothing of it was there to be looked for
        ([WAITS, short(2), cut(1, 1)], [release(1)]),
        ([WAITS, short(2), CANCELLED], [RELEASE]),
    ],
)
def test_what_was_not_found_is_taken_off_once(heard: list[Event], commands: list[Command]) -> None:
    """By the stock; the order, which hears of it as well, is cut by the same units."""
    assert react_to(INVENTORY_AGENT, placed(), *heard)[1] == commands
