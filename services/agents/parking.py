"""How does a parked key of an agent go on: as it is, once its handler is mended, or without an event?

What is parked is decided in order, unless a reaction was recorded before it was parked; all that is recorded
of it is sent by the agents themselves, who are fenced and so start anew: nothing is decided twice, and the
ledger knows what was done before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from eventstore.codec import decode
from eventstore.log import Log
from eventstore.partitions import PARTITIONS, Partitions, covered, partition_of
from eventstore.queries import load_queries
from eventstore.reading import read_those
from services.agents.agent import Agent
from services.agents.reactions import PageOfReactions, parker
from services.agents.runner import FOLLOWER

TOGETHER = 500
"""Events that are read, decided and recorded at once."""
_QUERIES = load_queries("services.agents", "agents.sql")
Connection = AsyncConnection[TupleRow]


@dataclass(frozen=True, slots=True)
class ParkedAgent:
    """An agent, with all checkpoints of the agents locked until the transaction ends."""

    connection: Connection
    log: Log
    agent: Agent
    places: list[TupleRow]

    async def skip(self, key: str, position: int) -> bool:
        """The agent never reacts to the key's first event, and what it had decided of it is not sent.

        False if that is another one, or the key is free.
        """
        skipped = await _run(self.connection, "skip_parked", **self._whose(key), position=position)
        if skipped:
            await _run(self.connection, "fence", follower=FOLLOWER)
        return bool(skipped)

    async def go_on(self, key: str) -> tuple[int, str]:
        """Decide what waits, in order and in pages: how many events that were, and what stopped it, or ''."""
        went_on, stopped = 0, ""
        while not stopped and (parked := await self._next(key)):
            page, free, stopped = await self._decide(key, parked)
            made = page.arguments(resend=True)
            await _run(self.connection, "record_reactions", follower=FOLLOWER, **self._place(key), **made)
            await _run(self.connection, "unpark", **self._whose(key), positions=free)
            if stopped:
                position = parked[len(free)][0]
                await _run(
                    self.connection, "tell_error", **self._whose(key), position=position, error=stopped
                )
            went_on += len(free)
        if went_on or stopped:
            await _run(self.connection, "fence", follower=FOLLOWER)
        return went_on, stopped

    async def _next(self, key: str) -> list[TupleRow]:
        return await _run(self.connection, "load_parked", **self._whose(key), limit=TOGETHER)

    async def _decide(self, key: str, parked: list[TupleRow]) -> tuple[PageOfReactions, list[int], str]:
        """What the agent makes of them, the positions that are free by that, and what stopped it."""
        page = PageOfReactions()
        free: list[int] = []
        process = await self._load(key)
        undecided = [position for position, recorded in parked if not recorded]
        stored = {each.position: each for each in await read_those(self.log.read, undecided)}
        for position, recorded in parked:
            if not recorded:
                now = page.processes.get((self.agent.name, key), process)
                page.take(self.agent, decode(stored[position]), key, now)
                if page.parked:
                    _, _, stopped = page.parked.pop()  # it is parked already
                    return page, free, stopped
            free.append(position)
        return page, free, ""

    async def _load(self, key: str) -> Any:
        rows = await _run(self.connection, "load_processes", agents=[self.agent.name], keys=[key])
        initial = self.agent.initial
        return type(initial).__pydantic_validator__.validate_json(rows[0][2]) if rows else initial

    def _place(self, key: str) -> dict[str, Any]:
        """A move of the key's checkpoint to where it stands."""
        place = next(each for each in self.places if partition_of(key) in Partitions(*each[:2]))
        first, last, lease, position, done = place
        held = {"firsts": [first], "lasts": [last], "leases": [lease]}
        return {**held, "was": position, "position": position, "done": done}

    def _whose(self, key: str) -> dict[str, str]:
        return {"follower": parker(self.agent.name), "agent": self.agent.name, "key": key}


async def lock_parked(connection: Connection, log: Log, agent: Agent) -> ParkedAgent:
    """In the open transaction: nobody moves the agents meanwhile.

    A part that was cut off a place while that one was waited for is not seen by the same statement, so look
    again until there is no such part. What is locked is not cut any more: each look locks more.
    """
    for _ in range(PARTITIONS):
        places = await _run(connection, "lock_places", follower=FOLLOWER)
        if not places or covered([Partitions(first, last) for first, last, *_ in places]) == PARTITIONS:
            return ParkedAgent(connection, log, agent, places)
    raise AssertionError(f"the checkpoints of the agents do not cover {PARTITIONS} partitions")


async def _run(connection: Connection, query: str, **arguments: Any) -> list[TupleRow]:
    cursor = await connection.execute(getattr(_QUERIES, query).sql.encode(), arguments)
    return await cursor.fetchall() if cursor.description else []
