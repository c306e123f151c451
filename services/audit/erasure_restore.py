"""Does a log that was restored from an older back-up show anybody who was erased since? Not to anyone.

The list beside the master key knows them. Before any process starts their keys are destroyed again, and the
restored read models lose their plain text; then the API waits until the log says so, and the read models have
followed it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import structlog

from domain.erasure import SubjectErased
from domain.kernel import Fact
from domain.streams import erasure_stream
from eventstore.statements import Pool
from projections.generations import live_generations
from projections.page import Follow, Page, work_of
from projections.read_models import READ_MODELS
from projections.session import PostgresSession
from services.audit.erasure import Connection, Erasures, erase_again, fetch
from services.audit.erasure_list import ErasureList
from services.settings import Settings

LOOK_SECONDS, WARN_SECONDS = 0.1, 5.0
logger = structlog.get_logger()


async def erase_before_serving(settings: Settings) -> int:
    """On a database that was restored, before anything runs on it; how many were erased again."""
    async with await psycopg.AsyncConnection.connect(settings.url("write"), autocommit=True) as connection:
        again = await erase_again(connection, ErasureList(settings.erasures()))
        unsaid = [row["subject"] for row in await fetch(connection, "read_unsaid")]
    async with await psycopg.AsyncConnection.connect(settings.url("project")) as connection:
        await erase_from_read_models(connection, {*(entry.subject for entry in again), *unsaid})
    return len(again)


async def erase_from_read_models(connection: Connection, subjects: Iterable[str]) -> None:
    """What following the log will do, done at once: with the read models' own statements."""
    facts = [_as_if_said(subject) for subject in sorted(subjects)]
    live = await live_generations(connection)
    for model in READ_MODELS.values():
        if facts and model.personal and model.name in live:
            work = work_of(Follow(model, live[model.name].number), Page(facts))
            if work.failure:
                raise work.failure
            await PostgresSession(connection).execute(work.merges)


def _as_if_said(subject: str) -> Fact:
    event, never = SubjectErased(subject=subject, reason="-"), datetime.fromtimestamp(0, UTC)
    return Fact(0, erasure_stream(subject), 1, event, "", "", "", UUID(int=0), never, never)


async def until_followed(pool: Pool, erasures: Erasures) -> None:
    """Return once the log tells of each erasure, and no read model stands before that."""
    loop = asyncio.get_running_loop()
    warn_at = loop.time() + WARN_SECONDS
    while await _is_behind(pool, erasures):
        if loop.time() >= warn_at:
            logger.warning("waiting_to_serve", why="read models have not followed an erasure yet")
            warn_at = loop.time() + WARN_SECONDS
        await asyncio.sleep(LOOK_SECONDS)


async def _is_behind(pool: Pool, erasures: Erasures) -> bool:
    if await erasures.say_all():
        return True
    async with pool.connection() as connection:
        last = (await fetch(connection, "read_last_said"))[0]["position"]
        live = await live_generations(connection)
        followers = [
            model.follower(live[model.name].number)
            for model in READ_MODELS.values()
            if model.personal and model.name in live
        ]
        stands = (await fetch(connection, "read_followed", followers=followers))[0]["position"]
    return bool(last and followers) and stands < last
