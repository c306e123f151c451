"""In which order does everything run? As one seed says: a deterministic asyncio event loop on virtual time.

What may be permuted: the steps of different tasks, for nobody may count on their order. What may not: the
callbacks of a process run in the order in which they were called for, and no step of a task overtakes a
callback of its process that was called for before. So `await task` still sees what the task's done-callbacks
did, and a timer never overtakes an earlier one.

Time passes when nothing is ready: to the next timer, sometimes a little further (a busy machine), so that
timers meet. Each step takes a microsecond, so that whoever spins on `sleep(0)` does not stop the time.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from itertools import count
from random import Random
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from services.simulation.failures import Deadlock, Failure, RunFailed, StepsExceeded, Unsimulated
from services.simulation.graveyard import Buried, bury
from services.simulation.handles import Handle, SimulatedFuture, SimulatedTask
from services.simulation.process import PROCESS, Process
from services.simulation.ready import Ready
from services.simulation.timers import Timers
from services.simulation.waiting import waiting_places

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
BOOT_SECONDS = 100_000.0
"""What `time()` begins with: a machine that has been up for a day, not one that starts at nought."""
STEP_SECONDS = 1e-6
LATE_RATE, LATE_SECONDS = 0.1, 0.01
STEPS_MAX = 20_000_000
COLLECT_STEPS = 50_000
_MIX, _MASK = 0x9E37_79B9_7F4A_7C15, 0xFFFF_FFFF_FFFF_FFFF


class SimulatedLoop(asyncio.BaseEventLoop):
    """`run` one main coroutine, once. No I/O, no threads, no wall clock.

    `seed` or a stream of its own decides the schedule; `digest` says which one it was. After `steps_max`
    steps the run ends with `StepsExceeded`. At the end all that still runs dies as by kill -9.
    """

    _closed: bool
    _stopping: bool

    def __init__(self, seed: int | Random, steps_max: int = STEPS_MAX, late_rate: float = LATE_RATE) -> None:
        super().__init__()
        self._random = seed if isinstance(seed, Random) else Random(seed)
        self._next = count(1).__next__
        self._now = BOOT_SECONDS
        self._pool = Ready(self._random, self.kill)
        self._timers = Timers()
        self._late_rate = late_rate
        self._steps_max = steps_max
        self._rest_at = min(COLLECT_STEPS, steps_max)
        self._digest = 0
        self._processes: list[Process] = []
        self.failures: list[Failure] = []
        """Errors of callbacks, and of tasks that nobody has awaited."""
        self.steps = 0
        self.on_death: list[Callable[[Process], None]] = []
        """Called in the moment when a process dies, from outside of it."""
        self.outside = self.new_process("world")
        """Where the main coroutine runs: what is no process of the system."""
        self.process = self.outside
        """Whose handle runs now."""

    # What a run is

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """What `main` returns; raises RunFailed if callbacks failed, or tasks whose errors nobody took."""
        collecting = gc.isenabled()
        gc.disable()  # what garbage does at its end (async generators!) must happen at fixed steps, too
        try:
            task = self.create_task(main, name="main", context=self.outside.context.copy())
            result: T = self.run_until_complete(task)
            self._look_for_failures()
        finally:
            self._end()
            if collecting:
                gc.enable()
        if self.failures:
            raise RunFailed(self.failures)
        return result

    @property
    def digest(self) -> str:
        """Of all steps until now: which task or process ran, in which order, and how time went on."""
        return f"{self._digest:016x}"

    def _look_for_failures(self) -> None:
        for process in self._processes:
            for task in process.tasks:
                if task.done() and task.failed_unseen and not process.dead:
                    self.failures.append(Failure.of_task(task))

    def _end(self) -> None:
        for process in self._processes:
            process.die()
        self.close()
        self._pool.entries.clear()
        self._timers.heap.clear()
        bury(self, [task for process in self._processes for task in process.tasks])
        for process in self._processes:
            process.tasks.clear()

    # Processes

    def new_process(self, name: str) -> Process:
        process = Process(name, self._next())
        self._processes.append(process)
        return process

    def kill(self, process: Process) -> None:
        """Nothing of it runs from now on (but the step that is running now, if it kills itself)."""
        if not process.dead:
            process.die()
            with self.within(self.outside):
                for tell in self.on_death:
                    tell(process)

    @contextmanager
    def within(self, process: Process) -> Iterator[None]:
        """What is done is done by that process; only for what does not wait."""
        before, self.process = self.process, process
        token = PROCESS.set(process)
        try:
            yield
        finally:
            PROCESS.reset(token)
            self.process = before

    def pause(self, process: Process) -> None:
        process.halted = True

    def resume(self, process: Process) -> None:
        if not process.dead:
            process.halted = False
            self._pool.release(process)

    # What asyncio asks of a loop

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> Handle:
        task = getattr(callback, "__self__", None)
        if type(task) is SimulatedTask:
            context = contextvars.copy_context() if context is None else context
            handle = Handle(callback, args, self, context, task.process, self._next(), task.number)
            self._pool.add_step(handle)
        else:
            handle = self._handle(callback, args, context)
            self._pool.add_callback(handle)
        if self._closed:
            raise Buried
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> Handle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> Handle:
        if self._closed:
            raise Buried
        handle = self._handle(callback, args, context)
        self._timers.set(handle, when)
        return handle

    def timer_cancelled(self) -> None:
        self._timers.cancelled()

    def create_future(self) -> SimulatedFuture:
        if self._closed:
            raise Buried
        future = SimulatedFuture(loop=self)
        future.number = self._next()
        future.process = self.process
        return future

    def create_task(
        self,
        coro: Any,
        *,
        name: object = None,
        context: contextvars.Context | None = None,
        **_: Any,
    ) -> SimulatedTask:
        """A task of the process whose handle runs now, or of the context's process."""
        if self._closed:
            coro.close()
            raise Buried
        process = context.get(PROCESS, self.process) if context else self.process
        task = SimulatedTask(coro, self, self._next(), process, name, context)
        process.adopt(task)
        return task

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], Any], *args: *Ts) -> NoReturn:
        raise Unsimulated(f"{func!r} wants a thread: a simulated system has none; put a port before it")

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What asyncio complains of is a failure of the run, unless the dead or the end are to blame."""
        owner = context.get("task") or context.get("future") or context.get("handle")
        process = getattr(owner, "process", self.process)
        if not process.dead and not self._closed:
            self.failures.append(Failure(process.name, str(context["message"]), context.get("exception")))

    def _asyncgen_firstiter_hook(self, agen: Any) -> None:
        """Nothing: what is suspended at the end is not shut down, it dies."""

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        if not self._closed and not self.process.dead:
            self.create_task(agen.aclose())

    # How it goes on

    def _handle(
        self, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context | None
    ) -> Handle:
        """For a callback that is no task's step: it is of its context's process."""
        if context is None:
            process, context = self.process, contextvars.copy_context()
        else:
            process = context.get(PROCESS, self.process)
        return Handle(callback, args, self, context, process, self._next(), process.key)

    def _run_once(self) -> None:
        """Until someone stops the loop; with all in one place, since a run makes a million steps."""
        entries, take, timers = self._pool.entries, self._pool.take, self._timers.heap
        while not self._stopping:
            if not entries:
                self._jump()
                continue
            handle = take()
            if handle is None or handle._cancelled:
                continue
            self.process = handle.process
            self.steps += 1
            self._digest = (self._digest * _MIX + handle.key) & _MASK
            try:
                handle._context.run(handle._callback, *handle._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - as asyncio does: it is told at the end
                self.failures.append(Failure.of_handle(handle, error))
            self._now += STEP_SECONDS
            if timers and timers[0][0] <= self._now:
                self._ring()
            if self.steps >= self._rest_at:
                self._rest()
        self.process = self.outside

    def _jump(self) -> None:
        """To the next timer, at times a little further."""
        when = self._timers.next_time()
        if when is None:
            raise Deadlock(waiting_places(self._processes))
        now = max(self._now, when)
        if self._random.random() < self._late_rate:
            now += self._random.random() * LATE_SECONDS
        self._now = now
        self._digest = (self._digest * _MIX + hash(now)) & _MASK
        self._ring()

    def _ring(self) -> None:
        """Timers that are due become callbacks of their processes."""
        for handle in self._timers.due(self._now):
            handle.number = self._next()
            self._pool.add_callback(handle)

    def _rest(self) -> None:
        """Now and then: is it too long already? Garbage is collected."""
        if self.steps >= self._steps_max:
            raise StepsExceeded(self.steps, waiting_places(self._processes))
        gc.collect(1)
        self._rest_at = min(self.steps + COLLECT_STEPS, self._steps_max)
