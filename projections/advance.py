"""How do read models move over a page of the log, exactly once, whatever their handlers do?

All read models that stand at the same position move in one transaction, sent in one round trip. Where a
handler fails, it is on its own: its page is halved until the event is found, and that event's key is parked.
Failures of infrastructure, and events that this code does not know, are raised: nothing has moved then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import psycopg
import structlog

from domain.aggregates import EVENT_TYPES
from domain.kernel import Fact
from eventstore.keyring import Keyring
from eventstore.log import StoredEvent
from eventstore.partitions import WHOLE
from projections.page import Follow, Page, Work, decode_page, facts_in, kinds_of, names_of, work_of
from projections.read_model import order_key
from projections.read_models import OPENED
from projections.session import MOVED, Call, Session

ATTEMPTS = 3
PAUSE_SECONDS = 0.05
PAUSES = ATTEMPTS - 1
"""In one page. A handler that fails on all it gets must not hold up the others a while for each event."""
ERROR_LENGTH_MAX = 500
HANDLERS_OWN = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.CardinalityViolation)
"""What the database says of rows that the handler should not have made."""
logger = structlog.get_logger()


class Moved(Exception):
    """Another worker moves these partitions, or the read model was switched; nothing was changed."""


class Advancer:
    """Moves read models over pages, by a session of its own."""

    def __init__(self, session: Session, keyring: Keyring, fact_of: Callable[[StoredEvent], Fact]) -> None:
        self._session = session
        self._keyring = keyring
        self._fact_of = fact_of
        self._pauses = 0

    async def prepare(self, follows: Sequence[Follow], events: Sequence[StoredEvent]) -> list[Work]:
        """All that can be done before the transaction; touches no read model."""
        kinds = kinds_of(follows)
        ranges = {follow.partitions for follow in follows}
        facts = await decode_page(events, kinds, self._fact_of, self._keyring, ranges)
        pages = {each: Page(facts_in(each, facts)) for each in ranges}
        return [work_of(follow, pages[follow.partitions]) for follow in follows]

    async def advance(
        self, follows: Sequence[Follow], events: Sequence[StoredEvent], works: Sequence[Work] | None = None
    ) -> bool:
        """Move `follows`, who stand before the page, to its end; False if a handler failed on the way.

        `works` is what `prepare` made of the page, if it was called before.
        """
        self._pauses = PAUSES
        return await self._advance(follows, events, works)

    async def _advance(
        self, follows: Sequence[Follow], events: Sequence[StoredEvent], works: Sequence[Work] | None = None
    ) -> bool:
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
                    await self._advance([work.follow], events, [work])
            else:
                logger.warning("rows_refused", follower=healthy[0].follow.follower, error=said(error))
                failed.append(healthy[0].follow)
            healthy = []
        for follow in failed:
            await self._halve(follow, events)
        return len(healthy) == len(works)

    async def write(self, works: Sequence[Work], last: int) -> None:
        """One transaction, one round trip: the compare-and-set first, then all rows."""
        works = sorted(works, key=lambda work: work.follow.turn)
        calls = [_begin([work.follow for work in works], last)]
        for work in works:
            calls += _turn_of(work)
            calls += work.merges
            if work.queued:
                calls.append(_park(work.follow, work.queued, "queued behind a parked event"))
        calls += _announce(works, last)
        await self._write(calls)
        for work in works:
            work.follow.position = last

    async def _write(self, calls: Sequence[Call]) -> None:
        try:
            await self._session.write(calls)
        except psycopg.Error as error:
            if error.sqlstate == MOVED:
                raise Moved(str(error)) from None
            raise

    async def _halve(self, follow: Follow, events: Sequence[StoredEvent]) -> None:
        """Find the event that the handler fails on; all before it, and after it, are merged."""
        own = names_of(follow.model.events)
        wanted = [index for index, event in enumerate(events) if event.type in own]
        if len(wanted) <= 1:
            await self._retry(follow, events)
            return
        middle = wanted[len(wanted) // 2]
        await self._advance([follow], events[:middle])
        await self._advance([follow], events[middle:])

    async def _retry(self, follow: Follow, events: Sequence[StoredEvent]) -> None:
        """A single event of its own: try again, then park the event's key."""
        error: Exception | None = None
        for attempt in range(1, ATTEMPTS):
            if self._pauses:
                self._pauses -= 1
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
        kinds = names_of(follow.model.events)
        all_own = [self._fact_of(event) for event in events if event.type in kinds]
        own = facts_in(follow.partitions, all_own)
        keyed = [(fact, order_key(fact)) for fact in own]
        last = events[-1].position
        await self._write([_begin([follow], last), _park(follow, keyed, error)])
        follow.parked.update(key for _, key in keyed)
        follow.position = last
        for fact, key in keyed:
            logger.error("parked", follower=follow.follower, key=key, position=fact.position, error=error)


def _begin(follows: Sequence[Follow], last: int) -> Call:
    kept = [follow for follow in follows if isinstance(follow.generation, int)]
    kept.sort(key=lambda follow: (follow.follower, follow.partitions))  # as `shares.sql` locks them
    arguments = {
        "followers": [follow.follower for follow in kept],
        "firsts": [follow.partitions.first for follow in kept],
        "lasts": [follow.partitions.last for follow in kept],
        "leases": [follow.lease for follow in kept],
        "was": follows[0].position,
        "position": last,
    }
    return Call("begin_page", arguments)


def _turn_of(work: Work) -> list[Call]:
    """Until the commit nobody else changes rows that partitions share, and each statement sees what those
    before us committed. Whoever has all partitions is alone."""
    if work.merges and work.follow.model.shared_rows and work.follow.partitions != WHOLE:
        return [Call("wait_for_turn", {"key": f"rows of {work.follow.follower}"})]
    return []


def _park(follow: Follow, facts: Sequence[tuple[Fact, str]], error: str) -> Call:
    arguments = {
        "follower": follow.follower,
        "keys": [key for _, key in facts],
        "positions": [fact.position for fact, _ in facts],
        "errors": [error] * len(facts),
    }
    return Call("park_page", arguments)


def _announce(works: Sequence[Work], last: int) -> list[Call]:
    """{read model: position}; where several share it, [[first, last partition, position], …]."""
    moved: dict[str, Any] = {}
    for follow in (work.follow for work in works if isinstance(work.follow.generation, int)):
        part = follow.partitions
        if part == WHOLE:
            moved[follow.model.name] = last
        else:
            moved.setdefault(follow.model.name, []).append((part.first, part.last, last))
    return [Call("announce", {"moved": orjson.dumps(moved).decode()})] if moved else []


def said(error: Exception, *, private: bool = False) -> str:
    """What an error says, without what might be personal: details of rows, and of facts that were opened."""
    if isinstance(error, psycopg.Error):
        return f"{type(error).__name__}: {error.diag.message_primary}"
    return type(error).__name__ if private else f"{type(error).__name__}: {error}"[:ERROR_LENGTH_MAX]
