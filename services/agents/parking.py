"""How does a parked key of an agent go on, once its handler is mended?

What is parked is decided in order, unless a reaction was recorded before it was parked; all that is recorded
of it is sent by the agents themselves, who are fenced and so start anew: nothing is decided twice, and the
ledger knows what was done before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from eventstore.codec import decode
from eventstore.log import Log
from eventstore.partitions import Partitions, partition_of
from eventstore.queries import load_queries
from eventstore.statements import Pool
from services.agents.agent import Agent
from services.agents.reactions import PageOfReactions, parker
from services.agents.runner import FOLLOWER

_QUERIES = load_queries("services.agents", "agents.sql")


class StillFails(Exception):
    """The agent fails on the event as before; the key is as it was."""


async def retry_parked(pool: Pool, log: Log, agents: Mapping[str, Agent], name: str, key: str) -> int:
    """How many events of the key had waited: 0 if none. All or nothing: raises StillFails."""
    agent = agents[name]
    async with pool.connection() as connection, connection.transaction():
        places = await _run(connection, "lock_places", follower=FOLLOWER)
        whose = {"follower": parker(name), "agent": name, "key": key}
        parked = await _run(connection, "load_parked", **whose)
        if not parked:
            return 0
        page = PageOfReactions()
        process = await _load(connection, agent, key)
        for position in [position for position, recorded in parked if not recorded]:
            (stored,) = await log.read(position - 1, 1)
            page.take(agent, decode(stored), key, page.processes.get((name, key), process))
            if page.parked:
                raise StillFails(page.parked[0][2])
        place = next(each for each in places if partition_of(key) in Partitions(*each[:2]))
        first, last, lease, position, done = place
        held = {"firsts": [first], "lasts": [last], "leases": [lease]}
        move = {**held, "was": position, "position": position, "done": done}
        arguments = page.arguments(resend=True)
        await _run(connection, "record_reactions", follower=FOLLOWER, **move, **arguments)
        await _run(connection, "unpark", **whose)
        await _run(connection, "fence", follower=FOLLOWER)
    return len(parked)


async def _load(connection: AsyncConnection[TupleRow], agent: Agent, key: str) -> Any:
    rows = await _run(connection, "load_processes", agents=[agent.name], keys=[key])
    return type(agent.initial).__pydantic_validator__.validate_json(rows[0][2]) if rows else agent.initial


async def _run(connection: AsyncConnection[TupleRow], query: str, **arguments: Any) -> list[TupleRow]:
    cursor = await connection.execute(getattr(_QUERIES, query).sql.encode(), arguments)
    return await cursor.fetchall() if cursor.description else []
