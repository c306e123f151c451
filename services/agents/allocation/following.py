"""The plan follows what becomes of the order."""

from __future__ import annotations

from domain.allocation import (
    AllocationRevised,
    ReviseAllocation,
    SettleAllocation,
    WantedLine,
)
from domain.kernel import Fact, Reaction
from domain.order import (
    OrderEdited,
    OrderEditProposed,
    OrderLinesCancelled,
)
from services.agents.allocation.process import AllocationProcess, ask, wanted_lines


def revise(process: AllocationProcess, cause: str, fact: Fact) -> Reaction[AllocationProcess]:
    command = ReviseAllocation(
        order_id=process.order_id,
        cause=cause,
        lines=process.lines,
        sent=process.sent,
    )
    return ask(process, fact, command)


def edited_lines(
    process: AllocationProcess, event: OrderEditProposed | OrderEdited
) -> tuple[WantedLine, ...]:
    after = {line.line: line for line in (*process.lines, *wanted_lines(event.lines))}
    return tuple(line for number, line in sorted(after.items()) if number not in event.removed)


def cut(process: AllocationProcess, event: OrderLinesCancelled, fact: Fact) -> Reaction[AllocationProcess]:
    left = {each.line: each.left for each in event.lines}
    lines = tuple(
        line.model_copy(update={"quantity": left.get(line.line, line.quantity)})
        for line in process.lines
        if left.get(line.line, 1)
    )
    return revise(process.model_copy(update={"lines": lines}), event.cancel_id, fact)


def revised(process: AllocationProcess, event: AllocationRevised, fact: Fact) -> Reaction[AllocationProcess]:
    """A line of the plan that is called off is waited for no more."""
    places = frozenset(f"{pick.sku} {pick.warehouse}" for pick in event.picks)
    before = process.to_reserve
    unfound = tuple(
        each.model_copy(update={"known": True}) if each.short_id == event.cause else each
        for each in process.unfound
    )
    told = {"picks": event.picks, "to_reserve": before & places, "unfound": unfound}
    process = process.model_copy(update=told)
    if before and not process.to_reserve:
        return ask(process, fact, SettleAllocation(order_id=process.order_id, attempt=process.attempt))
    if event.added and process.is_beyond:  # it was called off while it was planned
        return revise(process, fact.event_id, fact)
    return Reaction(process)
