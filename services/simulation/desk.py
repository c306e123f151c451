"""What does staff do about an order in a simulation? Hold it, write about it, tag it, and let it go again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

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
from services.simulation.node import Node
from services.simulation.plan import PlannedOrder

Step: TypeAlias = Callable[[Node], Awaitable[Group]]
TAG, HOLD, NOTE = "look", "h1", "n1"


def steps_of(order: PlannedOrder) -> Iterator[Step]:
    """One after the other; an order that is sent by then is not held, and has nothing to be released."""
    order_id = order.order_id
    yield _as_it_is(order, HoldOrder(order_id=order_id, hold_id=HOLD, reason="fraud"))
    yield _as_it_is(order, TagOrder(order_id=order_id, tag=TAG))
    yield lambda node: _note(node, order)
    yield _as_it_is(order, UntagOrder(order_id=order_id, tag=TAG))
    yield _as_it_is(order, ReleaseOrder(order_id=order_id, hold_id=HOLD))


def _as_it_is(order: PlannedOrder, command: OrderCommand) -> Step:
    async def step(_: Node) -> Group:
        return one(order_stream(order.merchant, order.order_id), command)

    return step


async def _note(node: Node, order: PlannedOrder) -> Group:
    subject = subject_of(node.keyring, order.merchant, order.order_id)
    text = await sealed(node.keyring, node.ids, subject, NoteText(text="He will call back."))
    note = AddOrderNote(order_id=order.order_id, note_id=NOTE, subject=subject, text=text)
    return one(order_stream(order.merchant, order.order_id), note)
