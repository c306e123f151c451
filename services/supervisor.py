"""Who keeps a whole system of processes running on one machine, and ends them all with itself?

    async with Supervisor(data_dir) as supervisor:
        dsn = await supervisor.add_server("postgres", PostgresServer(data_dir))
        await supervisor.add("relay", [sys.executable, "-m", "services.cli", "relay"], environment)
        await supervisor.run_until_stopped()

A process that dies is started again, at once the first time and then ever more slowly. SIGINT, SIGTERM and
SIGHUP leave the block at whatever it awaits; leaving it stops everything in reverse order. Must run in the
main thread: signals come there, and a child dies with the thread that started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypedDict

from eventstore.tasks import end_tasks
from services.embedded.children import Child, ServerFailed, spawn
from services.embedded.directory import appended

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOP_S_MAX = 25.0
"""The API may need 10 s for requests in hand, and twice 5 for what it has to record of them."""
RESTART_S_MIN = 0.1
RESTART_S_MAX = 5.0
RAN_WELL_S = 10.0
LAST_WORDS_S_MAX = 1.0
LAST_WORDS_BYTES_MAX = 500
LINE_BYTES_MAX = 65_536
CANCEL_AGAIN_S = 10.0


class Service(Protocol):
    """What can be supervised. `start` may be called again after an end, and then gives the same address."""

    @property
    def pid(self) -> int | None: ...
    async def start(self) -> Any: ...
    async def wait(self) -> int: ...
    async def stop(self) -> None: ...


class Status(TypedDict):
    """Of one supervised process."""

    pid: int | None
    restarts: int
    failed: int
    """How often it ended by itself: not by a SIGKILL from outside."""
    alive: bool


class Process:
    """A program of ours. Its output goes to its log file, or, each line with its name, to standard error."""

    def __init__(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path | None
    ) -> None:
        self._name = name
        self._arguments = list(arguments)
        self._environment = dict(environment)
        self._log = log
        self._log_begins = 0
        self._child: Child | None = None
        self._echo: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child and self._child.alive else None

    async def start(self) -> None:
        if self._log:
            with appended(self._log) as output:
                self._log_begins = os.fstat(output).st_size
                self._child = spawn(self._arguments, environment=self._environment, output=output)
            return
        reading, writing = os.pipe()
        try:
            self._child = spawn(self._arguments, environment=self._environment, output=writing)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._echo = asyncio.create_task(_echo(self._name, reading))

    async def wait(self) -> int:
        assert self._child, "wait comes after start"
        code = await self._child.wait()
        await self._swept()
        return code

    async def stop(self) -> None:
        if self._child:
            await self._child.stop((signal.SIGTERM, STOP_S_MAX))
            await self._swept()

    def last_words(self) -> str:
        """The last line that it wrote to its log since it was started, cut short; what it echoed was seen."""
        if not self._log:
            return ""
        with self._log.open("rb") as log:
            log.seek(max(self._log_begins, log.seek(0, os.SEEK_END) - LAST_WORDS_BYTES_MAX))
            lines = log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    async def _swept(self) -> None:
        """End what the process had started itself (its group is its own), then take its last words."""
        assert self._child
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        if self._echo and not self._echo.done():
            _, unfinished = await asyncio.wait([self._echo], timeout=LAST_WORDS_S_MAX)
            for echo in unfinished:  # something that left the group still holds the pipe
                echo.cancel()


async def _echo(name: str, reading: int) -> None:
    """Copy lines to standard error, each with the name before it; a very long one is cut into several."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    pipe = os.fdopen(reading, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), pipe)
    try:
        while line := await _line(lines):
            sys.stderr.write(f"{name:>12} | {line.decode(errors='replace').rstrip()}\n")
            sys.stderr.flush()
    finally:
        transport.close()


async def _line(lines: asyncio.StreamReader) -> bytes:
    try:
        return await lines.readuntil()
    except asyncio.IncompleteReadError as end:
        return end.partial
    except asyncio.LimitOverrunError as long:
        return await lines.readexactly(long.consumed)


@dataclass(slots=True)
class _Watched:
    service: Service
    restarts: int = 0
    failed: int = 0
    watcher: asyncio.Task[None] | None = field(default=None)


