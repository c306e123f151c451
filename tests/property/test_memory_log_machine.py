"""Does the log in memory stand the state machine that the log in Postgres stands?"""

from __future__ import annotations

from tests.contract.log_trial import stands
from tests.contract.memory_system import MemoryLogMachine, MemorySystem, quick_loop


def test_the_log_in_memory_is_as_it_should_be() -> None:
    with quick_loop() as runner:
        system = MemorySystem(runner)
        stands(lambda: MemoryLogMachine(system), examples=60, steps=8)
