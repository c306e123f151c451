"""The warehouse agent: releases a pick list for each warehouse of a plan; all lists stop with their order,
and once a carrier has fetched what is on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from pydantic import Field

from domain.allocation import SHORT_PICK, AllocationPlanned, AllocationRevised, Pick
from domain.carrier import ParcelLine, ShipmentDispatched
from domain.kernel import Command, Fact, Group, Reaction, Value, one
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
    ConcludePickList,
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

At = tuple[int, str]
"""Line and warehouse."""
Place = tuple[str, str]
"""A product, and a warehouse."""


class ToPick(Value):
    """What of the order is in one warehouse. `given`: the carrier has it."""

    pick_list_id: str
    warehouse: str
    lines: tuple[PickLine, ...]
    given: bool = False

    def units(self, line: int) -> int:
        return sum(each.quantity for each in self.lines if each.line == line)

    def without(self, line: int, units: int) -> ToPick:
        left = (
            each.model_copy(update={"quantity": max(0, each.quantity - units)}) if each.line == line else each
            for each in self.lines
        )
        return self.model_copy(update={"lines": tuple(each for each in left if each.quantity)})


class WarehouseProcess(Value):
    """`released`: the lists of the plan are, and follow the order from then on, as those `by_hand` do.
    `shorts` are units that were not found, by the cause that the plan will name when it knows of them.
    `fetched` is what parcels left with of lists that are open yet; `handed` is of lists that people gave
    away, and no parcel has told of it."""

    order_id: str = ""
    to_pick: tuple[ToPick, ...] = ()
    by_hand: tuple[ToPick, ...] = ()
    shorts: dict[str, Pick] = Field(default_factory=dict)
    fetched: tuple[ParcelLine, ...] = ()
    handed: tuple[ParcelLine, ...] = ()
    released: bool = False
    held: bool = False
    over: bool = False


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


def _each(fact: Fact, lists: Iterable[ToPick], command: Callable[[ToPick], Command]) -> tuple[Group, ...]:
    """A group for each list: one that is refused must not hold up another."""
    return tuple(one(pick_list_stream(fact.merchant, each.pick_list_id), command(each)) for each in lists)


def _open(process: WarehouseProcess) -> tuple[ToPick, ...]:
    there = (*(process.to_pick if process.released else ()), *process.by_hand)
    return tuple(each for each in there if each.lines and not each.given)


def _last_first(lists: Iterable[ToPick]) -> list[ToPick]:
    """As units are taken off: of what a carrier has, only when there is no other."""
    return sorted(lists, key=lambda each: not each.given)[::-1]


def _ids(each: ToPick) -> dict[str, str]:
    return {"pick_list_id": each.pick_list_id}


def _release(process: WarehouseProcess, fact: Fact, lists: tuple[ToPick, ...]) -> tuple[Group, ...]:
    def released(each: ToPick) -> Command:
        what = {"warehouse": each.warehouse, "lines": each.lines}
        return ReleasePickList(**_ids(each), order_id=process.order_id, held=process.held, **what)

    return _each(fact, lists, released)


def _hold(each: ToPick) -> Command:
    return HoldPickList(**_ids(each))


def _resume(each: ToPick) -> Command:
    return ResumePickList(**_ids(each))


def _cancel(each: ToPick) -> Command:
    return CancelPickList(**_ids(each), reason="order_cancelled")


def _by_hand(process: WarehouseProcess, event: PickListReleased, fact: Fact) -> Reaction[WarehouseProcess]:
    """A person's list stops with the order, too; it may have come too late."""
    fields = {"pick_list_id": event.pick_list_id, "warehouse": event.warehouse, "lines": event.lines}
    found = ToPick.model_validate(fields)
    changed = process.model_copy(update={"by_hand": (*process.by_hand, found)})
    if process.over:
        return Reaction(changed, _each(fact, [found], _cancel))
    return Reaction(changed, _each(fact, [found], _hold) if process.held else ())


def _not_listed(
    process: WarehouseProcess, event: PickListCancelled | PickShorted, fact: Fact
) -> Reaction[WarehouseProcess]:
    """Nobody fetches it any more: the cut that may follow must not cut what is fetched."""

    def left(lists: tuple[ToPick, ...]) -> tuple[ToPick, ...]:
        return tuple(
            _after(each, event) if each.pick_list_id == event.pick_list_id else each for each in lists
        )

    shorts = process.shorts
    if isinstance(event, PickShorted):
        short = Pick(line=event.line, sku=event.sku, warehouse=event.warehouse, quantity=event.quantity)
        shorts = {**shorts, f"{SHORT_PICK}{fact.event_id}": short}
    by_hand = tuple(each for each in left(process.by_hand) if each.lines)
    found = {"by_hand": by_hand, "to_pick": left(process.to_pick), "shorts": shorts}
    return Reaction(process.model_copy(update=found))


