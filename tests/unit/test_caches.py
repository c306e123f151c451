"""Caches smaller than what is wanted at once give right answers all the same."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from commands.fold import FOLD_MAX
from commands.states import States
from domain.inventory import StockReceived
from domain.personal import Customer
from domain.streams import stock_stream
from eventstore.codec import encode
from eventstore.keyring import Keyring, MemoryKeyStore
from eventstore.log import Append, StreamAppend
from eventstore.memory import MemoryLog
from eventstore.seams import RandomIds
from eventstore.tasks import TaskGroup
from services.agents.cache import ProcessCache
from services.agents.inventory import InventoryProcess

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CUSTOMER = Customer(customer_id="1", customer_unique_id="2", zip_prefix="3", city="4")


async def test_a_key_outlasts_the_load_of_others() -> None:
    keyring = Keyring(bytes(32), MemoryKeyStore(), capacity=3)
    await keyring.ensure(["a", "b", "c"])
    sealed = keyring.seal("a", CUSTOMER, RandomIds())
    await keyring.load(["a", "d", "e"])
    assert keyring.open("a", sealed, Customer) == CUSTOMER


class _Unwalked(OrderedDict[str, Any]):
    """What is asked for by key only."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("all keys are walked")


async def test_who_needs_a_key_does_not_walk_all_others() -> None:
    keyring = Keyring(bytes(32), MemoryKeyStore())
    await keyring.ensure(["a"])
    keyring._keys = _Unwalked(keyring._keys)
    await keyring.ensure(["a", "b"])
    await keyring.load(["b", "c"])
    assert keyring.seal("b", CUSTOMER, RandomIds())


async def test_a_known_state_is_loaded_though_a_neighbour_pushes_it_out() -> None:
    log, ids = MemoryLog(), RandomIds()
    keyring = Keyring(bytes(32), MemoryKeyStore())
    streams = [stock_stream("m", f"sku{n}", "main") for n in range(5)]
    for number, stream in enumerate(streams, 1):
        event = encode(StockReceived(sku="a", warehouse="main", quantity=number), ids, keyring)
        await log.append(Append(UUID(int=number), "m", "c", "c", NOW, (StreamAppend(stream, 0, (event,)),)))
    states = States(log, capacity=2)
    for _ in range(2):
        loaded = await states.load(streams)
        assert [each.state.on_hand for each in loaded] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("streams", "events"), [(1, 40), (40, 1)], ids=["one stream", "many"])
async def test_a_long_load_lets_others_have_their_turn(streams: int, events: int) -> None:
    """So many events of so many streams, in tenths of what is folded in one go."""
    log, ids = MemoryLog(), RandomIds()
    keyring = Keyring(bytes(32), MemoryKeyStore())
    event = StockReceived(sku="a", warehouse="main", quantity=1)
    names = [stock_stream("m", f"sku{number}", "main") for number in range(streams)]
    for stream in names:
        new = tuple(encode(event, ids, keyring) for _ in range(events * FOLD_MAX // 10))
        await log.append(Append(ids.new(), "m", "c", "c", NOW, (StreamAppend(stream, 0, new),)))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with TaskGroup() as tasks:
        counting = tasks.create_task(count_turns())
        loaded = await States(log).load(names)
        assert await States(log).load([]) == []
        counting.cancel()
    assert sum(each.state.on_hand for each in loaded) == 4 * FOLD_MAX
    assert turns >= 4


def test_processes_are_kept_by_number_and_by_bytes_those_wanted_last() -> None:
    cache = ProcessCache(capacity=3, capacity_bytes=100)
    keys = [("inventory", f"order-{number}") for number in range(4)]
    process = InventoryProcess()

    def known() -> list[int]:
        return [number for number, key in enumerate(keys) if cache.get(key) is process]

    for key in keys:
        cache.keep(key, process, 10)
    assert known() == [0, 1, 2, 3], "a page's own stay until it is recorded"
    cache.trim()
    assert known() == [1, 2, 3]
    assert cache.unknown(keys[:2]) == keys[:1]
    cache.keep(keys[3], process, 85)
    cache.trim()
    assert known() == [1, 3], "what grew makes the longest unwanted go"
    cache.keep(keys[3], process, 10)
    cache.keep(keys[0], process, 80)
    cache.trim()
    assert known() == [0, 1, 3]
    cache.clear()
    cache.keep(keys[2], process, 100)
    cache.trim()
    assert known() == [2]
