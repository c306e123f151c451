"""A process of a contender: `python -m tests.benchmarks.worker NAME ADDRESS`, told by lines what to do.

It says `up`. For each line `WRITERS SECONDS` it makes its appends, says `ready`, waits for a line, appends,
and says how many a second. At the end of its input it ends. Those that are not in Python keep to the same.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from services.collector import spare_the_collector
from tests.benchmarks.rivals import Library, Ours, Rival, Umadb

RIVALS: dict[str, type[Ours] | type[Library] | type[Umadb]] = {
    "ours": Ours,
    "library": Library,
    "umadb": Umadb,
}


async def _serve(rival: Rival) -> None:
    _say("up")
    while line := await asyncio.to_thread(sys.stdin.readline):
        writers, seconds = line.split()
        await rival.prepare(int(writers), float(seconds))
        _say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        _say(str(await rival.run(int(writers), float(seconds))))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _main(name: str, address: str) -> None:
    rival = await RIVALS[name].connect(address)
    try:
        await _serve(rival)
    finally:
        await rival.close()


if __name__ == "__main__":
    spare_the_collector()
    uvloop.run(_main(*sys.argv[1:]))
