"""The allocation of an order: from which warehouses its units come, by which rule, and what was tried before.

Nobody but the stock itself knows what is free, and it says so by refusing. So there are attempts: a plan by
what is known, which stock reserves in full or refuses; then another, until one holds or none is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from domain.allocation.events import (
    AllocationCancelled,
    AllocationChangeDropped,
    AllocationChangeFailed,
    AllocationChangePlanned,
    AllocationCommand,
    AllocationEvent,
    AllocationFailed,
    AllocationPlanned,
    AllocationSettled,
    CancelAllocation,
    Candidate,
    DropAllocationChange,
    FailReason,
    Free,
    OrderSplit,
    Pick,
    PlanAllocation,
    PlanAllocationChange,
    RemoveShortPick,
    ReviseAllocation,
    SettleAllocation,
    SettleAllocationChange,
    WantedLine,
)
from domain.allocation.planning import (
    Known,
    Plan,
    Taken,
    plan_all,
    plan_available,
    plan_backorder,
    unit_scores,
    usable,
)
from domain.allocation.revising import remove_short, revise, settle_change
from domain.allocation.state import Allocation, Change, evolve
from domain.kernel import Decider


def attempts_max(command: PlanAllocation) -> int:
    """Each refusal teaches of one SKU in one warehouse; and others may take what is left, again and again."""
    skus = len({line.sku for line in command.lines})
    return 4 + 2 * len(command.terms.sites) * min(skus, 10)


def _wanted(command: PlanAllocation) -> dict[str, int]:
    wanted: Counter[str] = Counter()
    for line in command.lines:
        wanted[line.sku] += line.quantity
    return dict(wanted)


def _known(command: PlanAllocation) -> Known:
    return {(each.sku, each.warehouse): each.units for each in command.known}


def _room(command: PlanAllocation) -> Known:
    return {(each.sku, each.warehouse): each.room for each in command.known if each.room is not None}


@dataclass(frozen=True, slots=True)
class _Found:
    plan: Plan
    kept: int = 0
    waits: bool = False


def _find(command: PlanAllocation, already: frozenset[str] = frozenset()) -> _Found | None:
    """All of it, with what should be kept or else without; then what the merchant wants of a short order."""
    terms, state = command.terms, command.ship_to_state
    wanted, known, kept = _wanted(command), _known(command), terms.rules.kept
    if kept and (plan := plan_all(wanted, terms, state, usable(known, kept), already)):
        return _Found(plan, kept=kept)
    if plan := plan_all(wanted, terms, state, known, already):
        return _Found(plan)
    match terms.rules.when_short:
        case "ship_available" if plan := plan_available(wanted, terms, state, known, already):
            return _Found(plan)
        case "backorder" if plan := plan_backorder(wanted, terms, state, known, _room(command)):
            return _Found(plan, waits=True)
    return None


def _by_line(command: PlanAllocation, taken: Taken) -> Iterator[Pick]:
    """Each unit to a line that wants it: the first lines first, of each SKU its warehouses in turn."""
    left = dict(taken)
    for line in sorted(command.lines, key=lambda each: each.line):
        units = line.quantity
        for (sku, warehouse), there in left.items():
            if sku == line.sku and (part := min(units, there)):
                yield Pick(line=line.line, sku=sku, warehouse=warehouse, quantity=part)
                left[sku, warehouse] -= part
                units -= part


def _short(command: PlanAllocation, short: Mapping[str, int]) -> Iterator[WantedLine]:
    """What the lines go without: the last lines first, as the first ones were served first."""
    left = dict(short)
    for line in sorted(command.lines, key=lambda each: -each.line):
        if part := min(line.quantity, left.get(line.sku, 0)):
            left[line.sku] -= part
            yield line.model_copy(update={"quantity": part})


def _candidates(command: PlanAllocation, chosen: frozenset[str]) -> tuple[Candidate, ...]:
    scores = unit_scores(command.terms, command.ship_to_state)

    def free(warehouse: str) -> tuple[Free, ...]:
        return tuple(each for each in command.known if each.warehouse == warehouse)

    ordered = sorted(scores, key=lambda warehouse: (scores[warehouse], warehouse))
    return tuple(
        Candidate(warehouse=name, scores=scores[name], chosen=name in chosen, free=free(name))
        for name in ordered
    )


def _planned(command: PlanAllocation, found: _Found) -> AllocationPlanned:
    picks = tuple(_by_line(command, found.plan.taken))
    return AllocationPlanned(
        order_id=command.order_id,
        attempt=command.attempt,
        settings_version=command.terms.version,
        rule=found.plan.rule,
        kept=found.kept,
        waits=found.waits,
        picks=picks,
        short=tuple(_short(command, found.plan.short)),
        candidates=_candidates(command, frozenset(pick.warehouse for pick in picks)),
    )


def _missing(command: PlanAllocation) -> dict[str, int]:
    known, sites = _known(command), [site.warehouse for site in command.terms.sites]
    wanted = _wanted(command)
    there = {sku: sum(known.get((sku, w), units) for w in sites) for sku, units in wanted.items()}
    return {sku: units - there[sku] for sku, units in wanted.items() if units > there[sku]}


def _failed(command: PlanAllocation, reason: FailReason) -> AllocationFailed:
    return AllocationFailed(
        order_id=command.order_id,
        attempt=command.attempt,
        settings_version=command.terms.version,
        reason=reason,
        missing=tuple(_short(command, _missing(command))),
        candidates=_candidates(command, frozenset()),
    )


def _plan(command: PlanAllocation) -> AllocationPlanned | AllocationFailed:
    if command.attempt > attempts_max(command):
        return _failed(command, "too_many_attempts")
    found = _find(command)
    return _planned(command, found) if found else _failed(command, "not_enough")


def _plan_change(command: PlanAllocationChange, allocation: Allocation) -> tuple[AllocationEvent, ...]:
    """Beside a plan that stands, or is about to."""
    change = allocation.changes.get(command.change_id, Change())
    if (
        allocation.status not in ("planned", "settled")
        or change.over
        or command.attempt != change.attempt + 1
    ):
        return ()
    ids = {"order_id": command.order_id, "change_id": command.change_id, "attempt": command.attempt}
    tried = command.attempt > attempts_max(command)
    found = None if tried else _find(command, frozenset(allocation.warehouses))
    if found is None:
        failed = _failed(command, "too_many_attempts" if tried else "not_enough")
        missing = {"missing": command.lines}  # some may be there, but none is planned
        return (AllocationChangeFailed(**{**dict(failed), **ids, **missing}),)
    planned = dict(_planned(command, found))
    del planned["waits"]
    return (AllocationChangePlanned(**{**planned, **ids}),)


def _change(command: AllocationCommand, allocation: Allocation) -> tuple[AllocationEvent, ...]:
    """What becomes of the plan once it stands."""
    match command:
        case PlanAllocationChange():
            return _plan_change(command, allocation)
        case SettleAllocationChange():
            return settle_change(command, allocation)
        case DropAllocationChange(order_id=order_id, change_id=change_id) if change := allocation.changes.get(
            change_id
        ):
            dropped = AllocationChangeDropped(order_id=order_id, change_id=change_id)
            return () if change.over else (dropped,)
        case ReviseAllocation():
            return revise(command, allocation)
        case RemoveShortPick():
            return remove_short(command, allocation)
    return ()


def decide(command: AllocationCommand, allocation: Allocation) -> tuple[AllocationEvent, ...]:
    """It is only agents who ask, so what came too late, or twice, is nobody's mistake."""
    match command:
        case PlanAllocationChange():
            return _change(command, allocation)
        case PlanAllocation(attempt=attempt) if allocation.status in ("none", "planned"):
            return (_plan(command),) if attempt == allocation.attempt + 1 else ()
        case SettleAllocation(order_id=order_id, attempt=attempt) if allocation.status == "planned":
            warehouses = allocation.warehouses
            if attempt != allocation.attempt or not warehouses:
                return ()  # another plan's, or all of it was called off
            settled = AllocationSettled(order_id=order_id, attempt=attempt, warehouses=warehouses)
            split = (OrderSplit(order_id=order_id, warehouses=warehouses),) if len(warehouses) > 1 else ()
            return (settled, *split)
        case CancelAllocation(order_id=order_id) if allocation.status not in ("failed", "cancelled"):
            return (AllocationCancelled(order_id=order_id),)
    return _change(command, allocation)


ALLOCATION: Decider[AllocationCommand, AllocationEvent, Allocation] = Decider(
    "allocation",
    decide,
    evolve,
    Allocation(),
    events=AllocationEvent.__args__,
    commands=AllocationCommand.__args__,
    parts=("merchant", "order_id"),
    of_order=True,
)
