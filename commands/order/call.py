"""What do all commands of one order share? Which order it is, whose it is, and how they are carried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path, Response
from pydantic import Field

from commands.executor import Context, Done, Executor
from commands.fields import Id
from commands.http import Call, Positioned
from domain.kernel import Command, one
from domain.order import OrderPlaced
from domain.streams import order_stream
from eventstore.codec import decode
from eventstore.log import Log
from services.web.access import forbidden

OWN_REASONS = frozenset({"customer", "other"})
"""Why a customer may cancel; the others are for the merchant to say."""
OrderId = Annotated[Id, Path(description="the order", examples=["1001"])]


class OrderAnswer(Positioned):
    """The order that it was about."""

    order_id: str = Field(examples=["1001"])


async def placing_of(log: Log, stream: str) -> tuple[str, str]:
    """What the order belongs to and whose it is: checkout and subject; nothing where there is none."""
    (events,) = await log.read_streams([(stream, 0)], 1)
    if not events:
        return "", ""
    placed = decode(events[0]).event
    assert isinstance(placed, OrderPlaced)
    return events[0].correlation, placed.subject


async def execute(executor: Executor, command: Command, context: Context, answer: bytes = b"") -> Done:
    """A command to the stream of the order that it names."""
    order_id: str = command.order_id  # type: ignore[attr-defined]
    return await executor.execute(one(order_stream(context.merchant, order_id), command), context, answer)


async def carry_out(call: Call, command: Command, answer: Mapping[str, Any], **options: Any) -> Response:
    """By staff: whoever may ask at the merchant may ask for each of its orders."""
    await call.settings()
    stream = order_stream(call.merchant, command.order_id)  # type: ignore[attr-defined]
    correlation, _ = await placing_of(call.parts.log, stream)
    return await call.carry_out(execute, command, answer, correlation=correlation, **options)


async def cancelled_by(call: Call, order_id: str, reason: str) -> str:
    """What the order belongs to; a 403 problem for who may not cancel it, or not for this reason."""
    correlation, subject = await placing_of(call.parts.log, order_stream(call.merchant, order_id))
    call.check_own(subject)
    if call.own and reason not in OWN_REASONS:
        raise forbidden("orders:write for this reason", call.merchant)
    return correlation
