"""Do rates hold across processes on one database, within what is promised, and without a database?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import psycopg
import pytest

from services.rates import SharedRates
from services.web.rate_counts import RateCounts

START = 1_000_020.0
LIMIT, SECONDS = 40, 60
KEY = "address/192.0.2.1/40/1/minute"


class Time:
    now = START

    def __call__(self) -> float:
        return self.now


class Process:
    """One of several: it counts by itself, and tells when the test says so."""

    def __init__(self, database: str, time: Time, patience_seconds: float = 5.0) -> None:
        self.counts = RateCounts(now=time)
        self.shared = SharedRates(self.counts, database, patience_seconds=patience_seconds)

    async def let_in(self, tries: int, key: str = KEY) -> int:
        taken = [await self.counts.acquire_sliding_window_entry(key, LIMIT, SECONDS) for _ in range(tries)]
        return sum(taken)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def processes(database: str, time: Time) -> AsyncIterator[list[Process]]:
    async with AsyncExitStack() as stack:
        found = [Process(database, time) for _ in range(4)]
        for each in found:
            await stack.enter_async_context(each.shared._pool)
        yield found


def rows(database: str) -> list[tuple[int, int]]:
    with psycopg.connect(database) as connection:
        return connection.execute("SELECT window_number, hits FROM rates ORDER BY 1, 2").fetchall()


@pytest.mark.parametrize("arrivals", [1, 3, 7, 10])
async def test_the_overshoot_is_at_most_what_comes_to_each_between_two_tellings(
    processes: list[Process], arrivals: int
) -> None:
    let_in = 0
    for _ in range(2 * LIMIT // arrivals):
        for process in processes:
            let_in += await process.let_in(arrivals)
        for process in processes:
            await process.shared.share()
    assert LIMIT <= let_in <= LIMIT + len(processes) * arrivals
    assert sum([await process.let_in(LIMIT) for process in processes]) == 0


async def test_one_that_was_silent_overshoots_by_one_interval_only(processes: list[Process]) -> None:
    first, second, *_ = processes
    assert await first.let_in(LIMIT) == LIMIT
    await first.shared.share()
    assert await second.let_in(5) == 5  # it does not know yet
    await second.shared.share()
    assert await second.let_in(LIMIT) == 0


async def test_a_window_before_that_others_filled_counts(processes: list[Process], time: Time) -> None:
    first, second, *_ = processes
    await first.let_in(LIMIT)
    await first.shared.share()
    time.now += SECONDS
    assert await second.let_in(1) == 1
    await second.shared.share()
    assert await second.let_in(LIMIT) == 0


async def test_hits_are_told_once_and_many_keys_at_once(processes: list[Process], database: str) -> None:
    first, second, *_ = processes
    for process in (first, second):
        for number in range(50):
            await process.let_in(2, f"address/{number}")
    for _ in range(3):
        await first.shared.share()
        await second.shared.share()
    assert rows(database) == [(int(START // SECONDS), 4)] * 50
    assert not first.counts.moved(10)


async def test_the_table_names_nobody(processes: list[Process], database: str) -> None:
    await processes[0].let_in(1)
    await processes[0].shared.share()
    with psycopg.connect(database) as connection:
        (text,) = connection.execute("SELECT string_agg(rates::text, ' ') FROM rates").fetchone() or ("",)
    assert text
    assert "192.0.2.1" not in text
    assert b"192.0.2.1".hex() not in text


async def test_old_windows_are_swept(processes: list[Process], time: Time, database: str) -> None:
    await processes[0].let_in(1)
    await processes[0].shared.share()
    time.now += SECONDS
    await processes[1].let_in(1)
    await processes[1].shared.share()
    await processes[0].shared.try_to_sweep()
    assert len(rows(database)) == 2  # the one before still counts
    time.now += SECONDS
    await processes[0].shared.try_to_sweep()
    assert rows(database) == [(int(START // SECONDS) + 1, 1)]
    assert len(processes[0].counts) == 0


async def test_without_postgres_each_limits_by_itself_and_tells_afterwards(
    processes: list[Process], database: str
) -> None:
    first, second, *_ = processes
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE rates RENAME TO away")
        assert await first.let_in(LIMIT - 1) == LIMIT - 1
        assert not await first.shared.try_to_share()
        assert await first.let_in(LIMIT) == 1
        assert await second.let_in(2 * LIMIT) == LIMIT
        connection.execute("ALTER TABLE away RENAME TO rates")
    assert await first.shared.try_to_share()
    assert await second.shared.try_to_share()
    assert rows(database) == [(int(START // SECONDS), 2 * LIMIT)]


async def test_a_server_that_cannot_be_reached_fails_nothing() -> None:
    process = Process("postgresql://nobody@/nothing?host=/nonexistent", Time(), patience_seconds=0.05)
    async with process.shared._pool:
        await process.let_in(1)
        assert not await process.shared.try_to_share()
    assert await process.let_in(2 * LIMIT) == LIMIT - 1
