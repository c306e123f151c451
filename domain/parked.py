"""What people ask of a key that a follower has parked: to try it again, or to skip what it stands at.

What is parked is not in the log, since every follower has its own: a command says what was seen there. Here
stands who asked for what, and why. The follower's process carries it out, once, and keeps what came of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import Field

from domain.kernel import Command, Decider, Event, Refused

Name = Annotated[str, Field(min_length=1, max_length=1000)]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]
Position = Annotated[int, Field(ge=0)]
"""Of an event in the log; 0 for a deadline that could not be appended."""


class ParkedRetryRequested(Event):
    follower: Name
    key: Name


class ParkedSkipRequested(Event):
    """The follower shall never take the event at `position`, and go on with the key behind it."""

    follower: Name
    key: Name
    position: Position
    reason: Reason


ParkedEvent: TypeAlias = ParkedRetryRequested | ParkedSkipRequested


class RequestParkedRetry(Command):
    """`stands_at` is the first event that is parked of the key; None if none is."""

    follower: Name
    key: Name
    stands_at: Position | None


class RequestParkedSkip(Command):
    """`position` is what the person has seen and means, `stands_at` as in RequestParkedRetry."""

    follower: Name
    key: Name
    position: Position
    reason: Reason
    stands_at: Position | None


ParkedCommand: TypeAlias = RequestParkedRetry | RequestParkedSkip


@dataclass(frozen=True, slots=True)
class Parked:
    """Nothing: whether something is parked is known elsewhere, and the ledger knows what was asked before."""


def decide(command: ParkedCommand, _: Parked) -> tuple[ParkedEvent, ...]:
    follower, key = command.follower, command.key
    match command:
        case _ if command.stands_at is None:
            raise Refused("parked_key_exists", f"{follower} has no parked key {key}")
        case RequestParkedSkip(position=position, stands_at=first) if position != first:
            raise Refused("first_is_skipped", f"{key} of {follower} stands at {first}: skip that one first")
        case RequestParkedSkip(position=position, reason=reason):
            skip = ParkedSkipRequested(follower=follower, key=key, position=position, reason=reason)
            return (skip,)
        case RequestParkedRetry():
            return (ParkedRetryRequested(follower=follower, key=key),)


def evolve(parked: Parked, _: ParkedEvent) -> Parked:
    return parked


PARKED: Decider[ParkedCommand, ParkedEvent, Parked] = Decider(
    "parked",
    decide,
    evolve,
    Parked(),
    events=ParkedEvent.__args__,
    commands=ParkedCommand.__args__,
    parts=("follower",),
)

AGGREGATES = (PARKED,)
