"""What do customers and staff do about a placed order in a simulation? They cancel it, or a part of it, want
something else, and see it prepared, looked into and defended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from commands.personal import sealed, subject_of
from domain.kernel import Group, one
from domain.order import (
    AddLine,
    CancelOrder,
    CancelOrderLines,
    Change,
    ConfirmOrderEdit,
    DeclineOrderEdit,
    Line,
    LineQuantity,
    OrderCommand,
    ProposeOrderEdit,
    SetQuantity,
    SetShipping,
    StartPreparation,
)
from domain.payment import Evidence, SubmitEvidence
from domain.personal import Customer
from domain.streams import order_stream, payment_stream
from services.simulation import desk
from services.simulation.acts import Act, Step, as_it_is
from services.simulation.node import Node
from services.simulation.plan import EDIT, PlannedEdit, PlannedOrder

TRIES = 5
"""Of staff, which looks now and then whether the order is as far: until then it is told no."""
SOON, LATER = timedelta(seconds=30), timedelta(days=1)
"""When change sets expire: those that are left alone, and those that are not."""


def rows_of(order: PlannedOrder) -> Iterator[Iterator[Act]]:
    """Each row by itself, side by side with the others."""
    if order.cancel_after_s is not None:
        yield _cancel(order, order.cancel_after_s)
    if order.cut_after_s is not None:
        yield _cut(order, order.cut_after_s)
    if order.prepare_after_s is not None:
        yield _prepare(order, order.prepare_after_s)
    if order.looked_into_after_s is not None:
        yield desk.acts_of(order, order.looked_into_after_s)


async def is_captured(node: Node, order: PlannedOrder) -> bool:
    """The first payment, or part of it: there is something to dispute."""
    (loaded,) = await node.executor.states.load([payment_stream(order.merchant, order.payment_ids[0])])
    return bool(loaded.state.captured_cents)


def defence_of(order: PlannedOrder) -> Iterator[Act]:
    """Staff hands in evidence, if it knows of a dispute by then."""
    yield Act(1.0, "defend", partial(_defend, order=order), partial(_is_disputed, order=order))


def _of(order: PlannedOrder, command: OrderCommand) -> Group:
    return one(order_stream(order.merchant, order.order_id), command)


def _cancel(order: PlannedOrder, after_s: float) -> Iterator[Act]:
    cancel = CancelOrder(order_id=order.order_id, reason="customer")
    yield Act(after_s, "cancel", as_it_is(_of(order, cancel)))


def _cut(order: PlannedOrder, after_s: float) -> Iterator[Act]:
    unit = LineQuantity(line=len(order.lines), quantity=1)
    cut = CancelOrderLines(order_id=order.order_id, cancel_id="cut", reason="customer", lines=(unit,))
    yield Act(after_s, "cut", as_it_is(_of(order, cut)))


def _prepare(order: PlannedOrder, after_s: float) -> Iterator[Act]:
    start = as_it_is(_of(order, StartPreparation(order_id=order.order_id)))
    for number in range(TRIES):
        yield Act(after_s, f"prepare {number}", start)


def edit_of(order: PlannedOrder) -> Iterator[Act]:
    """Once it is confirmed: the customer hears what it would cost, and says what is to be."""
    edit = order.edit
    if edit is None:
        return
    yield Act(edit.after_s, "propose", _proposing(order, edit), partial(desk.is_confirmed, order=order))
    ids = {"order_id": order.order_id, "change_set_id": EDIT}

    async def confirm(node: Node) -> Group:
        return _of(order, ConfirmOrderEdit(**ids, now=node.clock.now()))

    match edit.fate:
        case "confirmed":
            yield Act(edit.after_s, "confirm", confirm)
        case "declined":
            decline = DeclineOrderEdit(**ids, reason="customer")
            yield Act(edit.after_s, "decline", as_it_is(_of(order, decline)))


def _proposing(order: PlannedOrder, edit: PlannedEdit) -> Step:
    async def step(node: Node) -> Group:
        subject = subject_of(node.keyring, order.merchant, order.order_id)
        moved = Customer(
            customer_id=order.order_id,
            customer_unique_id=order.order_id,
            zip_prefix="20040",
            city="Rio de Janeiro",
        )
        changes = _changes(order, edit)
        now = node.clock.now()
        expires_at = now + (SOON if edit.fate == "left" or edit.paid == "never" else LATER)
        elsewhere = None if changes else await sealed(node.keyring, node.ids, subject, moved)
        propose = ProposeOrderEdit(
            order_id=order.order_id,
            change_set_id=EDIT,
            changes=changes,
            subject="" if changes else subject,
            customer=elsewhere,
            ship_to_state="" if changes else "RJ",
            now=now,
            expires_at=expires_at,
        )
        return _of(order, propose)

    return step


def _changes(order: PlannedOrder, edit: PlannedEdit) -> tuple[Change, ...]:
    first, another = order.lines[0], edit.line
    if another:
        number = len(order.lines) + 1
        price = {"quantity": another.quantity, "unit_price_cents": another.unit_price_cents}
        return (AddLine(line=Line(line=number, sku=another.sku, **price)),)
    if edit.shipping_cents:
        return (SetShipping(line=1, unit_shipping_cents=edit.shipping_cents),)
    return (SetQuantity(line=1, quantity=first.quantity + edit.more),) if edit.more else ()


async def _is_disputed(node: Node, order: PlannedOrder) -> bool:
    (loaded,) = await node.executor.states.load([payment_stream(order.merchant, order.payment_ids[0])])
    return bool(loaded.state.disputes)


async def _defend(node: Node, order: PlannedOrder) -> Group:
    payment_id = order.payment_ids[0]
    stream = payment_stream(order.merchant, payment_id)
    (loaded,) = await node.executor.states.load([stream])
    dispute_id = next(iter(loaded.state.disputes), "unheard-of")
    subject = subject_of(node.keyring, order.merchant, order.order_id)
    evidence = Evidence(text="It was delivered to the address that was given.")
    submit = SubmitEvidence(
        payment_id=payment_id,
        dispute_id=dispute_id,
        evidence_id="proof",
        subject=subject,
        evidence=await sealed(node.keyring, node.ids, subject, evidence),
    )
    return one(stream, submit)
