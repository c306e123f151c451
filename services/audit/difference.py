"""What made the difference between two moments? Each field that changed, with the event that changed it.

The changes stand in the order of their events; applied one after the other to the first state they make the
second (`applied`). A path is a JSON pointer (RFC 6901) into the state, or into the row; the empty one is
all of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from domain.kernel import Fact
from eventstore.log import StoredEvent
from eventstore.statements import Pool
from projections.advance import HANDLERS_OWN
from projections.read_model import ReadModel, order_key, table_of
from services.audit.as_of import Subject
from services.audit.as_of_models import ReadModelAt, events_of_key, standing
from services.audit.folding import (
    SHADOW,
    Failed,
    facts_between,
    fold_facts,
    marked,
    merge,
    query,
)
from services.audit.history import History
from services.audit.shown import Opening
from services.audit.whole import whole_steps

ABSENT: Any = object()
CHUNK = 100
"""Events between two looks at what changed."""
_CAUSE = b"SELECT set_config('tillroll.event', %s, true)"
_CHANGES = """
CREATE TEMP TABLE changes (
    number bigint GENERATED ALWAYS AS IDENTITY, position bigint, relation text, was jsonb, now jsonb
)
"""


@dataclass(frozen=True, slots=True)
class Change:
    """A field that an event changed: `of` says of what; `was` and `now` are ABSENT where there is nothing."""

    event: StoredEvent
    of: dict[str, Any]
    path: str
    was: Any
    now: Any

    def as_json(self) -> dict[str, Any]:
        """Where there is nothing, `was` or `now` is left out."""
        told = {
            "position": self.event.position,
            "event_id": str(self.event.event_id),
            "type": self.event.type,
            "of": self.of,
            "path": self.path,
        }
        values = {"was": self.was, "now": self.now}
        return told | {name: value for name, value in values.items() if value is not ABSENT}


def differences(was: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, was, now) of each field that differs. Objects are gone into; anything else is one value."""
    if isinstance(was, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*was, *now)):
            inner = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
            yield from differences(was.get(name, ABSENT), now.get(name, ABSENT), inner)
    elif was != now or type(was) is not type(now):
        yield path, was, now


def applied(state: Any, path: str, now: Any) -> Any:
    """The state, changed in place, with that value at the path. KeyError for one that is not there."""
    if not path:
        return now
    *way, last = (each.replace("~1", "/").replace("~0", "~") for each in path[1:].split("/"))
    inner = state
    for each in way:
        inner = inner[each]
    if now is ABSENT:
        del inner[last]
    else:
        inner[last] = now
    return state


async def state_changes(
    history: History, opening: Opening, subject: Subject, first: int, last: int
) -> AsyncIterator[Change]:
    """How an aggregate or a process came from position `first` to `last`. Raises CannotFold."""
    state, was = subject.initial(), None
    async for step in whole_steps(history, subject.wanted, last):
        numbered = iter(step.events)
        async for after in subject.after(state, step.events, opening):
            event = next(numbered)
            if after is None:
                continue
            if event.position > first:
                was = subject.as_json(state) if was is None else was
                now = subject.as_json(after)
                for path, old, new in differences(was, now):
                    yield Change(event, subject.named, path, old, new)
                was = now
            state = after


async def row_changes(
    pool: Pool, history: History, model: ReadModel, first: int, last: int, key: str = ""
) -> AsyncIterator[list[Change]]:
    """How the rows of a read model did, a few events at a time; each event's changes come together."""
    async with standing(pool, history, model, first, key) as at:
        await at.connection.execute(_CHANGES.encode())
        keys = await _watch(at)
        async for events in (
            events_of_key(history, model, key, first, last)
            if key
            else facts_between(at.connection, model, first, last, page=10 * CHUNK)
        ):
            for start in range(0, len(events), CHUNK):
                chunk = events[start : start + CHUNK]
                await _merge_each(at, marked(chunk))
                yield _changes(await query(at.connection, "take_changes"), chunk, keys)


async def _merge_each(at: ReadModelAt, facts: Sequence[Fact]) -> None:
    """One by one, each noted as the cause of what it changes: in one go, unless one of them fails."""
    connection = at.connection
    facts = [fact for fact in facts if order_key(fact) not in at.parked]
    try:
        async with connection.transaction(), connection.pipeline():
            for fact in facts:
                await connection.execute(_CAUSE, (str(fact.position),))
                await merge(connection, at.model, [fact], SHADOW)
    except (Failed, psycopg.errors.PipelineAborted, *HANDLERS_OWN):
        for fact in facts:
            await connection.execute(_CAUSE, (str(fact.position),))
            await fold_facts(connection, at.model, [fact], at.parked)


async def _watch(at: ReadModelAt) -> dict[str, tuple[str, list[str]]]:
    """Note what happens to each table from now on; by relation, the table's name and its key."""
    keys = {}
    for table in at.model.tables:
        relation = table_of(table, SHADOW)
        found = await query(at.connection, "read_key", relation=relation)
        keys[relation] = table, [name for (name,) in found]
        await at.connection.execute(
            sql.SQL(
                "CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON {}"
                " FOR EACH ROW EXECUTE FUNCTION public.note_change()"
            ).format(sql.Identifier("pg_temp", relation))
        )
    return keys


def _changes(
    rows: Iterable[tuple[Any, ...]], events: Sequence[StoredEvent], keys: dict[str, tuple[str, list[str]]]
) -> list[Change]:
    """Of each event and row one step, however often the statements came to the row; those that end where
    they began are none."""
    by_position = {event.position: event for event in events}
    steps: dict[tuple[int, str, tuple[Any, ...]], list[Any]] = {}
    for position, relation, was, now in rows:
        table, columns = keys[relation]
        row = was if now is None else now
        name = position, table, tuple(row[column] for column in columns)
        steps.setdefault(name, [was, None])[1] = now
    changes = []
    for (position, table, values), (was, now) in steps.items():
        columns = next(columns for named, columns in keys.values() if named == table)
        of = {"table": table, "key": dict(zip(columns, values, strict=True))}
        before, after = (ABSENT if each is None else each for each in (was, now))
        for path, old, new in differences(before, after):
            changes.append(Change(by_position[position], of, path, old, new))
    return changes
