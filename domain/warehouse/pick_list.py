"""A pick list: what of an order is to be fetched in one warehouse, packed, and handed to the carrier.

released -> picking -> packed -> staged -> handed over. While it is held, nobody goes on with it; until it is
handed over it can be cancelled, and then says what is to be put back. Each line is picked, or is short: then
the list goes on with what there is. Once a carrier has what is on it, it is handed over, whatever was said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PositiveInt

from domain.kernel import Command, Decider, Event, Quantity, Refused, Value

Id = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=1000)]
LINES_MAX = 1_000
ShortReason: TypeAlias = Literal["missing", "damaged"]
CancelReason: TypeAlias = Literal["order_cancelled", "staff"]


class PickLine(Value):
    """Units of one line of the order."""

    line: PositiveInt
    sku: Id
    quantity: Quantity


class PickListReleased(Event):
    pick_list_id: Id
    order_id: Id
    warehouse: Id
    lines: Annotated[tuple[PickLine, ...], Field(min_length=1, max_length=LINES_MAX)]


class PickingStarted(Event):
    pick_list_id: Id
    order_id: Id


class LinePicked(Event):
    """`quantity` more units of the line are in hand."""

    pick_list_id: Id
    order_id: Id
    line: PositiveInt
    sku: Id
    quantity: Quantity


class PickShorted(Event):
    """`quantity` units of the line were not where they should be, or can't be sold. `left`: what the list has
    of the product all the same, by line; of short picks of before nobody knows."""

    schema_version = 2

    pick_list_id: Id
    order_id: Id
    warehouse: Id
    line: PositiveInt
    sku: Id
    quantity: Quantity
    reason: ShortReason
    note: Text = ""
    left: tuple[PickLine, ...] | None = None


class OrderPacked(Event):
    """What was picked of the order here is in `packages` packages; `units` of it."""

    pick_list_id: Id
    order_id: Id
    packages: PositiveInt
    units: PositiveInt


class PickListStaged(Event):
    """The packages stand where the carrier takes them."""

    pick_list_id: Id
    order_id: Id
    location: Text = ""


class PickListHandedOver(Event):
    """The carrier has what is in `lines`; lists of before do not say what they were of. `inferred`: nobody
    said that it was given away, but the parcel `reference` proves it."""

    schema_version = 3

    pick_list_id: Id
    order_id: Id
    reference: Text = ""
    warehouse: Id | None = None
    lines: tuple[PickLine, ...] = ()
    inferred: bool = False


class PickListHeld(Event):
    pick_list_id: Id
    order_id: Id


class PickListResumed(Event):
    pick_list_id: Id
    order_id: Id


class PickLineCut(Event):
    """`quantity` units of the line are not wanted any more, of which `put_back` were in hand, or packed: what
    was packed is open again."""

    pick_list_id: Id
    order_id: Id
    cause: Id
    line: PositiveInt
    sku: Id
    quantity: Quantity
    put_back: Annotated[int, Field(ge=0)] = 0


class PickListCancelled(Event):
    """Nobody goes on with it; `put_back` is what was in hand, or packed, and goes back to its place."""

    pick_list_id: Id
    order_id: Id
    reason: CancelReason
    put_back: tuple[PickLine, ...] = ()


PickListEvent: TypeAlias = (
    PickListReleased
    | PickingStarted
    | LinePicked
    | PickShorted
    | OrderPacked
    | PickListStaged
    | PickListHandedOver
    | PickListHeld
    | PickListResumed
    | PickLineCut
    | PickListCancelled
)


class ReleasePickList(Command):
    """`held`: it is released, but nobody may begin before it is resumed."""

    pick_list_id: Id
    order_id: Id
    warehouse: Id
    lines: Annotated[tuple[PickLine, ...], Field(min_length=1, max_length=LINES_MAX)]
    held: bool = False


class StartPicking(Command):
    pick_list_id: Id


class PickUnits(Command):
    """So many units of the line are picked by now, in all: said again it changes nothing."""

    pick_list_id: Id
    line: PositiveInt
    picked: Quantity


class ShortPick(Command):
    """So many units of the line are short by now, in all."""

    pick_list_id: Id
    line: PositiveInt
    short: Quantity
    reason: ShortReason = "missing"
    note: Text = ""


class PackOrder(Command):
    pick_list_id: Id
    packages: PositiveInt = 1


class StagePickList(Command):
    pick_list_id: Id
    location: Text = ""


class HandOverPickList(Command):
    pick_list_id: Id
    reference: Text = ""


class ConcludePickList(Command):
    """A carrier has fetched all that is on it, with the parcel `shipment_id`."""

    pick_list_id: Id
    shipment_id: Id


class HoldPickList(Command):
    pick_list_id: Id


class ResumePickList(Command):
    pick_list_id: Id


class CutPickLine(Command):
    """So many units of the line are not wanted any more, or as many of its product on other lines, as long as
    `left` of the product stay: some may not have been found meanwhile. `cause` says what for, once."""

    pick_list_id: Id
    cause: Id
    line: PositiveInt
    quantity: Quantity
    left: Annotated[int, Field(ge=0)] = 0


class CancelPickList(Command):
    pick_list_id: Id
    reason: CancelReason = "staff"


PickListCommand: TypeAlias = (
    ReleasePickList
    | StartPicking
    | PickUnits
    | ShortPick
    | PackOrder
    | StagePickList
    | HandOverPickList
    | ConcludePickList
    | HoldPickList
    | ResumePickList
    | CutPickLine
    | CancelPickList
)
Status: TypeAlias = Literal["none", "released", "picking", "packed", "staged", "handed_over", "cancelled"]


@dataclass(frozen=True, slots=True)
class PickList:
    """Lines by number, with the units of each that are picked, and those that are short."""

    status: Status = "none"
    held: bool = False
    order_id: str = ""
    warehouse: str = ""
    lines: Mapping[int, PickLine] = field(default_factory=dict)
    picked: Mapping[int, int] = field(default_factory=dict)
    short: Mapping[int, int] = field(default_factory=dict)
    cuts: frozenset[tuple[str, str]] = frozenset()
    """Of which product something was called off, and what for."""

    @property
    def open_units(self) -> int:
        """Neither picked nor short."""
        wanted = sum(line.quantity for line in self.lines.values())
        return wanted - sum(self.picked.values()) - sum(self.short.values())


def _release(command: ReleasePickList, found: PickList) -> tuple[PickListEvent, ...]:
    if found.status != "none":
        same = (found.order_id, found.warehouse) == (command.order_id, command.warehouse)
        if same and tuple(found.lines.values()) == command.lines:
            return ()
        raise Refused("pick_list_id_unique", f"pick list {command.pick_list_id} is {found.status} already")
    if len({line.line for line in command.lines}) != len(command.lines):
        raise Refused("pick_lines_unique", "two lines have the same number: make one of them")
    ids = {"pick_list_id": command.pick_list_id, "order_id": command.order_id}
    released = PickListReleased(**ids, warehouse=command.warehouse, lines=command.lines)
    return (released, PickListHeld(**ids)) if command.held else (released,)


def _in_status(found: PickList, rule: str, *allowed: Status) -> None:
    if found.status not in allowed:
        raise Refused(rule, f"the pick list is {found.status}; it must be {' or '.join(allowed)} for that")


def _not_held(found: PickList) -> None:
    if found.held:
        raise Refused("pick_list_not_held", "the order is held; go on when its hold is released")


def _line(found: PickList, number: int) -> PickLine:
    if number not in found.lines:
        numbers = ", ".join(map(str, found.lines))
        raise Refused("pick_line_exists", f"the pick list has no line {number}, but {numbers}")
    return found.lines[number]


def _pick(command: PickUnits, found: PickList) -> tuple[PickListEvent, ...]:
    _in_status(found, "pick_while_picking", "picking")
    line = _line(found, command.line)
    before, short = found.picked.get(command.line, 0), found.short.get(command.line, 0)
    if command.picked <= before:
        return ()
    _not_held(found)
    if command.picked > line.quantity - short:
        raise Refused(
            "pick_what_is_wanted",
            f"{line.quantity} units of line {command.line} are wanted and {short} are short, so"
            f" {command.picked} can't be picked",
        )
    ids = {"pick_list_id": command.pick_list_id, "order_id": found.order_id}
    more = command.picked - before
    return (LinePicked(**ids, line=command.line, sku=line.sku, quantity=more),)


def _shorten(command: ShortPick, found: PickList) -> tuple[PickListEvent, ...]:
    _in_status(found, "short_while_picking", "picking")
    line = _line(found, command.line)
    picked, before = found.picked.get(command.line, 0), found.short.get(command.line, 0)
    if command.short <= before:
        return ()
    if command.short > line.quantity - picked:
        raise Refused(
            "short_what_is_open",
            f"{picked} of {line.quantity} units of line {command.line} are picked, so {command.short}"
            " can't be short",
        )
    shorted = PickShorted(
        pick_list_id=command.pick_list_id,
        order_id=found.order_id,
        warehouse=found.warehouse,
        line=command.line,
        sku=line.sku,
        quantity=command.short - before,
        reason=command.reason,
        note=command.note,
        left=tuple(_left(replace(found, short={**found.short, command.line: command.short}), line.sku)),
    )
    return (shorted,)


def _left(found: PickList, sku: str) -> Iterator[PickLine]:
    """What the list has of the product, found or yet to be found."""
    for number, line in found.lines.items():
        if line.sku == sku and (units := line.quantity - found.short.get(number, 0)):
            yield line.model_copy(update={"quantity": units})


def _pack(command: PackOrder, found: PickList) -> tuple[PickListEvent, ...]:
    if found.status == "packed":
        return ()
    _in_status(found, "pack_what_is_picked", "picking")
    _not_held(found)
    if found.open_units:
        raise Refused(
            "pack_what_is_picked",
            f"{found.open_units} units are neither picked nor short; say what became of them first",
        )
    units = sum(found.picked.values())
    if not units:
        raise Refused("pack_something", "all units are short, so there is nothing to pack; cancel the list")
    ids = {"pick_list_id": command.pick_list_id, "order_id": found.order_id}
    return (OrderPacked(**ids, packages=command.packages, units=units),)


def _cancel(command: CancelPickList, found: PickList) -> tuple[PickListEvent, ...]:
    if found.status == "cancelled":
        return ()
    _in_status(found, "cancel_before_hand_over", "released", "picking", "packed", "staged")
    ids = {"pick_list_id": command.pick_list_id, "order_id": found.order_id}
    return (PickListCancelled(**ids, reason=command.reason, put_back=_in_hand(found)),)


def _in_hand(found: PickList) -> tuple[PickLine, ...]:
    return tuple(
        line.model_copy(update={"quantity": found.picked[number]})
        for number, line in found.lines.items()
        if found.picked.get(number)
    )


def _cut(command: CutPickLine, found: PickList, ids: dict[str, str]) -> tuple[PickListEvent, ...]:
    """The agents ask, so what came too late is nobody's mistake. Without anything left to fetch the list is
    over."""
    line = found.lines.get(command.line)
    if (
        line is None
        or found.status in ("handed_over", "cancelled")
        or (command.cause, line.sku) in found.cuts
    ):
        return ()
    there = sum(each.quantity for each in _left(found, line.sku))
    quantity = min(command.quantity, there - command.left)
    if quantity <= 0:
        return ()
    if sum(each.quantity for each in found.lines.values()) - sum(found.short.values()) == quantity:
        over = CancelPickList(pick_list_id=command.pick_list_id, reason="order_cancelled")
        return _cancel(over, found)
    cut = {"cause": command.cause, "sku": line.sku}
    return tuple(
        PickLineCut(**ids, **cut, line=number, quantity=units, put_back=back)
        for number, (units, back) in _to_cut(command.line, quantity, found).items()
    )


def _to_cut(first: int, quantity: int, found: PickList) -> dict[int, tuple[int, int]]:
    """By line of the product: units that are cut, and how many of them are put back. What nobody has picked
    is cut first; of this line first, and then of the last one."""
    sku = found.lines[first].sku
    open_units: dict[int, int] = {}
    picked: dict[int, int] = {}
    alike = [number for number in sorted(found.lines, reverse=True) if found.lines[number].sku == sku]
    numbers = list(dict.fromkeys((first, *alike)))
    for number in numbers:
        there = found.lines[number].quantity - found.short.get(number, 0) - found.picked.get(number, 0)
        open_units[number] = min(quantity, there)
        quantity -= open_units[number]
    for number in numbers:
        picked[number] = min(quantity, found.picked.get(number, 0))
        quantity -= picked[number]
    units = {number: (open_units[number] + picked[number], picked[number]) for number in numbers}
    return {number: each for number, each in units.items() if each[0]}


def _conclude(command: ConcludePickList, found: PickList, ids: dict[str, str]) -> tuple[PickListEvent, ...]:
    """The agents ask, so what came too late is nobody's mistake. Held or not, the goods are gone."""
    if found.status in ("handed_over", "cancelled"):
        return ()
    lines = tuple(
        line.model_copy(update={"quantity": units})
        for number, line in found.lines.items()
        if (units := line.quantity - found.short.get(number, 0))
    )
    given = {"warehouse": found.warehouse, "lines": lines, "reference": command.shipment_id}
    return (PickListHandedOver(**ids, **given, inferred=True),) if lines else ()