def _after(each: ToPick, event: PickListCancelled | PickShorted) -> ToPick:
    if isinstance(event, PickShorted):
        return each.without(event.line, event.quantity)
    return each.model_copy(update={"lines": ()})


def _cut_by_hand(
    process: WarehouseProcess, event: OrderLinesCancelled | OrderEdited, fact: Fact
) -> Reaction[WarehouseProcess]:
    """What is listed beyond what is wanted now is called off, in the last lists first."""
    if isinstance(event, OrderEdited):
        wanted, cause = {line.line: line.quantity for line in event.lines}, event.change_set_id
        wanted |= dict.fromkeys(event.removed, 0)
    else:
        wanted, cause = {cut.line: cut.left for cut in event.lines}, event.cancel_id
    left, cuts = {each.pick_list_id: each for each in process.by_hand}, []
    for line, units in wanted.items():
        beyond = sum(each.units(line) for each in left.values()) - units
        for each in _last_first(left.values()):
            if (part := min(beyond, each.units(line))) > 0:
                left[each.pick_list_id] = each.without(line, part)
                cut = CutPickLine(**_ids(each), cause=cause, line=line, quantity=part)
                cuts.append(one(pick_list_stream(fact.merchant, each.pick_list_id), cut))
                beyond -= part
    return Reaction(process.model_copy(update={"by_hand": tuple(left.values())}), tuple(cuts))


def _units(picks: Iterable[Pick]) -> Counter[At]:
    units: Counter[At] = Counter()
    for pick in picks:
        units[pick.line, pick.warehouse] += pick.quantity
    return units


def _beyond(process: WarehouseProcess, lists: Iterable[ToPick], picks: Iterable[Pick]) -> Counter[At]:
    """Units on these lists, and those by hand, beyond the plan, which does not know yet of all that was not
    found."""
    wanted = _units(picks)
    for short in process.shorts.values():
        wanted[short.line, short.warehouse] -= min(short.quantity, wanted[short.line, short.warehouse])
    listed: Counter[At] = Counter()
    for each in (*lists, *process.by_hand):
        for line in each.lines:
            listed[line.line, each.warehouse] += line.quantity
    return listed - wanted


def _without(
    lists: tuple[ToPick, ...], units: Counter[At]
) -> tuple[tuple[ToPick, ...], list[tuple[ToPick, int, int]]]:
    """The lists without these units, and which of them loses how much of which line: the last lists first."""
    left = {each.pick_list_id: each for each in lists}
    taken = []
    beyond = Counter(units)
    for line, warehouse in units:
        for each in _last_first(left.values()):
            if each.warehouse == warehouse and (part := min(beyond[line, warehouse], each.units(line))):
                left[each.pick_list_id] = left[each.pick_list_id].without(line, part)
                taken.append((each, line, part))
                beyond[line, warehouse] -= part
    return tuple(left.values()), taken


def _revised(process: WarehouseProcess, event: AllocationRevised, fact: Fact) -> Reaction[WarehouseProcess]:
    """What is not wanted any more is called off where it is being picked, and what came to the plan is picked
    by lists of its own. Before the first lists are released, they are simply others.

    What is listed is compared with the plan, each time: a cut may have come too late for what was not found
    meanwhile, so what is planned and what is called off does not add up to what is there.
    """
    known = event.cause in process.shorts
    shorts = {name: each for name, each in process.shorts.items() if name != event.cause}
    process = process.model_copy(update={"shorts": shorts})
    if not process.released:
        return Reaction(process.model_copy(update={"to_pick": _lists(process.order_id, event.picks)}))
    before = process.to_pick
    if not known:  # a process of before did not keep what it heard of short picks
        before, _ = _without(before, _units(event.short))
    lists = (*before, *_lists(process.order_id, event.added, before=len(before)))
    lists, taken = _without(lists, _beyond(process, lists, event.picks))
    released = {each.pick_list_id for each in before}
    cuts = tuple(
        one(
            pick_list_stream(fact.merchant, each.pick_list_id),
            CutPickLine(**_ids(each), cause=event.cause, line=line, quantity=units),
        )
        for each, line, units in taken
        if each.pick_list_id in released
    )
    more = tuple(each for each in lists[len(before) :] if each.lines)
    # an empty one stays, as the next ones are numbered by how many there are
    return Reaction(process.model_copy(update={"to_pick": lists}), (*cuts, *_release(process, fact, more)))


