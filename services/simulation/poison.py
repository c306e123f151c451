"""What becomes of an event that a handler fails on? Its key is parked, and all others go on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

from domain.kernel import Fact, Reaction
from services.agents.agent import Agent, order_key
from services.agents.reactions import Key, parker
from services.simulation.invariants import History, concerns
from services.simulation.tables import Tables

Parked = tuple[str, str, int]
"""(follower, key, position)"""


class Poisoned(Exception):
    """Of a handler, by the fault of that name."""


def poisoned(agents: Sequence[Agent], rate: float) -> tuple[Agent, ...]:
    """The agents with handlers that always fail on some events."""
    return tuple(replace(agent, react=_failing(agent, rate)) for agent in agents) if rate else tuple(agents)


def is_poison(agent: Agent, fact: Fact, rate: float) -> bool:
    return crc32(agent.name.encode(), crc32(fact.id.bytes)) < rate * 2**32


def _failing(agent: Agent, rate: float) -> Callable[[Any, Fact], Reaction[Any]]:
    def react(process: Any, fact: Fact) -> Reaction[Any]:
        if is_poison(agent, fact, rate):
            raise Poisoned(f"{agent.name} fails on position {fact.position}")
        return agent.react(process, fact)

    return react


def spoilt_keys(history: History, agents: Sequence[Agent], rate: float) -> dict[Key, list[int]]:
    """What must be parked: the first event of a key that its agent fails on, and all that come after it."""
    spoilt: dict[Key, list[int]] = {}
    for fact in history.facts if rate else ():
        for agent in agents:
            if concerns(agent, fact):
                whose = agent.name, order_key(fact)
                if whose in spoilt or is_poison(agent, fact, rate):
                    spoilt.setdefault(whose, []).append(fact.position)
    return spoilt


def poison_is_parked(
    spoilt: dict[Key, list[int]], of_read_models: Collection[Parked], tables: Tables
) -> Iterator[str]:
    """That, and nothing else."""
    wanted = {(parker(agent), key, at) for (agent, key), places in spoilt.items() for at in places}
    wanted.update(of_read_models)
    for each in sorted(wanted ^ set(tables.parked.rows)):
        yield f"{each} is {'not parked' if each in wanted else 'parked, and nobody failed on it'}"
