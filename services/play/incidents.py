"""Made-up trade in which nothing goes straight: split parcels, parts captured, edits, refunds, disputes,
back-orders, orders that are called off.

It has no dataset and so no oracles; it is judged by its books (`tillroll verify --books`). The same number of
orders and seed give the same trade. All orders are one merchant's, with two warehouses; one of an incident
that needs stock of its own has a SKU of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

from domain.allocation import AllocationTerms
from domain.allocation.rules import AllocationRules, Nearest, Site
from domain.inventory import ReceiveStock, SetStockRules, StockRules
from domain.kernel import Command
from domain.merchant import RegisterMerchant, SetMerchantTerms
from domain.order import (
    CancelOrder,
    CancelOrderLines,
    ConfirmOrderEdit,
    Line,
    LineQuantity,
    PlaceOrder,
    Portion,
    ProposeOrderEdit,
    SetQuantity,
)
from domain.payment import CapturePayment, RequestRefund
from domain.personal import Customer
from domain.streams import (
    merchant_stream,
    order_stream,
    parcel_id,
    payment_stream,
    shipment_stream,
    stock_stream,
    warehouses_stream,
)
from domain.warehouse.network import RegisterWarehouse, SetAllocationRules
from services.play.catalogue import CURRENCY, TERMS, Setup, Stage
from services.play.plan import CheckoutPlan, MerchantOrder
from services.play.story import Advance, Place, Step, Tell, wire_time

MERCHANT: Final = "incidents"
OWN, HUB = "main", "hub"
PLENTY: Final = "PLENTY"
BEGIN: Final = datetime(2018, 1, 1, tzinfo=UTC)
_RULES: Final = AllocationRules(rules=(Nearest(kind="nearest"),))
_SITES: Final = (Site(warehouse=OWN, state="SP"), Site(warehouse=HUB, state="RJ"))
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Incident:
    """An order as it is placed, and what befalls it. Steps and facts come `after` its placing by days.

    `parcels` is how many there are, each delivered a day after the one before; `later` is what the bank says.
    """

    quantity: int = 1
    sku: str = PLENTY
    setups: tuple[tuple[str, Command], ...] = ()
    spread: bool = False
    parcels: int = 1
    told: tuple[tuple[float, str, Command], ...] = ()
    later: tuple[tuple[float, str], ...] = ()
    added: str = ""
    """The name of a payment that is added by an edit."""


def incident_stages(orders: int, seed: int) -> tuple[Stage, ...]:
    """What is set up before: the merchant, its warehouses and rules, plenty of one SKU and few of others."""
    own = [each for _, incident in _incidents(orders, seed) for each in incident.setups]
    merchant = [
        (merchant_stream(MERCHANT), RegisterMerchant(merchant_id=MERCHANT, city="São Paulo", state="SP")),
        (merchant_stream(MERCHANT), SetMerchantTerms(merchant_id=MERCHANT, terms=TERMS)),
        *((warehouses_stream(MERCHANT), _warehouse(site)) for site in _SITES),
        (warehouses_stream(MERCHANT), SetAllocationRules(rules=_RULES, now=BEGIN)),
        _received(PLENTY, OWN, 4 * orders),
    ]
    return _stage("merchant", merchant), _stage("stock", own)


def _warehouse(site: Site) -> RegisterWarehouse:
    return RegisterWarehouse(warehouse=site.warehouse, country="BR", state=site.state)


def _stage(name: str, setups: list[tuple[str, Command]]) -> Stage:
    return Stage(name, len(setups), (Setup(MERCHANT, stream, command) for stream, command in setups))


def incident_plans(orders: int, seed: int, subject_of: Callable[[str], str]) -> Iterator[CheckoutPlan]:
    for number, (order_id, incident) in enumerate(_incidents(orders, seed)):
        yield _plan(order_id, incident, BEGIN + timedelta(minutes=number), subject_of(order_id))


def checkouts(orders: int) -> list[str]:
    return [f"i{number}" for number in range(orders)]


def _incidents(orders: int, seed: int) -> Iterator[tuple[str, Incident]]:
    chance, kinds = Random(seed), list(INCIDENTS.values())  # noqa: S311 - made-up trade holds no secret
    for number, order_id in enumerate(checkouts(orders)):
        kind = kinds[number] if number < len(kinds) else chance.choice(kinds)
        yield order_id, kind(order_id)


# ---- what may befall an order


def _received(sku: str, warehouse: str, quantity: int) -> tuple[str, Command]:
    command = ReceiveStock(sku=sku, warehouse=warehouse, quantity=quantity, reference="opening stock")
    return stock_stream(MERCHANT, sku, warehouse), command


def _split(order_id: str) -> Incident:
    """One unit in each of two warehouses: two parcels."""
    stock = tuple(_received(f"S-{order_id}", site.warehouse, 1) for site in _SITES)
    return Incident(quantity=2, sku=f"S-{order_id}", setups=stock, spread=True, parcels=2)


def _backordered(order_id: str) -> Incident:
    """Nothing is there when it is ordered; it comes in a day later."""
    sku = f"B-{order_id}"
    rules = SetStockRules(sku=sku, warehouse=OWN, rules=StockRules(backorder_limit=5, backorder_days=30))
    stream, arrives = _received(sku, OWN, 2)
    return Incident(quantity=2, sku=sku, setups=((stream, rules),), told=((1, stream, arrives),))


def _edited(order_id: str, quantity: int, to: int) -> Incident:
    """Proposed and confirmed before it is sent."""
    stream, change = order_stream(MERCHANT, order_id), {"order_id": order_id, "change_set_id": "edit"}
    propose = ProposeOrderEdit(
        **change,
        changes=(SetQuantity(line=1, quantity=to),),
        now=BEGIN,
        expires_at=BEGIN + timedelta(days=3650),
    )
    confirm = ConfirmOrderEdit(**change, now=BEGIN)
    return Incident(
        quantity=quantity,
        told=((1, stream, propose), (1.2, stream, confirm)),
        added=f"{order_id}.edit" if to > quantity else "",
    )


def _partly_captured(order_id: str) -> Incident:
    """A person captures a part before it is sent."""
    payment = f"{order_id}.card"
    capture = CapturePayment(payment_id=payment, capture_id="by-hand", amount_cents=1_000)
    return Incident(quantity=2, told=((1, payment_stream(MERCHANT, payment), capture),))


def _partly_refunded(order_id: str) -> Incident:
    """A person gives a part back, long after it is sent."""
    payment = f"{order_id}.card"
    refund = RequestRefund(payment_id=payment, refund_id="by-hand", amount_cents=500)
    return Incident(told=((8, payment_stream(MERCHANT, payment), refund),))


def _called_off(order_id: str) -> Incident:
    """Before it is sent: what is held is let go."""
    cancel = CancelOrder(order_id=order_id, reason="customer")
    return Incident(told=((1, order_stream(MERCHANT, order_id), cancel),))


def _called_off_when_partly_captured(order_id: str) -> Incident:
    """What was captured is given back, and the rest let go."""
    captured, called_off = _partly_captured(order_id), _called_off(order_id)
    (stream, cancel) = called_off.told[0][1:]
    return replace(captured, told=(*captured.told, (1.2, stream, cancel)))


def _partly_cancelled(order_id: str) -> Incident:
    lines = (LineQuantity(line=1, quantity=1),)
    cancel = CancelOrderLines(order_id=order_id, cancel_id="cut", reason="customer", lines=lines)
    return Incident(quantity=3, told=((1, order_stream(MERCHANT, order_id), cancel),))


INCIDENTS: Final[dict[str, Callable[[str], Incident]]] = {
    "none": lambda _: Incident(),
    "split": _split,
    "back-ordered": _backordered,
    "edited to more": lambda order_id: _edited(order_id, 1, 2),
    "edited to less": lambda order_id: _edited(order_id, 3, 1),
    "captured in parts": _partly_captured,
    "cancelled in part": _partly_cancelled,
    "disputed and won": lambda _: Incident(later=((8, "dispute_opened"), (9, "dispute_won"))),
    "disputed and lost": lambda _: Incident(later=((8, "dispute_opened"), (9, "dispute_lost"))),
    "refunded in part": _partly_refunded,
    "called off": _called_off,
    "called off when partly captured": _called_off_when_partly_captured,
    "lapsed": lambda _: Incident(later=((0.5, "expired"),)),
}

# ---- as the driver plays it


def _plan(order_id: str, incident: Incident, placed_at: datetime, subject: str) -> CheckoutPlan:
    place = _place(order_id, incident, subject)
    moments: dict[datetime, list[Tell]] = {}

    def at(days: float) -> datetime:
        moment = placed_at + days * _DAY
        moments.setdefault(moment, [])
        return moment

    for days, stream, command in incident.told:
        moments.setdefault(at(days), []).append(Tell(stream, _dated(command, at(days))))
    parcels = tuple(_parcel(order_id, number, at) for number in range(incident.parcels))
    payments = [_payment(f"{order_id}.card", order_id, placed_at, incident.later, at)]
    if incident.added:
        payments.append(_payment(incident.added, order_id, placed_at, (), at))
    steps = [Step(placed_at, Place())]
    for moment in sorted(moments):
        steps += [Step(moment, tell) for tell in moments[moment]] or [Step(moment, Advance())]
    return CheckoutPlan(
        order_id,
        placed_at,
        "made up",
        (MerchantOrder(MERCHANT, place),),
        tuple(payments),
        parcels,
        tuple(steps),
    )


def _dated(command: Command, now: datetime) -> Command:
    """A command that says when it is asked says so by the business clock."""
    return command.model_copy(update={"now": now}) if "now" in type(command).model_fields else command


def _place(order_id: str, incident: Incident, subject: str) -> PlaceOrder:
    line = Line(
        line=1, sku=incident.sku, quantity=incident.quantity, unit_price_cents=2_599, unit_shipping_cents=333
    )
    portion = Portion(payment_id=f"{order_id}.card", method="credit_card", amount_cents=line.total_cents)
    return PlaceOrder(
        order_id=order_id,
        checkout_id=order_id,
        subject=subject,
        customer=Customer(
            customer_id=order_id, customer_unique_id=order_id, zip_prefix="01310", city="São Paulo"
        ),
        ship_to_state="SP",
        currency=CURRENCY,
        lines=(line,),
        portions=(portion,),
        terms=TERMS,
        allocation=AllocationTerms(version=1, rules=_RULES, sites=_SITES) if incident.spread else None,
    )


def _parcel(order_id: str, number: int, at: Callable[[float], datetime]) -> dict[str, Any]:
    """The first is delivered after five days; the next is collected then, and delivered a day later."""
    name = parcel_id(order_id, number + 1)
    days = {"collected": 3 + 2 * number, "delivered": 5 + number}
    facts = [
        {"type": kind, "told_at": wire_time(at(day)), "happened_at": wire_time(at(day)), "reason": None}
        for kind, day in days.items()
    ]
    return {"shipment_id": shipment_stream(MERCHANT, name), "checkout": order_id, "facts": facts}


def _payment(
    payment_id: str,
    order_id: str,
    placed_at: datetime,
    later: tuple[tuple[float, str], ...],
    at: Callable[[float], datetime],
) -> dict[str, Any]:
    facts = [
        {"type": kind, "told_at": wire_time(at(day)), "happened_at": wire_time(at(day)), "reason": None}
        for day, kind in later
    ]
    now = wire_time(placed_at)
    told = {"outcome": "authorized", "told_at": now, "happened_at": now, "reason": None}
    scenario = {"payment_id": payment_stream(MERCHANT, payment_id), "checkout": order_id, "authorize": told}
    return {**scenario, "later": facts}
