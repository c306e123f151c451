"""A restore is killed before it has begun a new epoch: does nobody start what it has left behind?"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from eventstore.schema import migrate, read_epoch
from services.backup import SECRETS
from services.embedded import PostgresServer
from services.embedded.copies import take_copy
from services.embedded.directory import make_private
from services.settings import Settings
from tests.integration.system import TILLROLL
from tests.patience import HANGS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A back-up: of a log that no NATS remembers."""
    directory = tmp_path_factory.mktemp("before")
    copy = directory / "copy"
    make_private(copy)

    async def take() -> None:
        server = PostgresServer(directory / "var", fsync=False)
        try:
            await asyncio.to_thread(migrate, await server.start())
            await take_copy(server.dsn, copy)
        finally:
            await server.stop()

    asyncio.run(take())
    Settings(data_dir=directory / "var", database_url=None).master_key()
    (directory / "var" / SECRETS).rename(copy / SECRETS)
    return copy


class Ground:
    """A data directory, and commands on it."""

    def __init__(self, data_dir: Path) -> None:
        self.home = data_dir / "postgres"
        self._environment = os.environ | {"TILLROLL_DATA_DIR": str(data_dir), "TILLROLL_API_PORT": "0"}

    def run(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [*TILLROLL, *arguments],
            env=self._environment,
            capture_output=True,
            timeout=HANGS,
            check=False,
        )
        return done.returncode, done.stdout.decode() + done.stderr.decode()

    def kill_restore(self, copy: Path, when: Callable[[], bool]) -> None:
        restoring = subprocess.Popen([*TILLROLL, "restore", str(copy)], env=self._environment)
        deadline = time.monotonic() + HANGS
        while not when():
            assert restoring.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.001)
        restoring.send_signal(signal.SIGKILL)
        assert restoring.wait() == -signal.SIGKILL

    def refuses(self, command: str, *remedies: str) -> None:
        code, said = self.run(*command.split())
        assert code == 2, said
        for remedy in remedies:
            assert remedy in said, said


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path / "var")


def test_what_was_put_there_is_not_started_before_a_new_epoch(copy: Path, ground: Ground) -> None:
    cluster = ground.home / "cluster"
    ground.kill_restore(copy, cluster.exists)
    for command in ("up", "migrate", f"restore {copy}"):
        ground.refuses(command, f"a restore from {copy}", "run `tillroll migrate --new-epoch`")
    code, said = ground.run("migrate", "--new-epoch")
    assert code == 0, said
    assert "minted" in said
    code, said = ground.run("migrate")
    assert code == 0, said
    ground.refuses(f"restore {copy}", "move it away first")


def test_a_copy_that_is_not_in_its_place_is_put_there_by_the_next_restore(copy: Path, ground: Ground) -> None:
    ground.kill_restore(copy, (ground.home / "cluster.partial").exists)
    assert not (ground.home / "cluster").exists()
    for command in ("up", "migrate --new-epoch") if (ground.home / "password").exists() else ("up",):
        ground.refuses(command, f"run `tillroll restore {copy}` again")
    code, said = ground.run("restore", str(copy))
    assert code == 0, said
    assert sorted(path.name for path in (copy / SECRETS).iterdir()) == sorted(
        path.name
        for path in (ground.home.parent / SECRETS).iterdir()
        if (copy / SECRETS / path.name).exists()
    )

    async def epoch() -> int:
        server = PostgresServer(ground.home.parent)
        try:
            return await asyncio.to_thread(read_epoch, await server.start())
        finally:
            await server.stop()

    assert asyncio.run(epoch()) > 1