def _hold(found: PickList, ids: dict[str, str]) -> tuple[PickListEvent, ...]:
    """The agents ask, so what came too late is nobody's mistake."""
    over = found.held or found.status in ("handed_over", "cancelled")
    return () if over else (PickListHeld(**ids),)


def decide(command: PickListCommand, found: PickList) -> tuple[PickListEvent, ...]:
    if isinstance(command, ReleasePickList):
        return _release(command, found)
    if found.status == "none":
        raise Refused("pick_list_exists", f"there is no pick list {command.pick_list_id}")
    ids = {"pick_list_id": command.pick_list_id, "order_id": found.order_id}
    match command:
        case StartPicking() if found.status == "picking":
            return ()
        case StartPicking():
            _in_status(found, "pick_what_is_released", "released")
            _not_held(found)
            return (PickingStarted(**ids),)
        case PickUnits():
            return _pick(command, found)
        case ShortPick():
            return _shorten(command, found)
        case PackOrder():
            return _pack(command, found)
        case StagePickList() if found.status == "staged":
            return ()
        case StagePickList(location=location):
            _in_status(found, "stage_what_is_packed", "packed")
            _not_held(found)
            return (PickListStaged(**ids, location=location),)
        case HandOverPickList() if found.status == "handed_over":
            return ()
        case HandOverPickList(reference=reference):
            _in_status(found, "hand_over_what_is_packed", "packed", "staged")
            _not_held(found)
            given = {"warehouse": found.warehouse, "lines": _in_hand(found)}
            return (PickListHandedOver(**ids, **given, reference=reference),)
        case ConcludePickList():
            return _conclude(command, found, ids)
        case HoldPickList():
            return _hold(found, ids)
        case ResumePickList():
            return (PickListResumed(**ids),) if found.held else ()
        case CutPickLine():
            return _cut(command, found, ids)
        case CancelPickList():
            return _cancel(command, found)


