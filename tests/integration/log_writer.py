"""A process that appends to the log in a database: `python -m tests.integration.log_writer URL NAME APPENDS`.

Eight writers share its appender. Most appends go to streams of its own, every fourth to one that all
processes fight for. Prints how many events it appended.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

from eventstore.log import Appended
from eventstore.postgres import PostgresLog
from tests.contract.appends import an_append, to_stream

WRITERS = 8
CONTENDED = "stock-contended"


async def write(url: str, name: str, appends: int) -> int:
    async with await PostgresLog.connect(url) as log:
        numbers = iter(range(appends))
        return sum(await asyncio.gather(*(_write(log, name, numbers) for _ in range(WRITERS))))


async def _write(log: PostgresLog, name: str, numbers: Iterator[int]) -> int:
    count = 0
    for number in numbers:
        if number % 4:
            outcome = await log.append(an_append(to_stream(f"order-{name}.{number}", 0, number % 3 + 1)))
            assert isinstance(outcome, Appended)
            count += number % 3 + 1
        else:
            await _fight(log)
            count += 1
    return count


async def _fight(log: PostgresLog) -> None:
    """Append to the contended stream where it stands, until nobody was faster."""
    while True:
        (events,) = await log.read_streams([(CONTENDED, 0)])
        if isinstance(await log.append(an_append(to_stream(CONTENDED, len(events)))), Appended):
            return


if __name__ == "__main__":
    print(asyncio.run(write(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
