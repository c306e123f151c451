"""What people do about an order beside its life: hold it, release it, write notes, tag it."""

from __future__ import annotations

from domain.kernel import Refused
from domain.order.commands import AddOrderNote, HoldOrder, ReleaseOrder, TagOrder, UntagOrder
from domain.order.events import (
    OrderEvent,
    OrderHeld,
    OrderNoteAdded,
    OrderReleased,
    OrderTagged,
    OrderUntagged,
)
from domain.order.state import UNSHIPPED, Order

HOLDS_MAX, NOTES_MAX, TAGS_MAX = 50, 1000, 50
Handling = HoldOrder | ReleaseOrder | AddOrderNote | TagOrder | UntagOrder


def told_holds(order: Order) -> str:
    """The holds that stand, for a refusal."""
    return ", ".join(f"{hold_id} ({reason})" for hold_id, reason in sorted(order.holds.items()))


def _hold(command: HoldOrder, order: Order) -> tuple[OrderEvent, ...]:
    if command.hold_id in order.holds:
        return ()
    if command.hold_id in order.released:
        raise Refused("hold_id_unique", f"hold {command.hold_id} was released before; take a new id")
    if order.status not in UNSHIPPED:
        raise Refused(
            "hold_before_shipping", f"the order is {order.status}; only one that is not shipped can be held"
        )
    if len(order.holds) >= HOLDS_MAX:
        raise Refused("holds_within_limit", f"the order has {HOLDS_MAX} holds already; release one first")
    return (OrderHeld(**dict(command)),)


def _release(command: ReleaseOrder, order: Order) -> tuple[OrderEvent, ...]:
    if command.hold_id in order.released:
        return ()
    if command.hold_id not in order.holds:
        stand = told_holds(order) or "none"
        raise Refused("hold_exists", f"the order has no hold {command.hold_id}; those that stand: {stand}")
    reason, remaining = order.holds[command.hold_id], len(order.holds) - 1
    return (OrderReleased(**dict(command), reason=reason, remaining=remaining),)


def handle(command: Handling, order: Order) -> tuple[OrderEvent, ...]:
    match command:
        case HoldOrder():
            return _hold(command, order)
        case ReleaseOrder():
            return _release(command, order)
        case AddOrderNote(note_id=note_id):
            if len(order.notes) >= NOTES_MAX and note_id not in order.notes:
                raise Refused("notes_within_limit", f"the order has {NOTES_MAX} notes; no more may be added")
            return () if note_id in order.notes else (OrderNoteAdded(**dict(command)),)
        case TagOrder(tag=tag):
            if len(order.tags) >= TAGS_MAX and tag not in order.tags:
                raise Refused("tags_within_limit", f"the order has {TAGS_MAX} tags; take one off first")
            return () if tag in order.tags else (OrderTagged(**dict(command)),)
        case UntagOrder(tag=tag):
            return (OrderUntagged(**dict(command)),) if tag in order.tags else ()