def _after_cut(found: PickList, event: PickLineCut) -> PickList:
    lines = {
        number: each.model_copy(update={"quantity": left}) if number == event.line else each
        for number, each in found.lines.items()
        if (left := each.quantity - event.quantity) > 0 or number != event.line
    }
    opened = event.put_back and found.status in ("packed", "staged")
    return replace(
        found,
        status="picking" if opened else found.status,
        lines=lines,
        picked=_added(found.picked, event.line, -event.put_back),
        cuts=found.cuts | {(event.cause, event.sku)},
    )


def _added(units: Mapping[int, int], line: int, more: int) -> dict[int, int]:
    return {**units, line: units.get(line, 0) + more}


def evolve(found: PickList, event: PickListEvent) -> PickList:
    match event:
        case PickListReleased(order_id=order_id, warehouse=warehouse, lines=lines):
            by_number = {line.line: line for line in lines}
            return PickList("released", False, order_id, warehouse, by_number)
        case PickingStarted():
            return replace(found, status="picking")
        case LinePicked(line=line, quantity=quantity):
            return replace(found, picked=_added(found.picked, line, quantity))
        case PickShorted(line=line, quantity=quantity):
            return replace(found, short=_added(found.short, line, quantity))
        case OrderPacked():
            return replace(found, status="packed")
        case PickListStaged():
            return replace(found, status="staged")
        case PickListHandedOver():
            return replace(found, status="handed_over", held=False)
        case PickListHeld():
            return replace(found, held=True)
        case PickListResumed():
            return replace(found, held=False)
        case PickLineCut():
            return _after_cut(found, event)
        case PickListCancelled():
            return replace(found, status="cancelled", held=False)


PICK_LIST: Decider[PickListCommand, PickListEvent, PickList] = Decider(
    "picklist",
    decide,
    evolve,
    PickList(),
    events=PickListEvent.__args__,
    commands=PickListCommand.__args__,
    parts=("merchant", "pick_list_id"),
    of_order=True,
)
