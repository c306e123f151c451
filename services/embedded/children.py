"""How is a child process started, watched and stopped, so that it never outlives its parent?

Each child leads a session of its own (a Ctrl-C in the terminal reaches the parent alone, which then stops
its children in order) and asks the kernel for a signal at its parent's death, so that `kill -9` of the parent
leaves nothing behind. The kernel means the *thread* that started the child: start children from the main one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.embedded.identity import Identity

PR_SET_PDEATHSIG = 1
POLL_INTERVAL_S = 0.05
# Loaded before any fork: between fork and exec a child must not import or load anything.
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ServerFailed(RuntimeError):
    """A server or process could not be started or stopped; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running (or ended) child process."""

    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    async def wait(self) -> int:
        """Its exit code (negative: the signal that ended it), woken by the kernel rather than polled."""
        if self.alive:
            try:
                descriptor = os.pidfd_open(self.pid)
            except (AttributeError, OSError):  # not on this system: look now and then
                while self.alive:  # noqa: ASYNC110 - nothing there would wake us
                    await asyncio.sleep(POLL_INTERVAL_S)
            else:
                await _readable(descriptor)
        return self.process.wait()

    async def stop(self, *steps: tuple[signal.Signals, float]) -> int:
        """Send each signal in turn and give it its seconds; the last resort is always SIGKILL."""
        for number, seconds in steps:
            if not self.alive:
                break
            self.process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.wait()
        if self.alive:
            self.process.kill()
        return await self.wait()


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def spawn(
    arguments: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    output: int,
    death_signal: signal.Signals = signal.SIGKILL,
    directory: Path | None = None,
    identity: Identity | None = None,
) -> Child:
    """Start a child whose output goes to the descriptor `output`; `identity` is who it becomes."""
    ids = {"user": identity.user, "group": identity.group, "extra_groups": []} if identity else {}
    try:
        process = subprocess.Popen(  # noqa: S603 - the arguments are ours, and no shell reads them
            [os.fspath(argument) for argument in arguments],
            env=dict(environment),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # runs after the change of id, which would clear the request; it only calls into the kernel
            preexec_fn=_die_with(os.getpid(), death_signal),  # noqa: PLW1509
            **ids,  # type: ignore[call-overload]
        )
    except (OSError, subprocess.SubprocessError) as error:
        as_whom = f" as {identity.name} ({identity.user})" if identity else ""
        raise ServerFailed(f"cannot start {arguments[0]}{as_whom}: {error}") from error
    return Child(process)


def _die_with(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    libc, number = _LIBC, int(death_signal)

    def ask_for_it() -> None:
        if libc is not None:
            libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_for_it
