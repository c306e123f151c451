"""How do tests start processes to kill, as themselves or as an ordinary user, and see that they ended?"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.patience import HANGS

POLL_INTERVAL_S = 0.05
POLLS_MAX = int(HANGS / POLL_INTERVAL_S)
# An interpreter may lie where only root can read: load what the script needs first, and become the user then.
BECOME = """
import asyncio, concurrent.futures.thread, encodings.idna, os
import nats, psycopg, services.embedded, services.nats_client
os.setgroups([]); os.setgid({group}); os.setuid({user})
"""


@dataclass(frozen=True)
class User:
    user: int
    group: int

    @contextmanager
    def directory(self) -> Iterator[Path]:
        """A private directory of this user."""
        directory = Path(tempfile.mkdtemp(prefix="tillroll-test-"))
        os.chown(directory, self.user, self.group)
        try:
            yield directory
        finally:
            shutil.rmtree(directory)


_nobody = pwd.getpwnam("nobody")
UNPRIVILEGED = User(_nobody.pw_uid, _nobody.pw_gid)


def owner(path: Path) -> dict[str, Any]:
    """Arguments for a process that belongs to whom `path` belongs to."""
    status = path.stat()
    return {"user": status.st_uid, "group": status.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}


class Starter:
    """A process for a test to talk to: it ends when its standard input does, or with this context."""

    def __init__(self, arguments: list[str], **options: Any) -> None:
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, **options
        )

    @classmethod
    def of(cls, script: str, *arguments: object, user: User | None = None, **options: Any) -> Starter:
        """A Python script with arguments."""
        become = BECOME.format(user=user.user, group=user.group) if user else ""
        return cls([sys.executable, "-c", become + script, *map(str, arguments)], **options)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def line(self) -> str:
        """The next line that it prints; empty when it ended."""
        assert self._process.stdout
        return self._process.stdout.readline().decode()

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def close(self) -> None:
        """End its input."""
        assert self._process.stdin
        self._process.stdin.close()

    def wait(self) -> int:
        """Its exit code, once it ended."""
        return self._process.wait(timeout=HANGS)

    def __enter__(self) -> Starter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


def is_running(pid: int) -> bool:
    """A process that ended but that nobody has collected is not running."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def ended(*pids: int) -> bool:
    """Whether all of these processes end within a bounded number of looks."""
    for _ in range(POLLS_MAX):
        if not any(map(is_running, pids)):
            return True
        await asyncio.sleep(POLL_INTERVAL_S)
    return False


async def appeared(path: Path) -> bool:
    """Whether a file with something in it comes within a bounded number of looks."""
    for _ in range(POLLS_MAX):
        if path.exists() and path.stat().st_size:
            return True
        await asyncio.sleep(POLL_INTERVAL_S)
    return False
