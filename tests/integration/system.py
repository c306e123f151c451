"""The whole system for tests, as an operator runs it: `tillroll up` and other commands beside it."""

from __future__ import annotations

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

import httpx

from services.up import PROCESSES, WORLDS
from tests.patience import HANGS

TILLROLL = (sys.executable, "-m", "services.cli")
EVERYTHING = ("postgres", "nats", *(f"world-{kind}" for kind in WORLDS), *PROCESSES)


@contextmanager
def system(data_dir: Path) -> Iterator[dict[str, str]]:
    """`tillroll up` in `data_dir`, all of it ready; gives the environment in which other commands find it."""
    environment = os.environ | {"TILLROLL_DATA_DIR": str(data_dir), "TILLROLL_API_PORT": "0"}
    said = data_dir / "up.log"
    with said.open("wb") as log:
        up = subprocess.Popen([*TILLROLL, "up"], env=environment, stdout=log, stderr=log)
    try:
        wait(lambda: b"Tillroll is up" in said.read_bytes(), up)
        yield environment
    finally:
        up.send_signal(signal.SIGINT)
        assert up.wait(timeout=HANGS) == 0, (data_dir / "up.log").read_text()[-3000:]


def wait(reached: Callable[[], bool], *alive: subprocess.Popen[bytes]) -> None:
    """Until it is reached; fails if one of the processes ends meanwhile."""
    deadline = time.monotonic() + HANGS
    while not reached():
        assert time.monotonic() < deadline, "it takes too long"
        for process in alive:
            assert process.poll() is None, f"{process.args!r} ended by itself"
        time.sleep(0.05)


def tillroll(environment: dict[str, str], *arguments: str) -> tuple[int, Any]:
    """Exit code and JSON of a command that knows `--json`."""
    done = subprocess.run(
        [*TILLROLL, *arguments, "--json"],
        env=environment,
        capture_output=True,
        timeout=HANGS,
        check=False,
    )
    assert done.stdout, done.stderr.decode()[-3000:]
    return done.returncode, json.loads(done.stdout)


def token_of_admin(environment: dict[str, str], client: httpx.Client) -> str:
    """The access token of an admin, who was made on the command line and signs in at the API."""
    address = ("admin@example.com", "--role", "admin", "--generate-password")
    code, added = tillroll(environment, "user", "add", *address)
    assert code == 0
    body = {"email": added["email"], "password": added["password"]}
    answer = client.post("/v1/auth/sign-in", json=body)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token
