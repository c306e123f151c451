"""What contradicts an order: when is a discrepancy opened, once or anew, and who may close it?

What was told is kept apart from what is open. A fact that was told before opens nothing, however often it
comes and whatever became of it; another one opens its kind again, also where that was resolved: by a person,
or by the order's agent once later facts have mended all of it.
"""

from __future__ import annotations

from domain.kernel import Refused
from domain.order.commands import OpenOrderDiscrepancy, RecordDispatch, ResolveOrderDiscrepancy
from domain.order.events import OrderDiscrepancyOpened, OrderDiscrepancyResolved, OrderEvent
from domain.order.state import UNSHIPPED, Order
from domain.order.values import DiscrepancyKind, ParcelUnits


def is_told(kind: str, fact: str, order: Order) -> bool:
    """Of what was told before facts had names, as long as it is open, this may be a repetition."""
    told = order.told.get(kind, frozenset())
    return fact in told or ("" in told and kind in order.discrepancies)


def open_discrepancy(command: OpenOrderDiscrepancy, order: Order) -> tuple[OrderEvent, ...]:
    known = is_told(command.kind, command.fact, order)
    return () if known else (OrderDiscrepancyOpened(**dict(command)),)


def sent_against(
    kind: DiscrepancyKind, order_id: str, shipment_id: str, order: Order
) -> tuple[OrderEvent, ...]:
    """That this parcel left, which it does once."""
    known = is_told(kind, shipment_id, order)
    told = {"about": shipment_id, "fact": shipment_id}
    return () if known else (OrderDiscrepancyOpened(order_id=order_id, kind=kind, **told),)


def contradictions(
    command: RecordDispatch, shipment_id: str, order: Order, wanted: tuple[ParcelUnits, ...]
) -> tuple[OrderEvent, ...]:
    """What the parcel says against our books: it was held, or has units that nobody wants any more."""
    units, counted_units = (sum(each.quantity for each in some) for some in (command.units, wanted))
    kinds: dict[DiscrepancyKind, bool] = {
        "shipped_while_held": bool(order.holds) and order.status in UNSHIPPED,
        "shipped_after_cancel": units > counted_units,
    }
    return tuple(
        event
        for kind, true in kinds.items()
        if true
        for event in sent_against(kind, command.order_id, shipment_id, order)
    )


def resolve(command: ResolveOrderDiscrepancy, order: Order) -> tuple[OrderEvent, ...]:
    kind = command.kind
    if kind in order.discrepancies:
        return (OrderDiscrepancyResolved.model_validate(dict(command)),)
    if kind in order.told:
        return ()  # that is done
    there = ", ".join(sorted(order.discrepancies)) or "none"
    raise Refused("discrepancy_exists", f"no discrepancy {kind} of this order is open; open: {there}")
