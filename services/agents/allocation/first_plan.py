"""From which warehouses does an order come? Planned, and anew each time that stock says no."""

from __future__ import annotations

from domain.allocation import (
    AllocationPlanned,
    PlanAllocation,
    SettleAllocation,
)
from domain.inventory import (
    StockReservationRefused,
)
from domain.kernel import Fact, Reaction
from domain.order import (
    OrderPlaced,
)
from services.agents.allocation.following import revise
from services.agents.allocation.process import AllocationProcess, ask, learned, wanted_lines


def _plan(process: AllocationProcess, fact: Fact) -> Reaction[AllocationProcess]:
    assert process.terms, "only orders that are allocated by rules are planned"
    command = PlanAllocation(
        order_id=process.order_id,
        attempt=process.attempt + 1,
        terms=process.terms,
        ship_to_state=process.ship_to_state,
        lines=process.lines,
        known=process.known,
    )
    return ask(process.model_copy(update={"asked": True}), fact, command)


def placed(event: OrderPlaced, fact: Fact) -> Reaction[AllocationProcess]:
    process = AllocationProcess(
        order_id=event.order_id,
        terms=event.allocation,
        ship_to_state=event.ship_to_state,
        lines=wanted_lines(event.lines),
    )
    return _plan(process, fact)


def planned(process: AllocationProcess, event: AllocationPlanned, fact: Fact) -> Reaction[AllocationProcess]:
    process = process.model_copy(
        update={
            "attempt": event.attempt,
            "plan": fact.event_id,
            "to_reserve": frozenset(f"{pick.sku} {pick.warehouse}" for pick in event.picks),
            "asked": False,
            "picks": event.picks,
        }
    )
    return revise(process, fact.event_id, fact) if process.is_beyond else Reaction(process)


def refused(
    process: AllocationProcess, event: StockReservationRefused, fact: Fact
) -> Reaction[AllocationProcess]:
    """Of several refusals of one plan the first asks for the next; all of them teach what is there."""
    process = process.model_copy(update={"known": learned(process.known, event)})
    if process.asked or fact.causation != process.plan:
        return Reaction(process)
    return _plan(process, fact)


def reserved(process: AllocationProcess, place: str, fact: Fact) -> Reaction[AllocationProcess]:
    left = process.to_reserve - {place}
    process = process.model_copy(update={"to_reserve": left})
    if left:
        return Reaction(process)
    return ask(process, fact, SettleAllocation(order_id=process.order_id, attempt=process.attempt))
