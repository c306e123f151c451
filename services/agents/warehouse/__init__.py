"""The warehouse agent: releases a pick list for each warehouse of a plan; all lists stop with their order,
and once a carrier has fetched what is on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from domain.allocation import SHORT_PICK, AllocationPlanned, AllocationRevised, Pick
from domain.carrier import ParcelLine, ShipmentDispatched
from domain.kernel import Command, Fact, Group, Reaction, one
from domain.order import (
    OrderCancelled,
    OrderConfirmed,
    OrderEdited,
    OrderHeld,
    OrderLinesCancelled,
    OrderReleased,
)
from domain.streams import pick_list_stream
from domain.warehouse.pick_list import (
    CancelPickList,
    CutPickLine,
    HoldPickList,
    PickLine,
    PickListCancelled,
    PickListHandedOver,
    PickListReleased,
    PickShorted,
    ReleasePickList,
    ResumePickList,
)
from services.agents.agent import Agent
from services.agents.warehouse.fetched import concluded, dispatched, handed_over, known_as_missing, not_found
from services.agents.warehouse.process import (
    Place,
    ToPick,
    WarehouseProcess,
    each_list,
    id_of,
    last_first,
    listed,
    lists_there,
)


def _lists(order_id: str, picks: Iterable[Pick], before: int = 0) -> tuple[ToPick, ...]:
    """A list for each warehouse of the plan; they are numbered, so that their ids stay short."""
    lines: dict[str, list[PickLine]] = {}
    for pick in picks:
        line = PickLine(line=pick.line, sku=pick.sku, quantity=pick.quantity)
        lines.setdefault(pick.warehouse, []).append(line)
    return tuple(
        ToPick(pick_list_id=f"{order_id}.{number}", warehouse=warehouse, lines=tuple(lines[warehouse]))
        for number, warehouse in enumerate(sorted(lines), before + 1)
    )


def _release(process: WarehouseProcess, fact: Fact, lists: tuple[ToPick, ...]) -> tuple[Group, ...]:
    def released(each: ToPick) -> Command:
        what = {"warehouse": each.warehouse, "lines": each.lines}
        return ReleasePickList(**id_of(each), order_id=process.order_id, held=process.held, **what)

    return each_list(fact, lists, released)


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
        changed = process.model_copy(update={"by_hand": (*process.by_hand, found)})
        return Reaction(changed, each_list(fact, [found], _cancel))
    cuts: list[Group] = []
    for line, units in process.wanted.items():
        if (beyond := found.units(line) - units) > 0:
            cuts.append(_cut(fact, found, fact.event_id, line, beyond))
            found = found.without(line, beyond)
    changed = process.model_copy(update={"by_hand": (*process.by_hand, found)})
    return Reaction(changed, (*cuts, *(each_list(fact, [found], _hold) if process.held else ())))


def _cut(fact: Fact, each: ToPick, cause: str, line: int, units: int) -> Group:
    cut = CutPickLine(**id_of(each), cause=cause, line=line, quantity=units, left=each.units(line) - units)
    return one(pick_list_stream(fact.merchant, each.pick_list_id), cut)


def _not_listed(
    process: WarehouseProcess, event: PickListCancelled | PickShorted, fact: Fact
) -> Reaction[WarehouseProcess]:
    """Nobody fetches it any more: the cut that may follow must not cut what is fetched."""

    def left(lists: tuple[ToPick, ...]) -> tuple[ToPick, ...]:
        return tuple(
            _after(each, event) if each.pick_list_id == event.pick_list_id else each for each in lists
        )

    by_hand = left(process.by_hand)
    if isinstance(event, PickListCancelled):
        by_hand = tuple(each for each in by_hand if each.pick_list_id != event.pick_list_id)
    else:
        process = _short(process, event, listed(process.by_hand) - listed(by_hand), fact)
    return Reaction(process.model_copy(update={"by_hand": by_hand, "to_pick": left(process.to_pick)}))


def _short(
    process: WarehouseProcess, event: PickShorted, lost: Counter[Place], fact: Fact
) -> WarehouseProcess:
    """Parcels may not know of it. Without a plan, which says so later, it is what lists have `lost` by it."""
    units = event.quantity if process.is_planned else lost[event.sku, event.warehouse]
    if not units:
        return process
    what = {"sku": event.sku, "warehouse": event.warehouse, "quantity": units}
    shorts = {**process.shorts, f"{SHORT_PICK}{fact.event_id}": Pick(line=event.line, **what)}
    return not_found(process.model_copy(update={"shorts": shorts}), ParcelLine(**what))


def _made_good(process: WarehouseProcess, wanted: Mapping[int, int]) -> WarehouseProcess:
    """Without a plan the order itself says what it does not want any more: so much less is missed of what was
    not found, and parcels that have not left follow."""
    shorts, known = dict(process.shorts), Counter[Place]()
    for line, units in wanted.items() if not process.is_planned else ():
        lacks = max(0, units - sum(each.units(line) for each in process.by_hand))
        for name, short in [(name, short) for name, short in shorts.items() if short.line == line]:
            missed = min(short.quantity, lacks)
            lacks -= missed
            known[short.sku, short.warehouse] += short.quantity - missed
            del shorts[name]
            if missed:
                shorts[name] = short.model_copy(update={"quantity": missed})
    return known_as_missing(process.model_copy(update={"shorts": shorts}), known)


def _after(each: ToPick, event: PickListCancelled | PickShorted) -> ToPick:
    """What was cut meanwhile, and what was not found, may be the same units: the list says what is left."""
    if isinstance(event, PickListCancelled):
        return each.model_copy(update={"lines": ()})
    if event.left is None:
        return each.without(event.line, event.quantity)
    left = {line.line: line.quantity for line in event.left}
    for line in each.lines:
        if line.sku == event.sku:
            each = each.without(line.line, line.quantity - left.get(line.line, 0))
    return each


def _cut_by_hand(
    process: WarehouseProcess, event: OrderLinesCancelled | OrderEdited, fact: Fact
) -> Reaction[WarehouseProcess]:
    """What is listed beyond what is wanted now is called off, in the last lists first."""
    if isinstance(event, OrderEdited):
        wanted, cause = {line.line: line.quantity for line in event.lines}, event.change_set_id
        wanted |= dict.fromkeys(event.removed, 0)
    else:
        wanted, cause = {cut.line: cut.left for cut in event.lines}, event.cancel_id
    left: dict[str, ToPick] = {each.pick_list_id: each for each in process.by_hand}
    cuts: list[Group] = []
    for line, units in wanted.items():
        beyond = sum(each.units(line) for each in left.values()) - units
        for each in last_first(left.values()):
            if (part := min(beyond, each.units(line))) > 0:
                left[each.pick_list_id] = each.without(line, part)
                cuts.append(_cut(fact, each, cause, line, part))
                beyond -= part
    update = {"by_hand": tuple(left.values()), "wanted": {**process.wanted, **wanted}}
    return Reaction(_made_good(process.model_copy(update=update), wanted), tuple(cuts))


def _units(picks: Iterable[Pick]) -> Counter[Place]:
    units: Counter[Place] = Counter()
    for pick in picks:
        units[pick.sku, pick.warehouse] += pick.quantity
    return units


def _without(
    lists: tuple[ToPick, ...], units: Counter[Place]
) -> tuple[tuple[ToPick, ...], list[tuple[ToPick, int, int]]]:
    """The lists without these units, and which of them loses how much of which line: the last lists first,
    and of each the last lines."""
    left = {each.pick_list_id: each for each in lists}
    taken = []
    beyond = Counter(units)
    for each in last_first(lists):
        for line in reversed(each.lines):
            place = (line.sku, each.warehouse)
            if part := min(beyond[place], line.quantity):
                left[each.pick_list_id] = left[each.pick_list_id].without(line.line, part)
                taken.append((each, line.line, part))
                beyond[place] -= part
    return tuple(left.values()), taken


def _come(event: AllocationRevised) -> tuple[Pick, ...]:
    """Units that are to be fetched beside those of before: of what only goes to another line, none."""
    moved, come = _units(event.removed), []
    for pick in event.added:
        place = (pick.sku, pick.warehouse)
        same = min(moved[place], pick.quantity)
        moved[place] -= same
        if pick.quantity > same:
            come.append(pick.model_copy(update={"quantity": pick.quantity - same}))
    return tuple(come)


def _revised(process: WarehouseProcess, event: AllocationRevised, fact: Fact) -> Reaction[WarehouseProcess]:
    """What is not wanted any more is called off where it is being picked, and what came to the plan is picked
    by lists of its own. Before the first lists are released, they are simply others.

    What is listed is compared with the plan, each time: a cut may have come too late for what was not found
    meanwhile, so what is planned and what is called off does not add up to what is there. Lists are about
    goods: to which line of the order a unit belongs may change while it is fetched, or has left.
    """
    known = event.cause in process.shorts
    if known:
        short = process.shorts[event.cause]
        process = known_as_missing(process, Counter({(short.sku, short.warehouse): short.quantity}))
    shorts = {name: each for name, each in process.shorts.items() if name != event.cause}
    process = process.model_copy(update={"shorts": shorts})
    if not process.released:
        return Reaction(process.model_copy(update={"to_pick": _lists(process.order_id, event.picks)}))
    before = process.to_pick
    if not known:  # a process of before did not keep what it heard of short picks
        before, _ = _without(before, _units(event.short))
    lists = (*before, *_lists(process.order_id, _come(event), before=len(before)))
    lists, taken = _without(lists, listed((*lists, *process.by_hand)) - _units(event.picks))
    released = {each.pick_list_id for each in before}
    cuts = tuple(
        _cut(fact, each, event.cause, line, units)
        for each, line, units in taken
        if each.pick_list_id in released
    )
    more = tuple(each for each in lists[len(before) :] if each.lines)
    # an empty one stays, as the next ones are numbered by how many there are
    return Reaction(process.model_copy(update={"to_pick": lists}), (*cuts, *_release(process, fact, more)))


def react(process: WarehouseProcess, fact: Fact) -> Reaction[WarehouseProcess]:
    return concluded(_react(process, fact), fact)


def _react(process: WarehouseProcess, fact: Fact) -> Reaction[WarehouseProcess]:
    match fact.event:
        case AllocationPlanned(order_id=order_id) as event if not (process.released or process.over):
            changed = {"order_id": order_id, "to_pick": _lists(order_id, event.picks)}
            return Reaction(process.model_copy(update=changed))
        case AllocationRevised() as event if process.is_planned and not process.over:
            return _revised(process, event, fact)
        case OrderConfirmed() if process.to_pick and not process.released:
            commands = _release(process, fact, process.to_pick)
            return Reaction(process.model_copy(update={"released": True}), commands)
        case PickListReleased(pick_list_id=name) as event if name not in {
            each.pick_list_id for each in (*process.to_pick, *process.by_hand)
        }:
            return _by_hand(process, event, fact)
        case OrderLinesCancelled() | OrderEdited() as event:
            return _cut_by_hand(process, event, fact)
        case PickListCancelled() | PickShorted() as event:
            return _not_listed(process, event, fact)
        case PickListHandedOver() as event:
            return Reaction(handed_over(process, event))
        case ShipmentDispatched() as event:
            return Reaction(dispatched(process, event))
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
