"""What people do in a simulation is a row of acts: each one command (a group), sent until it is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from domain.kernel import Group
from services.simulation.node import Node

Step: TypeAlias = Callable[[Node], Awaitable[Group]]
"""What is to be sent, made when its turn comes."""


Look: TypeAlias = Callable[[Node], Awaitable[bool]]


async def at_once(_: Node) -> bool:
    return True


class Act(NamedTuple):
    """`name` is unique in what the act is about; it comes `after_s` seconds after the one before, or once a
    `look`, again and again after so many seconds, has shown that it is time."""

    after_s: float
    name: str
    step: Step
    look: Look = at_once


def as_it_is(group: Group) -> Step:
    async def step(_: Node) -> Group:
        return group

    return step


def made_once(step: Step) -> Step:
    """However often it is sent, it says the same."""
    made: list[Group] = []

    async def group_of(node: Node) -> Group:
        if not made:
            group = await step(node)
            made[:] = made or [group]
        return made[0]

    return group_of
