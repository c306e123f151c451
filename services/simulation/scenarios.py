"""What do the worlds outside have in store for an order of a simulation? Requests to them, by its plan."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from domain.streams import payment_stream, shipment_stream
from services.simulation.clock import START
from services.simulation.plan import PlannedOrder

Request: TypeAlias = tuple[str, str, str, tuple[Any, ...]]
"""World, method, path, and the lines of its body."""
PAYMENT_WORLD, CARRIER_WORLD = "payment-world", "carrier-world"
ASKED_AT, TOLD_AT, LAPSED_AT = (START + timedelta(hours=hours) for hours in (20, 24, 36))
PARCEL_TOLD_AT, DISPUTED_AT, DECIDED_AT = (START + timedelta(days=days) for days in (2, 3, 4))
EDIT_PAID_AT = PARCEL_TOLD_AT + timedelta(hours=12)
"""On the clocks of checkouts, which the plan moves: when what is to be told is due."""
_SCANS = {
    "told": ("collected", "in_transit", "delivered"),
    "returned": ("collected", "returned"),
    "exception": ("collected", "exception", "delivered"),
    "never": (),
}
_BEFORE: dict[str, tuple[tuple[str, datetime], ...]] = {
    "asks": (("action_required", ASKED_AT),),
    "asks_in_vain": (("action_required", ASKED_AT), ("action_failed", TOLD_AT)),
}
_LATER: dict[str, tuple[tuple[str, datetime], ...]] = {
    "lapses": (("expired", LAPSED_AT),),
    "disputes_won": (("dispute_opened", DISPUTED_AT), ("dispute_won", DECIDED_AT)),
    "disputes_lost": (("dispute_opened", DISPUTED_AT), ("dispute_lost", DECIDED_AT)),
}


def told_before(order: PlannedOrder) -> Iterator[Request]:
    """Before it is placed."""
    payments = tuple(_payments(order))
    if payments:
        yield PAYMENT_WORLD, "PUT", "/control/scenarios", payments
    at_once = order.payment_fate == "at_once" and (order.is_disputed or order.bank == "lapses")
    if at_once or order.payment_fate == "declined":
        yield clock(order, PAYMENT_WORLD, TOLD_AT)
    if order.parcel_fate != "delivered":
        yield CARRIER_WORLD, "PUT", "/control/scenarios", (_parcel(order),)


def clock(order: PlannedOrder, world: str, moment: datetime) -> Request:
    """Time goes on for its checkout: what the world has to tell becomes due."""
    return world, "POST", "/control/clock", ({"clocks": {order.checkout: moment}},)


def payment_of(order: PlannedOrder) -> Iterator[Request]:
    """What the bank does, one after the other."""
    asked = [ASKED_AT] if order.bank in _BEFORE else []
    lapsed = [LAPSED_AT] if order.bank == "lapses" else []
    yield from (clock(order, PAYMENT_WORLD, moment) for moment in (*asked, TOLD_AT, *lapsed))


def parcel_of(order: PlannedOrder) -> Iterator[Request]:
    """What the carrier does."""
    moments = (PARCEL_TOLD_AT + timedelta(hours=hours) for hours in range(3))
    yield from (clock(order, CARRIER_WORLD, moment) for moment in moments)


def edit_paid_of(order: PlannedOrder) -> Iterator[Request]:
    """That the money for its change set comes late."""
    if order.edit and order.edit.paid == "late":
        yield clock(order, PAYMENT_WORLD, EDIT_PAID_AT)


def disputes_of(order: PlannedOrder) -> Iterator[Request]:
    """That money is taken back, and what comes of it."""
    if order.is_disputed:
        yield from (clock(order, PAYMENT_WORLD, moment) for moment in (DISPUTED_AT, DECIDED_AT))


def _payments(order: PlannedOrder) -> Iterator[dict[str, Any]]:
    fate = {"at_once": "authorized", "late": "authorized", "never": "never"}
    for number, payment_id in enumerate(order.payment_ids):
        quiet = order.bank == "quiet" or number > 0
        if order.payment_fate == "at_once" and quiet:
            continue
        outcome = fate.get(order.payment_fate, "declined")
        outcome = "never" if order.bank == "asks_in_vain" and not quiet else outcome
        before, later = _BEFORE.get(order.bank, ()), _LATER.get(order.bank, ())
        told = {} if quiet else {"before": _facts(before), "later": _facts(later)}
        yield _payment(order, payment_id, outcome) | told
    if order.edit and order.edit.paid != "at_once":
        late = order.edit.paid == "late"
        outcome, told_at = ("authorized", EDIT_PAID_AT) if late else (order.edit.paid, TOLD_AT)
        yield _payment(order, order.edit_payment_id, outcome, told_at)


def _payment(
    order: PlannedOrder, payment_id: str, outcome: str, told_at: datetime = TOLD_AT
) -> dict[str, Any]:
    return {
        "payment_id": payment_stream(order.merchant, payment_id),
        "checkout": order.checkout,
        "authorize": {"outcome": outcome, "told_at": told_at},
    }


def _facts(told: tuple[tuple[str, datetime], ...]) -> list[dict[str, Any]]:
    return [{"type": kind, "told_at": moment} for kind, moment in told]


def _parcel(order: PlannedOrder) -> dict[str, Any]:
    scans = enumerate(_SCANS[order.parcel_fate])
    return {
        "shipment_id": shipment_stream(order.merchant, order.order_id),
        "checkout": order.checkout,
        "facts": [
            {"type": kind, "told_at": PARCEL_TOLD_AT + timedelta(hours=number)} for number, kind in scans
        ],
    }
