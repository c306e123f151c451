"""Which events could have made a row? Found by what its key tells, without reading the whole log.

In order: the stream that the key names; the order that it names, or whose payment, parcel or checkout it
names; else all orders of its merchant, with what lies in stock. Where these lead astray (they come from other
read models), the log itself is read, from its first event to the last one that the row has taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from domain.aggregates import AGGREGATES, PARTS
from domain.streams import cart_stream, stock_stream, stream_name
from projections.generations import Connection
from projections.order.sales import NO_CATEGORY
from services.audit.numbers_table import CannotExplain, Shape, Standing, execute, fetch

EVENTS_MAX = 10_000_000
"""Of which one number is explained: they stand in a temporary table, some 60 bytes each, not in memory."""
CONSOLE = f", or at the console: `tillroll why` takes {EVENTS_MAX:,}"
ORDERS_MAX = 1_000
"""In one checkout."""
LOG_PAGE, PLACES_PAGE = 50_000, 5_000
PARTS_OF_STREAM = {name: len(parts) for name, parts in PARTS.items()}
"""How many parts the name of a stream has, by its category."""
CATEGORY_OF = {event: each.category for each in AGGREGATES.values() for event in each.events}


@dataclass(frozen=True, slots=True)
class Found:
    """Where events that could have made a row were found: `found_events` has them, each with whose it is.

    `apart`: what is of one owner never depends on what is of another; their sums are the row's.
    `how` says where they were found. `orders` are those it is about; None: all that a merchant has.
    """

    apart: bool
    how: str
    orders: tuple[tuple[str, str], ...] | None = None


async def find(
    connection: Connection,
    shape: Shape,
    row: Mapping[str, Any],
    standing: Standing,
    events_max: int = EVENTS_MAX,
) -> Found:
    """Raises CannotExplain where they are more than `events_max`."""
    finder = _Finder(connection, shape, row, standing.end, events_max)
    await finder.begin()
    found = await finder.by_key()
    await finder.end()
    return found


async def find_in_log(
    connection: Connection,
    shape: Shape,
    row: Mapping[str, Any],
    standing: Standing,
    found: Found,
    events_max: int = EVENTS_MAX,
) -> Found:
    """The same events, but looked for in the whole log: no read model is asked, of which orders they are."""
    finder = _Finder(connection, shape, row, standing.end, events_max)
    await finder.begin()
    in_log = await finder.in_log(found)
    await finder.end()
    return in_log


class _Finder:
    """Sets down what it finds in the temporary table `found_events`."""

    def __init__(
        self, connection: Connection, shape: Shape, row: Mapping[str, Any], end: int, events_max: int
    ) -> None:
        self._connection = connection
        self._shape = shape
        self._row = row
        self._end = end
        self._events_max = events_max
        self._room = events_max
        self._types = [event.__name__ for event in shape.model.events]

    async def begin(self) -> None:
        await execute(self._connection, "make_found")

    async def end(self) -> None:
        """Without what the row lacks although its read model has passed it: parked, or skipped."""
        follower = self._shape.model.follower(self._shape.generation)
        await execute(self._connection, "drop_left_out", follower=follower)

    async def by_key(self) -> Found:
        # that somebody was erased makes no number
        categories = {CATEGORY_OF[event] for event in self._shape.model.events} - {"erasure"}
        if len(categories) == 1 and (found := await self._by_stream(*categories)):
            return found
        if (orders := await self._orders()) is not None:
            return await self._by_orders(orders)
        if categories == {"cart"}:
            return await self._by_carts()
        return await self._by_merchant(stock="stock" in categories)

    async def in_log(self, found: Found) -> Found:
        about = found.orders
        if "checkout_id" in self._shape.key:
            about = tuple(await self._orders_of_checkout())
        orders = None if about is None else [order_id for _, order_id in about]
        of = {"merchant": self._row.get("merchant"), "order_ids": orders}
        for after, end in self._pages():
            await self._set_down("positions_in_log", after=after, **of, end=end)
        return Found(found.apart, "the whole log", about)

    async def _orders_of_checkout(self) -> list[tuple[str, str]]:
        orders: list[tuple[str, str]] = []
        for after, end in self._pages():
            of = {"checkout_id": self._row["checkout_id"], "limit": ORDERS_MAX + 1}
            orders += await self._fetch("orders_of_checkout_in_log", after=after, end=end, **of)
            _check_orders(orders)
        return orders

    def _pages(self) -> Iterator[tuple[int, int]]:
        return ((after, min(after + LOG_PAGE, self._end)) for after in range(0, self._end, LOG_PAGE))

    async def _by_stream(self, category: str) -> Found | None:
        """The read model hears of one kind of stream only, and the key begins with the parts of its name."""
        parts = self._shape.key[: PARTS_OF_STREAM.get(category, len(self._shape.key) + 1)]
        if len(parts) != PARTS_OF_STREAM.get(category):
            return None
        if not all(isinstance(self._row[name], str) for name in parts):
            return None  # of a day, say: no stream is named by it
        stream = stream_name(category, *(self._row[name] for name in parts))
        order_id = self._row["order_id"] if "order_id" in self._shape.key else None
        await self._set_down("positions_in_streams", streams=[stream], order_id=order_id)
        return Found(self._shape.model.sums, f"the stream {stream}")

    async def _orders(self) -> list[tuple[str, str]] | None:
        """(merchant, order) that the row is about; None where it is about all of a merchant's.

        A checkout belongs to no merchant: where none of its orders is known, the log is asked for them.
        """
        row, key = self._row, self._shape.key
        if "checkout_id" in key:
            arguments: dict[str, Any] = {"checkout_id": row["checkout_id"], "limit": ORDERS_MAX + 1}
            return _check_orders(await self._fetch("orders_of_checkout", **arguments))
        if "order_id" in row:
            return [(row["merchant"], row["order_id"])]
        for name in ("payment", "shipment"):
            if f"{name}_id" in key:
                arguments = {"merchant": row["merchant"], f"{name}_id": row[f"{name}_id"]}
                found = await self._fetch(f"order_of_{name}", **arguments)
                return [(row["merchant"], order_id) for (order_id,) in found] or None
        return None

    async def _by_orders(self, orders: list[tuple[str, str]]) -> Found:
        merchants, ids = [m for m, _ in orders], [o for _, o in orders]
        await self._set_down("positions_of_orders", merchants=merchants, order_ids=ids)
        what = f"the order {ids[0]}" if len(ids) == 1 else f"{len(ids)} orders"
        return Found(apart=False, how=f"what happened to {what}", orders=tuple(orders))

    async def _by_merchant(self, *, stock: bool) -> Found:
        """What the key tells beside the merchant (a day, a product, a category) narrows the orders."""
        merchant = self._row["merchant"]
        key = {name: self._row[name] for name in self._shape.key}
        narrowed = {name: key.get(name) for name in ("day", "sku", "category")}
        await self._set_down("positions_of_merchant", merchant=merchant, no_category=NO_CATEGORY, **narrowed)
        if stock:
            await self._in_all_stock(merchant)
        by = ", ".join(f"{name} {value}" for name, value in narrowed.items() if value is not None)
        how = f"the orders of {merchant}" + (f" by {by}" if by else "") + (", and its stock" if stock else "")
        return Found(apart=True, how=how)

    async def _by_carts(self) -> Found:
        """Those that lived on the day of the key."""
        last, merchant, day = "", self._row["merchant"], self._row["day"]
        while True:
            of = {"merchant": merchant, "day": day, "cart_id": last, "limit": PLACES_PAGE}
            carts = await self._fetch("carts_of_day", **of)
            streams = [cart_stream(merchant, cart_id) for (cart_id,) in carts]
            await self._set_down("positions_in_streams", streams=streams, order_id=None)
            if len(carts) < PLACES_PAGE:
                return Found(apart=True, how=f"the carts of {merchant} that lived on {day}")
            last = carts[-1][0]

    async def _in_all_stock(self, merchant: str) -> None:
        last = ("", "")
        while True:
            after = {"sku": last[0], "warehouse": last[1], "limit": PLACES_PAGE}
            places = await self._fetch("stock_places", merchant=merchant, **after)
            streams = [stock_stream(merchant, *place) for place in places]
            await self._set_down("positions_in_streams", streams=streams, order_id=None)
            if len(places) < PLACES_PAGE:
                return
            last = places[-1]

    async def _set_down(self, query: str, **arguments: Any) -> None:
        limits = {"types": self._types, "end": self._end, "limit": self._room + 1}
        self._room -= await execute(self._connection, query, **(limits | arguments))
        if self._room < 0:
            raise CannotExplain(
                f"more than {self._events_max:,} events make up this number; ask for a smaller one, such as a"
                f" day's" + (CONSOLE if self._events_max < EVENTS_MAX else "")
            )

    async def _fetch(self, query: str, **arguments: Any) -> list[Any]:
        return await fetch(self._connection, query, **arguments)


def _check_orders(orders: list[tuple[str, str]]) -> list[tuple[str, str]]:
    if len(orders) > ORDERS_MAX:
        raise CannotExplain(f"this checkout has more than {ORDERS_MAX:,} orders")
    return orders
