"""Runs a gateway: takes requests from the log, has the provider called, and keeps its place.

Exactly one charge, whatever crashes. The request is in the log before anybody is called; what was requested
before this worker took over is doubtful, so the provider is asked before it is called; who may have lost its
lease calls nobody; and every call carries our own id as its idempotency key.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from commands.executor import Executor
from domain.kernel import Fact
from eventstore.checkpoints import Checkpoint, LeaseLost, holding
from eventstore.codec import subject_of
from eventstore.feed import Feed
from eventstore.keyring import Keyring
from eventstore.log import StoredEvent
from eventstore.pace import Pace
from eventstore.seams import Clock
from eventstore.statements import Database
from services.gateways.breaker import PATIENCE, Patience
from services.gateways.caller import Caller
from services.gateways.calls import Call
from services.gateways.gateway import Gateway
from services.gateways.lanes import Lanes
from services.gateways.moments import Moments
from services.gateways.provider import Provider
from services.gateways.trouble import task_group

PAGE = 1_000
PAGE_SECONDS = 0.02
KEEP_SECONDS = 0.05
logger = structlog.get_logger()


@dataclass(slots=True)
class _Place:
    """The checkpoint, and how far events are taken: what is taken and not kept yet is taken again."""

    checkpoint: Checkpoint
    taken: int


class GatewayRunner:
    """Follows the log for one gateway. `run` ends only by an error, or by being cancelled."""

    def __init__(
        self,
        gateway: Gateway,
        provider: Provider,
        feed: Feed,
        executor: Executor,
        database: Database,
        keyring: Keyring,
        clock: Clock,
        patience: Patience = PATIENCE,
    ) -> None:
        self.gateway = gateway
        self.follower = gateway.actor
        self._feed = feed
        self._executor = executor
        self._database = database
        self._statements = database.statements("services.gateways", "gateways.sql")
        self._keyring = keyring
        self._clock = clock
        self._patience = patience
        self._provider = provider
        self._interests = {kind.__name__ for kind in gateway.interests}
        self._prefix = f"{gateway.category}-"

    async def run(self) -> None:
        async with holding(self._database, self.follower) as checkpoint:
            # all that stands in the log by now may have been called for, by a worker before us
            doubtful_until = await self._feed.log_head()
            async with task_group() as tasks:
                lanes = Lanes(self._caller(checkpoint), self._clock, self._patience, tasks)
                place = _Place(checkpoint, checkpoint.position)
                tasks.create_task(self._keep_place(place, lanes))
                await self._resume(place, lanes)
                await self._follow(place, lanes, doubtful_until)

    def _caller(self, checkpoint: Checkpoint) -> Caller:
        moments = Moments(self._database, self._clock)
        return Caller(
            self.gateway,
            self._provider,
            self._executor,
            self._keyring,
            moments,
            self._clock,
            checkpoint.check_held,
        )

    async def _resume(self, place: _Place, lanes: Lanes) -> None:
        """Take up again what the last worker left open. Raises LeaseLost if it is the next one already."""
        rows = await self._statements.run("load_calls", gateway=self.gateway.name)
        if any(stored[0] > place.taken for _, _, *stored in rows):  # they would be taken once more by us
            raise LeaseLost(f"{self.follower} is followed by another worker now")
        if rows:
            logger.info("calls_resumed", gateway=self.gateway.name, count=len(rows))
        for attempts, next_at, *stored in rows:
            fact = self._feed.fact(StoredEvent(*stored))
            lanes.start(Call(fact, doubtful=True, next_at=next_at, attempts=attempts, kept=True))

    async def _follow(self, place: _Place, lanes: Lanes, doubtful_until: int) -> None:
        pace = Pace(PAGE_SECONDS)
        while True:
            await pace.turn()
            page = await self._feed.page(place.taken, PAGE)
            place.checkpoint.check()
            if not page:
                continue
            now = self._clock.now()
            for fact in await self._requests(page):
                lanes.start(Call(fact, doubtful=fact.position <= doubtful_until, next_at=now))
            place.taken = page[-1].position
            lanes.news.set()
            await lanes.room()

    async def _requests(self, page: list[StoredEvent]) -> list[Fact]:
        seen = [self._see(stored) for stored in page if stored.stream.startswith(self._prefix)]
        requests = [fact for fact in seen if fact is not None]
        subjects = {subject for fact in requests if (subject := subject_of(fact.event))}
        if subjects:
            await self._keyring.load(subjects)  # for all of the page in one query
        return requests

    def _see(self, stored: StoredEvent) -> Fact | None:
        """Let the cached state follow an event of our category; the fact, if it requests something."""
        states = self._executor.states
        known = states.known(stored.stream)
        if known is None and stored.version == 1:
            event = self._feed.fact(stored).event
            states.applied(stored.stream, states.initial(stored.stream), (event,))
        elif known is not None and known.version + 1 == stored.version:
            states.follow(self._feed.fact(stored))
        return self._feed.fact(stored) if stored.type in self._interests else None

    async def _keep_place(self, place: _Place, lanes: Lanes) -> None:
        """Move the checkpoint, and keep what is open behind it: now and then, not for each page."""
        while True:
            await lanes.news.wait()
            await asyncio.sleep(KEEP_SECONDS)
            lanes.news.clear()
            taken = place.taken
            await self._write(place.checkpoint, taken, lanes.open.changes())
            place.checkpoint.moved(taken)

    async def _write(self, checkpoint: Checkpoint, position: int, changes: dict[str, Any]) -> None:
        """Where the checkpoint moves, commit without waiting for the disk: the requests themselves are in the
        log. Should a crash of the database take back our last moves, checkpoint and open calls go back
        together, the next move fails, and what is taken a second time is doubtful."""
        rows = await self._statements.run(
            "keep_place",
            follower=self.follower,
            lease=checkpoint.lease,
            was=checkpoint.position,
            position=position,
            gateway=self.gateway.name,
            **changes,
        )
        if not rows[0][0]:
            raise LeaseLost(f"{self.follower} is followed by another worker now")
