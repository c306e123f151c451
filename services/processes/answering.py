"""What moves followers carries out what people ask of the keys that these have parked."""

from __future__ import annotations

from collections.abc import Callable

from services.agents.registered import AGENTS
from services.context import ProcessContext
from services.parked_keys import ParkedKeys, keep_answering
from services.processes.lasting import persist


async def answer(context: ProcessContext, mine: Callable[[str], bool]) -> None:
    """For the followers that are `mine`, by name."""
    keys = ParkedKeys(context.pool, context.log, context.keyring, AGENTS)
    await persist("parked", lambda: keep_answering(keys, mine))
