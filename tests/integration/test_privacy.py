"""Personal data in the clear stands in declared read-model columns and nowhere else."""

from __future__ import annotations

import psycopg

from domain.order import Line, PlaceOrder, Portion
from domain.personal import Customer, Erased, Sealed
from domain.streams import order_stream
from eventstore.codec import decode, opened
from eventstore.keyring import Keyring, PostgresKeyStore
from services.bus import headers_of
from tests.integration.trade import MERCHANT, Trade, agents_running, trading

MARKERS = ("customer-marker-71", "unique-marker-72", "73999", "city-marker-74")
SEARCHED = (
    "events",
    "commands",
    "agent_processes",
    "reactions",
    "deadlines",
    "provider_calls",
    "webhook_inbox",
)


async def place(trade: Trade) -> None:
    customer_id, unique_id, zip_prefix, city = MARKERS
    command = PlaceOrder(
        order_id="o1",
        checkout_id="c1",
        subject=Keyring(bytes(32), PostgresKeyStore(trade.log.pool)).subject(unique_id),
        customer=Customer(
            customer_id=customer_id, customer_unique_id=unique_id, zip_prefix=zip_prefix, city=city
        ),
        ship_to_state="SP",
        currency="BRL",
        lines=(Line(line=1, sku="a", quantity=1, unit_price_cents=100),),
        portions=(Portion(payment_id="p1", method="card", amount_cents=100),),
    )
    await trade.command(order_stream(MERCHANT, "o1"), command)


async def play_to_the_parcel(trade: Trade) -> None:
    await trade.stock("a", 1)
    await place(trade)
    await trade.rest()
    command = "SELECT count(*) FROM events WHERE type = 'StockReserved'"
    async with trade.log.pool.connection() as connection:
        assert await (await connection.execute(command.encode())).fetchone() == (1,)


async def test_log_ledger_agents_and_queues_hold_ciphertext_only(database: str) -> None:
    async with trading(database) as trade, agents_running(trade):
        await play_to_the_parcel(trade)
    with psycopg.connect(database) as connection:
        for table in SEARCHED:
            rows = connection.execute(f"SELECT t::text FROM {table} AS t").fetchall()  # type: ignore[arg-type]
            # bytea shows as hex: search for that, too
            text = str(rows)
            for marker in MARKERS:
                assert marker not in text, (table, marker)
                assert marker.encode().hex() not in text, (table, marker)


async def test_messages_of_the_bus_hold_ciphertext_only(database: str) -> None:
    async with trading(database) as trade, agents_running(trade):
        await play_to_the_parcel(trade)
        for stored in await trade.log.read(0):
            message = stored.data.decode() + str(headers_of(stored, trade.log.identity))
            assert not [marker for marker in MARKERS if marker in message]


async def test_with_its_key_a_field_is_plain_and_without_it_erased(database: str) -> None:
    async with trading(database) as trade, agents_running(trade):
        await play_to_the_parcel(trade)
        placed = next(e for e in await trade.events() if type(e).__name__ == "OrderPlaced")
        assert isinstance(placed.customer, Sealed)  # type: ignore[attr-defined]
        keyring = Keyring(bytes(32), PostgresKeyStore(trade.log.pool))
        await keyring.load([placed.subject])  # type: ignore[attr-defined]
        assert opened(placed, keyring).customer.city == MARKERS[3]  # type: ignore[attr-defined]
        async with trade.log.pool.connection() as connection:
            await connection.execute("UPDATE data_keys SET wrapped_key = NULL, erased_at = now()")
        fresh = Keyring(bytes(32), PostgresKeyStore(trade.log.pool))
        await fresh.load([placed.subject])  # type: ignore[attr-defined]
        assert opened(placed, fresh).customer == Erased()  # type: ignore[attr-defined]
        stored = (await trade.log.read(1, 1))[0]
        assert decode(stored).event == placed
