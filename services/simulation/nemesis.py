"""Who kills, stops and misleads the processes of a simulated system, and starts the dead again?"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from random import Random

from services.simulation.clock import SimulatedClock
from services.simulation.faults import Faults
from services.simulation.process import Process
from services.simulation.processes import Processes

STEPS = 60
"""It dies within so many steps: a second begins with a pause, and death should come at any await."""
PAUSE_SECONDS, RESTART_SECONDS, OUTAGE_SECONDS = 20.0, 2.0, 60.0
JUMPS_SECONDS = (0.01, 1.0, 60.0, 3600.0)


class Nemesis:
    """`run` until it is cancelled; with all `faults` at 0 it only starts again what died.

    `outside` are the providers: they may be away for longer than any process of ours.
    """

    def __init__(
        self,
        processes: Processes,
        clock: SimulatedClock,
        random: Random,
        faults: Faults,
        outside: Collection[str] = (),
    ) -> None:
        self._outside = outside
        self._processes = processes
        self._clock = clock
        self._random = random
        self.faults = faults
        processes.loop.on_death.append(self._start_again)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for name in self._processes.names():
                if self._processes.alive(name):
                    self._trouble(name)

    def _trouble(self, name: str) -> None:
        random = self._random
        if random.random() < self.faults.crash:
            self._processes.kill_after_steps(name, random.randint(1, STEPS))
        if random.random() < self.faults.pause:
            self._pause(name, PAUSE_SECONDS)
        if name in self._outside and random.random() < self.faults.outage:
            self._pause(name, OUTAGE_SECONDS)
        if random.random() < self.faults.clock:
            self._clock.jump(name, random.uniform(-1, 1) * random.choice(JUMPS_SECONDS))

    def _pause(self, name: str, seconds_max: float) -> None:
        loop, process, begin = self._processes.loop, self._processes[name], self._random.random()
        loop.call_later(begin, loop.pause, process)
        loop.call_later(begin + self._random.random() * seconds_max, loop.resume, process)

    def _start_again(self, process: Process) -> None:
        """A while after its death, as a supervisor does."""
        loop = self._processes.loop
        seconds = self._random.random() * RESTART_SECONDS
        loop.call_later(seconds, self._restart, process, context=loop.outside.context)

    def _restart(self, process: Process) -> None:
        if self._processes[process.name] is process:  # nobody else has started it
            self._processes.restart(process.name)
