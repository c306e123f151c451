"""How do read models move over a page of the log, exactly once, whatever their handlers do?

All read models that stand at the same position move in one transaction, sent in one round trip. Where a
handler fails, it is on its own: its page is halved until the event is found, and that event's key is parked.
Failures of infrastructure, and events that this code does not know, are raised: nothing has moved then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import psycopg
import structlog

from domain.aggregates import EVENT_TYPES
from domain.kernel import Event, Fact
from eventstore.codec import opened, subjects_in
from eventstore.keyring import Keyring
from eventstore.log import StoredEvent
from projections.columns import Column, columns
from projections.generations import REGISTRY, Connection
from projections.read_model import ReadModel, order_key, statement
from projections.read_models import OPENED

ATTEMPTS = 3
PAUSE_SECONDS = 0.05
ERROR_LENGTH_MAX = 500
HANDLERS_OWN = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.CardinalityViolation)
"""What the database says of rows that the handler should not have made."""
logger = structlog.get_logger()
Merge = tuple[bytes, dict[str, Column]]


class Moved(Exception):
    """Another worker moves the read model, or it was switched to another generation; nothing was changed."""


@dataclass(slots=True)
class Follow:
    """A generation of a read model, and where it stands while its lease is ours.

    `generation` is a word for a temporary one, which has no checkpoint. `attempts` is how often a page up to
    `careful_until` was begun and not ended; `counted` says that this worker's first page was counted.
    """

    model: ReadModel
    generation: int | str
    lease: int = 0
    position: int = 0
    parked: set[str] = field(default_factory=set)
    attempts: int = 0
    careful_until: int = 0
    counted: bool = False

    @property
    def follower(self) -> str:
        return f"projection:{self.model.name}:g{self.generation}"


@dataclass(slots=True)
class Work:
    """What a page means to a read model: rows to merge, facts to queue behind a parked one, or a failure."""

    follow: Follow
    merges: list[Merge]
    queued: list[tuple[Fact, str]]
    failure: Exception | None = None


async def decode_page(
    events: Sequence[StoredEvent],
    kinds: frozenset[str],
    fact_of: Callable[[StoredEvent], Fact],
    keyring: Keyring,
) -> list[Fact]:
    """The facts of those types, with the personal fields that read models show in plain text.

    Raises UnknownEvent for a type that this code does not know, also where nobody asks for it.
    """
    facts = [fact_of(event) for event in events if event.type in kinds or event.type not in EVENT_TYPES]
    sealed = [fact for fact in facts if type(fact.event) in OPENED]
    if not sealed:
        return facts
    await keyring.load(subjects_in(sealed))
    return [
        fact._replace(event=opened(fact.event, keyring)) if type(fact.event) in OPENED else fact
        for fact in facts
    ]


class Page:
    """The facts of a page; those of some types are picked once for all who want the same."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._facts = facts
        self._present = {type(fact.event) for fact in facts}
        self._picked: dict[frozenset[type[Event]], list[Fact]] = {}

    def of(self, kinds: tuple[type[Event], ...]) -> list[Fact]:
        wanted = self._present.intersection(kinds)
        key = frozenset(wanted)
        if key not in self._picked:
            self._picked[key] = [fact for fact in self._facts if type(fact.event) in wanted] if wanted else []
        return self._picked[key]


def work_of(follow: Follow, page: Page) -> Work:
    """Run the handler on what is its own of a page; what it raises is kept as its failure."""
    work = Work(follow, [], [])
    own = page.of(follow.model.events)
    if follow.parked:
        keyed = [(fact, order_key(fact)) for fact in own]
        work.queued = [(fact, key) for fact, key in keyed if key in follow.parked]
        own = [fact for fact, key in keyed if key not in follow.parked]
    if own:
        try:
            for name, rows in follow.model.project(own).items():
                if rows:
                    sql = statement(follow.model.name, name, follow.generation)
                    work.merges.append((sql, columns(rows)))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its own failure
            work.failure = error
    return work


