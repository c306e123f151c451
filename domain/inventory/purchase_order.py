"""A purchase order: what was ordered of a supplier for a warehouse, what came, and what was wrong with it.

What came is a fact, also where it is more than was ordered: then, and where units are damaged or missing in
the end, a discrepancy stays open until somebody says what became of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from domain.inventory.stock_events import Count, Id
from domain.kernel import Command, Decider, Event, Quantity, Refused, Value
from domain.money import Cents, Currency

LINES_MAX = 100
"""Each line is a stock that changes in the same append."""
Kind: TypeAlias = Literal["short", "over", "damaged"]
Resolution: TypeAlias = Literal["accepted", "credited", "returned"]


class PurchaseLine(Value):
    sku: Id
    quantity: Quantity
    unit_cost_cents: Cents = 0


class ReceivedItem(Value):
    """`quantity` units that can be sold, and `damaged` ones beside them."""

    sku: Id
    quantity: Count
    damaged: Count = 0

    @property
    def units(self) -> int:
        return self.quantity + self.damaged


Lines = Annotated[tuple[PurchaseLine, ...], Field(min_length=1, max_length=LINES_MAX)]
Items = Annotated[tuple[ReceivedItem, ...], Field(min_length=1, max_length=LINES_MAX)]


class PurchaseOrderPlaced(Event):
    purchase_id: Id
    supplier: Id
    warehouse: Id
    currency: Currency
    lines: Lines
    expected_at: AwareDatetime | None = None
    note: str = ""


class PurchaseReceived(Event):
    purchase_id: Id
    receipt_id: Id
    items: Items


class PurchaseDiscrepancyOpened(Event):
    """`quantity` units more of a SKU than were ordered (`over`), fewer (`short`), or damaged."""

    purchase_id: Id
    sku: Id
    kind: Kind
    quantity: Quantity
    receipt_id: str = ""


class PurchaseDiscrepancyResolved(Event):
    purchase_id: Id
    sku: Id
    kind: Kind
    quantity: Quantity
    resolution: Resolution
    note: str = ""


class PurchaseOrderClosed(Event):
    """Nothing more will come of it."""

    purchase_id: Id


class PurchaseOrderCancelled(Event):
    purchase_id: Id
    note: str = ""


PurchaseEvent: TypeAlias = (
    PurchaseOrderPlaced
    | PurchaseReceived
    | PurchaseDiscrepancyOpened
    | PurchaseDiscrepancyResolved
    | PurchaseOrderClosed
    | PurchaseOrderCancelled
)


class PlacePurchaseOrder(Command):
    purchase_id: Id
    supplier: Id
    warehouse: Id
    currency: Currency
    lines: Lines
    expected_at: AwareDatetime | None = None
    note: str = ""


class ReceivePurchase(Command):
    purchase_id: Id
    receipt_id: Id
    items: Items


class ResolvePurchaseDiscrepancy(Command):
    """`quantity` is what the discrepancy is of, so that nobody settles what has grown meanwhile."""

    purchase_id: Id
    sku: Id
    kind: Kind
    quantity: Quantity
    resolution: Resolution
    note: str = ""


class ClosePurchaseOrder(Command):
    purchase_id: Id


class CancelPurchaseOrder(Command):
    purchase_id: Id
    note: str = ""


PurchaseCommand: TypeAlias = (
    PlacePurchaseOrder
    | ReceivePurchase
    | ResolvePurchaseDiscrepancy
    | ClosePurchaseOrder
    | CancelPurchaseOrder
)
Status: TypeAlias = Literal["none", "placed", "closed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Purchase:
    """`ordered` and `received` units by SKU; `open` discrepancies by `sku kind`."""

    status: Status = "none"
    warehouse: str = ""
    ordered: Mapping[str, int] = field(default_factory=dict)
    received: Mapping[str, int] = field(default_factory=dict)
    receipts: frozenset[str] = frozenset()
    open: Mapping[str, int] = field(default_factory=dict)

    def over(self, sku: str, more: int = 0) -> int:
        return max(0, self.received.get(sku, 0) + more - self.ordered.get(sku, 0))


def _name(sku: str, kind: Kind) -> str:
    return f"{kind} {sku}"


def _place(command: PlacePurchaseOrder, purchase: Purchase) -> PurchaseOrderPlaced:
    if purchase.status != "none":
        raise Refused(
            "purchase_id_unique", f"purchase order {command.purchase_id} is {purchase.status} already"
        )
    if len({line.sku for line in command.lines}) != len(command.lines):
        raise Refused("purchase_skus_unique", "two lines are of the same SKU: make one of them")
    return PurchaseOrderPlaced(**dict(command))


def _receive(command: ReceivePurchase, purchase: Purchase) -> Iterator[PurchaseEvent]:
    if purchase.status != "placed":
        raise Refused(
            "receive_open_purchase",
            f"the purchase order is {purchase.status}; take in what came all the same without it",
        )
    if command.receipt_id in purchase.receipts:
        raise Refused("receipt_unique", f"receipt {command.receipt_id} was recorded before")
    skus = [item.sku for item in command.items]
    if len(set(skus)) != len(skus) or not all(item.units for item in command.items):
        raise Refused("receipt_skus_unique", "name each SKU once, and with at least one unit")
    if strange := sorted(set(skus) - purchase.ordered.keys()):
        raise Refused(
            "receive_what_was_ordered",
            f"{', '.join(strange)} was not ordered; take it in without the purchase order",
        )
    yield PurchaseReceived(**dict(command))
    told = {"purchase_id": command.purchase_id, "receipt_id": command.receipt_id}
    for item in command.items:
        if more := purchase.over(item.sku, item.units) - purchase.over(item.sku):
            yield PurchaseDiscrepancyOpened(**told, sku=item.sku, kind="over", quantity=more)
        if item.damaged:
            yield PurchaseDiscrepancyOpened(**told, sku=item.sku, kind="damaged", quantity=item.damaged)


def _resolve(command: ResolvePurchaseDiscrepancy, purchase: Purchase) -> PurchaseDiscrepancyResolved:
    units = purchase.open.get(_name(command.sku, command.kind), 0)
    if not units:
        raise Refused("discrepancy_exists", f"no discrepancy {command.kind} of {command.sku} is open")
    if command.quantity != units:
        raise Refused("discrepancy_as_it_is", f"the discrepancy is of {units} units, not {command.quantity}")
    if command.kind == "short" and command.resolution == "returned":
        raise Refused("resolution_fits", "what never came can't be returned; accept it or have it credited")
    return PurchaseDiscrepancyResolved(**dict(command))


def _close(command: ClosePurchaseOrder, purchase: Purchase) -> Iterator[PurchaseEvent]:
    for sku, ordered in purchase.ordered.items():
        if (short := ordered - purchase.received.get(sku, 0)) > 0:
            yield PurchaseDiscrepancyOpened(
                purchase_id=command.purchase_id, sku=sku, kind="short", quantity=short
            )
    yield PurchaseOrderClosed(purchase_id=command.purchase_id)


def _cancel(command: CancelPurchaseOrder, purchase: Purchase) -> PurchaseOrderCancelled:
    if purchase.receipts:
        raise Refused("cancel_before_receipt", "part of it came already; close the purchase order instead")
    return PurchaseOrderCancelled(**dict(command))


def decide(command: PurchaseCommand, purchase: Purchase) -> tuple[PurchaseEvent, ...]:
    if isinstance(command, PlacePurchaseOrder):
        return (_place(command, purchase),)
    if purchase.status == "none":
        raise Refused("purchase_exists", f"there is no purchase order {command.purchase_id}")
    match command, purchase.status:
        case ReceivePurchase() as receive, _:
            return tuple(_receive(receive, purchase))
        case ResolvePurchaseDiscrepancy() as resolve, _:
            return (_resolve(resolve, purchase),)
        case ClosePurchaseOrder() as close, "placed":
            return tuple(_close(close, purchase))
        case CancelPurchaseOrder() as cancel, "placed":
            return (_cancel(cancel, purchase),)
        case (ClosePurchaseOrder(), "closed") | (CancelPurchaseOrder(), "cancelled"):
            return ()
        case _, status:
            raise Refused("end_open_purchase", f"the purchase order is {status} already")


def _added(units: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Without those that come to nothing."""
    sums = {key: units.get(key, 0) + more.get(key, 0) for key in [*units, *more]}
    return {key: value for key, value in sums.items() if value}