class Supervisor:
    """Starts, watches, restarts and stops named processes. `on_change(status())` is told of each of these."""

    def __init__(
        self,
        data_dir: Path,
        *,
        echo: bool = False,
        on_change: Callable[[dict[str, Status]], None] | None = None,
    ) -> None:
        self._logs = data_dir.absolute() / "logs"
        self._echo = echo
        self._on_change = on_change or (lambda _status: None)
        self._watched: dict[str, _Watched] = {}
        self._owner: asyncio.Task[Any] | None = None
        self.stopped_by: signal.Signals | None = None
        """The signal that ended the block, once one did."""
        self._cancelled = 0
        self._again: asyncio.TimerHandle | None = None

    async def add(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Start a program under this name; it stays started from now on."""
        log = None if self._echo else self._logs / f"{name}.log"
        await self.add_server(name, Process(name, argv, env, log))

    async def add_server(self, name: str, server: Service) -> Any:
        """As `add`, for what starts itself: gives what its `start` gives, such as its address."""
        if name in self._watched:
            raise ValueError(f"there is a process {name} already")
        started = await server.start()
        watched = self._watched[name] = _Watched(server)
        watched.watcher = asyncio.create_task(self._watch(name, watched), name=f"watch {name}")
        self._changed()
        return started

    def status(self) -> dict[str, Status]:
        """In the order in which they were started."""
        return {
            name: Status(
                pid=each.service.pid,
                restarts=each.restarts,
                failed=each.failed,
                alive=each.service.pid is not None,
            )
            for name, each in self._watched.items()
        }

    async def run_until_stopped(self) -> None:
        """Until a signal ends the block."""
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Stop everything, the last started first."""
        await end_tasks(*(each.watcher for each in self._watched.values() if each.watcher))
        for name, each in reversed(list(self._watched.items())):
            try:
                await each.service.stop()
            except OSError as error:  # and go on: what comes after it must end too
                _say(f"{name} could not be stopped: {error}")
        self._watched.clear()
        self._changed()

    async def _watch(self, name: str, watched: _Watched) -> None:
        pause_s = 0.0
        clock = asyncio.get_running_loop().time
        while True:
            started_s = clock()
            code = await watched.service.wait()
            if clock() - started_s > RAN_WELL_S:
                pause_s = 0.0
            _say(
                f"{name} ended ({_reason(code)}): it is started again"
                + (f" in {pause_s:.1f} s" if pause_s else "")
            )
            if code >= 0 and (words := _last_words(watched.service)):
                _say(f"{name} said last: {words}")
            watched.restarts += 1
            watched.failed += code != -signal.SIGKILL
            self._changed()
            pause_s = await self._start_again(name, watched.service, pause_s)
            self._changed()

    async def _start_again(self, name: str, service: Service, pause_s: float) -> float:
        """Try until it starts; the pause before the next try."""
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(RESTART_S_MAX, max(RESTART_S_MIN, 2 * pause_s))
            try:
                await service.start()
            except (ServerFailed, OSError) as error:
                _say(f"{name} did not start, next try in {pause_s:.1f} s: {error}")
            else:
                return pause_s

    def _changed(self) -> None:
        try:
            self._on_change(self.status())
        except OSError as error:
            _say(f"the change could not be told: {error}")

    async def __aenter__(self) -> Self:
        self._owner = asyncio.current_task()
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._signalled, number)
        return self

    def _signalled(self, number: signal.Signals) -> None:
        """The first one ends the block. Later ones change nothing: the stop has time-outs of its own."""
        if self.stopped_by is None and self._owner:
            self.stopped_by = number
            self._cancel(self._owner)

    def _cancel(self, owner: asyncio.Task[object]) -> None:
        """And again, until the block is left: what libraries wait for by Python 3.11's `asyncio.wait_for`
        swallows a cancellation that comes in the moment in which it is done."""
        owner.cancel()
        self._cancelled += 1
        self._again = asyncio.get_running_loop().call_later(CANCEL_AGAIN_S, self._cancel, owner)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._again:
            self._again.cancel()
        try:
            await self.stop()
        finally:
            for number in STOP_SIGNALS:
                asyncio.get_running_loop().remove_signal_handler(number)
                if (
                    self.stopped_by
                ):  # it is being stopped already: an impatient Ctrl-C adds nothing but a trace
                    signal.signal(number, signal.SIG_IGN)
        ours = self.stopped_by is not None and isinstance(error, asyncio.CancelledError)
        if ours and self._owner:
            for _ in range(self._cancelled):
                self._owner.uncancel()
        return ours


def _last_words(service: Service) -> str:
    """Servers have none: they say themselves why they did not start."""
    with contextlib.suppress(OSError):
        return service.last_words() if isinstance(service, Process) else ""
    return ""


def _reason(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _say(message: str) -> None:
    sys.stderr.write(f"{'supervisor':>12} | {message}\n")
    sys.stderr.flush()
