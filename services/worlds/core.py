"""What does a world consist of, before it meets a disk, a clock or a network?"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter

from services.worlds.models import Line, Model
from services.worlds.stage import Stage


class HasStage(Protocol):
    @property
    def stage(self) -> Stage: ...


StateT = TypeVar("StateT", bound=HasStage)


@dataclass(frozen=True)
class Core(Generic[StateT]):
    """`decide` gives the lines a command leads to or raises Refused; `evolve` folds a line into the state."""

    kind: str
    initial: Callable[[], StateT]
    decide: Callable[[Any, StateT, datetime], tuple[Line, ...]]
    evolve: Callable[[StateT, Any], StateT]
    lines: TypeAdapter[Any]
    scenario: type[Model]
