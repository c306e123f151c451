"""How did an aggregate, or an agent's process, stand at a position? Folded from what the log held then.

An aggregate's state is the fold of its stream. A process is what the agent's rules, as they are now, make
of what it had heard; which rules decided at the time stands beside each recorded reaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import orjson

from domain.aggregates import PARTS, AnyDecider, aggregate_of, checked_stream
from domain.deadline import DeadlineReached
from domain.kernel import Value
from eventstore.log import StoredEvent
from eventstore.snapshots import encode_state
from services.agents.agent import Agent, order_key
from services.agents.registered import AGENTS as REGISTERED
from services.audit.filters import EventFilter
from services.audit.folding import CannotFold, fact_of
from services.audit.history import History
from services.audit.named import NotThere, named, order_named
from services.audit.shown import Opening
from services.audit.whole import whole_steps

AGENTS = {agent.name: agent for agent in REGISTERED}


@dataclass(frozen=True, slots=True)
class Moment:
    """A state as JSON values, and the event that made it; `version` counts the events that were folded."""

    state: Any
    version: int
    event: StoredEvent | None


class Subject(Protocol):
    """Something whose state is folded from events that some searches find."""

    @property
    def wanted(self) -> tuple[EventFilter, ...]: ...
    @property
    def named(self) -> dict[str, str]: ...
    def initial(self) -> Any: ...
    async def after(self, state: Any, events: list[StoredEvent], opening: Opening) -> AsyncIterator[Any]:
        """The state after each of the events; None for an event that is not its own."""
        yield

    def as_json(self, state: Any) -> Any: ...


class StreamState:
    """An aggregate. Raises NotThere for a name that no stream has."""

    def __init__(self, stream: str) -> None:
        self.stream = named("stream", checked_stream, stream)
        self._aggregate: AnyDecider = aggregate_of(stream)
        self.wanted = (EventFilter(stream=stream),)
        self.named = {"stream": stream}

    def initial(self) -> Any:
        return self._aggregate.initial

    async def after(self, state: Any, events: list[StoredEvent], opening: Opening) -> AsyncIterator[Any]:
        shown = await opening.events(events)
        for stored, event in zip(events, shown, strict=True):
            if event is None:
                raise CannotFold(
                    f"position {stored.position}: schema {stored.schema} of {stored.type} is not known here"
                )
            with telling(stored):
                state = self._aggregate.fold((event,), state)
            yield state

    def as_json(self, state: Any) -> Any:
        return orjson.loads(encode_state(self._aggregate, state))


class ProcessState:
    """An agent's process of a key. Raises NotThere for an unknown agent, or what names none of its
    processes."""

    def __init__(self, agent: str, key: str) -> None:
        if agent not in AGENTS:
            raise NotThere("agent", f"there is no agent {agent}; there are {', '.join(AGENTS)}")
        self.agent: Agent = AGENTS[agent]
        self._key = key = named("key", partial(process_named, self.agent), key)
        self._kinds = {kind.__name__ for kind in self.agent.interests}
        self.wanted = _about(key)
        self.named = {"agent": agent, "key": key}

    def initial(self) -> Value:
        return self.agent.initial

    async def after(self, state: Any, events: list[StoredEvent], opening: Opening) -> AsyncIterator[Any]:
        """As the agent hears it: personal fields stay sealed."""
        for stored in events:
            fact = fact_of(stored) if stored.type in self._kinds else None
            if fact is None or order_key(fact) != self._key or not self.agent.concerns(fact):
                yield None
                continue
            with telling(stored):
                state = self.agent.react(state, fact).process
            yield state

    def as_json(self, state: Any) -> Any:
        return state.model_dump(mode="json")


def process_named(agent: Agent, name: str) -> str:
    """The key of the agent's process that somebody typed: MERCHANT/ORDER_ID, or a stream. Raises ValueError,
    with what to say, for what none of its processes is of."""
    category = "order" if "/" in name else name.partition("-")[0]
    if category in agent.keyed_by:
        return order_named(name) if category == "order" else checked_stream(name)
    forms = [form for each in agent.keyed_by for form in _forms(each)]
    others = [each.name for each in AGENTS.values() if category in each.keyed_by]
    those = f"; of those, ask the agent {', '.join(others)}" if others else ""
    raise ValueError(f"{name} names no process of the agent {agent.name}: say {' or '.join(forms)}{those}")


def _forms(category: str) -> list[str]:
    """How a key of it looks."""
    stream = f"{category}-{'.'.join(PARTS[category]).upper()}"
    return ["MERCHANT/ORDER_ID", stream] if category == "order" else [stream]


def _about(key: str) -> tuple[EventFilter, ...]:
    """The searches that find whatever has that key as `order_key`: an order's events stand in many streams
    and are found by what they are about; what is about anything else stands in its own, but for deadlines."""
    if key.startswith("order-"):
        return (EventFilter(order=key),)
    return EventFilter(stream=key), EventFilter(type=DeadlineReached.__name__, order=key)


@contextmanager
def telling(stored: StoredEvent) -> Iterator[None]:
    """Raises CannotFold where the code fails on an event, which is no fault of who asked."""
    try:
        yield
    except Exception as error:
        raise CannotFold(
            f"position {stored.position}: {stored.type} can't be taken by what this version makes of"
            f" {stored.stream} ({type(error).__name__}); `tillroll verify` tells whether the log was altered"
        ) from error


async def state_at(history: History, opening: Opening, subject: Subject, position: int) -> Moment:
    """The state after all that stands up to `position`. Raises CannotFold."""
    state, version, last = subject.initial(), 0, None
    async for step in whole_steps(history, subject.wanted, position):
        numbered = iter(step.events)
        async for after in subject.after(state, step.events, opening):
            event = next(numbered)
            if after is not None:
                state, version, last = after, version + 1, event
    return Moment(subject.as_json(state), version, last)
