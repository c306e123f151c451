"""What do both servers keep on disk beside their own data, and who is still running there?"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.embedded.children import ServerFailed
from services.embedded.identity import Identity

LOG_BYTES_MAX = 20_000_000
LOG_TAIL_BYTES = 2_000


def make_private(path: Path, identity: Identity | None = None, mode: int = 0o700) -> None:
    """The folder `path` with `mode`, owned by `identity`. Folders above it stay as they are."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.mkdir(exist_ok=True, mode=mode)
    path.chmod(mode)
    if identity:
        identity.give(path)


def write_private(path: Path, text: str, identity: Identity | None = None) -> None:
    """A file of mode 0600 for `identity` alone, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if identity:
        identity.give(partial)
    partial.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """A rename is on disk only after this."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def new_password() -> str:
    return secrets.token_hex(24)


class Lock:
    """One starter at a time for a data directory; the kernel lets go of it when its holder dies."""

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what
        self._descriptor: int | None = None

    def take(self) -> None:
        if self._descriptor is not None:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode().strip() or "another one"
            os.close(descriptor)
            raise ServerFailed(
                f"{self._what} in {self._path.parent} is already running, started by process {holder}."
                " Use that one (tillroll status shows it), stop it first, or set TILLROLL_DATA_DIR to another"
                " directory."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextmanager
def appended(log: Path) -> Iterator[int]:
    """A descriptor that appends to `log`. The file before it is kept once it has grown long."""
    make_private(log.parent)
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_suffix(".1.log"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def tail(log: Path) -> str:
    """The end of a log, for an error message."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        return file.read().decode(errors="replace").strip()


def running_in(directory: Path, name: str) -> list[int]:
    """Pids of processes called `name` that work in `directory`. A pid file can lie: pids come again."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # the link is followed by the kernel itself, so that a folder closed to us is no hindrance
            if (process / "comm").read_text().strip() == name and (process / "cwd").samefile(directory):
                found.append(int(process.name))
        except OSError:  # ended meanwhile, or somebody else's
            continue
    return found


def exists(pid: int) -> bool:
    """Whether any process has this pid now."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
