"""Does a follower that reads while many write see each event once, in order, without a gap?"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from pathlib import Path

from eventstore.leaf import leaf_hash_of
from eventstore.log import StoredEvent
from eventstore.postgres import PostgresLog
from tests.integration.log_writer import CONTENDED

ROOT = Path(__file__).parents[2]
APPENDS = 300
PROCESSES = ("a", "b")


async def test_positions_follow_the_commits_of_several_processes(database: str) -> None:
    async with await PostgresLog.connect(database) as log:
        written = asyncio.gather(*(_writer(database, name) for name in PROCESSES))
        followers = [_follow(log, page, written) for page in (3, 50, 2_000)]
        first, *others = await asyncio.gather(*followers)
        assert len(first) == sum(await written) == await log.head()
    assert [event.position for event in first] == list(range(1, len(first) + 1))
    assert all(other == first for other in others)
    assert all(event.leaf_hash == leaf_hash_of(event) for event in first)
    _check_versions(first)


def _check_versions(events: list[StoredEvent]) -> None:
    streams: dict[str, list[int]] = defaultdict(list)
    for event in events:
        streams[event.stream].append(event.version)
    assert all(versions == list(range(1, len(versions) + 1)) for versions in streams.values())
    assert len(streams[CONTENDED]) == len(PROCESSES) * APPENDS // 4


async def _follow(log: PostgresLog, page: int, written: asyncio.Future[list[int]]) -> list[StoredEvent]:
    """Every event as a follower meets it; reading itself asserts that pages are contiguous."""
    seen: list[StoredEvent] = []
    while not (written.done() and len(seen) == await log.head()):
        seen += await log.read(len(seen), page)
    return seen


async def _writer(database: str, name: str) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.log_writer", database, name, str(APPENDS),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0
    return int(output)
