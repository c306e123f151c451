"""Pick lists follow what becomes of their order: what is not wanted any more is called off, what is more is
released. Lists are about goods: to which line of a product a unit belongs may change while it is fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from domain.allocation import AllocationRevised, Pick
from domain.kernel import Command, Fact, Group, Reaction, one
from domain.order import OrderEdited, OrderLinesCancelled
from domain.streams import pick_list_stream
from domain.warehouse.pick_list import CutPickLine, PickLine, ReleasePickList
from services.agents.warehouse.missing import told_by_order, told_by_plan
from services.agents.warehouse.process import (
    Place,
    ToPick,
    WarehouseProcess,
    each_list,
    id_of,
    last_first,
    listed,
)


class Cut(NamedTuple):
    """Units of a line's product that a list as it was loses."""

    pick_list: ToPick
    line: PickLine
    units: int


def lists_of(order_id: str, picks: Iterable[Pick], before: int = 0) -> tuple[ToPick, ...]:
    """A list for each warehouse of the plan; they are numbered, so that their ids stay short."""
    lines: dict[str, list[PickLine]] = {}
    for pick in picks:
        line = PickLine(line=pick.line, sku=pick.sku, quantity=pick.quantity)
        lines.setdefault(pick.warehouse, []).append(line)
    return tuple(
        ToPick(pick_list_id=f"{order_id}.{number}", warehouse=warehouse, lines=tuple(lines[warehouse]))
        for number, warehouse in enumerate(sorted(lines), before + 1)
    )


def released(process: WarehouseProcess, fact: Fact, lists: Iterable[ToPick]) -> tuple[Group, ...]:
    def release(each: ToPick) -> Command:
        what = {"warehouse": each.warehouse, "lines": each.lines}
        return ReleasePickList(**id_of(each), order_id=process.order_id, held=process.held, **what)

    return each_list(fact, lists, release)


def cut_off(cause: str, cuts: Iterable[Cut], fact: Fact) -> tuple[Group, ...]:
    return tuple(
        one(
            pick_list_stream(fact.merchant, each.pick_list_id),
            CutPickLine(
                **id_of(each),
                cause=cause,
                line=line.line,
                quantity=units,
                left=each.units_of(line.sku) - units,
            ),
        )
        for each, line, units in cuts
    )


def without(lists: tuple[ToPick, ...], units: Counter[Place]) -> tuple[tuple[ToPick, ...], list[Cut]]:
    """The lists without these units, and what each loses of a product: the last of them first."""
    left, cuts, beyond = {each.pick_list_id: each for each in lists}, list[Cut](), Counter(units)
    for each in last_first(lists):
        for line in {line.sku: line for line in each.lines}.values():
            place = (line.sku, each.warehouse)
            if (part := min(beyond[place], each.units_of(line.sku))) > 0:
                beyond[place] -= part
                left[each.pick_list_id] = left[each.pick_list_id].without(line, part)
                cuts.append(Cut(each, line, part))
    return tuple(left.values()), cuts


def changed(
    process: WarehouseProcess, event: OrderLinesCancelled | OrderEdited, fact: Fact
) -> Reaction[WarehouseProcess]:
    """What people list beyond what the order wants now is called off. Where there is a plan, that tells."""
    if isinstance(event, OrderEdited):
        cause, wanted = event.change_set_id, {line.line: line.quantity for line in event.lines}
        wanted |= dict.fromkeys(event.removed, 0)
    else:
        cause, wanted = event.cancel_id, {cut.line: cut.left for cut in event.lines}
    process = process.model_copy(update={"wanted": {**process.wanted, **wanted}})
    if process.is_planned:
        return Reaction(process)
    by_hand, cuts = without(process.by_hand, listed(process.by_hand) - _wanted(process))
    process = told_by_order(process.model_copy(update={"by_hand": by_hand}), cause, wanted)
    return Reaction(process, cut_off(cause, cuts, fact))


def _wanted(process: WarehouseProcess) -> Counter[Place]:
    """Without a plan: of lines that were never changed, what lists have, and had that was not found."""
    units: Counter[tuple[int, Place]] = Counter()
    for each in process.by_hand:
        for line in each.lines:
            units[line.line, (line.sku, each.warehouse)] += line.quantity
    for short in process.shorts.values():
        units[short.line, (short.sku, short.warehouse)] += short.quantity
    wanted: Counter[Place] = Counter()
    for (number, place), known in units.items():
        wanted[place] += process.wanted.get(number, known)
    return wanted


def revised(process: WarehouseProcess, event: AllocationRevised, fact: Fact) -> Reaction[WarehouseProcess]:
    """What is not wanted any more is called off where it is being picked, and what came to the plan is picked
    by lists of its own. Before the first lists are released, they are simply others.

    What is listed is compared with the plan, each time: a cut may have come too late for what was not found
    meanwhile, so what is planned and what is called off does not add up to what is there.
    """
    known = event.cause in process.shorts
    process, plan = told_by_plan(process, event.cause), _units(event.picks)
    if not process.released:
        by_hand, cuts = without(process.by_hand, listed(process.by_hand) - plan)
        kept = {"by_hand": by_hand, "to_pick": lists_of(process.order_id, event.picks)}
        return Reaction(process.model_copy(update=kept), cut_off(event.cause, cuts, fact))
    before = process.to_pick
    if not known:  # a process of before did not keep what it heard of short picks
        before, _ = without(before, _units(event.short))
    new = lists_of(process.order_id, event.added, before=len(before))
    lists = (*process.by_hand, *before, *new)
    lists, cuts = without(lists, listed(lists) - plan)  # what only went to another line is not fetched anew
    here, there = len(process.by_hand), len(process.by_hand) + len(before)
    more = tuple(each for each in lists[there:] if each.lines)
    told = [cut for cut in cuts if cut.pick_list not in new]
    # an empty one of before stays, as the next ones are numbered by how many there are
    kept = {"by_hand": lists[:here], "to_pick": (*lists[here:there], *more)}
    process = process.model_copy(update=kept)
    return Reaction(process, (*cut_off(event.cause, told, fact), *released(process, fact, more)))


def _units(picks: Iterable[Pick]) -> Counter[Place]:
    units: Counter[Place] = Counter()
    for pick in picks:
        units[pick.sku, pick.warehouse] += pick.quantity
    return units
