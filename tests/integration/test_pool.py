"""Is a connection that is taken from the pool fit for use, whatever became of its last user?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import psycopg.waiting
import pytest

from eventstore.connections import connect
from eventstore.postgres import make_pool
from eventstore.statements import Pool, undone


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with make_pool(database, max_size=1) as opened:
        yield opened


async def answer(pool: Pool) -> list[tuple[Any, ...]] | None:
    """None if the statement seems to have no rows."""
    async with pool.connection() as connection:
        cursor = await connection.execute("SELECT 42")
        return await cursor.fetchall() if cursor.description else None


async def test_who_is_cancelled_on_entering_a_pipeline_leaves_nothing_to_the_next(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg.waiting, "MAX_BUSY_TIME", -1.0)  # it yields wherever it might

    async def use() -> None:
        async with pool.connection() as connection, connection.pipeline():
            await connection.execute("SELECT 1")

    for steps in range(12):  # of which some come before the pipeline is entered, and some after
        using = asyncio.create_task(use())
        for _ in range(steps):
            await asyncio.sleep(0)
        using.cancel()
        await asyncio.wait([using])
        assert await answer(pool) == [(42,)], steps


@pytest.mark.parametrize("insisted", [False, True])
async def test_what_was_locked_for_a_session_is_free_however_its_end_is_broken_off(
    pool: Pool, database: str, insisted: bool
) -> None:
    locked = asyncio.Event()

    async def use() -> None:
        unlock = b"SELECT pg_sleep(0.3), pg_advisory_unlock(1)"
        async with pool.connection() as connection, undone(connection, unlock):
            await connection.execute("SELECT pg_advisory_lock(1)")
            locked.set()
            await asyncio.sleep(60)

    using = asyncio.create_task(use())
    await locked.wait()
    using.cancel()
    if insisted:
        await asyncio.wait([using], timeout=0.1)  # now it is unlocking, and asleep in the database
        using.cancel()
    await asyncio.wait([using])
    assert using.cancelled()
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as other:
        await other.execute("SET lock_timeout = '20s'")  # the server may need a moment to see a session's end
        await other.execute("SELECT pg_advisory_lock(1)")
    assert await answer(pool) == [(42,)]


async def test_a_connection_that_the_server_has_ended_is_not_given_out(pool: Pool, database: str) -> None:
    async with pool.connection() as connection:
        pid = connection.info.backend_pid
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as other:
        await other.execute(
            "SELECT pg_terminate_backend(%s, 10000)", (pid,)
        )  # milliseconds to wait for its end
    assert await answer(pool) == [(42,)]


async def test_nothing_is_compiled_whatever_the_server_does_for_others(database: str) -> None:
    async with await connect(database) as connection:
        await connection.execute(f"ALTER DATABASE {connection.info.dbname} SET jit = on".encode())
    async with await psycopg.AsyncConnection.connect(database) as anothers:
        assert await (await anothers.execute("SHOW jit")).fetchone() == ("on",)
    async with await connect(database) as connection:
        assert await (await connection.execute("SHOW jit")).fetchone() == ("off",)
    async with make_pool(database, max_size=1) as pool, pool.connection() as pooled:
        assert await (await pooled.execute("SHOW jit")).fetchone() == ("off",)