def _by_place(lines: Iterable[ParcelLine]) -> Counter[Place]:
    units: Counter[Place] = Counter()
    for line in lines:
        units[line.sku, line.warehouse] += line.quantity
    return units


def _parcel_lines(units: Counter[Place]) -> tuple[ParcelLine, ...]:
    return tuple(ParcelLine(sku=s, warehouse=w, quantity=n) for (s, w), n in sorted(units.items()) if n > 0)


def _listed(lists: Iterable[ToPick]) -> Counter[Place]:
    units: Counter[Place] = Counter()
    for each in lists:
        for line in each.lines:
            units[line.sku, each.warehouse] += line.quantity
    return units


def _given(process: WarehouseProcess, ids: set[str], **changed: object) -> WarehouseProcess:
    def with_given(lists: tuple[ToPick, ...]) -> tuple[ToPick, ...]:
        return tuple(
            each.model_copy(update={"given": True}) if each.pick_list_id in ids else each for each in lists
        )

    lists = {"to_pick": with_given(process.to_pick), "by_hand": with_given(process.by_hand)}
    return process.model_copy(update={**lists, **changed})


def _fetched(process: WarehouseProcess, event: ShipmentDispatched, fact: Fact) -> Reaction[WarehouseProcess]:
    """A list of which parcels have left with everything is handed over, though nobody said so.

    First the parcel tells of what people have handed over. Of a list that is fetched in part it is kept.
    """
    there = _open(process)
    told = _by_place(event.lines) if event.lines else _listed(there)  # parcels of before had all of the order
    handed = _by_place(process.handed)
    left = _by_place(process.fetched) + (told - handed)
    concluded = []
    for each in there:
        wanted = _listed([each])
        if wanted <= left:
            left -= wanted
            concluded.append(each)
    ids = {each.pick_list_id for each in concluded}
    still_open = _listed(each for each in there if each.pick_list_id not in ids)
    process = _given(
        process, ids, handed=_parcel_lines(handed - told), fetched=_parcel_lines(left & still_open)
    )

    def conclude(each: ToPick) -> Command:
        return ConcludePickList(**_ids(each), shipment_id=event.shipment_id)

    return Reaction(process, _each(fact, concluded, conclude))


def _handed_over(process: WarehouseProcess, event: PickListHandedOver) -> Reaction[WarehouseProcess]:
    for each in _open(process):
        if each.pick_list_id == event.pick_list_id:
            units, fetched = _listed([each]), _by_place(process.fetched)
            handed = _by_place(process.handed) + (units - fetched)
            kept = {"handed": _parcel_lines(handed), "fetched": _parcel_lines(fetched - units)}
            return Reaction(_given(process, {each.pick_list_id}, **kept))
    return Reaction(process)


def react(process: WarehouseProcess, fact: Fact) -> Reaction[WarehouseProcess]:
    match fact.event:
        case AllocationPlanned(order_id=order_id) as event if not (process.released or process.over):
            changed = {"order_id": order_id, "to_pick": _lists(order_id, event.picks)}
            return Reaction(process.model_copy(update=changed))
        case AllocationRevised() as event if process.order_id and not process.over:
            return _revised(process, event, fact)
        case OrderConfirmed() if process.to_pick and not process.released:
            commands = _release(process, fact, process.to_pick)
            return Reaction(process.model_copy(update={"released": True}), commands)
        case PickListReleased(pick_list_id=name) as event if name not in {
            each.pick_list_id for each in (*process.to_pick, *process.by_hand)
        }:
            return _by_hand(process, event, fact)
        case OrderLinesCancelled() | OrderEdited() as event if process.by_hand:
            return _cut_by_hand(process, event, fact)
        case PickListCancelled() | PickShorted() as event:
            return _not_listed(process, event, fact)
        case PickListHandedOver() as event:
            return _handed_over(process, event)
        case ShipmentDispatched() as event:
            return _fetched(process, event, fact)
        case OrderHeld():
            commands = _each(fact, _open(process), _hold)
            return Reaction(process.model_copy(update={"held": True}), commands)
        case OrderReleased(remaining=0):
            commands = _each(fact, _open(process), _resume)
            return Reaction(process.model_copy(update={"held": False}), commands)
        case OrderCancelled():
            commands = _each(fact, _open(process), _cancel)
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
    rule_version=6,
)

AGENTS = (WAREHOUSE_AGENT,)
