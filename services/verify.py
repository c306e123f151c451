"""Is the log whole, and is everything derived from it what it must be? `tillroll verify` answers.

Reads the log once: positions 1..n, versions 1..n in each stream, every leaf hash recomputed, every event
decodable, all of it as it was signed (`services/audit/against.py`); then the ledger (an entry for each event
that it must still know), the followers (nobody behind, nobody ahead, nothing parked or left lying), and the
snapshots and the read models against a fold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import AsyncConnection, DataError
from psycopg.rows import TupleRow

from domain.kernel import Fact
from eventstore.codec import UnknownEvent, decode
from eventstore.leaf import leaf_hash_of
from eventstore.log import StoredEvent
from eventstore.queries import load_queries
from projections.compare import compare
from services.agents.runner import FOLLOWER as AGENTS
from services.audit.against import SealedTree, stored_checkpoints
from services.audit.notes import Checkpoint
from services.books import Books
from services.books.order import Seen
from services.context import ProcessContext
from services.stragglers import STILL_SECONDS, read_due, verify_stragglers
from services.verify_snapshots import verify_snapshots

PAGE = 5_000
PROBLEMS_MAX = 100
SWEEP_MARGIN = timedelta(hours=1)
_QUERIES = load_queries("services", "verify.sql")
Progress = Callable[[str, int, int], None]
"""(what, done, of how many)"""


@dataclass(slots=True)
class Verdict:
    """What was checked, and what is wrong (at most 100 problems are listed)."""

    events: int = 0
    streams: int = 0
    snapshots: int = 0
    read_models: int = 0
    sealed: int = 0
    problems: list[str] = field(default_factory=list)
    _altered: int = 0

    @property
    def clean(self) -> bool:
        return not self.problems

    def wrong(self, problem: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)

    def altered(self, problem: str) -> None:
        """That the log was, is told first of all, however much else is wrong."""
        if self._altered < PROBLEMS_MAX:
            self.problems.insert(self._altered, problem)
            self._altered += 1
            del self.problems[PROBLEMS_MAX:]


async def verify(
    context: ProcessContext,
    progress: Progress,
    patience_s: float = STILL_SECONDS,
    checkpoints: Sequence[Checkpoint] | None = None,
    books: Books | None = None,
) -> Verdict:
    """Check everything up to the head of this moment; who is behind it gets `patience_s` seconds to move.

    The log is compared with `checkpoints` that were kept outside; None: with the last that the database
    holds. `books`, if given, are filled, and must balance.
    """
    verdict = Verdict()
    stored = await stored_checkpoints(context.pool, verdict.altered)
    if checkpoints is None:
        checkpoints = stored
    tree = SealedTree(checkpoints)
    seen = await _read_seen(context)
    due = await read_due(context)
    forgotten = await _verify_log(context, verdict, progress, due.head, tree, books)
    altered: list[str] = []
    await tree.finish(context.pool, altered.append)
    verdict.problems[:0] = altered  # first of all, however much else is wrong
    verdict.sealed = tree.agreed
    for fault in books.faults(seen) if books else ():
        verdict.wrong(f"books: {fault}")
    await _verify_ledger(context, verdict, forgotten)
    with _what_an_altered_log_breaks(verdict):
        await verify_stragglers(context, due, verdict.wrong, progress, patience_s)
    await _verify_followers(context, verdict)
    with _what_an_altered_log_breaks(verdict):
        verdict.snapshots = await verify_snapshots(context, verdict.wrong)
    with _what_an_altered_log_breaks(verdict):
        await _verify_read_models(context, verdict, progress)
    return verdict


@contextmanager
def _what_an_altered_log_breaks(verdict: Verdict) -> Iterator[None]:
    """Who reads a log that was found altered may fail in any way: that is one finding more, and no end."""
    try:
        yield
    except Exception as error:
        if verdict.clean:
            raise
        verdict.wrong(f"what follows from the log can't be compared with it: {error or type(error).__name__}")


async def _read_seen(context: ProcessContext) -> Seen:
    """What agents are done with. Read before the head is, so that what they asked for lies below it."""
    ((_, done, _),) = await _fetch(context, "read_places", followers=[AGENTS], read_models=[])
    return Seen(done, {key for (key,) in await _fetch(context, "read_parked_keys")})


async def _verify_log(
    context: ProcessContext,
    verdict: Verdict,
    progress: Progress,
    head: int,
    tree: SealedTree,
    books: Books | None,
) -> int:
    """The last position that the ledger may have forgotten."""
    kept_since = _kept_since(context)
    versions: dict[str, int] = {}
    for (before,) in await _fetch(context, "read_before_first"):
        verdict.altered(f"position {before}: an event stands before the first one")
    position = forgotten = 0
    async with context.pool.connection() as connection:
        while position < head:
            page = await _read_page(connection, position, head)
            if not page:
                verdict.wrong(f"the log ends at {position}, but its head is {head}")
                break
            facts: list[Fact] = []
            for event in page:
                _verify_event(event, position, versions, verdict, facts)
                position = event.position
                tree.take(event.leaf_hash)
                if isinstance(event, StoredEvent) and event.recorded_at and event.recorded_at <= kept_since:
                    forgotten = position
            if books:
                books.take(facts)
            progress("events", position, head)
    verdict.events, verdict.streams = position, len(versions)
    return forgotten


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event of which no more can be had."""

    position: int
    leaf_hash: bytes


