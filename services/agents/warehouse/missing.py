"""What was not found: lists go on without it, and parcels may not know of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

from domain.allocation import SHORT_PICK, Pick
from domain.carrier import ParcelLine
from domain.kernel import Fact
from domain.warehouse.pick_list import PickListCancelled, PickShorted
from services.agents.warehouse.process import Place, ToPick, WarehouseProcess, by_place, listed, parcel_lines


def not_listed(
    process: WarehouseProcess, event: PickListCancelled | PickShorted, fact: Fact
) -> WarehouseProcess:
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
    return process.model_copy(update={"by_hand": by_hand, "to_pick": left(process.to_pick)})


def _after(each: ToPick, event: PickListCancelled | PickShorted) -> ToPick:
    """What was cut meanwhile, and what was not found, may be the same units: the list says what is left."""
    if isinstance(event, PickListCancelled):
        return each.model_copy(update={"lines": ()})
    line = next((line for line in each.lines if line.line == event.line), None)
    line = line or next((line for line in each.lines if line.sku == event.sku), None)
    if line is None:
        return each
    if event.left is None:
        return each.without(line, min(event.quantity, line.quantity))
    return each.without(line, each.units_of(event.sku) - sum(left.quantity for left in event.left))


def _short(
    process: WarehouseProcess, event: PickShorted, lost: Counter[Place], fact: Fact
) -> WarehouseProcess:
    """Without a plan, which says so later, it is what lists have `lost` by it."""
    units = event.quantity if process.is_planned else lost[event.sku, event.warehouse]
    if not units:
        return process
    what = {"sku": event.sku, "warehouse": event.warehouse, "quantity": units}
    shorts = {**process.shorts, f"{SHORT_PICK}{fact.event_id}": Pick(line=event.line, **what)}
    missing = by_place(process.missing) + by_place([ParcelLine(**what)])
    return process.model_copy(update={"shorts": shorts, "missing": parcel_lines(missing)})


def told_by_plan(process: WarehouseProcess, cause: str) -> WarehouseProcess:
    """The plan is without it now, and parcels that have not left follow."""
    return _known(process, cause, forget=True)


def told_by_order(process: WarehouseProcess, cause: str, wanted: Container[int]) -> WarehouseProcess:
    """So is the order, which says what is `wanted` of the lines that it took it from."""
    short = process.shorts.get(cause)
    return _known(process, cause, forget=bool(short and short.line in wanted))


def _known(process: WarehouseProcess, cause: str, *, forget: bool) -> WarehouseProcess:
    short = process.shorts.get(cause)
    if short is None:
        return process
    missing = by_place(process.missing) - Counter({(short.sku, short.warehouse): short.quantity})
    shorts = {name: each for name, each in process.shorts.items() if name != cause or not forget}
    return process.model_copy(update={"missing": parcel_lines(missing), "shorts": shorts})
