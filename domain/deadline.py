"""A moment that an agent asked to be woken at, and that has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime

from domain.kernel import Command, Decider, Event


class DeadlineReached(Event):
    """The agent `agent` asked for (`key`, `name`); both are its own words."""

    agent: str
    key: str
    name: str
    due_at: AwareDatetime


class ReachDeadline(Command):
    creates = True
    agent: str
    key: str
    name: str
    due_at: AwareDatetime


@dataclass(frozen=True, slots=True)
class Reached:
    """The last due time that was reached: a deadline may be asked for again later."""

    due_at: datetime | None = None


def decide(command: ReachDeadline, reached: Reached) -> tuple[DeadlineReached, ...]:
    if reached.due_at is not None and command.due_at <= reached.due_at:
        return ()
    return (DeadlineReached(**dict(command)),)


def evolve(_: Reached, event: DeadlineReached) -> Reached:
    return Reached(event.due_at)


DEADLINE: Decider[ReachDeadline, DeadlineReached, Reached] = Decider(
    "deadline",
    decide,
    evolve,
    Reached(),
    events=(DeadlineReached,),
    commands=(ReachDeadline,),
    parts=("merchant", "hash"),
)

AGGREGATES = (DEADLINE,)
