"""On what does a group of commands decide, and whom does a stream that can't be read hold up?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from commands.executor import Context, Executor
from commands.states import States
from domain.inventory import AllocateStock, ReceiveStock, ReleaseStock, ReserveStock
from domain.kernel import Command, Group, Target, one
from domain.streams import stock_stream
from eventstore.codec import UnknownEvent
from eventstore.keyring import Keyring, MemoryKeyStore
from eventstore.log import Append, NewEvent, StreamAppend
from eventstore.memory import MemoryLog
from eventstore.seams import RandomIds

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
IDS = RandomIds()
STREAMS = {sku: stock_stream("m", sku, "w") for sku in "AB"}


def context() -> Context:
    return Context(IDS.new(), "m", "test", "c", "c", NOW)


def both(make: Callable[[str], Command]) -> Group:
    return Group(tuple(Target(stream, make(sku)) for sku, stream in STREAMS.items()))


def executor_on(log: MemoryLog) -> Executor:
    return Executor(log, IDS, Keyring(b"m" * 32, MemoryKeyStore()))


async def test_a_stream_to_which_nothing_is_added_was_looked_at_freshly() -> None:
    """No append checks its version: a state that was cached before another wrote must not decide."""
    log = MemoryLog()
    one_worker, another = executor_on(log), executor_on(log)
    where = {"warehouse": "w"}
    for sku, stream in STREAMS.items():
        await another.execute(one(stream, ReceiveStock(sku=sku, **where, quantity=5)), context())

    def reserve(sku: str, order: str = "o1") -> ReserveStock:
        return ReserveStock(order_id=order, sku=sku, **where, quantity=2, now=NOW, expires_at=LATER)

    await one_worker.execute(both(reserve), context())
    allocate = both(lambda sku: AllocateStock(order_id="o1", sku=sku, **where, quantity=2, now=NOW))
    await one_worker.execute(allocate, context())
    # of B the other learns by a conflict what happened, of A it knows nothing
    await another.execute(one(STREAMS["B"], reserve("B", "o2")), context())
    done = await another.execute(both(lambda sku: ReleaseStock(order_id="o1", sku=sku, **where)), context())
    assert sorted(event.sku for event in done.events) == ["A", "B"]  # type: ignore[attr-defined]
    held = [set(each.state.held) for each in await States(log).load(list(STREAMS.values()))]
    assert held == [set(), {"o2"}]


async def test_a_stream_that_can_not_be_read_holds_up_no_other() -> None:
    log = MemoryLog()
    executor = executor_on(log)
    receive = ReceiveStock(sku="A", warehouse="w", quantity=5)
    await executor.execute(one(STREAMS["A"], receive), context())
    newer = NewEvent("StockReceived", 99, b"{}", uuid4())
    append = Append(uuid4(), "m", "c", "c", NOW, (StreamAppend(STREAMS["B"], 0, (newer,)),))
    await log.append(append)
    states = States(log)
    found, failed = await asyncio.gather(
        states.load([STREAMS["A"]]), states.load([STREAMS["B"]]), return_exceptions=True
    )
    assert not isinstance(found, BaseException)
    assert found[0].state.on_hand == 5
    assert isinstance(failed, UnknownEvent)
    with pytest.raises(UnknownEvent):
        await states.load(list(STREAMS.values()))
