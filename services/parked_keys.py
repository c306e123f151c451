"""How is what a person asks of a parked key recorded, and carried out once?

Recorded first, as an event; then whoever may move the follower carries it out, in one transaction with the
answer, by the request's position: a crash between leaves a request that is still to be answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from commands.executor import Context, Done, Executor
from domain.kernel import Command, one
from domain.parked import ParkedSkipRequested
from domain.streams import parked_stream, stream_parts
from eventstore.appender import passes
from eventstore.codec import decode
from eventstore.keyring import Keyring
from eventstore.log import Log
from eventstore.queries import load_queries
from eventstore.statements import Pool
from eventstore.tasks import finish
from projections.generations import live_generations
from projections.parking import MadeByOtherCode
from projections.parking import lock_parked as lock_projection
from projections.read_model import ReadModel
from projections.read_models import READ_MODELS
from services.agents.agent import Agent
from services.agents.parking import lock_parked as lock_agent
from services.agents.reactions import parker
from services.scheduler import FOLLOWER as SCHEDULER

LOOK_SECONDS = 1.0
ATTEMPTS_MAX = 3
"""So many processes that end while they carry out a request are enough to know what has ended them."""
ENDS = "what waits ends its process, again and again"
PROJECTION, AGENT = "projection:", "agent:"
Connection = AsyncConnection[TupleRow]
_QUERIES = load_queries("services", "parked.sql")
logger = structlog.get_logger()


class CannotGoOn(Exception):
    """There is no such follower or parked key, or it fails as before."""

    expected = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request: `skipped` is None where its event was not what the key stood at (any more),
    `went_on` counts events behind it, `error` is what the key stands at now, or ''."""

    request: int
    skipped: int | None
    went_on: int
    error: str


class Parked(Protocol):
    """The parked keys of one follower, which nobody moves until the transaction ends."""

    async def skip(self, key: str, position: int) -> bool:
        """Leave out the event that the key stands at; False if it stands at another, or is free."""

    async def go_on(self, key: str) -> tuple[int, str]:
        """How many of those that wait went on, in order, and what stopped them, or ''."""


@dataclass(frozen=True, slots=True)
class ParkedDeadlines:
    """Deadlines that could not be appended; a key is one of them."""

    connection: Connection

    async def skip(self, key: str, position: int) -> bool:
        return bool(await _run(self.connection, "skip_deadline", key=key, position=position))

    async def go_on(self, key: str) -> tuple[int, str]:
        """It is due again; if it still fails, the scheduler parks it anew."""
        return len(await _run(self.connection, "unpark_deadline", key=key)), ""


