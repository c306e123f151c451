"""What happens to the processes of a simulated system: started, killed, paused, started again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from services.simulation.loop import SimulatedLoop
from services.simulation.process import Process

Main = Callable[[], Awaitable[None]]


class Life(NamedTuple):
    """What runs, so that it can be started again."""

    process: Process
    main: Main


class Processes:
    """By name. A task that is made by a process's task is of the same process, and so are its timers.

    A process whose main ends by an error of the `forgiven` kinds dies, as one that a supervisor starts again;
    by any other error the run fails, unless somebody awaits the process's `main`.
    """

    def __init__(self, loop: SimulatedLoop, forgiven: tuple[type[Exception], ...] = ()) -> None:
        self.loop = loop
        self.exits: list[tuple[str, Exception]] = []
        """Who ended by which forgiven error."""
        self._forgiven = forgiven
        self._lives: dict[str, Life] = {}

    def start(self, name: str, main: Main) -> Process:
        """Run `main` as a new process."""
        assert not self.alive(name), f"{name} runs already"
        process = self.loop.new_process(name)
        self._lives[name] = Life(process, main)
        process.main = self.loop.create_task(
            self._run(process, main), name=name, context=process.context.copy()
        )
        return process

    def __getitem__(self, name: str) -> Process:
        """The last life of that name."""
        return self._lives[name].process

    def names(self) -> list[str]:
        return list(self._lives)

    def alive(self, name: str) -> bool:
        """Whether it has been started and neither killed nor come to its end."""
        life = self._lives.get(name)
        return life is not None and not life.process.dead and not life.process.ended

    def kill(self, name: str) -> None:
        """As kill -9: nothing of it runs any more, no `finally` either."""
        self.loop.kill(self[name])

    def kill_after_steps(self, name: str, steps: int) -> None:
        """Kill it just before the `steps`-th step of its tasks from now: at any await, if that is random."""
        assert steps > 0
        self[name].dies_in = steps

    def pause(self, name: str) -> None:
        """As SIGSTOP: what becomes ready waits."""
        self.loop.pause(self[name])

    def resume(self, name: str) -> None:
        """As SIGCONT."""
        self.loop.resume(self[name])

    def restart(self, name: str) -> Process:
        """Kill what still runs of it, and start the same main again."""
        self.kill(name)
        return self.start(name, self._lives[name].main)

    async def _run(self, process: Process, main: Main) -> None:
        try:
            await main()
        except Exception as error:
            if not _is_of(error, self._forgiven):
                raise
            self.exits.append((process.name, error))
            self.loop.call_soon(self.loop.kill, process, context=self.loop.outside.context)


def _is_of(error: Exception, kinds: tuple[type[Exception], ...]) -> bool:
    """Whether the error, or each one of a group, is of these kinds."""
    if isinstance(error, ExceptionGroup):
        return error.split(kinds)[1] is None
    return isinstance(error, kinds)
