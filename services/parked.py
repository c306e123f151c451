"""`tillroll parked`: which keys wait since a handler failed on one of their events, and how do they go on?"""

from __future__ import annotations

import sys

import orjson
from rich.table import Table

from eventstore.keyring import Keyring
from eventstore.log import Log
from eventstore.roles import Role
from eventstore.statements import Pool, PostgresDatabase
from projections.parking import retry_parked
from projections.read_models import READ_MODELS
from services.agents.parking import retry_parked as retry_agent
from services.console import results
from services.context import open_context
from services.processes import AGENTS
from services.scheduler import FOLLOWER as SCHEDULER
from services.scheduler import retry_parked as retry_deadline
from services.settings import Settings

_PARKED = """
SELECT follower, key, min(position), count(*), min(parked_at), (array_agg(error ORDER BY position))[1]
FROM parked GROUP BY follower, key ORDER BY follower, key
"""
AGENT = "agent:"
_AGENTS = {agent.name: agent for agent in AGENTS}
_COLUMNS = ("follower", "key", "position", "events", "parked_at", "error")


class CannotRetry(Exception):
    """There is nothing to retry under that name, or it fails as before; the key is as it was."""

    expected = True


async def show_parked(settings: Settings, *, as_json: bool) -> int:
    """0 if nothing is parked."""
    async with (
        open_context(settings, "parked", "project", follow=False) as context,
        context.pool.connection() as connection,
    ):
        rows = await (await connection.execute(_PARKED)).fetchall()
    if as_json:
        found = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        sys.stdout.write(orjson.dumps(found).decode() + "\n")
    elif rows:
        table = Table(*_COLUMNS)
        for row in rows:
            table.add_row(*map(str, row))
        results.print(table)
    else:
        results.print("nothing is parked")
    return 1 if rows else 0


async def retry(settings: Settings, follower: str, key: str) -> None:
    """Let a key go on with what is parked of it; raises CannotRetry."""
    role: Role = "write" if follower == SCHEDULER or follower.startswith(AGENT) else "project"
    async with open_context(settings, "parked", role, follow=False) as context:
        events = await retry_key(context.pool, context.log, context.keyring, follower, key)
    results.print(f"{follower}: {key} goes on, after {events:,} events that had waited")


async def retry_key(pool: Pool, log: Log, keyring: Keyring, follower: str, key: str) -> int:
    """How many events had waited, or 1 for a deadline. `follower` is as `tillroll parked` tells it, or a read
    model's name."""
    of_agent = follower.startswith(AGENT)
    name = follower.partition(":")[2] if of_agent else follower.removeprefix("projection:").partition(":")[0]
    if follower != SCHEDULER and name not in (_AGENTS if of_agent else READ_MODELS):
        raise CannotRetry(f"there is no follower {follower}; `tillroll parked` tells which have parked keys")
    try:
        if follower == SCHEDULER:
            events = await retry_deadline(PostgresDatabase(pool), key)
        elif of_agent:
            events = await retry_agent(pool, log, _AGENTS, name, key)
        else:
            events = await retry_parked(pool, log, keyring, name, key)
    except Exception as error:  # whatever the handler, or the database, says against it
        raise CannotRetry(f"{key} of {name} stays parked: {type(error).__name__}: {error}") from error
    if not events:
        raise CannotRetry(f"{follower} has no parked key {key}")
    return events