async def _read_page(
    connection: AsyncConnection[TupleRow], after: int, head: int, limit: int = PAGE
) -> Sequence[StoredEvent | Unreadable]:
    """The next events; one that can't be read stops no page but its own."""
    arguments = {"after": after, "head": head, "limit": limit}
    try:
        cursor = await connection.execute(_READ, arguments, prepare=True, binary=True)
        return [StoredEvent(*row) for row in await cursor.fetchall()]
    except DataError:
        if limit > 1:
            return await _read_page(connection, after, head, limit // 2)
        cursor = await connection.execute(_QUERIES.read_unreadable.sql.encode(), {"after": after})
        return [Unreadable(*row) for row in await cursor.fetchall()]


def _kept_since(context: ProcessContext) -> datetime:
    """Entries of events after this are not swept, also if the sweeper goes on meanwhile."""
    return context.clock.now() - timedelta(days=context.settings.ledger_days) + SWEEP_MARGIN


_READ = """
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash
FROM events WHERE position > %(after)s AND position <= %(head)s ORDER BY position LIMIT %(limit)s
"""


def _verify_event(
    event: StoredEvent | Unreadable,
    before: int,
    versions: dict[str, int],
    verdict: Verdict,
    facts: list[Fact],
) -> None:
    """Tell what is wrong with it; what could be read of it goes to `facts`."""
    if event.position != before + 1:
        verdict.altered(f"positions {before + 1} to {event.position - 1} are missing")
    if isinstance(event, Unreadable) or None in event:
        verdict.altered(f"position {event.position}: the event has a time that is none, or no value at all")
        return
    expected = versions.get(event.stream, 0) + 1
    if event.version != expected:
        verdict.wrong(
            f"position {event.position}: {event.stream} has version {event.version}, not {expected}"
        )
    versions[event.stream] = event.version
    if leaf_hash_of(event) != event.leaf_hash:
        verdict.altered(f"position {event.position} ({event.stream}): the leaf hash does not match the event")
    decoded = _decoded(event, verdict)
    if decoded and decoded.event.__class__.__name__ != event.type:
        verdict.wrong(f"position {event.position}: is no {event.type}")
    if decoded:
        facts.append(decoded)


def _decoded(event: StoredEvent, verdict: Verdict) -> Fact | None:
    try:
        return decode(event)
    except (UnknownEvent, ValueError) as error:
        verdict.wrong(f"position {event.position} ({event.type}): {error}")
        return None


async def _verify_ledger(context: ProcessContext, verdict: Verdict, forgotten: int) -> None:
    """Each event that is young enough is of exactly one command; no command is of an event to come."""
    arguments = {"after": forgotten, "head": verdict.events}
    for first, covered in await _fetch(context, "read_ledger_faults", **arguments):
        if first > covered + 1:
            verdict.wrong(f"no entry of the ledger covers the events {covered + 1} to {first - 1}")
        else:
            verdict.wrong(f"more than one entry of the ledger covers the event {first}")
    for command_id, merchant, last in await _fetch(context, "read_ledger_ahead"):
        verdict.wrong(
            f"the ledger says that command {command_id} of {merchant} ended at {last}, beyond the head"
        )


async def _verify_followers(context: ProcessContext, verdict: Verdict) -> None:
    for follower, key, position, error in await _fetch(context, "read_parked"):
        verdict.wrong(f"{follower}: {key} is parked since position {position}: {error}")
    for (problem,) in await _fetch(context, "read_unrecorded", seconds=STILL_SECONDS):
        verdict.wrong(problem)
    for follower, position in await _fetch(context, "read_ahead"):
        verdict.wrong(f"{follower} stands at {position}, beyond the log's head")
    for (follower,) in await _fetch(context, "read_uncovered"):
        verdict.wrong(f"{follower}: its checkpoints do not cover every partition once")


async def _fetch(context: ProcessContext, query: str, **arguments: Any) -> list[Any]:
    async with context.pool.connection() as connection:
        cursor = await connection.execute(getattr(_QUERIES, query).sql.encode(), arguments)
        return await cursor.fetchall()


async def _verify_read_models(context: ProcessContext, verdict: Verdict, progress: Progress) -> None:
    compared = await compare(context.pool, context.log, context.keyring, progress=progress)
    verdict.read_models = compared.read_models
    for difference in compared.differences:
        verdict.wrong(difference)
