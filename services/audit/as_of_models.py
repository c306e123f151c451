"""What did a read model show at a position? Its rows then, without folding the whole log each time.

Three ways, by what is asked:
    one key             rows of one order, or of one stream: folded from the events that name the order, or
                        from the stream's, which the index of the history finds; for read models whose rows
                        are of one key each
    whole               the last kept state before the position (`as_of_kept`), and the rest of the log
                        folded upon it
    from the beginning  the same where nothing is kept yet

All in temporary tables of one transaction, which is rolled back; so nothing stays. As the role that may
read: of one merchant's log and kept rows one merchant's rows are made.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from domain.aggregates import AGGREGATES, EVENT_TYPES, OF_AN_ORDER, PARTS, checked_stream
from domain.streams import order_stream, stream_parts
from eventstore.log import StoredEvent
from eventstore.statements import Pool
from projections.read_model import ReadModel, table_of
from projections.read_models import READ_MODELS
from services.audit.filters import EventFilter
from services.audit.folding import (
    AS_IN_A_FOLD,
    SHADOW,
    CannotFold,
    Connection,
    Parked,
    copy_rows,
    facts_between,
    fold,
    kinds_of,
    make_shadow,
    query,
)
from services.audit.history import History, Reach
from services.audit.named import order_named
from services.audit.whole import whole_steps

ATTEMPTS = 3
ROWS_MAX = 200
_BIND = "SELECT set_config('tillroll.merchant', %s, true), set_config('tillroll.reach', %s, true)"
_READ = b"BEGIN ISOLATION LEVEL READ COMMITTED"
CATEGORIES = {kind.__name__: each.category for each in AGGREGATES.values() for kind in each.events}
"""Type of an event -> the category of its streams."""
__all__ = ["CannotFold", "ReadModelAt", "Rows", "events_of_key", "key_named", "standing", "table_named"]
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class ReadModelAt:
    """A read model as it stood, on a connection that holds it; `base` is where the fold began.

    `parked` are keys that stood still then, as the handler fails on one of their events.
    """

    connection: Connection
    model: ReadModel
    position: int
    base: int
    parked: Parked
    key: str = ""

    async def rows(
        self,
        table: str,
        limit: int = ROWS_MAX,
        after: list[Any] | None = None,
        where: dict[str, str] | None = None,
    ) -> tuple[Rows, list[str]]:
        """Up to `limit` rows as JSON values by their primary key, after those key values; and the key's
        columns.

        `where` are columns, which must be there, and what text they are of. Raises ValueError for another
        key.
        """
        relation = table_of(table, SHADOW)
        key = [name for (name,) in await query(self.connection, "read_key", relation=relation)]
        conditions, arguments = [], {}
        for number, (column, value) in enumerate((where or {}).items()):
            conditions.append(
                sql.SQL("t.{}::text = {}").format(sql.Identifier(column), sql.Placeholder(f"w{number}"))
            )
            arguments[f"w{number}"] = value
        if after is not None and len(after) != len(key):
            raise ValueError(f"{table} has a key of {len(key)} columns")
        if after is not None:
            columns = sql.SQL(", ").join(sql.SQL("t.{}").format(sql.Identifier(each)) for each in key)
            values = sql.SQL(", ").join(sql.Placeholder(f"k{number}") for number in range(len(key)))
            conditions.append(sql.SQL("({}) > ({})").format(columns, values))
            arguments |= {f"k{number}": str(value) for number, value in enumerate(after)}
        text = sql.SQL("SELECT to_jsonb(t) FROM {} AS t WHERE {} ORDER BY {} LIMIT {}").format(
            sql.Identifier(relation),
            sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true"),
            sql.SQL(", ").join(map(sql.Identifier, key)),
            sql.Literal(limit),
        )
        cursor = await self.connection.execute(text, arguments)
        return [row[0] for row in await cursor.fetchall()], key


def table_named(name: str) -> tuple[ReadModel, str]:
    """The read model with a table of that name; ValueError says which there are."""
    for model in READ_MODELS.values():
        if name in model.tables:
            return model, name
    tables = sorted(table for model in READ_MODELS.values() for table in model.tables)
    raise ValueError(f"there is no table {name}; there are {', '.join(tables)}")


def key_named(model: ReadModel, key: str) -> str:
    """A key that somebody typed, as `order_key` has it. Raises ValueError for one that no row is of.

    Whose rows are of orders has none of another stream, of a payment's or a parcel's or of stock, though it
    takes their events.
    """
    if model.shared_rows:
        raise ValueError(f"rows of {model.name} are of many orders: ask without a key")
    kinds = _kinds_of_keys(model)
    category = "order" if "/" in key else key.partition("-")[0]
    if category not in kinds:
        raise ValueError(f"no row of {model.name} is of {key}: say {' or '.join(map(_form, sorted(kinds)))}")
    return "/".join(stream_parts(order_named(key))) if category == "order" else checked_stream(key)


def _kinds_of_keys(model: ReadModel) -> set[str]:
    """The categories of streams that keys of its rows name: `order`, where any of its events are an order's.

    Raises ValueError where others of its events name no order: a search by it would not find them.
    """
    types = kinds_of(model)
    taken = {CATEGORIES[kind] for kind in types}
    if not taken & OF_AN_ORDER:
        return taken
    if all("order_id" in EVENT_TYPES[kind].model_fields for kind in types):
        return {"order"}
    raise ValueError(f"rows of {model.name} are of orders, and of what is of none: ask without a key")


def _form(category: str) -> str:
    """How a key of it looks."""
    parts = ".".join(PARTS[category]).upper()
    return "MERCHANT/ORDER_ID" if category == "order" else f"{category}-{parts}"


async def events_of_key(
    history: History, model: ReadModel, key: str, after: int, until: int
) -> AsyncIterator[list[StoredEvent]]:
    """The events of a range that can touch the rows of a key, of the read model's own types.

    Of an order these are all that name it, in whichever stream: what happened to its stock is in no stream of
    its own. They are read from the first one on, as the earlier ones tell, too, which streams must be found
    whole. Raises CannotFold.
    """
    kinds, wanted = kinds_of(model), _filter_of(key)
    of_order = wanted.order is not None
    steps = whole_steps(history, (wanted,), until) if of_order else history.stream(wanted, after, until)
    async for step in steps:
        yield [event for event in step.events if event.position > after and event.type in kinds]


def _filter_of(key: str) -> EventFilter:
    """`MERCHANT/ORDER` is an order's, anything else a stream."""
    merchant, slash, order_id = key.partition("/")
    return EventFilter(order=order_stream(merchant, order_id)) if slash else EventFilter(stream=key)