class ParkedKeys:
    """What can be done about them; the role of `pool` says for which followers."""

    def __init__(
        self,
        pool: Pool,
        log: Log,
        keyring: Keyring,
        agents: tuple[Agent, ...],
        models: Mapping[str, ReadModel] = READ_MODELS,
    ) -> None:
        self._pool = pool
        self._log = log
        self._keyring = keyring
        self._agents = {parker(agent.name): agent for agent in agents}
        self._models = models

    async def follower(self, told: str) -> str:
        """The name in full of a follower, which may be told as a read model's. Raises CannotGoOn."""
        if told in self._models:
            async with self._pool.connection() as connection:
                generation = (await live_generations(connection)).get(told)
            if generation:
                return self._models[told].follower(generation.number)
        if told == SCHEDULER or told in self._agents or _model_of(told) in self._models:
            return told
        raise CannotGoOn(f"there is no follower {told}; `tillroll parked` tells which have parked keys")

    async def first(self, follower: str, key: str) -> int | None:
        """The event that the key stands at; None if it is free."""
        async with self._pool.connection() as connection:
            ((first,),) = await _run(connection, "read_first", follower=follower, key=key)
        return first  # type: ignore[no-any-return]

    async def retry(self, told: str, key: str) -> int:
        """How many events went on. Raises CannotGoOn, also where those went on that come before it."""
        follower = await self.follower(told)
        async with self._pool.connection() as connection, connection.transaction():
            parked = await self._lock(connection, follower)
            went_on, error = await parked.go_on(key) if parked else (0, "")
        if error:
            so_far = f"{went_on:,} events went on, then it fails: " if went_on else ""
            raise CannotGoOn(f"{key} of {follower} stays parked: {so_far}{error}")
        if not went_on:
            raise CannotGoOn(f"{follower} has no parked key {key}")
        return went_on

    async def answer_all(self, mine: Callable[[str], bool]) -> None:
        """Carry out what was asked of the followers that are `mine`. What can't be now comes again.

        Several processes may do so at once: the first to begin with a request carries it out, the others wait
        for that and find it answered.
        """
        async with self._pool.connection() as connection:
            requests = await _run(connection, "read_requests")
        for request, stream in requests:
            follower = stream_parts(stream)[0]
            if not mine(follower):
                continue
            try:
                answer = await self.answer(request)
            except MadeByOtherCode as other:
                logger.info("parked_request_left", follower=follower, request=request, why=str(other))
            except Exception as error:
                if passes(error):
                    raise
                logger.exception("parked_request_failed", follower=follower, request=request)
            else:
                logger.info("parked_request_answered", follower=follower, answer=answer)

    async def answer(self, request: int) -> Answer:
        """Carry out what was asked at that position, unless it was done before: what came of it."""
        (stored,) = await self._log.read(request - 1, 1)
        asked: Any = decode(stored).event
        async with self._pool.connection() as connection, connection.transaction():
            whose = {"follower": asked.follower, "key": asked.key}
            if await _run(connection, "begin_answer", request=request, **whose):
                async with self._counted(request) as attempts:
                    came = await self._carry_out(connection, asked, goes_on=attempts <= ATTEMPTS_MAX)
                await _run(connection, "end_answer", request=request, **came)
            ((_, *rest),) = await _run(connection, "read_answer", request=request)
        return Answer(request, *rest)

    @asynccontextmanager
    async def _counted(self, request: int) -> AsyncIterator[int]:
        """How often the block was begun, with this time: but for those who left it, however they did."""
        counted: list[int] = []
        try:
            await finish(self._count(request, counted))
            yield counted[0]
        finally:
            if counted:
                await finish(self._withdraw(request))

    async def _count(self, request: int, counted: list[int]) -> None:
        """Tells it there: whoever is cancelled meanwhile gets no result, and has to withdraw it."""
        async with self._pool.connection() as apart:  # from what is rolled back if our process ends
            ((attempts,),) = await _run(apart, "count_attempt", request=request)
            counted.append(attempts)

    async def _withdraw(self, request: int) -> None:
        async with self._pool.connection() as apart:
            await _run(apart, "withdraw_attempt", request=request)

    async def _carry_out(self, connection: Connection, asked: Any, *, goes_on: bool) -> dict[str, Any]:
        parked = await self._lock(connection, asked.follower)
        skips = isinstance(asked, ParkedSkipRequested)
        if parked is None or (skips and not await parked.skip(asked.key, asked.position)):
            return {"skipped": None, "went_on": 0, "error": ""}
        went_on, error = await parked.go_on(asked.key) if goes_on else (0, ENDS)
        return {"skipped": asked.position if skips else None, "went_on": went_on, "error": error}

    async def _lock(self, connection: Connection, follower: str) -> Parked | None:
        """None for a generation that is not the live one, and for who is no follower of ours."""
        if follower == SCHEDULER:
            return ParkedDeadlines(connection)
        if agent := self._agents.get(follower):
            return await lock_agent(connection, self._log, agent)
        if model := self._models.get(_model_of(follower)):
            return await lock_projection(connection, self._log, self._keyring, model, follower)
        return None


def _model_of(follower: str) -> str:
    """The read model's name in `projection:orders:g2`."""
    return follower.removeprefix(PROJECTION).partition(":")[0] if follower.startswith(PROJECTION) else ""


async def keep_answering(keys: ParkedKeys, mine: Callable[[str], bool]) -> None:
    """Until cancelled, or until infrastructure fails."""
    while True:
        await keys.answer_all(mine)
        await asyncio.sleep(LOOK_SECONDS)


async def request(executor: Executor, command: Command, context: Context, answer: bytes = b"") -> Done:
    """Record what somebody asks of a parked key; it is not carried out by that."""
    stream = parked_stream(command.follower)  # type: ignore[attr-defined]
    return await executor.execute(one(stream, command), context, answer)


async def _run(connection: Connection, query: str, **arguments: Any) -> list[TupleRow]:
    cursor = await connection.execute(getattr(_QUERIES, query).sql.encode(), arguments)
    return await cursor.fetchall() if cursor.description else []
