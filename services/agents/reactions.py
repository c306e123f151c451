"""What agents made of a page of the log, before it is written, and how commands are recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
import structlog

from domain.aggregates import COMMAND_TYPES
from domain.kernel import Deadline, Fact, Group, Target, Value
from services.agents.agent import Agent, belonging

ERROR_LENGTH_MAX = 500
WAITS = "waits behind an earlier event of its key"
logger = structlog.get_logger()


def told(error: Exception) -> str:
    """What is kept of an error: short, and without a NUL, which Postgres would refuse for ever."""
    return f"{type(error).__name__}: {error}".replace("\0", "\ufffd")[:ERROR_LENGTH_MAX]


def parker(agent: str) -> str:
    """The name under which an agent's keys are parked."""
    return f"agent:{agent}"


def encode_groups(groups: Sequence[Group]) -> bytes:
    """The recorded form of a reaction's commands: JSON, a list of groups of [stream, type, fields]."""
    return orjson.dumps(
        [
            [
                [
                    t.stream,
                    f"{t.stream.partition('-')[0]}.{type(t.command).__name__}",
                    t.command.model_dump(mode="json"),
                ]
                for t in group.targets
            ]
            for group in groups
        ]
    )


def decode_groups(recorded: bytes) -> tuple[Group, ...]:
    return tuple(
        Group(tuple(Target(s, COMMAND_TYPES[kind].model_validate(fields)) for s, kind, fields in group))
        for group in orjson.loads(recorded)
    )


Key = tuple[str, str]
"""Agent and key: whose process it is, and of what."""


@dataclass(slots=True)
class PageOfReactions:
    """What the agents made of one page of the log, not written yet."""

    processes: dict[Key, Value] = field(default_factory=dict)
    commands: list[tuple[Agent, Fact, str, tuple[Group, ...]]] = field(default_factory=list)
    deadlines: dict[tuple[str, str, str], tuple[Fact, Deadline]] = field(default_factory=dict)
    parked: list[tuple[Key, int, str]] = field(default_factory=list)

    def take(self, agent: Agent, fact: Fact, key: str, process: Value) -> None:
        """Let an agent react to one fact; a handler's own failure parks the key, and nothing else."""
        try:
            reaction = agent.react(process, fact)
            foreign = {t.stream for g in reaction.commands for t in g.targets if not agent.owns(t.stream)}
            assert not foreign, f"agent {agent.name} may append to {agent.context} only, not to {foreign}"
        except Exception as error:
            logger.exception("reaction_failed", agent=agent.name, position=fact.position)
            self.parked.append(((agent.name, key), fact.position, told(error)))
            return
        if reaction.process is not process:
            self.processes[agent.name, key] = reaction.process
        if reaction.commands:
            self.commands.append((agent, fact, key, reaction.commands))
        for deadline in reaction.deadlines:
            self.deadlines[agent.name, deadline.key, deadline.name] = (fact, deadline)

    def arguments(self, *, resend: bool = False) -> dict[str, Any]:
        """Of the statement that records them; `resend` has their commands sent when the agents start anew."""
        asked = [(who, fact, each) for (who, _, _), (fact, each) in self.deadlines.items() if each.due_at]
        withdrawn = [(who, each) for (who, _, _), (_, each) in self.deadlines.items() if not each.due_at]
        return {
            "resend": resend,
            "process_agents": [agent for agent, _ in self.processes],
            "keys": [key for _, key in self.processes],
            "states": [each.__pydantic_serializer__.to_json(each) for each in self.processes.values()],
            "reaction_agents": [agent.name for agent, _, _, _ in self.commands],
            "reaction_positions": [fact.position for _, fact, _, _ in self.commands],
            "reaction_events": [UUID(fact.event_id) for _, fact, _, _ in self.commands],
            "reaction_keys": [key for _, _, key, _ in self.commands],
            "rule_versions": [agent.rule_version for agent, _, _, _ in self.commands],
            "reaction_commands": [encode_groups(groups) for _, _, _, groups in self.commands],
            "withdrawn_agents": [agent for agent, _ in withdrawn],
            "withdrawn_keys": [each.key for _, each in withdrawn],
            "withdrawn_names": [each.name for _, each in withdrawn],
            "deadline_agents": [agent for agent, _, _ in asked],
            "deadline_keys": [each.key for _, _, each in asked],
            "deadline_names": [each.name for _, _, each in asked],
            "deadline_merchants": [fact.merchant for _, fact, _ in asked],
            "deadline_correlations": [belonging(fact)[0] for _, fact, _ in asked],
            "deadline_clocks": [belonging(fact)[1] for _, fact, _ in asked],
            "deadline_causes": [fact.event_id for _, fact, _ in asked],
            "due_at": [each.due_at for _, _, each in asked],
            "parked_agents": [parker(agent) for (agent, _), _, _ in self.parked],
            "parked_keys": [key for (_, key), _, _ in self.parked],
            "parked_positions": [position for _, position, _ in self.parked],
            "parked_errors": [error for _, _, error in self.parked],
        }
