"""What would the agents make of an order's facts, a cart's or a product's, if they were asked again? They are
pure, so it can be tried.

It tells what is recorded nowhere: which facts a reaction builds on, and the deadlines that it sets. And
whether today's rules decide what was recorded.
"""

from __future__ import annotations

from typing import Any

import structlog

from domain.kernel import Fact
from services.agents.agent import Agent
from services.agents.reactions import encode_groups
from services.audit.causes_trail import AGENT_OF, Recorded, Replayed, Trail, key_of

logger = structlog.get_logger()


def replay(trail: Trail) -> None:
    """Ask each agent again what it makes of the facts of each key that is whole, in the order of the log."""
    facts_of: dict[str, list[Fact]] = {}
    for position in sorted(trail.facts):
        if (key := key_of(trail.facts[position])) in trail.whole:
            facts_of.setdefault(key, []).append(trail.facts[position])
    trail.replayed.clear()
    for agent in AGENT_OF.values():
        for facts in facts_of.values():
            _replay_one(trail, agent, facts)


def _replay_one(trail: Trail, agent: Agent, facts: list[Fact]) -> None:
    process = agent.initial
    taken: tuple[int, ...] = ()
    for fact in facts:
        if not _hears(agent, fact):
            continue
        try:
            reaction = agent.react(process, fact)
        except Exception as error:  # noqa: BLE001 - today's rules may not take what older ones left: then it parks
            logger.info("not_replayed", agent=agent.name, position=fact.position, error=type(error).__name__)
            continue
        if reaction.process is not process or reaction.commands or reaction.deadlines:
            taken = (*taken, fact.position)
            trail.replayed[fact.position, agent.name] = Replayed(reaction.commands, reaction.deadlines, taken)
        process = reaction.process


def _hears(agent: Agent, fact: Fact) -> bool:
    """A deadline is for the agent that asked for it."""
    event: Any = fact.event
    return isinstance(event, agent.interests) and getattr(event, "agent", agent.name) == agent.name


def same_commands(recorded: Recorded, replayed: Replayed | None) -> bool:
    """Whether today's rules give the very commands that were recorded."""
    return replayed is not None and encode_groups(recorded.groups) == encode_groups(replayed.groups)


def rules_of(agent: str) -> int:
    """The version of an agent's rules today; 0 for one that is no more."""
    return AGENT_OF[agent].rule_version if agent in AGENT_OF else 0
