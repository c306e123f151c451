"""A list of which parcels have left with everything is handed over, though nobody said so (decision 23)."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace

from domain.carrier import ShipmentDispatched
from domain.kernel import Command, Fact, Reaction
from domain.order import OrderShipped
from domain.warehouse.pick_list import ConcludePickList, PickListHandedOver
from services.agents.warehouse.process import (
    ToPick,
    WarehouseProcess,
    by_place,
    each_list,
    id_of,
    listed,
    lists_there,
    parcel_lines,
)


def dispatched(process: WarehouseProcess, event: ShipmentDispatched) -> WarehouseProcess:
    """The parcel tells first of what people handed over; it may not know of what was not found."""
    there = lists_there(process)
    if not (process.infers and (there or process.handed)):
        return process
    handed, missing = by_place(process.handed), by_place(process.missing)
    told = by_place(event.lines) if event.lines else listed(there) + handed  # one of before: all of the order
    never_there = told & missing
    left = told - never_there
    kept = {
        "parcel": event.shipment_id,
        "missing": parcel_lines(missing - never_there),
        "handed": parcel_lines(handed - left),
        "fetched": parcel_lines(by_place(process.fetched) + (left - handed)),
    }
    return process.model_copy(update=kept)


def handed_over(process: WarehouseProcess, event: PickListHandedOver) -> WarehouseProcess:
    """By people: a parcel may have told of it before, or will. What the list says counts, as it may have been
    cut by us too late; lists of before do not say."""
    found = [each for each in (*process.to_pick, *process.by_hand) if each.pick_list_id == event.pick_list_id]
    if not found or found[0].given:
        return process
    each = found[0]
    if event.lines:
        each = each.model_copy(update={"lines": event.lines})
    units, fetched = listed([each]), by_place(process.fetched)
    kept = {
        "handed": parcel_lines(by_place(process.handed) + (units - fetched)),
        "fetched": parcel_lines(fetched - units),
    }
    return _given(process.model_copy(update=kept), {each.pick_list_id})


def concluded(reaction: Reaction[WarehouseProcess], fact: Fact) -> Reaction[WarehouseProcess]:
    """With the lists handed over of which nothing is left here. What parcels have of no open list is
    forgotten: a list that comes later is of other goods."""
    process = reaction.process
    left = by_place(process.fetched)
    if not left:
        return reaction
    there, over = [each for each in lists_there(process) if each.lines], []
    for each in there:
        if (wanted := listed([each])) <= left:
            left -= wanted
            over.append(each)
    still_open = listed(each for each in there if each not in over)
    process = process.model_copy(update={"fetched": parcel_lines(left & still_open)})
    ended = _conclude(process, over, process.parcel, fact)
    return replace(ended, deadlines=reaction.deadlines, commands=(*reaction.commands, *ended.commands))


def all_sent(process: WarehouseProcess, event: OrderShipped, fact: Fact) -> Reaction[WarehouseProcess]:
    """Nothing is left to be sent, so nothing is left to be fetched, whatever parcels knew of what was not
    found."""
    parcel = process.parcel or event.shipment_id
    there = [each for each in lists_there(process) if each.lines]
    return _conclude(process, there, parcel, fact) if parcel and process.infers else Reaction(process)


def _conclude(
    process: WarehouseProcess, lists: Sequence[ToPick], parcel: str, fact: Fact
) -> Reaction[WarehouseProcess]:
    def conclude(each: ToPick) -> Command:
        return ConcludePickList(**id_of(each), shipment_id=parcel)

    ended = _given(process, {each.pick_list_id for each in lists})
    return Reaction(ended, each_list(fact, lists, conclude))


def _given(process: WarehouseProcess, ids: Container[str]) -> WarehouseProcess:
    def with_given(lists: tuple[ToPick, ...]) -> tuple[ToPick, ...]:
        return tuple(
            each.model_copy(update={"given": True}) if each.pick_list_id in ids else each for each in lists
        )

    lists = {"to_pick": with_given(process.to_pick), "by_hand": with_given(process.by_hand)}
    return process.model_copy(update=lists)