def evolve(purchase: Purchase, event: PurchaseEvent) -> Purchase:
    match event:
        case PurchaseOrderPlaced(warehouse=warehouse, lines=lines):
            return Purchase("placed", warehouse, {line.sku: line.quantity for line in lines})
        case PurchaseReceived(receipt_id=receipt, items=items):
            received = _added(purchase.received, {item.sku: item.units for item in items})
            return replace(purchase, received=received, receipts=purchase.receipts | {receipt})
        case PurchaseDiscrepancyOpened(sku=sku, kind=kind, quantity=quantity):
            return replace(purchase, open=_added(purchase.open, {_name(sku, kind): quantity}))
        case PurchaseDiscrepancyResolved(sku=sku, kind=kind, quantity=quantity):
            return replace(purchase, open=_added(purchase.open, {_name(sku, kind): -quantity}))
        case PurchaseOrderClosed():
            return replace(purchase, status="closed")
        case PurchaseOrderCancelled():
            return replace(purchase, status="cancelled")


PURCHASE: Decider[PurchaseCommand, PurchaseEvent, Purchase] = Decider(
    "purchase",
    decide,
    evolve,
    Purchase(),
    events=PurchaseEvent.__args__,
    commands=PurchaseCommand.__args__,
    parts=("merchant", "purchase_id"),
)
