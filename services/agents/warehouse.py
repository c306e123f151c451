"""The warehouse agent: releases a pick list for each warehouse of an order, and stops it with the order."""

from __future__ import annotations

from collections.abc import Callable

from domain.allocation import AllocationPlanned
from domain.kernel import Command, Fact, Group, Reaction, Value, one
from domain.order import OrderCancelled, OrderConfirmed, OrderHeld, OrderReleased
from domain.streams import pick_list_stream
from domain.warehouse.pick_list import (
    CancelPickList,
    HoldPickList,
    PickLine,
    ReleasePickList,
    ResumePickList,
)
from services.agents.agent import Agent


class ToPick(Value):
    """What of the order is in one warehouse."""

    pick_list_id: str
    warehouse: str
    lines: tuple[PickLine, ...]


class WarehouseProcess(Value):
    """`released`: the pick lists are, and follow the order from then on."""

    order_id: str = ""
    to_pick: tuple[ToPick, ...] = ()
    released: bool = False
    held: bool = False
    over: bool = False


def _planned(event: AllocationPlanned) -> tuple[ToPick, ...]:
    """A list for each warehouse of the plan; they are numbered, so that their ids stay short."""
    warehouses = sorted({pick.warehouse for pick in event.picks})
    return tuple(
        ToPick(
            pick_list_id=f"{event.order_id}.{number}",
            warehouse=warehouse,
            lines=tuple(
                PickLine(line=pick.line, sku=pick.sku, quantity=pick.quantity)
                for pick in event.picks
                if pick.warehouse == warehouse
            ),
        )
        for number, warehouse in enumerate(warehouses, 1)
    )


def _each(process: WarehouseProcess, fact: Fact, command: Callable[[ToPick], Command]) -> tuple[Group, ...]:
    """A group for each list: one that is refused must not hold up another."""
    return tuple(
        one(pick_list_stream(fact.merchant, each.pick_list_id), command(each)) for each in process.to_pick
    )


def _release(process: WarehouseProcess, fact: Fact) -> Reaction[WarehouseProcess]:
    def released(each: ToPick) -> Command:
        return ReleasePickList(order_id=process.order_id, held=process.held, **dict(each))

    return Reaction(process.model_copy(update={"released": True}), _each(process, fact, released))


def _ids(each: ToPick) -> dict[str, str]:
    return {"pick_list_id": each.pick_list_id}


def react(process: WarehouseProcess, fact: Fact) -> Reaction[WarehouseProcess]:
    match fact.event:
        case AllocationPlanned(order_id=order_id) as event if not (process.released or process.over):
            changed = {"order_id": order_id, "to_pick": _planned(event)}
            return Reaction(process.model_copy(update=changed))
        case OrderConfirmed() if process.to_pick and not process.released:
            return _release(process, fact)
        case OrderHeld():
            commands = _each(process, fact, lambda each: HoldPickList(**_ids(each)))
            return Reaction(process.model_copy(update={"held": True}), commands if process.released else ())
        case OrderReleased(remaining=0):
            commands = _each(process, fact, lambda each: ResumePickList(**_ids(each)))
            return Reaction(process.model_copy(update={"held": False}), commands if process.released else ())
        case OrderCancelled() if process.to_pick:

            def cancelled(each: ToPick) -> Command:
                return CancelPickList(**_ids(each), reason="order_cancelled")

            commands = _each(process, fact, cancelled) if process.released else ()
            return Reaction(process.model_copy(update={"over": True}), commands)
        case _:
            return Reaction(process)


WAREHOUSE_AGENT = Agent(
    name="warehouse",
    context="warehouse",
    initial=WarehouseProcess(),
    interests=(AllocationPlanned, OrderConfirmed, OrderHeld, OrderReleased, OrderCancelled),
    react=react,
)

AGENTS = (WAREHOUSE_AGENT,)