@asynccontextmanager
async def standing(
    pool: Pool, history: History, model: ReadModel, position: int, key: str = ""
) -> AsyncIterator[ReadModelAt]:
    """The read model as it stood, for whom the history is; with `key`, only the rows of that key.

    `pool` is another than the history's: who holds a connection of it may need one of those. Raises
    CannotFold, ValueError.
    """
    for attempt in range(1, ATTEMPTS + 1):
        async with pool.connection() as connection:
            try:
                parked: Parked = {}
                kept = not key and attempt < ATTEMPTS  # one that was taken away is done without
                base = await _begin(connection, history.reach, model, position, kept=kept)
                async for events in (
                    events_of_key(history, model, key, 0, position)
                    if key
                    else facts_between(connection, model, base, position)
                ):
                    await fold(connection, model, events, parked)
            except (psycopg.errors.UndefinedTable, psycopg.errors.LockNotAvailable):
                await connection.rollback()  # the kept state was dropped meanwhile: another is, too
                if attempt == ATTEMPTS:
                    raise
                continue
            except BaseException:
                if not connection.closed:
                    await connection.rollback()
                raise
            try:
                yield ReadModelAt(connection, model, position, base, parked, key)
            finally:
                if not connection.closed:
                    await connection.rollback()
            return


async def _begin(connection: Connection, reach: Reach, model: ReadModel, position: int, *, kept: bool) -> int:
    """Tables as of some position, which is the answer: the last kept one, or 0 and no rows."""
    await connection.execute(_READ)
    await connection.execute(_BIND, reach.bound)
    await connection.execute(AS_IN_A_FOLD)
    await make_shadow(connection, model)
    found = (
        await query(connection, "find_kept", name=model.name, version=model.version, position=position)
        if kept
        else []
    )
    if not found:
        return 0
    base = int(found[0][0])
    await connection.execute(b"SET LOCAL enable_seqscan = on")
    await copy_rows(connection, model, kept_word(base), SHADOW, reach.merchant)
    await connection.execute(b"SET LOCAL enable_seqscan = off")
    return base


def kept_word(position: int) -> str:
    """What stands for a generation's number in the names of kept tables: `orders_at65536`."""
    return f"at{position}"
