"""What an agent is: one context that it owns, the events it listens to, and one pure transition function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.aggregates import categories_of
from domain.kernel import Event, Fact, Reaction, Value
from domain.streams import order_stream


@dataclass(frozen=True, slots=True)
class Agent:
    """`react(process, fact) -> Reaction(process, commands, deadlines)` is all that it does.

    It may append to streams of aggregates of its `context` only. `initial` is the process of a key that
    nothing was heard of yet; processes are known by streams of the categories `keyed_by`, of others they stay
    as they begin. A higher `rule_version` marks reactions that newer rules decided.
    """

    name: str
    context: str
    initial: Value
    interests: tuple[type[Event], ...]
    react: Callable[[Any, Fact], Reaction[Any]]
    rule_version: int = 1
    keyed_by: tuple[str, ...] = ("order",)

    def owns(self, stream: str) -> bool:
        """Whether the stream is its own to append to."""
        return stream.partition("-")[0] in categories_of(self.context)

    def concerns(self, fact: Fact) -> bool:
        """Of the facts of its `interests`: a deadline is for the agent that asked for it."""
        return fact.category != "deadline" or fact.event.agent == self.name  # type: ignore[attr-defined]


def belonging(fact: Fact) -> tuple[str, str]:
    """To which correlation and on which clock that belongs which agents make of the fact.

    To its own, but where it says another: goods that come for one may be what many orders have waited for.
    """
    correlation = getattr(fact.event, "correlation", "")
    return (correlation, fact.event.clock) if correlation else (fact.correlation, fact.clock)  # type: ignore[attr-defined]


def order_key(fact: Fact) -> str:
    """The key of an order's processes: its stream's name. A deadline carries the key it was asked with.

    What is about no order, or about several as a cart is, has the name of its own stream.
    """
    key, order_id = (getattr(fact.event, each, None) for each in ("key", "order_id"))
    if key is not None:
        return str(key)
    if order_id is None or fact.category == "cart":
        return fact.stream
    return order_stream(fact.merchant, order_id)
