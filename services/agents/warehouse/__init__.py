"""The warehouse agent: releases a pick list for each warehouse of a plan; all lists stop with their order,
and once a carrier has fetched what is on them."""

from __future__ import annotations

from domain.allocation import AllocationPlanned, AllocationRevised
from domain.carrier import ShipmentDispatched
from domain.kernel import Command, Fact, Reaction
from domain.order import (
    OrderCancelled,
    OrderConfirmed,
    OrderEdited,
    OrderHeld,
    OrderLinesCancelled,
    OrderReleased,
    OrderShipped,
)
from domain.warehouse.pick_list import (
    CancelPickList,
    HoldPickList,
    PickListCancelled,
    PickListHandedOver,
    PickListReleased,
    PickShorted,
    ResumePickList,
)
from services.agents.agent import Agent
from services.agents.warehouse.fetched import all_sent, concluded, dispatched, handed_over
from services.agents.warehouse.following import Cut, changed, cut_off, lists_of, released, revised
from services.agents.warehouse.missing import not_listed
from services.agents.warehouse.process import ToPick, WarehouseProcess, each_list, id_of, lists_there


def _hold(each: ToPick) -> Command:
    return HoldPickList(**id_of(each))


def _resume(each: ToPick) -> Command:
    return ResumePickList(**id_of(each))


def _cancel(each: ToPick) -> Command:
    return CancelPickList(**id_of(each), reason="order_cancelled")


def _by_hand(process: WarehouseProcess, event: PickListReleased, fact: Fact) -> Reaction[WarehouseProcess]:
    """A person's list stops with the order, too; it may have come too late. Nor is more picked by it than is
    wanted since the order was changed: the person may not have known."""
    fields = {"pick_list_id": event.pick_list_id, "warehouse": event.warehouse, "lines": event.lines}
    found = ToPick.model_validate(fields)
    if process.over:
        stopped = process.model_copy(update={"by_hand": (*process.by_hand, found)})
        return Reaction(stopped, each_list(fact, [found], _cancel))
    asked, cuts = found, list[Cut]()
    for line in asked.lines:
        beyond = found.units(line.line) - process.wanted.get(line.line, line.quantity)
        if beyond > 0:
            cuts.append(Cut(found, line, beyond))
            found = found.without(line, beyond)
    process = process.model_copy(update={"by_hand": (*process.by_hand, found)})
    held = each_list(fact, [found], _hold) if process.held else ()
    return Reaction(process, (*cut_off(fact.event_id, cuts, fact), *held))


def react(process: WarehouseProcess, fact: Fact) -> Reaction[WarehouseProcess]:
    return concluded(_react(process, fact), fact)


def _react(process: WarehouseProcess, fact: Fact) -> Reaction[WarehouseProcess]:
    match fact.event:
        case AllocationPlanned(order_id=order_id) as event if not (process.released or process.over):
            plan = {"order_id": order_id, "to_pick": lists_of(order_id, event.picks)}
            return Reaction(process.model_copy(update=plan))
        case AllocationRevised() as event if process.is_planned and not process.over:
            return revised(process, event, fact)
        case OrderConfirmed() if process.to_pick and not process.released:
            commands = released(process, fact, process.to_pick)
            return Reaction(process.model_copy(update={"released": True}), commands)
        case PickListReleased(pick_list_id=name) as event if name not in {
            each.pick_list_id for each in (*process.to_pick, *process.by_hand)
        }:
            return _by_hand(process, event, fact)
        case OrderLinesCancelled() | OrderEdited() as event:
            return changed(process, event, fact)
        case PickListCancelled() | PickShorted() as event:
            return Reaction(not_listed(process, event, fact))
        case PickListHandedOver() as event:
            return Reaction(handed_over(process, event))
        case ShipmentDispatched() as event:
            return Reaction(dispatched(process, event))
        case OrderShipped() as event:
            return all_sent(process, event, fact)
        case OrderHeld():
            commands = each_list(fact, lists_there(process), _hold)
            return Reaction(process.model_copy(update={"held": True}), commands)
        case OrderReleased(remaining=0):
            commands = each_list(fact, lists_there(process), _resume)
            return Reaction(process.model_copy(update={"held": False}), commands)
        case OrderCancelled():
            commands = each_list(fact, lists_there(process), _cancel)
            return Reaction(process.model_copy(update={"over": True}), commands)
        case _:
            return Reaction(process)


WAREHOUSE_AGENT = Agent(
    name="warehouse",
    context="warehouse",
    initial=WarehouseProcess(),
    interests=(
        AllocationPlanned,
        AllocationRevised,
        OrderConfirmed,
        OrderHeld,
        OrderReleased,
        OrderCancelled,
        OrderLinesCancelled,
        OrderShipped,
        OrderEdited,
        PickListReleased,
        PickListCancelled,
        PickListHandedOver,
        PickShorted,
        ShipmentDispatched,
    ),
    react=react,
    rule_version=8,
)

AGENTS = (WAREHOUSE_AGENT,)