class Advancer:
    """Moves read models over pages, on a connection of its own in autocommit mode."""

    def __init__(
        self, connection: Connection, keyring: Keyring, fact_of: Callable[[StoredEvent], Fact]
    ) -> None:
        self._connection = connection
        self._keyring = keyring
        self._fact_of = fact_of

    async def prepare(self, follows: Sequence[Follow], events: Sequence[StoredEvent]) -> list[Work]:
        """All that can be done before the transaction; touches no read model."""
        kinds = frozenset(kind.__name__ for follow in follows for kind in follow.model.events)
        facts = await decode_page(events, kinds, self._fact_of, self._keyring)
        page = Page(facts)
        return [work_of(follow, page) for follow in follows]

    async def advance(
        self, follows: Sequence[Follow], events: Sequence[StoredEvent], works: Sequence[Work] | None = None
    ) -> bool:
        """Move `follows`, who stand before the page, to its end; False if a handler failed on the way.

        `works` is what `prepare` made of the page, if it was called before.
        """
        works = await self.prepare(follows, events) if works is None else works
        last = events[-1].position
        failed = [work.follow for work in works if work.failure]
        healthy = [work for work in works if not work.failure]
        try:
            if healthy:
                await self.write(healthy, last)
        except HANDLERS_OWN as error:
            if len(healthy) > 1:  # one of them is to blame: the others must not suffer
                for work in healthy:
                    await self.advance([work.follow], events, [work])
            else:
                logger.warning("rows_refused", follower=healthy[0].follow.follower, error=said(error))
                failed.append(healthy[0].follow)
            healthy = []
        for follow in failed:
            await self._halve(follow, events)
        return len(healthy) == len(works)

    async def write(self, works: Sequence[Work], last: int) -> None:
        """One transaction, one round trip: the compare-and-set first, then all rows."""
        connection = self._connection
        try:
            async with connection.pipeline():
                await connection.execute(b"BEGIN")
                await self._begin(works, last)
                for work in works:
                    await self.merge(work)
                    if work.queued:
                        await self._park(work.follow, work.queued, "queued behind a parked event")
                await self._announce(works, last)
                await connection.execute(b"COMMIT")
        except psycopg.Error as error:
            if not connection.closed:
                await connection.rollback()
            if error.sqlstate == "TR001":
                raise Moved(str(error)) from None
            raise
        for work in works:
            work.follow.position = last

    async def merge(self, work: Work) -> None:
        """The rows alone, in whatever transaction is open."""
        for sql, parameters in work.merges:
            await self._connection.execute(sql, parameters, prepare=True)

    async def _begin(self, works: Sequence[Work], last: int) -> None:
        kept = [work.follow for work in works if isinstance(work.follow.generation, int)]
        await self._run(
            "begin_page",
            followers=[follow.follower for follow in kept],
            leases=[follow.lease for follow in kept],
            was=works[0].follow.position,
            position=last,
        )

    async def _announce(self, works: Sequence[Work], last: int) -> None:
        moved = {work.follow.model.name: last for work in works if isinstance(work.follow.generation, int)}
        if moved:
            await self._run("announce", moved=orjson.dumps(moved).decode())

    async def _park(self, follow: Follow, facts: Sequence[tuple[Fact, str]], error: str) -> None:
        await self._run(
            "park",
            follower=follow.follower,
            keys=[key for _, key in facts],
            positions=[fact.position for fact, _ in facts],
            errors=[error] * len(facts),
        )

    async def _run(self, query: str, **arguments: Any) -> None:
        await self._connection.execute(getattr(REGISTRY, query).sql.encode(), arguments, prepare=True)

    async def _halve(self, follow: Follow, events: Sequence[StoredEvent]) -> None:
        """Find the event that the handler fails on; all before it, and after it, are merged."""
        own = frozenset(kind.__name__ for kind in follow.model.events)
        wanted = [index for index, event in enumerate(events) if event.type in own]
        if len(wanted) <= 1:
            await self._retry(follow, events)
            return
        middle = wanted[len(wanted) // 2]
        await self.advance([follow], events[:middle])
        await self.advance([follow], events[middle:])

    async def _retry(self, follow: Follow, events: Sequence[StoredEvent]) -> None:
        """A single event of its own: try again, then park the event's key."""
        error: Exception | None = None
        for attempt in range(1, ATTEMPTS):
            await asyncio.sleep(PAUSE_SECONDS * attempt)
            work = (await self.prepare([follow], events))[0]
            error = work.failure
            if error is None:
                try:
                    await self.write([work], events[-1].position)
                except HANDLERS_OWN as refused:
                    error = refused
                else:
                    return
        assert error is not None
        private = any(EVENT_TYPES[event.type] in OPENED for event in events)
        await self.park(follow, events, said(error, private=private))

    async def park(self, follow: Follow, events: Sequence[StoredEvent], error: str) -> None:
        """Pass over the page, parking the keys of its events that are the read model's own."""
        kinds = frozenset(kind.__name__ for kind in follow.model.events)
        own = [self._fact_of(event) for event in events if event.type in kinds]
        keyed = [(fact, order_key(fact)) for fact in own]
        last = events[-1].position
        async with self._connection.transaction():
            await self._begin([Work(follow, [], [])], last)
            await self._park(follow, keyed, error)
        follow.parked.update(key for _, key in keyed)
        follow.position = last
        for fact, key in keyed:
            logger.error("parked", follower=follow.follower, key=key, position=fact.position, error=error)


def said(error: Exception, *, private: bool = False) -> str:
    """What an error says, without what might be personal: details of rows, and of facts that were opened."""
    if isinstance(error, psycopg.Error):
        return f"{type(error).__name__}: {error.diag.message_primary}"
    return type(error).__name__ if private else f"{type(error).__name__}: {error}"[:ERROR_LENGTH_MAX]
