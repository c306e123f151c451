"""How does Tillroll run a Postgres 18 of its own, without Docker and without root?

    data_dir/postgres/          0711  lock, password (0600), and `restoring` while a restore has not ended
    data_dir/postgres/cluster   0700  the database cluster; the server's working directory
    data_dir/postgres/socket    0700  its only door: a Unix socket, and a password that was made up at init

For root the server becomes an unprivileged id. That id need not be able to reach the data directory (think
of `/root/tillroll/var`): it is started in the cluster's directory and calls it `/proc/self/cwd`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import tempfile
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from services.embedded.binaries import postgres_programs
from services.embedded.children import Child, ServerFailed, spawn
from services.embedded.directory import (
    Lock,
    appended,
    exists,
    make_private,
    new_password,
    running_in,
    sync_directory,
    tail,
    write_private,
)
from services.embedded.identity import Identity, server_identity
from services.embedded.restoring import refuse_unfinished_restore

ROLE = DATABASE = "tillroll"
SOCKET_FILE = ".s.PGSQL.5432"
SOCKET_PATH_BYTES_MAX = 107
START_S_MAX = 600.0  # the log since the last checkpoint may have to be replayed
POLL_INTERVAL_S = 0.02
LEFTOVERS_S_MAX = 10.0
FAST_STOP_S_MAX = 60.0
IMMEDIATE_STOP_S_MAX = 10.0
# SIGQUIT is Postgres's immediate stop: bounded even if a backend hangs (it is killed after five seconds), and
# the next start replays the log. A fast stop (SIGINT) could wait for that backend for ever, unwatched.
DEATH_SIGNAL = signal.SIGQUIT
ENVIRONMENT = {"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"}

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_directories": "../socket",
    "max_connections": "200",
    # for two cores that are shared with our own processes
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",
    # an append-only log is mostly WAL: compress it, and let checkpoints be rare and spread out
    "synchronous_commit": "on",
    "wal_compression": "on",
    "wal_buffers": "16MB",
    "min_wal_size": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
    "log_error_verbosity": "terse",  # the detail of an error may be a whole row, and so personal
}
# Data that no test reads twice: a crash of the machine may lose it.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB", "max_wal_size": "1GB"}


class PostgresServer:
    """One embedded Postgres on `data_dir`. `fsync=False` is for tests alone: not durable, but fast.

    `ends_restore` is for who begins a new epoch: nobody else may start what a restore has left unfinished.
    """

    def __init__(self, data_dir: Path, *, fsync: bool = True, ends_restore: bool = False) -> None:
        self._home = data_dir.absolute() / "postgres"
        self._cluster = self._home / "cluster"
        self._socket = self._home / "socket"
        self._log = data_dir.absolute() / "logs" / "postgres.log"
        self._settings = SETTINGS | {"fsync": "on"} if fsync else SETTINGS | NOT_DURABLE
        self._fsync = fsync
        self._ends_restore = ends_restore
        self._lock = Lock(self._home / "lock", "Postgres")
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """Of the running server, or None."""
        return self._child.pid if self._child and self._child.alive else None

    @property
    def dsn(self) -> str:
        """For psycopg: the role, its password, the database and the socket. The same after every restart."""
        return self.dsn_for(DATABASE)

    def dsn_for(self, database: str) -> str:
        """As `dsn`, for another database of this server."""
        password = (self._home / "password").read_text()
        return f"postgresql://{ROLE}:{quote(password)}@/{database}?host={quote(str(self.door), safe='')}"

    async def start(self) -> str:
        """Start (on the first time: create) the server, wait until it answers, and give its DSN."""
        try:
            make_private(self._home, mode=0o711)
            self._lock.take()
            refuse_unfinished_restore(self._home, ending=self._ends_restore)
            identity = self._identity()
            await self._outlast_leftovers()
            await self._initialise_once(identity)
            make_private(self._socket, identity)
            self._child = self._spawn_server(identity)
            await self._answering(self._child)
            await self._create_database()
        except (OSError, psycopg.Error) as error:
            await self.stop()
            raise ServerFailed(f"Postgres could not be started in {self._home}: {error}") from error
        except BaseException:
            await self.stop()
            raise
        return self.dsn

    async def wait(self) -> int:
        """Until the server ends, however that comes about: its exit code."""
        if self._child is None:
            raise ServerFailed("Postgres was not started")
        return await self._child.wait()

    async def stop(self) -> None:
        """Stop fast and cleanly; if that takes too long, at once: the next start recovers."""
        if self._child:
            await self._child.stop((signal.SIGINT, FAST_STOP_S_MAX), (signal.SIGQUIT, IMMEDIATE_STOP_S_MAX))
            self._child = None
        alias = self._alias()
        (alias / "s").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            alias.rmdir()
        self._lock.release()

    def _identity(self) -> Identity | None:
        try:
            return server_identity(self._cluster)
        except LookupError as error:
            raise ServerFailed(str(error)) from None

    async def _initialise_once(self, identity: Identity | None) -> None:
        """initdb beside the cluster's place, then one rename: a crash on the way leaves no half cluster."""
        password = self._home / "password"
        if self._cluster.exists():
            if not password.exists():
                raise ServerFailed(
                    f"{password} is gone: put it back, or move {self._cluster} away to begin anew"
                )
            return
        staging = self._home / "cluster.partial"
        if staging.exists():
            await asyncio.to_thread(shutil.rmtree, staging)
        make_private(staging, identity)
        write_private(password, new_password(), identity)
        await self._initdb(staging, identity)
        staging.rename(self._cluster)
        sync_directory(self._home)

    async def _initdb(self, staging: Path, identity: Identity | None) -> None:
        program = postgres_programs(identity) / "initdb"
        arguments: list[str | Path] = [
            program,
            "-D",
            _directory(staging, identity),
            "-U",
            ROLE,
            "--pwfile=../password",
        ]
        arguments += ["--auth=scram-sha-256", "--data-checksums", "--encoding=UTF8", "--no-instructions"]
        # the same order and case rules on every machine, whatever its C library
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale"]
        arguments += [] if self._fsync else ["--no-sync"]
        with appended(self._log) as output:
            child = spawn(
                arguments, environment=ENVIRONMENT, output=output, directory=staging, identity=identity
            )
        try:
            code = await child.wait()
        finally:
            await child.stop()
        if code != 0:
            raise ServerFailed(f"initdb failed with code {code}; {self._log} ends with:\n{tail(self._log)}")

    def _spawn_server(self, identity: Identity | None) -> Child:
        program = postgres_programs(identity) / "postgres"
        arguments: list[str | Path] = [program, "-D", _directory(self._cluster, identity)]
        for name, value in self._settings.items():
            arguments += ["-c", f"{name}={value}"]
        with appended(self._log) as output:
            return spawn(
                arguments,
                environment=ENVIRONMENT,
                output=output,
                death_signal=DEATH_SIGNAL,
                directory=self._cluster,
                identity=identity,
            )

    async def _answering(self, child: Child) -> None:
        deadline = asyncio.get_running_loop().time() + START_S_MAX
        while self._status_line(child.pid) != "ready":
            if not child.alive:
                raise ServerFailed(f"Postgres did not start; {self._log} ends with:\n{tail(self._log)}")
            if asyncio.get_running_loop().time() > deadline:
                raise ServerFailed(f"Postgres was not ready after {START_S_MAX:.0f} s: see {self._log}")
            await asyncio.sleep(POLL_INTERVAL_S)

    def _status_line(self, pid: int) -> str:
        """What the server with this pid says of itself in its pid file."""
        lines = self._pid_file_lines()
        return lines[7].strip() if len(lines) > 7 and lines[0] == str(pid) else ""

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    async def _create_database(self) -> None:
        """At every start, because a crash may have come between init and here."""
        async with await psycopg.AsyncConnection.connect(
            self.dsn_for("postgres"), autocommit=True
        ) as connection:
            found = await connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
            if await found.fetchone() is None:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))

    async def _outlast_leftovers(self) -> None:
        """Wait out a server whose starter was killed, and a killed server's backends; drop a lying pid."""
        if not self._cluster.exists():
            return
        deadline = asyncio.get_running_loop().time() + LEFTOVERS_S_MAX
        while leftovers := running_in(self._cluster, "postgres"):
            if asyncio.get_running_loop().time() > deadline:
                self._end_orphans(leftovers)
            await asyncio.sleep(POLL_INTERVAL_S)
        lines = self._pid_file_lines()
        if lines and lines[0].isdigit() and exists(int(lines[0])):
            # the number was given to another process since, and Postgres would refuse to start
            (self._cluster / "postmaster.pid").unlink()

    def _end_orphans(self, leftovers: list[int]) -> None:
        server = next(iter(self._pid_file_lines()), "")
        if server in map(str, leftovers):
            raise ServerFailed(
                f"Postgres already runs in {self._cluster} as process {server}, and Tillroll did not start"
                f" it. Stop it (kill -INT {server}), or set TILLROLL_DATA_DIR to another directory."
            )
        for pid in leftovers:  # backends that are too busy to notice that their server is gone
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @property
    def door(self) -> Path:
        """The socket's directory; by a short private alias where its own path is too long for an address."""
        if len(os.fsencode(self._socket / SOCKET_FILE)) <= SOCKET_PATH_BYTES_MAX:
            return self._socket
        alias = self._alias()
        alias.mkdir(mode=0o700, exist_ok=True)
        status = alias.lstat()
        if alias.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise ServerFailed(f"{alias} is not ours alone: remove it, or choose a shorter TILLROLL_DATA_DIR")
        link = alias / "s"
        if not link.is_symlink():
            link.symlink_to(self._socket)
        return link

    def _alias(self) -> Path:
        digest = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"tillroll-{os.geteuid()}-{digest}"


def _directory(path: Path, identity: Identity | None) -> str:
    """How the server calls the directory it is started in: an id that may not walk there asks /proc."""
    return "/proc/self/cwd" if identity else str(path)


def owner_of_embedded(data_dir: Path) -> str:
    """The DSN of who owns the database of the cluster in that directory; empty if there is no cluster."""
    server = PostgresServer(data_dir)
    return server.dsn if (data_dir / "postgres" / "password").exists() else ""
