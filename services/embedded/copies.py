"""How is the embedded Postgres copied while it runs, and how is such a copy put in the place of a lost one?

BACKUP/cluster    what pg_basebackup took, with its manifest and the log since then: it starts by itself
BACKUP/password   of the owner
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson
from psycopg.conninfo import conninfo_to_dict

from services.embedded.binaries import postgres_programs
from services.embedded.children import ServerFailed
from services.embedded.directory import Lock, make_private, sync_directory, write_private
from services.embedded.identity import Identity, server_identity
from services.embedded.postgres import ENVIRONMENT
from services.embedded.restoring import refuse_unfinished_restore

_VARIABLES = {"host": "PGHOST", "user": "PGUSER", "password": "PGPASSWORD"}


async def take_copy(dsn: str, copy: Path) -> None:
    """Into the folder `copy`, which is there; of the server at `dsn`, which is its owner's."""
    parts = conninfo_to_dict(dsn)
    known = {variable: str(parts[name]) for name, variable in _VARIABLES.items()}
    await _run(
        "pg_basebackup",
        "-D",
        copy / "cluster",
        "-X",
        "stream",
        "-c",
        "fast",
        "--manifest-checksums=SHA256",
        environment=known,
    )
    await asyncio.to_thread(verify_copy, copy)
    write_private(copy / "password", known["PGPASSWORD"])


def is_copy(folder: Path) -> bool:
    """Whether it looks like one."""
    return (folder / "cluster").is_dir() and (folder / "password").is_file()


def verify_copy(copy: Path) -> None:
    """Raises ServerFailed if a file of the copy is gone or is not what it was.

    The log since then is checked by Postgres, when it reads it. (Its `pg_verifybackup`, which would do this,
    ends by a segmentation fault in the wheel.)
    """
    cluster = copy / "cluster"
    for file in orjson.loads((cluster / "backup_manifest").read_bytes())["Files"]:
        path = cluster / file["Path"]
        if not path.is_file() or _sha256(path) != file["Checksum"]:
            raise ServerFailed(f"{path} is not as it was when the back-up was made: take another one")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def put_copy(copy: Path, data_dir: Path, first: Callable[[Path], None] = lambda _: None) -> None:
    """Where no cluster is; all of it or nothing. Raises ServerFailed.

    `first` is called with the folder of the server, once nothing speaks against it and nobody can start it.
    """
    await asyncio.to_thread(verify_copy, copy)
    await asyncio.to_thread(_put, copy, data_dir / "postgres", first)


def _put(copy: Path, home: Path, first: Callable[[Path], None]) -> None:
    home = home.absolute()
    make_private(home, mode=0o711)
    lock = Lock(home / "lock", "Postgres")
    lock.take()
    try:
        if (home / "cluster").exists():
            refuse_unfinished_restore(home)
            raise ServerFailed(f"{home / 'cluster'} is there: move it away first, so that nothing is lost")
        first(home)
        _put_beside(copy, home)
    finally:
        lock.release()


def _put_beside(copy: Path, home: Path) -> None:
    """Beside its place, then one rename, as a cluster is made."""
    staging = home / "cluster.partial"
    identity = _identity(home)
    if staging.exists():
        shutil.rmtree(staging)
    shutil.copytree(copy / "cluster", staging, symlinks=True)
    staging.chmod(0o700)
    if identity:
        for path in (staging, *staging.rglob("*")):
            identity.give(path)
    write_private(home / "password", (copy / "password").read_text(), identity)
    os.sync()
    staging.rename(home / "cluster")
    sync_directory(home)


def _identity(home: Path) -> Identity | None:
    try:
        return server_identity(home / "cluster")
    except LookupError as error:
        raise ServerFailed(str(error)) from None


async def _run(program: str, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> None:
    """A program of Postgres's, as who we are. Raises ServerFailed with what it says."""
    path = postgres_programs(None) / program
    process = await asyncio.create_subprocess_exec(
        path,
        *arguments,
        env={**ENVIRONMENT, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise ServerFailed(f"{program} failed: {said.decode(errors='replace').strip()}")
