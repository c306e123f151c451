"""What may be asked the causes of, and for whom is it read? Orders, payments, parcels, stock, events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from domain.aggregates import OF_AN_ORDER
from domain.streams import order_stream, payment_stream, shipment_stream, stock_stream
from eventstore.statements import Pool
from projections.generations import Connection
from services.audit.causes import Cause
from services.audit.causes_read import TrailReader
from services.audit.causes_trail import EVENTS_MAX, Trail, is_event_id, key_of
from services.audit.causes_tree import tree_of
from services.audit.stored import Unreadable

STOCK_EVENTS_MAX = 20
"""The last ones of a stock item, each with its causes."""
_BIND = (
    b"SELECT set_config('tillroll.merchant', %s, true), set_config('tillroll.subject', '', true),"
    b" set_config('tillroll.reach', %s, true)"
)


class NothingThere(Exception):
    """There is no such thing, or none that who asks may see."""

    expected = True


@dataclass(frozen=True, slots=True)
class Bound:
    """For whom is read: one merchant, or, said explicitly, all."""

    merchant: str = ""

    @property
    def reach(self) -> str:
        return "" if self.merchant else "all"


@asynccontextmanager
async def bound(pool: Pool, to: Bound) -> AsyncIterator[Connection]:
    """A connection in one snapshot, bound to whom is read for; whatever is done there is rolled back."""
    async with pool.connection() as connection:
        await connection.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ")
        try:
            await connection.execute(_BIND, (to.merchant, to.reach))
            yield connection
        finally:
            if not connection.closed:
                await connection.rollback()


async def why_order(
    connection: Connection, merchant: str, order_id: str, events_max: int = EVENTS_MAX
) -> Cause:
    """Everything that happened to an order, to its payments, its parcels and its stock, and because of what.

    Like all of these, raises NothingThere.
    """
    key = order_stream(merchant, order_id)
    trail = Trail(events_max, key)
    await TrailReader(connection).follow(trail, [key])
    facts = _found(trail, f"order {order_id}").facts.values()
    own = {fact.position for fact in facts if key_of(fact) == key}
    # which order these are about nobody can tell any more: rather another's than one of its own too few
    own |= {fact.position for fact in facts if isinstance(fact.event, Unreadable)}
    return tree_of(trail, f"order {order_id} of {merchant}", own, effects=True, marked=False)


async def why_payment(connection: Connection, merchant: str, payment_id: str) -> Cause:
    stream = payment_stream(merchant, payment_id)
    return await _why_stream(connection, stream, f"payment {payment_id} of {merchant}")


async def why_shipment(connection: Connection, merchant: str, shipment_id: str) -> Cause:
    stream = shipment_stream(merchant, shipment_id)
    return await _why_stream(connection, stream, f"shipment {shipment_id} of {merchant}")


async def why_stock(connection: Connection, merchant: str, sku: str, warehouse: str) -> Cause:
    """Of the last STOCK_EVENTS_MAX events of a stock item."""
    stream = stock_stream(merchant, sku, warehouse)
    asked = f"stock of {sku} in {warehouse} of {merchant}: its last {STOCK_EVENTS_MAX} events"
    return await _why_stream(connection, stream, asked, newest=STOCK_EVENTS_MAX)


async def why_event(connection: Connection, event: str) -> Cause:
    """Of one event, by its position or its id; and all that it led to."""
    reader, trail = TrailReader(connection), Trail()
    position = await _position(reader, event)
    fact = await reader.one(position, trail) if position is not None else None
    if fact is None:
        raise NothingThere(
            f"there is no event {event}; say its position, or its id if that was made when it was recorded"
        )
    await reader.follow(trail)
    asked = f"event {fact.position} {trail.stored[fact.position].type}"
    return tree_of(trail, asked, {fact.position}, effects=True)


async def _position(reader: TrailReader, event: str) -> int | None:
    if event.isascii() and event.isdigit() and len(event) <= 18:
        return int(event)
    if not is_event_id(event):
        raise NothingThere(f"{event} is neither a position nor the id of an event")
    return await reader.position_of(event)


async def _why_stream(connection: Connection, stream: str, asked: str, newest: int | None = None) -> Cause:
    reader, trail = TrailReader(connection), Trail()
    facts = await (reader.newest(stream, newest, trail) if newest else reader.stream(stream, trail))
    _found(trail, asked)
    if facts and facts[0].category in OF_AN_ORDER:
        trail.order = key_of(facts[0])
    await reader.follow(trail)
    return tree_of(trail, asked, {fact.position for fact in facts})


def _found(trail: Trail, asked: str) -> Trail:
    if not trail.facts:
        raise NothingThere(f"nothing is known of {asked}")
    return trail


Ask = Callable[..., Awaitable[Cause]]
ASKED: dict[str, tuple[Ask, tuple[str, ...]]] = {
    "order": (why_order, ("order_id",)),
    "payment": (why_payment, ("payment_id",)),
    "shipment": (why_shipment, ("shipment_id",)),
    "stock": (why_stock, ("sku", "warehouse")),
}
"""What of one merchant's can be asked about, and by which names."""
