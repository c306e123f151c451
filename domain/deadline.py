"""A moment that an agent asked to be woken at, and that has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime

from domain.kernel import Command, Decider, Event


class DeadlineReached(Event):
    """The agent `agent` asked for (`key`, `name`); both are its own words. `asked_by`: the event at which it
    asked; empty where an older version did not say."""

    schema_version = 2

    agent: str
    key: str
    name: str
    due_at: AwareDatetime
    asked_by: str = ""


class ReachDeadline(Command):
    creates = True
    agent: str
    key: str
    name: str
    due_at: AwareDatetime
    asked_by: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """What was reached last. It may be asked for again, and for any time: also for one that is past, as
    clocks of machines differ, and so do those of providers. Then it is reached at once."""

    due_at: datetime | None = None
    asked_by: str = ""


def decide(command: ReachDeadline, reached: Reached) -> tuple[DeadlineReached, ...]:
    repeated = command.due_at == reached.due_at and reached.asked_by in ("", command.asked_by)
    return () if repeated else (DeadlineReached(**dict(command)),)


def evolve(_: Reached, event: DeadlineReached) -> Reached:
    return Reached(event.due_at, event.asked_by)


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
