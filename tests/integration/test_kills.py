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
from pathlib import Path

import psycopg
import pytest

from services.runfile import read_run
from tests.integration.system import EVERYTHING, TILLROLL, system, tillroll, wait
from tests.patience import HANGS

ORDERS = 500
EVENTS_AN_ORDER = 16

pytestmark = pytest.mark.slow


def _head(data_dir: Path) -> int:
    """The log's head; what was seen last while Postgres is away."""
    run = read_run(data_dir)
    assert run is not None
    try:
        with psycopg.connect(str(run.settings["query_url"]), connect_timeout=5) as connection:
            row = connection.execute("SELECT log_head()").fetchone()
            return int(row[0]) if row else 0
    except psycopg.OperationalError:
        return 0


def _kill(data_dir: Path, name: str) -> None:
    run = read_run(data_dir)
    assert run is not None
    pid = run.processes[name]["pid"]
    if pid:
        os.kill(int(pid), signal.SIGKILL)


def test_kill_9_of_anything_in_the_middle_of_a_play(tmp_path: Path) -> None:
    victims = list(EVERYTHING)
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
            wait(lambda due=before + number * step: _head(tmp_path) >= due, play)
            _kill(tmp_path, victim)
        out, err = play.communicate(timeout=HANGS)
        assert out, err.decode()[-3000:]
        played = json.loads(out)
        wrong = [each for each in played["oracles"] if not each["good"] and not each["reason"]]
        assert not wrong
        assert not played["refused"]
        assert played["checkouts"] == ORDERS
        code, verdict = tillroll(environment, "verify")
        assert (code, verdict["problems"]) == (0, [])
        run = read_run(tmp_path)
        assert run is not None
        assert {name for name, each in run.processes.items() if each["restarts"]} == set(EVERYTHING)
