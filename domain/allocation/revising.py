"""How does the plan follow an order that changes, and units that are not found where they should be?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from domain.allocation.events import (
    SENT_ANYWAY,
    AllocationChangeSettled,
    AllocationEvent,
    AllocationRevised,
    OrderSplit,
    Pick,
    RemoveShortPick,
    ReviseAllocation,
    SettleAllocationChange,
)
from domain.allocation.state import Allocation, warehouses_of

Places = Mapping[tuple[str, str], int]
"""(SKU, warehouse) -> units."""
At = tuple[int, str, str]
"""Line, SKU, warehouse."""


def _at(picks: Iterable[Pick]) -> Counter[At]:
    units: Counter[At] = Counter()
    for pick in picks:
        units[pick.line, pick.sku, pick.warehouse] += pick.quantity
    return units


def _picks(units: Mapping[At, int]) -> tuple[Pick, ...]:
    return tuple(
        Pick(line=line, sku=sku, warehouse=warehouse, quantity=quantity)
        for (line, sku, warehouse), quantity in units.items()
        if quantity > 0
    )


def _revised(
    order_id: str, cause: str, before: tuple[Pick, ...], now: tuple[Pick, ...]
) -> tuple[AllocationEvent, ...]:
    """The plan as it is from now on, and what makes the difference; where there is none nothing, but for what
    is to be told in any case."""
    was, after = _at(before), _at(now)
    if was == after and not cause.startswith(SENT_ANYWAY):
        return ()
    difference = {"added": _picks(after - was), "removed": _picks(was - after)}
    revised = AllocationRevised(order_id=order_id, cause=cause, picks=now, **difference)
    warehouses = warehouses_of(now)
    split = len(warehouses) > 1 >= len(warehouses_of(before))
    return (revised, *((OrderSplit(order_id=order_id, warehouses=warehouses),) if split else ()))


def remove_short(command: RemoveShortPick, allocation: Allocation) -> tuple[AllocationEvent, ...]:
    """The units are not where they were planned, and are not let go either: nobody has them. It is told also
    where they were let go before: then none of the plan is short."""
    if allocation.status not in ("planned", "settled") or command.short_id in allocation.shorts:
        return ()
    short = _picks(_not_there(command, _at(allocation.picks)))
    now = _picks(_at(allocation.picks) - _at(short))
    ids = {"order_id": command.order_id, "cause": command.short_id}
    return (AllocationRevised(**ids, picks=now, short=short),)


def _not_there(command: RemoveShortPick, planned: Counter[At]) -> Counter[At]:
    """Of its own line first; but by now the plan may give the units to another line of the product."""
    pick, short = command.pick, Counter[At]()
    place, known = (pick.sku, pick.warehouse), command.left is not None
    here = [at for at in planned if at[1:] == place and (known or at[0] == pick.line)]
    rest = min(pick.quantity, sum(planned[at] for at in here) - (command.left or 0))
    for at in sorted(here, key=lambda each: (each[0] != pick.line, -each[0])):
        short[at] = max(0, min(rest, planned[at]))
        rest -= short[at]
    return short


def settle_change(command: SettleAllocationChange, allocation: Allocation) -> tuple[AllocationEvent, ...]:
    change = allocation.changes.get(command.change_id)
    if change is None or change.settled or change.over or change.attempt != command.attempt:
        return ()
    ids = {"order_id": command.order_id, "change_id": command.change_id}
    settled = AllocationChangeSettled(**ids, attempt=command.attempt, missing=change.short)
    if not command.revise:
        return (settled,)
    now = _picks(_at((*allocation.picks, *change.picks)))
    return (*_revised(command.order_id, command.change_id, allocation.picks, now), settled)


def revise(command: ReviseAllocation, allocation: Allocation) -> tuple[AllocationEvent, ...]:
    """The lines get their units from where they are planned. Of a SKU that is planned beyond what is wanted,
    what was planned last is let go first, and nothing that has left."""
    if allocation.status not in ("planned", "settled") or command.cause in allocation.shorts:
        return ()
    change = allocation.changes.get(command.cause)
    grown = change.picks if change and change.settled and not change.over else ()
    there = _at((*allocation.picks, *grown))
    kept = _kept(command, there, {(each.sku, each.warehouse): each.units for each in command.sent})
    now = _picks(_laid_out(command, there, kept))
    return _revised(command.order_id, command.cause, allocation.picks, now)


def _kept(command: ReviseAllocation, there: Mapping[At, int], sent: Places) -> Counter[tuple[str, str]]:
    """Units of each place that stay."""
    wanted: Counter[str] = Counter()
    for line in command.lines:
        wanted[line.sku] += line.quantity
    kept: Counter[tuple[str, str]] = Counter()
    for (_, sku, warehouse), quantity in there.items():
        kept[sku, warehouse] += quantity
    for sku in {sku for sku, _ in kept}:
        excess = sum(units for place, units in kept.items() if place[0] == sku) - wanted[sku]
        for place in [each for each in reversed(list(kept)) if each[0] == sku]:
            gone = max(0, min(excess, kept[place] - sent.get(place, 0)))
            kept[place] -= gone
            excess -= gone
    return kept


def _laid_out(
    command: ReviseAllocation, there: Mapping[At, int], kept: Counter[tuple[str, str]]
) -> dict[At, int]:
    """Each line keeps its units as far as they stay; then the others go to lines that lack some."""
    left, units = Counter(kept), Counter[At]()
    lacks = {line.line: (line.sku, line.quantity) for line in command.lines}
    for at, quantity in [*there.items(), *_elsewhere(command, kept)]:
        line, sku, warehouse = at
        known, wants = lacks.get(line, (sku, 0))
        if known == sku and (part := min(quantity, wants, left[sku, warehouse])):
            units[at] += part
            left[sku, warehouse] -= part
            lacks[line] = (sku, wants - part)
    return dict(units)


def _elsewhere(command: ReviseAllocation, kept: Counter[tuple[str, str]]) -> Iterator[tuple[At, int]]:
    """Any line may take any unit of its SKU."""
    for line in sorted(command.lines, key=lambda each: each.line):
        for (sku, warehouse), quantity in kept.items():
            if sku == line.sku and quantity:
                yield (line.line, sku, warehouse), quantity
