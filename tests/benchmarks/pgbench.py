"""How many appends a second does Postgres take one by one? pgbench inserts the same rows, a commit each."""

from __future__ import annotations

import asyncio
import re
import shutil
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import psycopg

from tests.benchmarks.shapes import DATA, EVENTS, MERCHANT, METADATA, TYPE

CONNECTIONS_MAX = 100
"""The server takes 200, and all others have their connections open."""
THREADS = 2
RATE_ONE, RATE_MAX = 4_000, 12_000
"""About what it reaches with one client and with many: so many transactions make up the time that is wanted.
By time itself a measurement would be over before a hundred clients are signed in."""
_CAUSE = "0190c3f2a1b470008000000000000000"
_DEFINED = {"data": DATA, "metadata": METADATA}
"""Sent with each statement, as by a client that has them from elsewhere; their colons would be variables."""
SCRIPT = f"""
INSERT INTO events
SELECT nextval('at'), 'order-0190c3f2.' || made.id, version, '{TYPE}', 1, :data::text::bytea, '{MERCHANT}',
       '{_CAUSE}', '{_CAUSE}', :metadata::text::bytea, uuidv7(), '2018-01-01', now(), '{"f" * 32}'
FROM (SELECT uuidv7() AS id) AS made CROSS JOIN generate_series(1, {EVENTS}) AS version;
"""


def pgbench_is_there() -> bool:
    return shutil.which("pgbench") is not None


class Pgbench:
    """Rows of the full table by a prepared statement of each client: no lock, no ledger, no version."""

    def __init__(self, database_url: str, directory: Path) -> None:
        self._url = database_url
        self._script = directory / "pgbench.sql"
        self._script.write_text(SCRIPT.replace("\n", " ").strip() + "\n")
        with psycopg.connect(database_url, autocommit=True) as connection:
            # a cache of one: positions must not have more order, and not less, than ours
            connection.execute("CREATE SEQUENCE at")

    async def measure(self, writers: int, seconds: float) -> float:
        """Appends of three events a second, without the time that connecting takes."""
        clients = min(writers, CONNECTIONS_MAX)
        each = max(5, int(seconds * min(RATE_MAX, RATE_ONE * clients) / clients))
        process = await asyncio.create_subprocess_exec(
            "pgbench", "--no-vacuum", "--protocol=prepared", f"--client={clients}",
            f"--jobs={min(THREADS, clients)}", f"--transactions={each}", f"--file={self._script}",
            *(f"--define={name}={value.decode()}" for name, value in _DEFINED.items()), self._url,
            stdout=PIPE, stderr=STDOUT,
        )  # fmt: skip
        told = (await process.communicate())[0].decode()
        found = re.search(r"tps = ([\d.]+)", told)
        assert process.returncode == 0, told[-500:]
        assert found, told[-500:]
        return float(found.group(1))
