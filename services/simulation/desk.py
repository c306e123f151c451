"""What does staff do about an order in a simulation? Hold it, write about it, tag it, and let it go again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from commands.personal import sealed, subject_of
from domain.kernel import Group, one
from domain.order import (
    AddOrderNote,
    HoldOrder,
    NoteText,
    OrderCommand,
    ReleaseOrder,
    TagOrder,
    UntagOrder,
)
from domain.streams import order_stream
from services.simulation.acts import Act, Step, as_it_is
from services.simulation.node import Node
from services.simulation.plan import PlannedOrder

TAG, HOLD, NOTE = "look", "h1", "n1"
LOOK_SECONDS, WAIT_SECONDS = 0.5, 2.0


def acts_of(order: PlannedOrder, after_s: float) -> Iterator[Act]:
    """One after the other; an order that is sent by then is not held, and has nothing to be released. Some
    are confirmed meanwhile, and wait for that."""
    ids = {"order_id": order.order_id}
    yield Act(after_s, "hold", _of(order, HoldOrder(**ids, hold_id=HOLD, reason="fraud")))
    yield Act(LOOK_SECONDS, "tag", _of(order, TagOrder(**ids, tag=TAG)))
    yield Act(LOOK_SECONDS, "note", lambda node: _note(node, order))
    yield Act(LOOK_SECONDS, "untag", _of(order, UntagOrder(**ids, tag=TAG)))
    release = ReleaseOrder(**ids, hold_id=HOLD)
    yield Act(WAIT_SECONDS, "release", _of(order, release), partial(is_confirmed, order=order))


async def is_confirmed(node: Node, order: PlannedOrder) -> bool:
    """By now, or it is over."""
    (loaded,) = await node.executor.states.load([order_stream(order.merchant, order.order_id)])
    return loaded.state.status not in ("none", "placed", "reserved")


def _of(order: PlannedOrder, command: OrderCommand) -> Step:
    return as_it_is(one(order_stream(order.merchant, order.order_id), command))


async def _note(node: Node, order: PlannedOrder) -> Group:
    subject = subject_of(node.keyring, order.merchant, order.order_id)
    text = await sealed(node.keyring, node.ids, subject, NoteText(text="He will call back."))
    note = AddOrderNote(order_id=order.order_id, note_id=NOTE, subject=subject, text=text)
    return one(order_stream(order.merchant, order.order_id), note)
