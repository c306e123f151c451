"""Do the embedded servers keep their data, refuse a second start and leave nothing behind?"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import STDOUT

import nats
import psycopg
import pytest

from services.embedded import NatsServer, PostgresServer, ServerFailed, Unreachable, check_nats
from services.embedded.directory import running_in
from tests.integration.processes import UNPRIVILEGED, Starter, ended, owner

START_BOTH = """
import asyncio, pathlib, sys
from services.embedded import NatsServer, PostgresServer

async def main(data_dir: pathlib.Path) -> None:
    postgres, nats_server = PostgresServer(data_dir), NatsServer(data_dir)
    await postgres.start()
    await nats_server.start()
    print(postgres.pid, nats_server.pid, flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until whoever started us closes it
    await nats_server.stop()
    await postgres.stop()

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[PostgresServer]:
    server = PostgresServer(tmp_path, fsync=False)
    yield server
    await server.stop()


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[NatsServer]:
    server = NatsServer(tmp_path)
    yield server
    await server.stop()


def _execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def _value(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


async def test_data_outlives_a_restart_at_the_same_address(postgres: PostgresServer, tmp_path: Path) -> None:
    dsn = await postgres.start()
    _execute(dsn, "CREATE TABLE sale AS SELECT 42 AS number")
    await postgres.stop()
    assert postgres.pid is None
    assert await postgres.start() == dsn
    assert _value(dsn, "SELECT number FROM sale") == 42
    await postgres.stop()
    assert not running_in(tmp_path / "postgres" / "cluster", "postgres")


async def test_a_durable_server_has_no_door_but_its_private_socket(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path)
    try:
        dsn = await server.start()
        wanted = {
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "password_encryption": "scram-sha-256",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
        }
        assert {name: _value(dsn, f"SHOW {name}") for name in wanted} == wanted
        home = tmp_path / "postgres"
        modes = {path.name: path.stat().st_mode & 0o777 for path in home.iterdir()}
        assert modes == {"lock": 0o600, "password": 0o600, "cluster": 0o700, "socket": 0o700}
        password = (home / "password").read_text()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(dsn.replace(password, "guess"))
    finally:
        await server.stop()


async def test_recovers_after_its_server_was_killed(postgres: PostgresServer) -> None:
    dsn = await postgres.start()
    _execute(dsn, "CREATE TABLE sale AS SELECT 42 AS number")
    killed = postgres.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert await postgres.wait() == -signal.SIGKILL
    assert await postgres.start() == dsn
    assert postgres.pid != killed
    assert _value(dsn, "SELECT number FROM sale") == 42


async def test_starts_over_a_pid_file_whose_pid_was_given_to_another_process(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    await postgres.start()
    pid_file = tmp_path / "postgres" / "cluster" / "postmaster.pid"
    killed = postgres.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await postgres.wait()
    # another process of the same user: Postgres alone would take it for a running server
    identity = owner(tmp_path / "postgres" / "cluster")
    with Starter(["sleep", "600"], **identity) as other:
        pid_file.write_text(pid_file.read_text().replace(str(killed), str(other.pid), 1))
        await postgres.start()
        assert other.alive


async def test_a_half_made_cluster_is_made_anew(postgres: PostgresServer, tmp_path: Path) -> None:
    partial = tmp_path / "postgres" / "cluster.partial"
    (partial / "base").mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18\n")
    assert _value(await postgres.start(), "SELECT 1") == 1
    assert not partial.exists()


async def test_a_second_start_says_who_runs_it(
    postgres: PostgresServer, broker: NatsServer, tmp_path: Path
) -> None:
    await postgres.start()
    await broker.start()
    for second in (PostgresServer(tmp_path), NatsServer(tmp_path)):
        with pytest.raises(
            ServerFailed, match=f"already running, started by process {os.getpid()}"
        ) as refused:
            await second.start()
        assert "TILLROLL_DATA_DIR" in str(refused.value)
    assert postgres.pid
    assert broker.pid


async def test_a_failed_start_shows_the_end_of_the_log(postgres: PostgresServer, tmp_path: Path) -> None:
    await postgres.start()
    await postgres.stop()
    (tmp_path / "postgres" / "cluster" / "global" / "pg_control").unlink()
    with pytest.raises(ServerFailed, match="pg_control"):
        await postgres.start()
    assert postgres.pid is None


async def test_a_path_too_long_for_a_socket_gets_a_private_alias(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / ("long" * 20) / ("longer" * 10), fsync=False)
    try:
        dsn = await server.start()
        assert _value(dsn, "SELECT 1") == 1
        alias = server.door.parent
        assert alias.stat().st_mode & 0o777 == 0o700
    finally:
        await server.stop()
    assert not alias.exists()


async def test_nats_keeps_streams_and_address_over_a_kill(broker: NatsServer) -> None:
    url = await broker.start()
    connection = await nats.connect(url)
    await connection.jetstream().add_stream(name="sales", subjects=["sales"])
    await connection.jetstream().publish("sales", b"42")
    await connection.close()
    killed = broker.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert await broker.wait() == -signal.SIGKILL
    assert await broker.start() == url
    connection = await nats.connect(url)
    assert (await connection.jetstream().stream_info("sales")).state.messages == 1
    await connection.close()


async def test_nats_listens_on_loopback_and_asks_for_a_password(broker: NatsServer, tmp_path: Path) -> None:
    url = await broker.start()
    assert "@127.0.0.1:" in url
    assert (tmp_path / "nats" / "server.conf").stat().st_mode & 0o777 == 0o600
    with pytest.raises(Unreachable, match="Authorization Violation"):
        await check_nats("nats://" + url.split("@")[1])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_nothing_outlives_a_killed_starter(tmp_path: Path, number: signal.Signals) -> None:
    with Starter.of(START_BOTH, tmp_path) as starter:
        pids = [int(pid) for pid in starter.line().split()]
        starter.send(number)
        assert await ended(*pids)
    cluster = tmp_path / "postgres" / "cluster"
    assert not (cluster / "postmaster.pid").exists()
    assert not running_in(cluster, "postgres")
    server = PostgresServer(tmp_path)  # and its data is there for the next one
    assert _value(await server.start(), "SELECT 1") == 1
    await server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has somebody to become")
async def test_root_runs_servers_as_somebody_else_under_closed_folders(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    before = {path: path.stat().st_mode for path in (closed, *closed.parents)}
    postgres, broker = PostgresServer(closed / "var", fsync=False), NatsServer(closed / "var")
    try:
        dsn = await postgres.start()
        await broker.start()
        for pid in (postgres.pid, broker.pid):
            assert Path(f"/proc/{pid}").stat().st_uid != 0
            assert "NoNewPrivs" in (status := Path(f"/proc/{pid}/status").read_text())
            assert "CapEff:\t0000000000000000" in status
            assert "Groups:\t \n" in status
        assert _value(dsn, "SELECT 1") == 1
    finally:
        await broker.stop()
        await postgres.stop()
    assert {path: path.stat().st_mode for path in before} == before


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests are this one, for an ordinary user")
async def test_an_ordinary_user_runs_them_as_himself() -> None:
    with (
        UNPRIVILEGED.directory() as directory,
        Starter.of(START_BOTH, directory, user=UNPRIVILEGED) as starter,
    ):
        pids = [int(pid) for pid in starter.line().split()]
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in pids} == {UNPRIVILEGED.user}
        starter.send(signal.SIGKILL)
        assert await ended(*pids)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
async def test_a_data_directory_of_another_user_is_refused_with_words() -> None:
    with UNPRIVILEGED.directory() as directory:
        (directory / "postgres").mkdir()  # by root
        with Starter.of(START_BOTH, directory, user=UNPRIVILEGED, stderr=STDOUT) as starter:
            said = ""
            while line := starter.line():
                said += line
    last = said.splitlines()[-1]
    assert "ServerFailed: Postgres could not be started in" in last
    assert "Operation not permitted" in last
