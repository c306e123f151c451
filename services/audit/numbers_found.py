"""Which events could have made a row? Found by what its key tells, without reading the whole log.

In order: the stream that the key names; the order that it names, or whose payment, parcel or checkout it
names; else all orders of its merchant, with what lies in stock. Where these lead astray (they come from other
read models), the log itself is read, from its first event to the last one that the row has taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from domain.aggregates import AGGREGATES
from domain.streams import stock_stream, stream_name
from projections.generations import Connection
from projections.sales import NO_CATEGORY
from services.audit.numbers_table import CannotExplain, Shape, Standing, fetch

EVENTS_MAX = 250_000
"""Of which one number is explained: so many positions are held in memory, and their parts."""
ORDERS_MAX = 1_000
"""In one checkout."""
LOG_PAGE = 50_000
PARTS_OF_STREAM = {"merchant": 1, "product": 2, "category": 2, "stock": 3, "shipment": 2, "order": 2}
"""How many parts the name of a stream has, by its category."""
CATEGORY_OF = {event: each.category for each in AGGREGATES.values() for event in each.events}
Grouped = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Found:
    """Events that could have made a row, each as (whose it is, its position).

    `apart`: what is of one owner never depends on what is of another; their sums are the row's.
    `how` says where they were found. `orders` are those it is about; None: all that a merchant has.
    """

    events: list[Grouped]
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
    categories = {CATEGORY_OF[event] for event in shape.model.events}
    if len(categories) == 1 and (found := await finder.by_stream(*categories)):
        return found
    if (orders := await finder.orders()) is not None:
        return await finder.by_orders(orders)
    return await finder.by_merchant(stock="stock" in categories)


async def find_in_log(
    connection: Connection,
    shape: Shape,
    row: Mapping[str, Any],
    standing: Standing,
    found: Found,
    events_max: int = EVENTS_MAX,
) -> Found:
    """The same events, but looked for in the whole log: no read model is asked, of which orders they are."""
    events: list[Grouped] = []
    about = found.orders
    if "checkout_id" in shape.key:
        about = tuple(await _orders_of_checkout(connection, row["checkout_id"], standing.end))
    orders = None if about is None else [order_id for _, order_id in about]
    for after, end in _pages(standing.end):
        events += await fetch(
            connection,
            "positions_in_log",
            after=after,
            end=end,
            types=_types(shape),
            merchant=row.get("merchant"),
            order_ids=orders,
        )
        _check(events, events_max)
    return Found(events, found.apart, "the whole log", about)


async def _orders_of_checkout(connection: Connection, checkout_id: str, end: int) -> list[tuple[str, str]]:
    orders: list[tuple[str, str]] = []
    for after, until in _pages(end):
        orders += await fetch(
            connection, "orders_of_checkout_in_log", after=after, end=until, checkout_id=checkout_id
        )
        if len(orders) > ORDERS_MAX:
            raise CannotExplain(f"this checkout has more than {ORDERS_MAX:,} orders")
    return orders


def _pages(end: int) -> Iterator[tuple[int, int]]:
    return ((after, min(after + LOG_PAGE, end)) for after in range(0, end, LOG_PAGE))


def _types(shape: Shape) -> list[str]:
    return [event.__name__ for event in shape.model.events]


def _check(events: list[Grouped], events_max: int) -> list[Grouped]:
    if len(events) > events_max:
        raise CannotExplain(
            f"more than {events_max:,} events make up this number; ask for a smaller one, such as a day's"
        )
    return events


class _Finder:
    def __init__(
        self, connection: Connection, shape: Shape, row: Mapping[str, Any], end: int, events_max: int
    ) -> None:
        self._connection = connection
        self._shape = shape
        self._row = row
        self._end = end
        self._events_max = events_max

    async def by_stream(self, category: str) -> Found | None:
        """The read model hears of one kind of stream only, and the key begins with the parts of its name."""
        parts = self._shape.key[: PARTS_OF_STREAM.get(category, len(self._shape.key) + 1)]
        if len(parts) != PARTS_OF_STREAM.get(category):
            return None
        stream = stream_name(category, *(self._row[name] for name in parts))
        events = await self._in_streams([stream])
        if order_id := self._row.get("order_id"):
            events = [each for each in events if each[0] == order_id]
        # of one warehouse each order has its own hold, and levels are sums
        return Found(events, category == "stock", f"the stream {stream}")

    async def orders(self) -> list[tuple[str, str]] | None:
        """(merchant, order) that the row is about; None where it is about all of a merchant's.

        A checkout belongs to no merchant: where none of its orders is known, the log is asked for them.
        """
        row, key = self._row, self._shape.key
        if "checkout_id" in key:
            arguments: dict[str, Any] = {"checkout_id": row["checkout_id"], "limit": ORDERS_MAX + 1}
            orders = await self._fetch("orders_of_checkout", **arguments)
            if len(orders) > ORDERS_MAX:
                raise CannotExplain(f"this checkout has more than {ORDERS_MAX:,} orders")
            return [(merchant, order_id) for merchant, order_id in orders]
        if "order_id" in row:
            return [(row["merchant"], row["order_id"])]
        for name in ("payment", "shipment"):
            if f"{name}_id" in key:
                arguments = {"merchant": row["merchant"], f"{name}_id": row[f"{name}_id"]}
                found = await self._fetch(f"order_of_{name}", **arguments)
                return [(row["merchant"], order_id) for (order_id,) in found] or None
        return None

    async def by_orders(self, orders: list[tuple[str, str]]) -> Found:
        merchants, ids = [m for m, _ in orders], [o for _, o in orders]
        arguments = {"merchants": merchants, "order_ids": ids, **self._limits()}
        events = self._check(await self._fetch("positions_of_orders", **arguments))
        what = f"the order {ids[0]}" if len(ids) == 1 else f"{len(ids)} orders"
        return Found(events, apart=False, how=f"what happened to {what}", orders=tuple(orders))

    async def by_merchant(self, *, stock: bool) -> Found:
        """What the key tells beside the merchant (a day, a product, a category) narrows the orders."""
        merchant = self._row["merchant"]
        key = {name: self._row[name] for name in self._shape.key}
        narrowed = {name: key.get(name) for name in ("day", "sku", "category")}
        events = await self._fetch(
            "positions_of_merchant",
            merchant=merchant,
            no_category=NO_CATEGORY,
            **narrowed,
            **self._limits(),
        )
        if stock:
            places = await self._fetch("stock_places", merchant=merchant, limit=self._events_max)
            events += await self._in_streams([stock_stream(merchant, *place) for place in places])
        by = ", ".join(f"{name} {value}" for name, value in narrowed.items() if value is not None)
        how = f"the orders of {merchant}" + (f" by {by}" if by else "") + (", and its stock" if stock else "")
        return Found(self._check(events), apart=True, how=how)

    async def _in_streams(self, streams: Iterable[str]) -> list[Grouped]:
        arguments = {"streams": list(streams), **self._limits()}
        return self._check(await self._fetch("positions_in_streams", **arguments))

    def _check(self, events: list[Grouped]) -> list[Grouped]:
        return _check(events, self._events_max)

    def _limits(self) -> dict[str, Any]:
        return {"types": _types(self._shape), "end": self._end, "limit": self._events_max + 1}

    async def _fetch(self, query: str, **arguments: Any) -> list[Any]:
        return await fetch(self._connection, query, **arguments)
