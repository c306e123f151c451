"""What is known of the allocation of an order: its plan, and what is planned beside it for changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from domain.allocation.events import (
    SENT_ANYWAY,
    SHORT_PICK,
    AllocationCancelled,
    AllocationChangeDropped,
    AllocationChangeFailed,
    AllocationChangePlanned,
    AllocationChangeSettled,
    AllocationEvent,
    AllocationFailed,
    AllocationPlanned,
    AllocationRevised,
    AllocationSettled,
    OrderSplit,
    Pick,
    WantedLine,
)

Status: TypeAlias = Literal["none", "planned", "settled", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Change:
    """What is planned beside the plan; `over` once it is part of it, or came to nothing."""

    attempt: int = 0
    picks: tuple[Pick, ...] = ()
    short: tuple[WantedLine, ...] = ()
    settled: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class Allocation:
    """`attempt` is the last one; `shorts` are the short picks that are known, and that some were sent."""

    status: Status = "none"
    attempt: int = 0
    picks: tuple[Pick, ...] = ()
    changes: Mapping[str, Change] = field(default_factory=dict)
    shorts: frozenset[str] = frozenset()

    @property
    def warehouses(self) -> tuple[str, ...]:
        return warehouses_of(self.picks)


def warehouses_of(picks: Iterable[Pick]) -> tuple[str, ...]:
    return tuple(sorted({pick.warehouse for pick in picks}))


def evolve(allocation: Allocation, event: AllocationEvent) -> Allocation:
    match event:
        case AllocationPlanned(attempt=attempt, picks=picks):
            return Allocation("planned", attempt, picks)
        case AllocationSettled():
            return replace(allocation, status="settled")
        case AllocationFailed(attempt=attempt):
            return Allocation("failed", attempt)
        case AllocationCancelled():
            return replace(allocation, status="cancelled")
        case AllocationRevised(cause=cause, picks=picks):
            once = cause.startswith((SHORT_PICK, SENT_ANYWAY))
            shorts = allocation.shorts | {cause} if once else allocation.shorts
            revised = replace(allocation, picks=picks, shorts=shorts)
            return _changed(revised, cause, over=True) if cause in allocation.changes else revised
        case OrderSplit():
            return allocation
    return _planned_beside(allocation, event)


def _planned_beside(allocation: Allocation, event: AllocationEvent) -> Allocation:
    match event:
        case AllocationChangePlanned(change_id=change_id, attempt=attempt, picks=picks, short=short):
            return _changed(allocation, change_id, attempt=attempt, picks=picks, short=short)
        case AllocationChangeSettled(change_id=change_id):
            return _changed(allocation, change_id, settled=True)
        case AllocationChangeFailed(change_id=change_id) | AllocationChangeDropped(change_id=change_id):
            return _changed(allocation, change_id, over=True)
    return allocation


def _changed(allocation: Allocation, change_id: str, **fields: object) -> Allocation:
    change = replace(allocation.changes.get(change_id, Change()), **fields)  # type: ignore[arg-type]
    return replace(allocation, changes={**allocation.changes, change_id: change})
