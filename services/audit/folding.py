"""How is a read model folded up to some moment, without what is personal, in temporary tables?

By the read model's own `project` and statements, for a generation of its own name. In place of a personal
value the fold has a mark that says where it stands in the log: `sealed:17:customer.city`. So what is kept
of a fold holds nothing personal, and whoever shows a row opens the event that the mark names, if it can
still be opened.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import psycopg
import structlog
from psycopg import sql
from psycopg.rows import TupleRow

from domain.erasure import SubjectErased
from domain.kernel import Fact
from domain.personal import Sealed
from eventstore.codec import personal_fields
from eventstore.log import StoredEvent
from eventstore.queries import load_queries
from projections.advance import HANDLERS_OWN, said
from projections.columns import take_columns
from projections.page import TURN, Follow, Page, work_of
from projections.read_model import ReadModel, order_key, statement, table_of
from projections.read_models import OPENED
from services.audit.stored import Unreadable, decoded, fetch, is_no_event

SHADOW = "asof"
PAGE = 2_000
DATA_BYTES = 8 << 20
MARK = re.compile(r"sealed:(\d+):(\w+)\.(\w+)")
QUERIES = load_queries("services.audit", "as_of.sql")
BY_KEYS = (
    b"SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
    b"SET LOCAL jit = off"
)
"""Tables that were just made have no statistics: a fold finds its rows by their keys."""
AS_IN_A_FOLD = b"SET LOCAL search_path = pg_temp, public; SET LOCAL temp_buffers = '64MB'; " + BY_KEYS
Connection: TypeAlias = psycopg.AsyncConnection[TupleRow]
_stored = partial(tuple.__new__, StoredEvent)


Parked: TypeAlias = dict[str, int]
"""The keys that stand still, each with the position of the event on which the handler fails."""
logger = structlog.get_logger()


class CannotFold(Exception):
    """An event is none that this code knows: what stood then can't be told by it. The message names it."""

    expected = True


class Failed(Exception):
    """A handler, or the database with what it made, on some of these facts."""


async def make_shadow(connection: Connection, model: ReadModel, generation: str = SHADOW) -> None:
    """Empty temporary tables, found by their keys alone: other indexes are for readers of many pages.

    Statements of a read model with shared rows look for rows by others, too.
    """
    await connection.execute(statement(model.name, "create_tables", generation))
    for table in () if model.shared_rows else model.tables:
        for (name,) in await query(connection, "read_further_indexes", relation=table_of(table, generation)):
            await connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier("pg_temp", name)))


async def fold(
    connection: Connection,
    model: ReadModel,
    events: Sequence[StoredEvent],
    parked: Parked,
    generation: str = SHADOW,
) -> None:
    """Merge a page of the log into the tables; what can't be is parked, as a projector does it.

    From an event on which a handler fails, its key stands still: it is added to `parked`, and what follows of
    it is passed over. Raises CannotFold for an event that is none.
    """
    facts: list[Fact] = []
    for start in range(0, len(events), TURN):
        await asyncio.sleep(0)  # all else of the process has its turn
        facts += marked(events[start : start + TURN])
    await fold_facts(connection, model, facts, parked, generation)


async def fold_facts(
    connection: Connection, model: ReadModel, facts: Sequence[Fact], parked: Parked, generation: str = SHADOW
) -> None:
    """As `fold`, of facts."""
    if parked:
        facts = [fact for fact in facts if order_key(fact) not in parked]
    if not facts:
        return
    try:
        async with connection.transaction():
            await merge(connection, model, facts, generation)
    except Failed as failed:
        if len(facts) == 1:
            parked[order_key(facts[0])] = facts[0].position
            logger.warning(
                "as_of_parks", read_model=model.name, position=facts[0].position, error=str(failed)
            )
            return
        middle = len(facts) // 2
        await fold_facts(connection, model, facts[:middle], parked, generation)
        await fold_facts(connection, model, facts[middle:], parked, generation)


async def merge(connection: Connection, model: ReadModel, facts: Sequence[Fact], generation: str) -> None:
    """All of the facts, or none. Raises Failed."""
    work = work_of(Follow(model, generation), Page(facts))
    if work.failure:
        raise Failed(said(work.failure, private=True))
    take_columns(connection)
    try:
        for name, arguments, of, into in work.merges:
            await connection.execute(statement(of, name, into), arguments, prepare=True)
    except HANDLERS_OWN as error:
        raise Failed(said(error, private=True)) from None


def kinds_of(model: ReadModel) -> set[str]:
    """The types of events that a fold takes: no erasures, as it is told by marks who is erased, at every
    moment."""
    return {kind.__name__ for kind in model.events if kind is not SubjectErased}


async def facts_between(
    connection: Connection, model: ReadModel, after: int, until: int, *, page: int = PAGE
) -> AsyncGenerator[list[StoredEvent]]:
    """The read model's own events of a range that the connection's role sees, page by page."""
    types = sorted(kinds_of(model))
    while after < until:
        rows = await query(
            connection,
            "read_facts",
            after=after,
            until=until,
            types=types,
            limit=page,
            data_bytes=DATA_BYTES,
        )
        if not rows:
            return
        events = list(map(_stored, rows))
        yield events
        after = events[-1].position


def marked(events: Sequence[StoredEvent]) -> list[Fact]:
    """The facts with marks for what is personal. Raises CannotFold."""
    return [_marked(fact_of(event)) for event in events]


def fact_of(event: StoredEvent) -> Fact:
    """Raises CannotFold."""
    fact = decoded(event)
    if not isinstance(fact.event, Unreadable):
        return fact
    raise CannotFold(is_no_event(event))


def _marked(fact: Fact) -> Fact:
    """With marks in place of the personal values that read models would show in plain text."""
    if type(fact.event) not in OPENED:
        return fact
    update = {}
    for name, kind in personal_fields(type(fact.event)).items():
        if isinstance(getattr(fact.event, name), Sealed):
            marks: dict[str, Any] = {
                part: f"sealed:{fact.position}:{name}.{part}" for part in kind.model_fields
            }
            update[name] = kind.model_construct(**marks)
    return fact._replace(event=fact.event.model_copy(update=update)) if update else fact


def marks_in(model: ReadModel, table: str, rows: Sequence[Mapping[str, Any]]) -> set[int]:
    """The positions that the marks of these rows name."""
    columns = model.personal.get(table, ())
    found = (MARK.fullmatch(row.get(column) or "") for row in rows for column in columns)
    return {int(each[1]) for each in found if each}


async def columns_of(connection: Connection, relation: str) -> list[str]:
    return [name for (name,) in await query(connection, "read_columns", relation=relation)]


async def copy_rows(
    connection: Connection, model: ReadModel, source: str, target: str, merchant: str = ""
) -> None:
    """The rows of one generation into another's empty tables: those that the connection's role sees.

    Of a merchant, by its key: the wall alone would have the rows of all looked at.
    """
    for table in model.tables:
        names = await columns_of(connection, table_of(table, target))
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        of_one = merchant and "merchant" in names
        await connection.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} {}").format(
                sql.Identifier(table_of(table, target)), columns, columns,
                sql.Identifier("public", table_of(table, source)),
                sql.SQL("WHERE merchant = {}").format(merchant) if of_one else sql.SQL(""),
            )
        )  # fmt: skip


async def query(connection: Connection, name: str, /, **arguments: Any) -> list[TupleRow]:
    """The rows of a statement of `as_of.sql`; none for one that has no result."""
    return await fetch(connection, getattr(QUERIES, name).sql, arguments)
