"""`python -m tests.races --rounds 1000`: exit code 0 only if each round of each race ended with one sale."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from eventstore.roles import let_in
from services.console import progressing
from services.embedded import NatsServer, PostgresServer
from services.settings import Settings
from tests.benchmarks.databases import make_database
from tests.races.last_unit import RACES, SHOPPERS
from tests.races.run import Raced, race


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.races", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000, help="of each race")
    parser.add_argument("--only", nargs="+", choices=RACES, help="these races; all by default")
    parser.add_argument("--side-by-side", type=int, default=4, help="so many rounds at a time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tillroll-races-") as directory:
        # roles are the whole server's, and so are their passwords: all databases on it make the same
        os.environ["TILLROLL_DATABASE_ROLES_FILE"] = f"{directory}/database_roles.key"
        raced = asyncio.run(_races(arguments, Path(directory)))
    return 1 if any(each.problems for each in raced) else 0


async def _races(arguments: argparse.Namespace, directory: Path) -> list[Raced]:
    # not durable: what the race is about is who is first, and that is gone with it
    postgres, nats, raced = PostgresServer(directory, fsync=False), NatsServer(directory), []
    await postgres.start()
    await nats.start()
    try:
        for name in arguments.only or RACES:
            database = make_database(postgres, f"race_{name}")
            let_in(database, Settings(database_url=database).role_passwords())
            raced.append(await _race(name, arguments, (database, nats.url), directory / name))
    finally:
        await nats.stop()
        await postgres.stop()
    return raced


async def _race(name: str, arguments: argparse.Namespace, servers: tuple[str, str], directory: Path) -> Raced:
    started = time.perf_counter()
    with progressing() as progress:
        task = progress.add_task(name, total=arguments.rounds)
        raced = await race(
            name,
            arguments.rounds,
            servers,
            directory,
            side_by_side=arguments.side_by_side,
            done=lambda: progress.advance(task),
        )
    seconds = time.perf_counter() - started
    wrong = "\n".join(raced.problems[:20]) or "one sale each"
    much = f"{raced.rounds:,} rounds of {SHOPPERS} shoppers, {raced.orders:,} orders, {seconds:.0f} s"
    print(f"{name}: {much}: {wrong}", flush=True)
    return raced


if __name__ == "__main__":
    sys.exit(main())
