"""What contradicts an order: when is a discrepancy opened, once or anew, and who may close it?

What was told is kept apart from what is open. A fact that was told before opens nothing, however often it
comes and whatever became of it; another one opens its kind again, also where that was resolved: by a person,
or by the order's agent once later facts have mended it. All that is told about one payment or parcel is one
matter. A person resolves one at a time, by its last fact: what came after the look is not closed with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.kernel import Refused
from domain.order.commands import OpenOrderDiscrepancy, RecordDispatch, ResolveOrderDiscrepancy
from domain.order.events import OrderDiscrepancyOpened, OrderDiscrepancyResolved, OrderEvent
from domain.order.state import UNSHIPPED, Order
from domain.order.values import DiscrepancyKind, ParcelUnits


def is_told(kind: str, fact: str, order: Order) -> bool:
    """Of what was told before facts had names, as long as it is open, this may be a repetition."""
    return fact in order.told.get(kind, {}) or order.discrepancies.get(kind, {}).get("") == ""


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
    """Of the matter that the last fact tells of, or that it is about; or of the only one of its kind."""
    kind, fact = command.kind, command.fact
    told, unresolved = order.told.get(kind, {}), order.discrepancies.get(kind, {})
    if command.about is not None:
        return _resolved(command, command.about, unresolved)
    if not told:
        raise Refused(
            "discrepancy_exists", f"no discrepancy {kind} of this order is open; open: {_kinds(order)}"
        )
    if fact and fact not in told:
        raise Refused(
            "discrepancy_exists",
            f"no discrepancy {kind} of this order is of {fact}; open: {_named(unresolved)}",
        )
    if fact:
        about = told[fact]
        if (last := unresolved.get(about, fact)) != fact:
            raise Refused("fact_seen", f"{about or kind} was told again since {fact}; look at {last} first")
        return _resolved(command, about, unresolved)
    if len(unresolved) > 1:
        there = f"{len(unresolved)} of {kind} are open: {_named(unresolved)}"
        raise Refused("fact_named", f"{there}; name the one that is resolved with `fact`")
    return _resolved(command, next(iter(unresolved), ""), unresolved)


def _resolved(
    command: ResolveOrderDiscrepancy, about: str, unresolved: Mapping[str, str]
) -> tuple[OrderEvent, ...]:
    if about not in unresolved:
        return ()  # that is done
    what = {"order_id": command.order_id, "kind": command.kind, "reason": command.reason}
    left = len(unresolved) - 1
    return (OrderDiscrepancyResolved.model_validate({**what, "about": about, "remaining": left}),)


def _kinds(order: Order) -> str:
    return ", ".join(sorted(order.discrepancies)) or "none"


def _named(unresolved: Mapping[str, str]) -> str:
    told = (
        f"{fact or 'one without a name'} (of {about})" if about else fact
        for about, fact in unresolved.items()
    )
    return ", ".join(each or "one without a name" for each in told) or "none"
