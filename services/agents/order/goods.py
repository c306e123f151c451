"""Which units does the order wait for: to be planned, reserved, or found; and what does it go without?"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from domain.allocation import (
    SENT_ANYWAY,
    SHORT_PICK,
    AllocationChangeFailed,
    AllocationChangeSettled,
    AllocationPlanned,
    AllocationRevised,
)
from domain.kernel import Fact, Reaction
from domain.order import (
    ALLOCATION_CUT,
    CancelOrderLines,
    HoldOrder,
    LineQuantity,
    MarkReserved,
    Missing,
    OrderPlaced,
)
from domain.order.missing import by_line, skus_of
from domain.warehouse.pick_list import PickShorted
from services.agents.order.change_sets import came, decline
from services.agents.order.ending import contradicted
from services.agents.order.process import PLAN, TO_PLAN, OrderProcess, now


def _units(event: OrderPlaced) -> dict[str, int]:
    units: Counter[str] = Counter()
    for line in event.lines:
        units[f"{line.sku} {line.warehouse}"] += line.quantity
    return dict(units)


def placed(event: OrderPlaced, fact: Fact) -> Reaction[OrderProcess]:
    lines = frozenset(f"{line.sku} {line.warehouse}" for line in event.lines)
    process = OrderProcess(
        order_id=event.order_id,
        to_reserve=TO_PLAN if event.allocation and lines else lines,
        allocated=event.allocation is not None,
        missing=_wanted(event),
        due={portion.payment_id: portion.amount_cents for portion in event.portions},
        to_pay=None if event.on_account else event.total_cents,
        units=_units(event),
    )
    if process.to_reserve:
        return Reaction(process)
    return now(process, fact, MarkReserved(order_id=event.order_id))


def _wanted(event: OrderPlaced) -> Missing:
    ships = event.allocation is None or event.allocation.rules.when_short == "ship_available"
    if event.allocation is None:
        return Missing(ships=ships)
    return Missing(ships=ships, wanted=by_line(event.lines), skus=skus_of(event.lines))


def planned(process: OrderProcess, event: AllocationPlanned) -> OrderProcess:
    """What is to be reserved, by the last plan; and what the order will not get."""
    return process.model_copy(
        update={
            "missing": process.missing.now_planned(event.picks),
            "to_reserve": frozenset(f"{pick.sku} {pick.warehouse}" for pick in event.picks),
            "short": tuple(LineQuantity(line=each.line, quantity=each.quantity) for each in event.short),
        }
    )


def reserved(process: OrderProcess, left: frozenset[str], fact: Fact) -> Reaction[OrderProcess]:
    """`left` is still to be reserved."""
    process = process.model_copy(update={"to_reserve": left})
    if left:
        return Reaction(process)
    reserved = MarkReserved(order_id=process.order_id)
    told = process.model_copy(update={"missing": process.missing.now_told(process.short), "short": ()})
    cut = cut_missing(told, ALLOCATION_CUT, fact)
    return replace(cut, commands=(*now(process, fact, reserved).commands, *cut.commands))


def replanned(process: OrderProcess, event: AllocationRevised, fact: Fact) -> Reaction[OrderProcess]:
    """What is called off is waited for no more."""
    process = process.model_copy(update={"missing": process.missing.now_planned(event.picks)})
    if event.cause.startswith(SENT_ANYWAY):
        return contradicted(process, fact, "shipped_though_missing", "")
    left = process.to_reserve & {f"{pick.sku} {pick.warehouse}" for pick in event.picks}
    return reserved(process, left, fact) if left != process.to_reserve else Reaction(process)


def change_planned(
    process: OrderProcess, event: AllocationChangeSettled | AllocationChangeFailed, fact: Fact
) -> Reaction[OrderProcess]:
    """Of a change set that waits for it; or instead of short picks, of which some may be nowhere."""
    if event.change_id == process.change:
        failed = isinstance(event, AllocationChangeFailed)
        return decline(process, fact, "stock") if failed else came(process, fact, place=PLAN)
    if not event.change_id.startswith(SHORT_PICK):
        return Reaction(process)
    process = process.model_copy(update={"missing": process.missing.now_told(event.missing)})
    if process.missing.ships or not process.missing.lines:
        return cut_missing(process, event.change_id, fact)
    told = ", ".join(f"{each.quantity} of line {each.line}" for each in process.missing.lines)
    note = f"not found, and nowhere else: {told}; released, the order goes without them"
    hold = HoldOrder(order_id=process.order_id, hold_id=event.change_id, reason="stock", note=note)
    return now(process, fact, hold)


def of_pick(fact: Fact) -> str:
    return f"{SHORT_PICK}{fact.event_id}"


def picked_short(process: OrderProcess, event: PickShorted, fact: Fact) -> Reaction[OrderProcess]:
    """Where no plan says what can be had instead, it is what the list has yet."""
    told = (LineQuantity(line=event.line, quantity=event.quantity),)
    if event.left is None:
        return _cut(process, told, of_pick(fact), fact)
    skus = dict.fromkeys((event.line, *by_line(event.left)), event.sku)
    known = {"had": by_line(event.left), "skus": skus, "warehouse": event.warehouse}
    return _cut(process, told, of_pick(fact), fact, **known)


def cut_missing(process: OrderProcess, cancel_id: str, fact: Fact) -> Reaction[OrderProcess]:
    """All that was told: the order knows best what of it is still wanted."""
    missing = process.missing
    process = process.model_copy(update={"missing": missing.dealt_with()})
    lines = tuple(LineQuantity(line=line, quantity=some) for line, some in sorted(missing.told.items()))
    if not lines:
        return Reaction(process)
    return _cut(process, lines, cancel_id, fact, had=missing.had, skus=missing.skus)


def _cut(
    process: OrderProcess,
    told: tuple[LineQuantity, ...],
    cancel_id: str,
    fact: Fact,
    **known: object,
) -> Reaction[OrderProcess]:
    """`known`: what can be had all the same, as the command says it."""
    ids = {"order_id": process.order_id, "cancel_id": cancel_id}
    return now(process, fact, CancelOrderLines(**ids, lines=told, reason="stock", unfound=True, **known))
