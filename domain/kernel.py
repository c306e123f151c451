"""What every aggregate and agent is made of: events, commands, deciders, and what they may refuse.

An aggregate is three pure things: `decide(command, state) -> events`, `evolve(state, event) -> state` and
an initial state. Nothing here does I/O, reads a clock or makes up an id: times and ids come in with commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from domain.streams import stream_name

UNITS_MAX = 10**9
Quantity = Annotated[int, Field(gt=0, le=UNITS_MAX)]
"""Units of something; the limit keeps every sum of them inside 64 bits."""

PROVIDER_TEXT_MAX, PROVIDER_ID_MAX = 1_000, 200
_STORABLE = r"^[^\x00]*$"


def _storable(told: object) -> object:
    return told.replace("\0", "\ufffd")[:PROVIDER_TEXT_MAX] if isinstance(told, str) else told


# What may stay as it is, as all that was stored may, is told without Python: that is a third of the time.
ProviderText = Annotated[
    Annotated[str, Field(max_length=PROVIDER_TEXT_MAX, pattern=_STORABLE)]
    | Annotated[str, BeforeValidator(_storable)],
    Field(union_mode="left_to_right"),
    WithJsonSchema({"type": "string"}),
]
"""Text that a provider makes up. It is a fact, so it is never refused: what the database can't hold, U+0000,
is replaced, and what is too long to keep for ever is cut."""

ProviderId = Annotated[
    Annotated[str, Field(min_length=1, max_length=PROVIDER_ID_MAX, pattern=_STORABLE)]
    | Annotated[str, BeforeValidator(_storable), Field(min_length=1, max_length=PROVIDER_ID_MAX)],
    Field(union_mode="left_to_right"),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": PROVIDER_ID_MAX}),
]
"""The same of something that is known by it: too long a one is refused, as a part of it may be another's."""


class Value(BaseModel):
    """A frozen value; unknown fields are refused, so that a stored event never hides one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Event(Value):
    """A fact. Its class name is the stored type: renaming a class changes the storage format."""

    schema_version: ClassVar[int] = 1
    refusal: ClassVar[bool] = False
    """True for an event that says no: in an all-or-nothing decision it stands instead of the others."""


class Command(Value):
    """A wish, in the imperative. `decide` answers it with events, or refuses."""

    creates: ClassVar[bool] = False
    """True where the stream is new as a rule, so that reading it first would be in vain."""
    named_by: ClassVar[tuple[str, ...]] = ()
    """The fields that name its stream, where they are called otherwise than the decider's `parts`."""


class Refused(Exception):
    """A caller's mistake: the command is against a rule in the present state.

    `rule` is a stable snake_case name of the rule; the message says the state and what would be allowed.
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message


C = TypeVar("C", bound=Command)
E = TypeVar("E", bound=Event)
S = TypeVar("S")


@dataclass(frozen=True, slots=True, eq=False)
class Decider(Generic[C, E, S]):
    """One aggregate: its pure functions, its initial state and the category of its streams.

    `parts` are what the parts of its streams' names are: the merchant (but for what is of no merchant), and
    then the fields of its commands that say which one is meant. `of_order` is True where it is about one
    order, whose id each of its events has as `order_id`: read models keep them in the order's order.
    `evolve_version` is raised when `evolve` makes another state of the same events: then states that were
    kept count no more. (A state of another shape is known by itself.) `evolve_all` makes of many events what
    `evolve` makes of one after the other, in less time: for aggregates whose streams may be very long.
    """

    category: str
    decide: Callable[[C, S], tuple[E, ...]]
    evolve: Callable[[S, E], S]
    initial: S
    events: tuple[type[E], ...]
    commands: tuple[type[C], ...]
    parts: tuple[str, ...]
    of_order: bool = False
    evolve_version: int = 1
    evolve_all: Callable[[S, Iterable[E]], S] | None = None

    def stream(self, *parts: str) -> str:
        """The name of the stream that these parts, in the order of `parts`, name."""
        assert len(parts) == len(self.parts), f"{self.category} is named by {', '.join(self.parts)}"
        return stream_name(self.category, *parts)

    def fold(self, events: Iterable[E], state: S | None = None) -> S:
        """The state after `events`, from `state` or from the beginning."""
        folded = self.initial if state is None else state
        if self.evolve_all:
            return self.evolve_all(folded, events)
        for event in events:
            folded = self.evolve(folded, event)
        return folded


class Fact(NamedTuple):
    """An event with what the log knows of it; what agents and projections receive.

    `position` counts from 1 over the whole log, `version` from 1 in the stream; `occurred_at` is business
    time, `recorded_at` the appender's wall clock. `clock` names the business clock that the fact belongs
    to: `wall` for live trade, else the checkout whose played history it is. A tuple, as a rebuild makes
    millions of them: a frozen dataclass takes five times as long to make.
    """

    position: int
    stream: str
    version: int
    event: Event
    merchant: str
    correlation: str
    causation: str
    id: UUID
    occurred_at: datetime
    recorded_at: datetime
    actor: str = ""
    clock: str = "wall"

    @property
    def event_id(self) -> str:
        """The id as text, which few ask for."""
        return str(self.id)

    @property
    def category(self) -> str:
        return self.stream.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Target:
    """A command and the stream that it is for."""

    stream: str
    command: Command


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that are carried out all or not at all, as one append over several streams."""

    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Deadline:
    """Wake me (`key`, `name`) at `due_at`; None withdraws what was asked for before."""

    key: str
    name: str
    due_at: datetime | None


P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Reaction(Generic[P]):
    """What an agent makes of a fact: its new process state, its commands, its deadlines."""

    process: P
    commands: tuple[Group, ...] = ()
    deadlines: tuple[Deadline, ...] = field(default=())


def one(stream: str, command: Command) -> Group:
    """A group of a single command."""
    return Group((Target(stream, command),))
