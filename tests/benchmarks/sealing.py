"""The sealer as a process of its own, over a database of the benchmarks: `python -m tests.benchmarks.sealing
URL DIR`.

It says `up`, and seals until it is ended. Checkpoints and tiles are copied to the directory, as by default;
there is no NATS here to be told of them.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from eventstore.postgres import PostgresLog, make_pool
from eventstore.seams import WallClock
from eventstore.statements import Pool
from services.audit.directory import Directory
from services.audit.outside import Copies, directory_of, past_of
from services.audit.sealer import Sealer, signer_of
from services.collector import spare_the_collector
from services.settings import Settings


async def sealing(pool: Pool, log: PostgresLog, directory: Path) -> tuple[Sealer, Copies]:
    """A sealer that has begun, and what copies its checkpoints out."""
    settings = Settings(data_dir=directory)
    signer = await signer_of(settings, log.identity, pool)
    directory, past = Directory(directory_of(settings, log.identity)), past_of(settings, log.identity)
    copies = Copies(pool, directory, past, signer.key, log.identity.epoch)
    sealer = Sealer(pool, signer, log.identity.epoch, WallClock(), copies)
    await sealer.begin()
    return sealer, copies


async def _main(database_url: str, directory: str) -> None:
    async with (
        await PostgresLog.connect(database_url) as log,
        make_pool(database_url, max_size=3) as pool,
        asyncio.TaskGroup() as tasks,  # noqa: TID251 - it is ended by a signal
    ):
        sealer, copies = await sealing(pool, log, Path(directory))
        tasks.create_task(copies.run())
        tasks.create_task(sealer.run())
        sys.stdout.write("up\n")
        sys.stdout.flush()


if __name__ == "__main__":
    spare_the_collector()
    uvloop.run(_main(*sys.argv[1:]))
