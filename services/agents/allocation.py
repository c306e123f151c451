"""The allocation agent: has orders planned by their merchants' rules, anew each time that stock says no."""

from __future__ import annotations

from domain.allocation import (
    AllocationPlanned,
    AllocationTerms,
    CancelAllocation,
    Free,
    PlanAllocation,
    SettleAllocation,
    WantedLine,
)
from domain.inventory import BackorderFilled, StockReservationRefused, StockReserved
from domain.kernel import Fact, Reaction, Value, one
from domain.order import OrderCancelled, OrderPlaced
from domain.streams import allocation_stream
from services.agents.agent import Agent


class AllocationProcess(Value):
    """What is to be planned, and what stock said. `plan` is the id of the event that is being reserved, and
    `to_reserve` what of it (`SKU warehouse`) is not yet; `asked`: another plan is asked for already."""

    order_id: str = ""
    terms: AllocationTerms | None = None
    ship_to_state: str = ""
    lines: tuple[WantedLine, ...] = ()
    known: tuple[Free, ...] = ()
    attempt: int = 0
    plan: str = ""
    to_reserve: frozenset[str] = frozenset()
    asked: bool = False
    over: bool = False


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
    process = process.model_copy(update={"asked": True})
    return Reaction(process, (one(allocation_stream(fact.merchant, process.order_id), command),))


def _placed(event: OrderPlaced, fact: Fact) -> Reaction[AllocationProcess]:
    lines = (WantedLine(line=each.line, sku=each.sku, quantity=each.quantity) for each in event.lines)
    process = AllocationProcess(
        order_id=event.order_id,
        terms=event.allocation,
        ship_to_state=event.ship_to_state,
        lines=tuple(lines),
    )
    return _plan(process, fact)


def _planned(process: AllocationProcess, event: AllocationPlanned, fact: Fact) -> AllocationProcess:
    return process.model_copy(
        update={
            "attempt": event.attempt,
            "plan": fact.event_id,
            "to_reserve": frozenset(f"{pick.sku} {pick.warehouse}" for pick in event.picks),
            "asked": False,
        }
    )


def _refused(
    process: AllocationProcess, event: StockReservationRefused, fact: Fact
) -> Reaction[AllocationProcess]:
    """Of several refusals of one plan the first asks for the next; all of them teach what is there."""
    place = (event.sku, event.warehouse)
    told = Free(sku=event.sku, warehouse=event.warehouse, units=max(0, event.available))
    others = (each for each in process.known if (each.sku, each.warehouse) != place)
    process = process.model_copy(update={"known": (*others, told)})
    if process.asked or fact.causation != process.plan:
        return Reaction(process)
    return _plan(process, fact)


def _reserved(process: AllocationProcess, place: str, fact: Fact) -> Reaction[AllocationProcess]:
    left = process.to_reserve - {place}
    process = process.model_copy(update={"to_reserve": left})
    if left:
        return Reaction(process)
    settle = SettleAllocation(order_id=process.order_id, attempt=process.attempt)
    return Reaction(process, (one(allocation_stream(fact.merchant, process.order_id), settle),))


def react(process: AllocationProcess, fact: Fact) -> Reaction[AllocationProcess]:
    match fact.event:
        case OrderPlaced(allocation=terms) as event if terms and event.lines and not process.order_id:
            return _placed(event, fact)
        case _ if not process.order_id or process.over:
            return Reaction(process)
        case AllocationPlanned() as event:
            return Reaction(_planned(process, event, fact))
        case StockReservationRefused() as event:
            return _refused(process, event, fact)
        case StockReserved(sku=sku, warehouse=warehouse) | BackorderFilled(sku=sku, warehouse=warehouse) if (
            f"{sku} {warehouse}" in process.to_reserve
        ):
            return _reserved(process, f"{sku} {warehouse}", fact)
        case OrderCancelled():
            cancel = CancelAllocation(order_id=process.order_id)
            process = process.model_copy(update={"over": True})
            return Reaction(process, (one(allocation_stream(fact.merchant, process.order_id), cancel),))
        case _:
            return Reaction(process)


ALLOCATION_AGENT = Agent(
    name="allocation",
    context="allocation",
    initial=AllocationProcess(),
    interests=(
        OrderPlaced,
        AllocationPlanned,
        StockReservationRefused,
        StockReserved,
        BackorderFilled,
        OrderCancelled,
    ),
    react=react,
)

AGENTS = (ALLOCATION_AGENT,)
