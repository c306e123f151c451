"""The system that faults are inflicted on: `tillroll up`, and what a bystander can see and do there."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from eventstore.checkpoints import LEASE_SECONDS
from services.embedded import owner_of_embedded
from services.runfile import Run, read_run
from tests.chaos.ground import dying_with_us

TILLROLL = (sys.executable, "-m", "services.cli")
LOOK_SECONDS = 0.05
UP_SECONDS_MAX = 600.0
STOP_SECONDS_MAX = 120.0
COMMAND_SECONDS_MAX = 600.0
LAZY = ("relay", "gateway:mail")
"""Under load these write down their place once in thousands of events: what they do again does no harm."""


class TookTooLong(Exception):
    """What was waited for did not come; the message says what it was."""


class System:
    """A running `up`. Looks stand a Postgres that is away: they give what is known without it."""

    def __init__(self, data_dir: Path, environment: dict[str, str]) -> None:
        self.data_dir = data_dir
        self.environment = environment

    @property
    def run(self) -> Run:
        run = read_run(self.data_dir)
        if run is None:
            raise TookTooLong("`tillroll up` itself has ended")
        return run

    @property
    def disk(self) -> Path:
        """Where Postgres writes."""
        return self.data_dir / "postgres"

    def pid(self, name: str) -> int:
        """Of a process that must be alive now."""
        pid = self.run.processes[name]["pid"]
        if not pid:
            raise TookTooLong(f"{name} is not there")
        return int(pid)

    def dead(self) -> list[str]:
        """The processes that do not run."""
        return [name for name, each in self.run.processes.items() if not each["alive"]]

    def sql(self, query: str, *arguments: Any) -> list[TupleRow]:
        """As the owner of the database. Raises psycopg.OperationalError while Postgres is away."""
        owner = owner_of_embedded(self.data_dir)
        with psycopg.connect(owner, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(query.encode(), arguments)
            return cursor.fetchall() if cursor.description else []

    def head(self) -> int:
        """The log's highest position; 0 while it can't be asked."""
        with contextlib.suppress(psycopg.OperationalError):
            return int(self.sql("SELECT log_head()")[0][0])
        return 0

    def behind(self, position: int) -> list[str]:
        """The followers that are not done with the log up to `position`."""
        return self._followers("SELECT follower FROM checkpoints WHERE done < %s", position)

    def not_back(self, position: int, since: float) -> list[str]:
        """As `behind`; who keeps its place lazily must have renewed its lease after the moment `since`."""
        return self._followers(
            """
            SELECT follower FROM checkpoints WHERE CASE WHEN follower = ANY(%s)
                THEN leased_until < to_timestamp(%s) + make_interval(secs => %s) ELSE done < %s END
            """,
            list(LAZY),
            since,
            LEASE_SECONDS,
            position,
        )

    def _followers(self, query: str, *arguments: Any) -> list[str]:
        try:
            return [follower for (follower,) in self.sql(query, *arguments)]
        except psycopg.OperationalError as error:
            return [f"Postgres: {error}"]

    def tillroll(self, *arguments: str) -> tuple[int, Any]:
        """Exit code and JSON of a command that knows `--json`."""
        done = subprocess.run(
            [*TILLROLL, *arguments, "--json"],
            env=self.environment,
            capture_output=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        if not done.stdout:
            raise TookTooLong(f"tillroll {arguments[0]} says nothing but {done.stderr.decode()[-500:]}")
        return done.returncode, json.loads(done.stdout)

    @contextmanager
    def beside(self, name: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A `tillroll` command that runs beside; what it prints goes to `name`.out and `name`.err."""
        with (
            (self.data_dir / f"{name}.out").open("wb") as out,
            (self.data_dir / f"{name}.err").open("wb") as err,
        ):
            process = subprocess.Popen(
                [*TILLROLL, *arguments],
                env=self.environment,
                stdout=out,
                stderr=err,
                start_new_session=True,  # a Ctrl-C is for us, who end things in order
                preexec_fn=dying_with_us(signal.SIGTERM),  # noqa: PLW1509 - it only calls into the kernel
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=STOP_SECONDS_MAX)


@contextmanager
def system(data_dir: Path) -> Iterator[System]:
    """`tillroll up` in `data_dir`, until it says that it is up."""
    given = {"TILLROLL_DATA_DIR": str(data_dir), "TILLROLL_API_PORT": "0"}
    running = System(data_dir, os.environ | given)
    with running.beside("up", "up") as up:
        told = data_dir / "up.err"
        wait_for("Tillroll to be up", lambda: "Tillroll is up" in told.read_text(), UP_SECONDS_MAX, up)
        yield running


def wait_for(
    what: str, reached: Callable[[], bool], seconds: float, alive: subprocess.Popen[bytes] | None = None
) -> None:
    """Until it is reached. Raises TookTooLong, also if the process that must be `alive` meanwhile ends."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise TookTooLong(f"waited {seconds:.0f} s for {what}")
        if alive and alive.poll() is not None:
            raise TookTooLong(f"waited for {what}, but {alive.args!r} ended with code {alive.returncode}")
        time.sleep(LOOK_SECONDS)
