"""Caches smaller than what is wanted at once give right answers all the same."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from commands.states import States
from domain.personal import Customer
from domain.stock import StockReceived
from domain.streams import stock_stream
from eventstore.codec import encode
from eventstore.keyring import Keyring, MemoryKeyStore
from eventstore.log import Append, StreamAppend
from eventstore.memory import MemoryLog
from eventstore.seams import RandomIds

CUSTOMER = Customer(customer_id="1", customer_unique_id="2", zip_prefix="3", city="4")


async def test_a_key_outlasts_the_load_of_others() -> None:
    keyring = Keyring(bytes(32), MemoryKeyStore(), capacity=3)
    await keyring.ensure(["a", "b", "c"])
    sealed = keyring.seal("a", CUSTOMER, RandomIds())
    await keyring.load(["a", "d", "e"])
    assert keyring.open("a", sealed, Customer) == CUSTOMER


async def test_a_known_state_is_loaded_though_a_neighbour_pushes_it_out() -> None:
    log, ids = MemoryLog(), RandomIds()
    keyring = Keyring(bytes(32), MemoryKeyStore())
    streams = [stock_stream("m", f"sku{n}", "main") for n in range(5)]
    for number, stream in enumerate(streams, 1):
        event = encode(StockReceived(sku="a", warehouse="main", quantity=number), ids, keyring)
        now = datetime(2026, 1, 1, tzinfo=UTC)
        await log.append(Append(UUID(int=number), "m", "c", "c", now, (StreamAppend(stream, 0, (event,)),)))
    states = States(log, capacity=2)
    for _ in range(2):
        loaded = await states.load(streams)
        assert [each.state.on_hand for each in loaded] == [1, 2, 3, 4, 5]
