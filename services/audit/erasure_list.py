"""Where do erasures stand that no restore of the database can take back? In a file beside the master key.

A line of JSON for each, on the disk before the key is destroyed. So whatever the database has forgotten, by a
crash in between or by a back-up of before, the list still knows: it is done again. No line holds what was
erased: a subject is a pseudonym.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO
from uuid import UUID

import orjson

from services.embedded.directory import sync_directory


class ListDamaged(Exception):
    """A line of the list can't be read: who stands there must not be forgotten."""

    expected = True


class ListNotWritten(Exception):
    """The erasure could not be noted outside of the database; nothing was erased."""

    expected = True


@dataclass(frozen=True, slots=True)
class Entry:
    """Who is erased, for which merchant (or the platform), by whom, why and when.

    `command_id` is that of the event that will say so, `despite` the rules that were overruled.
    """

    subject: str
    merchant: str
    actor: str
    reason: str
    command_id: UUID
    erased_at: datetime
    despite: tuple[str, ...] = ()


class ErasureList:
    """Appended to by any process of the machine, one at a time; read as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, *entries: Entry) -> None:
        """On the disk once this returns. Raises ListNotWritten."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
                lines = b"".join(orjson.dumps(asdict(entry)) + b"\n" for entry in entries)
                _write(file, (b"\n" if _is_torn(file) else b"") + lines)
                os.fsync(file.fileno())
            sync_directory(self.path.parent)
        except OSError as error:
            raise ListNotWritten(
                f"{self.path} can't be written ({error.strerror}), so nothing was erased: an erasure that no"
                " restore takes back must stand there. See TILLROLL_ERASURES_FILE"
            ) from error

    def entries(self) -> Iterator[Entry]:
        """Oldest first; none where there is no list. A line that a crash tore was never acted upon.

        Raises ListDamaged.
        """
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            for number, line in enumerate(file, 1):
                entry = _read(line)
                if entry:
                    yield entry
                elif line.endswith(b"}\n"):
                    raise ListDamaged(f"{self.path}: line {number} is no erasure: put the right file back")


def _is_torn(file: IO[bytes]) -> bool:
    """Whether its last line has no end."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        return False
    file.seek(size - 1)
    return file.read(1) != b"\n"


def _write(file: IO[bytes], content: bytes) -> None:
    while content:
        content = content[file.write(content) :]


def _read(line: bytes) -> Entry | None:
    try:
        told = orjson.loads(line)
        return Entry(
            subject=str(told["subject"]),
            merchant=str(told["merchant"]),
            actor=str(told["actor"]),
            reason=str(told["reason"]),
            command_id=UUID(told["command_id"]),
            erased_at=datetime.fromisoformat(told["erased_at"]),
            despite=tuple(told["despite"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
