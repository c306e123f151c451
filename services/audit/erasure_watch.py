"""How does a process learn that somebody was erased, and forget the key that it may still have in memory?

It listens for the word of the database, which comes with the destruction's commit, and asks once a second in
case one was missed. A word is only a reason to look: who is erased, the table says. While the database can't
be asked nobody knows, so all keys are forgotten: whatever is wanted is asked for anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import structlog

from eventstore.connections import connect
from eventstore.keyring import Keyring
from eventstore.tasks import end_tasks
from services.audit.erasure import BATCH, OVERLAP, Connection, fetch

CHANNEL = "tillroll_erasures"
LOOK_SECONDS = 1.0
ANSWER_SECONDS = 5.0
"""A database that answers no more, on a line that is still open, is one that can't be asked."""
logger = structlog.get_logger()


@asynccontextmanager
async def forgetting_erased(database_url: str, keyring: Keyring) -> AsyncIterator[None]:
    """Keep the keyring up to date, until the block ends."""
    watching = asyncio.create_task(_watch(database_url, keyring))
    try:
        yield
    finally:
        await end_tasks(watching)


async def _watch(database_url: str, keyring: Keyring) -> None:
    while True:
        try:
            async with await connect(database_url) as connection:
                await connection.execute(f"LISTEN {CHANNEL}".encode())
                seen = (await fetch(connection, "read_last_number"))[0]["number"]
                keyring.forget_all()  # what came before we listened was not heard
                while True:
                    async for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                        pass
                    async with asyncio.timeout(ANSWER_SECONDS):
                        seen = await _forget_new(connection, keyring, seen)
        except (psycopg.Error, OSError) as error:
            keyring.forget_all()
            logger.warning("erasures_not_heard", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)


async def _forget_new(connection: Connection, keyring: Keyring, seen: int) -> int:
    after = max(0, seen - OVERLAP)
    while rows := await fetch(connection, "read_erased_since", number=after):
        for row in rows:
            keyring.forget(row["subject"])
        after = rows[-1]["number"]
        if len(rows) < BATCH:
            break
    return max(after, seen)
