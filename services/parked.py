"""`tillroll parked`: which keys wait since a handler failed on one of their events, and how do they go on?"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from rich.table import Table

from commands.executor import Context
from domain.parked import RequestParkedSkip
from domain.permissions import PLATFORM
from eventstore.queries import load_queries
from eventstore.roles import Role
from services.access.console import ACTOR
from services.agents.registered import AGENTS
from services.console import plain, results
from services.context import ProcessContext, open_context
from services.parked_keys import AGENT, Answer, CannotGoOn, ParkedKeys, request
from services.scheduler import FOLLOWER as SCHEDULER
from services.settings import Settings

_COLUMNS = ("follower", "key", "position", "events", "parked_at", "error")
_QUERIES = load_queries("services", "parked.sql")


async def show_parked(settings: Settings, *, as_json: bool) -> int:
    """0 if nothing is parked."""
    async with (
        open_context(settings, "parked", "project", follow=False) as context,
        context.pool.connection() as connection,
    ):
        rows = await (await connection.execute(_QUERIES.list_parked.sql.encode())).fetchall()
    if as_json:
        found = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        sys.stdout.write(orjson.dumps(found).decode() + "\n")
    elif rows:
        table = Table(*_COLUMNS)
        for row in rows:
            table.add_row(*map(plain, row))
        results.print(table)
    else:
        results.print("nothing is parked")
    return 1 if rows else 0


async def retry(settings: Settings, follower: str, key: str) -> None:
    """Let a key go on with what is parked of it; raises CannotGoOn."""
    async with _keys_of(settings, follower) as keys:
        events = await keys.retry(follower, key)
    results.print(f"{follower}: {key} goes on, after {events:,} events that had waited")


async def skip(
    settings: Settings, follower: str, key: str, reason: str, *, position: int | None, whole: bool
) -> None:
    """Leave out the event that a key stands at, or each that it comes to stand at; raises CannotGoOn."""
    async with (
        _keys_of(settings, follower) as keys,
        open_context(settings, "parked", follow=False) as writing,
    ):
        follower = await keys.follower(follower)
        while True:
            answer = await skip_first(writing, keys, follower, key, reason, position=position)
            if answer.skipped is None:
                raise CannotGoOn(f"{key} of {follower} went on meanwhile: nothing was skipped")
            results.print(f"{follower}: {key} skips {answer.skipped}, {answer.went_on:,} events went on")
            if not answer.error:
                return
            results.print(f"it stands at another: {answer.error}", markup=False)
            if not whole:
                return


async def skip_first(
    writing: ProcessContext,
    keys: ParkedKeys,
    follower: str,
    key: str,
    reason: str,
    *,
    position: int | None = None,
) -> Answer:
    """Record the wish, then carry it out, as the follower's own process would; raises CannotGoOn."""
    first = await keys.first(follower, key)
    command = RequestParkedSkip(
        follower=follower,
        key=key,
        position=(first or 0) if position is None else position,
        reason=reason,
        stands_at=first,
    )
    command_id = writing.ids.new()
    causation = f"request:{command_id}"
    context = Context(command_id, PLATFORM, ACTOR, causation, causation, writing.clock.now())
    done = await request(writing.executor, command, context)
    if done.refused:
        raise CannotGoOn(done.refused.message)
    return await keys.answer(done.position)


@asynccontextmanager
async def _keys_of(settings: Settings, follower: str) -> AsyncIterator[ParkedKeys]:
    """As who may move that follower, which is told in full or by a read model's name."""
    role: Role = "write" if follower == SCHEDULER or follower.startswith(AGENT) else "project"
    async with open_context(settings, "parked", role, follow=False) as context:
        yield ParkedKeys(context.pool, context.log, context.keyring, AGENTS)
