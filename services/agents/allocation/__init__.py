"""The allocation agent: has orders planned by rules, and has the plan follow what becomes of them.

Changes that want more units are planned one after the other, each beside what is planned. Units that a picker
did not find are planned elsewhere, if there are any; if not, the order is told what it goes without.
"""

from __future__ import annotations

from domain.allocation import (
    AllocationChangeDropped,
    AllocationChangeFailed,
    AllocationChangePlanned,
    AllocationChangeSettled,
    AllocationPlanned,
    AllocationRevised,
    CancelAllocation,
)
from domain.carrier import ShipmentDispatched
from domain.inventory import (
    BackorderFilled,
    StockAllocated,
    StockAllocationRefused,
    StockReservationRefused,
    StockReserved,
)
from domain.kernel import Fact, Reaction
from domain.order import (
    OrderCancelled,
    OrderEditConfirmed,
    OrderEditDeclined,
    OrderEdited,
    OrderEditProposed,
    OrderLinesCancelled,
    OrderPlaced,
    OrderShipped,
)
from domain.warehouse.pick_list import PickShorted
from services.agents.agent import Agent
from services.agents.allocation.changes import (
    allocated,
    applied,
    change_planned,
    change_refused,
    confirmed,
    declined,
    drop_known,
    over,
    sent_on,
    shipped,
    shorted,
)
from services.agents.allocation.first_plan import placed, planned, refused, reserved
from services.agents.allocation.following import cut, edited_lines, revised
from services.agents.allocation.process import AllocationProcess, ask


def _follow(process: AllocationProcess, fact: Fact) -> Reaction[AllocationProcess]:
    """What becomes of the order once it is planned, and of the changes."""
    match fact.event:
        case OrderLinesCancelled() as event:
            return cut(process, event, fact)
        case OrderEditProposed() as event:
            return Reaction(process.model_copy(update={"proposed": edited_lines(process, event)}))
        case OrderEditConfirmed() as event:
            return confirmed(process, event, fact)
        case OrderEditDeclined(change_set_id=change_set_id):
            return declined(process, change_set_id, fact)
        case OrderEdited() as event:
            return applied(process, event, fact)
        case PickShorted() as event:
            return shorted(process, event, fact)
        case AllocationRevised() as event:
            return revised(process, event, fact)
        case AllocationChangePlanned() as event:
            return Reaction(change_planned(process, event, fact))
        case StockAllocationRefused() as event:
            return change_refused(process, event, fact)
        case StockAllocated() as event:
            return allocated(process, event, fact)
        case AllocationChangeSettled(change_id=change_id) if process.changes and process.changes[0].revise:
            return over(process, change_id, fact)
        case AllocationChangeFailed(change_id=change_id):
            return over(process, change_id, fact)
        case AllocationChangeDropped(change_id=change_id):
            return drop_known(process, change_id, fact)
        case ShipmentDispatched() as event:
            return Reaction(sent_on(process, event))
        case OrderShipped():
            return shipped(process, fact)
    return Reaction(process)


def react(process: AllocationProcess, fact: Fact) -> Reaction[AllocationProcess]:
    match fact.event:
        case OrderPlaced(allocation=terms) as event if terms and event.lines and not process.order_id:
            return placed(event, fact)
        case _ if not process.order_id or process.over:
            return Reaction(process)
        case AllocationPlanned() as event:
            return planned(process, event, fact)
        case StockReservationRefused() as event:
            return refused(process, event, fact)
        case StockReserved(sku=sku, warehouse=warehouse) | BackorderFilled(sku=sku, warehouse=warehouse) if (
            f"{sku} {warehouse}" in process.to_reserve
        ):
            return reserved(process, f"{sku} {warehouse}", fact)
        case OrderCancelled():
            process = process.model_copy(update={"over": True})
            return ask(process, fact, CancelAllocation(order_id=process.order_id))
        case _:
            return _follow(process, fact)


ALLOCATION_AGENT = Agent(
    name="allocation",
    context="allocation",
    initial=AllocationProcess(),
    interests=(
        OrderPlaced,
        AllocationPlanned,
        AllocationRevised,
        AllocationChangePlanned,
        AllocationChangeSettled,
        AllocationChangeFailed,
        AllocationChangeDropped,
        StockReservationRefused,
        StockReserved,
        StockAllocated,
        StockAllocationRefused,
        BackorderFilled,
        OrderCancelled,
        OrderLinesCancelled,
        OrderEditProposed,
        OrderEditConfirmed,
        OrderEdited,
        OrderEditDeclined,
        PickShorted,
        ShipmentDispatched,
        OrderShipped,
    ),
    react=react,
    rule_version=6,
)

AGENTS = (ALLOCATION_AGENT,)
__all__ = ["AGENTS", "ALLOCATION_AGENT", "AllocationProcess"]
