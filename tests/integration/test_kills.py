"""kill -9 of every process, of Postgres and of NATS, in the middle of a play: it recovers by itself.

The whole system runs as an operator runs it, from the command line. The play must end, every oracle must
match and `verify` must be clean; nobody lends a hand.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.runfile import read_run
from services.up import PROCESSES, WORLDS

ORDERS = 500
EVENTS_AN_ORDER = 16
VICTIMS = ("postgres", "nats", *(f"world-{kind}" for kind in WORLDS), *PROCESSES)
SECONDS_MAX = 300
TILLROLL = (sys.executable, "-m", "services.cli")

pytestmark = pytest.mark.slow


@contextmanager
def system(data_dir: Path) -> Iterator[dict[str, str]]:
    """`tillroll up` in `data_dir`; gives the environment in which other commands find it."""
    environment = os.environ | {"TILLROLL_DATA_DIR": str(data_dir), "TILLROLL_API_PORT": "0"}
    with (data_dir / "up.log").open("wb") as log:
        up = subprocess.Popen([*TILLROLL, "up"], env=environment, stdout=log, stderr=log)
    try:
        _wait(lambda: (run := read_run(data_dir)) and set(VICTIMS) <= set(run.processes), up)
        yield environment
    finally:
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=60) == 0, (data_dir / "up.log").read_text()[-3000:]


def _wait(reached: Any, *alive: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not reached():
        assert time.monotonic() < deadline, "it takes too long"
        for process in alive:
            assert process.poll() is None, f"{process.args} ended by itself"
        time.sleep(0.05)


def _head(data_dir: Path) -> int:
    """The log's head; what was seen last while Postgres is away."""
    run = read_run(data_dir)
    assert run is not None
    try:
        with psycopg.connect(str(run.settings["database_url"]), connect_timeout=5) as connection:
            row = connection.execute("SELECT coalesce(max(position), 0) FROM events").fetchone()
            return int(row[0]) if row else 0
    except psycopg.OperationalError:
        return 0


def _kill(data_dir: Path, name: str) -> None:
    run = read_run(data_dir)
    assert run is not None
    pid = run.processes[name]["pid"]
    if pid:
        os.kill(int(pid), signal.SIGKILL)


def _tillroll(environment: dict[str, str], *arguments: str) -> tuple[int, Any]:
    done = subprocess.run(
        [*TILLROLL, *arguments, "--json"],
        env=environment,
        capture_output=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert done.stdout, done.stderr.decode()[-3000:]
    return done.returncode, json.loads(done.stdout)


def test_kill_9_of_anything_in_the_middle_of_a_play(tmp_path: Path) -> None:
    victims = list(VICTIMS)
    random.Random(os.environ.get("TILLROLL_SEED", "1")).shuffle(victims)
    with system(tmp_path) as environment:
        before = _head(tmp_path)
        play = subprocess.Popen(
            [*TILLROLL, "play", "synthetic", "--orders", str(ORDERS), "--seed", "5", "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        step = ORDERS * EVENTS_AN_ORDER // (len(victims) + 2)
        for number, victim in enumerate(victims, 1):
            _wait(lambda due=before + number * step: _head(tmp_path) >= due, play)
            _kill(tmp_path, victim)
        out, err = play.communicate(timeout=SECONDS_MAX)
        assert out, err.decode()[-3000:]
        played = json.loads(out)
        wrong = [each for each in played["oracles"] if not each["good"] and not each["reason"]]
        assert not wrong
        assert not played["refused"]
        assert played["checkouts"] == ORDERS
        code, verdict = _tillroll(environment, "verify")
        assert (code, verdict["problems"]) == (0, [])
        run = read_run(tmp_path)
        assert run is not None
        assert {name for name, each in run.processes.items() if each["restarts"]} == set(VICTIMS)
