"""What does a change set wait for, and what becomes of it: applied with the last of it, or declined."""

from __future__ import annotations

from datetime import datetime

from domain.kernel import Deadline, Fact, Reaction
from domain.order import (
    ApplyOrderEdit,
    DeclineOrderEdit,
    DeclineReason,
    MarkReserved,
    OrderEditConfirmed,
    OrderEdited,
    OrderLinesCancelled,
)
from services.agents.agent import order_key
from services.agents.order.ending import completed
from services.agents.order.process import PLAN, OrderProcess, now

CHANGE = "change "


def changed(process: OrderProcess, event: OrderLinesCancelled | OrderEdited) -> OrderProcess:
    """Other units, other money; a change set that was under way is over."""
    units = dict(process.units)
    for each in event.units:
        place = f"{each.sku} {each.warehouse}"
        units[place] = max(0, units.get(place, 0) + each.change)
    due = {**process.due, **{each.payment_id: each.amount_cents for each in event.payments}}
    to_pay = event.total_cents if process.to_pay is not None else None
    update = {"units": units, "due": due, "to_pay": to_pay, "missing": process.missing.now_wanted(event)}
    return settled(process.model_copy(update=update))


def carried_on(before: OrderProcess, process: OrderProcess, fact: Fact) -> Reaction[OrderProcess]:
    """It may have waited for nothing but stock that is called off now."""
    if before.allocated or not before.to_reserve:
        return completed(process, fact)
    left = frozenset(place for place in before.to_reserve if process.units.get(place))
    process = process.model_copy(update={"to_reserve": left})
    return Reaction(process) if left else now(process, fact, MarkReserved(order_id=process.order_id))


def settled(process: OrderProcess) -> OrderProcess:
    none = {"change": "", "awaited_units": {}, "asked_by": "", "awaited_money": {}}
    before = process.asked_before | ({process.asked_by} - {""})
    return process.model_copy(update={**none, "asked_before": before})


def deadline(fact: Fact, change_set_id: str, due_at: datetime | None) -> tuple[Deadline, ...]:
    return (Deadline(order_key(fact), CHANGE + change_set_id, due_at),)


def under_way(process: OrderProcess, event: OrderEditConfirmed, fact: Fact) -> OrderProcess:
    """What a change set waits for: that its units are allocated, and its money authorised."""
    places = {f"{each.sku} {each.warehouse}": each.change for each in event.units}
    units = {place: process.units.get(place, 0) + more for place, more in places.items()}
    return process.model_copy(
        update={
            "change": event.change_set_id,
            "awaited_units": {PLAN: 1} if process.allocated and units else units,
            "asked_by": fact.event_id,
            "awaited_money": {each.payment_id: each.amount_cents for each in event.payments},
        }
    )


def awaits(process: OrderProcess, place: str, units: int, fact: Fact) -> bool:
    """Whether stock says that to the change set. One that was under way before it was known which event asks
    for it, is known by the units that are to be held."""
    if process.asked_by:
        return place in process.awaited_units and fact.causation == process.asked_by
    return process.awaited_units.get(place) == units


def came(process: OrderProcess, fact: Fact, place: str = "", payment_id: str = "") -> Reaction[OrderProcess]:
    """Something that a change set waited for; with the last of it the change set is applied."""
    units = {each: quantity for each, quantity in process.awaited_units.items() if each != place}
    money = {each: cents for each, cents in process.awaited_money.items() if each != payment_id}
    process = process.model_copy(update={"awaited_units": units, "awaited_money": money})
    if units or money:
        return Reaction(process)
    return now(process, fact, ApplyOrderEdit(order_id=process.order_id, change_set_id=process.change))


def decline(
    process: OrderProcess, fact: Fact, reason: DeclineReason, note: str = ""
) -> Reaction[OrderProcess]:
    ids = {"order_id": process.order_id, "change_set_id": process.change}
    return now(process, fact, DeclineOrderEdit(**ids, reason=reason, note=note))


def over(event: OrderLinesCancelled | OrderEdited, fact: Fact) -> tuple[Deadline, ...]:
    return deadline(fact, event.change_set_id, None) if isinstance(event, OrderEdited) else ()
