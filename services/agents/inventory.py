"""The inventory agent: holds stock for orders, commits it, lets it go, and books it out when it ships."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from pydantic import AwareDatetime, Field, model_validator

from domain.allocation import (
    SHORT_PICK,
    AllocationChangeDropped,
    AllocationChangeFailed,
    AllocationChangePlanned,
    AllocationPlanned,
    AllocationRevised,
    Pick,
)
from domain.carrier import ParcelLine, ShipmentDispatched, ShipmentReturned
from domain.deadline import DeadlineReached
from domain.inventory import (
    AllocateMoreStock,
    AllocateStock,
    Backordered,
    BackorderFilled,
    CancelBackorder,
    ExpireReservation,
    RecordShortPick,
    ReleaseStock,
    RenewReservation,
    ReserveStock,
    ReturnStock,
    ShipStock,
    StockAllocated,
)
from domain.kernel import UNITS_MAX, Command, Deadline, Fact, Group, Reaction, Target, Value
from domain.order import (
    Line,
    OrderCancelled,
    OrderConfirmed,
    OrderEditConfirmed,
    OrderEditDeclined,
    OrderEdited,
    OrderLinesCancelled,
    OrderPlaced,
    UnitsChange,
)
from domain.streams import stock_stream
from domain.warehouse.pick_list import PickListHandedOver, PickShorted
from services.agents.agent import Agent, order_key

RESERVATION = "reservation"

Place: TypeAlias = tuple[str, str]
"""SKU and warehouse."""


class Item(Value):
    sku: str
    warehouse: str
    quantity: int


class Short(Value):
    """Units of a line that were not found; the plan does not know of that yet. Of the product the list has
    `left` all the same."""

    short_id: str
    line: int
    item: Item
    reason: str = "missing"
    note: str = ""
    left: int = 0


NO_GROWTH: dict[str, object] = {
    "change": "",
    "grower": "",
    "growth": (),
    "grown": frozenset(),
}


def _items(units: Mapping[Place, int]) -> tuple[Item, ...]:
    some = ((place, min(n, UNITS_MAX)) for place, n in sorted(units.items()) if n > 0)
    return tuple(Item(sku=s, warehouse=w, quantity=n) for (s, w), n in some)


def _by_place(units: Iterable[Item | Line | Pick | ParcelLine]) -> Counter[Place]:
    found: Counter[Place] = Counter()
    for each in units:
        found[each.sku, each.warehouse] += each.quantity
    return found


class InventoryProcess(Value):
    """What the order needs from stock, what of it has left, and for which of it (`SKU warehouse`) it waits.

    `valid_s`: for how long a reservation holds until the order is confirmed. `lapsed_at`: the last moment of
    which it was told that this time is over. `allocated`: by rules, so that the plan says what is needed.
    `growth` is what the change `change` wants beyond it, asked for by event `grower`, and `grown` what
    of that it has; `leaving` is what one asked for that came to nothing, by its event, until stock answers:
    it is let go then. `gone` are the items that left: stock holds those no more;
    `parcels` which of them in which; `missing` those that nobody found.
    `handed` are those that the warehouse gave to a carrier; `away` those of them that are booked out though
    no parcel says that they left, as nobody wants them any more.
    """

    order_id: str = ""
    items: tuple[Item, ...] = ()
    gone: tuple[Item, ...] = ()
    parcels: dict[str, tuple[Item, ...]] = Field(default_factory=dict)
    missing: tuple[Item, ...] = ()
    handed: tuple[Item, ...] = ()
    away: tuple[Item, ...] = ()
    picks: tuple[Pick, ...] = ()
    shorts: tuple[Short, ...] = ()
    valid_s: int = 0
    allocated: bool = False
    lapsed_at: AwareDatetime | None = None
    waits_for: frozenset[str] = frozenset()
    confirmed: bool = False
    cancelled: bool = False
    change: str = ""
    grower: str = ""
    growth: tuple[Item, ...] = ()
    grown: frozenset[str] = frozenset()
    leaving: dict[str, tuple[Item, ...]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _as_it_was_kept(cls, kept: Any) -> Any:
        """While a change that came to nothing stayed the one that grew; and while stock heard of a short pick
        before the plan did, so that there is nothing left to tell it."""
        if not isinstance(kept, Mapping) or "undone" not in kept:
            return kept
        known = {name: each for name, each in kept.items() if name != "undone"} | {"shorts": ()}
        if not kept["undone"]:
            return known
        return {**known, **NO_GROWTH, "leaving": {known.get("grower", ""): known["growth"]}}

    def with_units(self, changes: Iterable[UnitsChange]) -> InventoryProcess:
        """Other units are wanted; what a change set took beyond them is theirs now. Where they are fewer,
        what was missing may be off the books already, before the order knew."""
        items = self.units
        for each in changes:
            place = (each.sku, each.warehouse)
            fewer = min(items[place], each.quantity)
            items[place] = fewer if each.change < 0 else items[place] + each.change
        return self.with_items(items).model_copy(update=NO_GROWTH)

    @property
    def units(self) -> Counter[Place]:
        return _by_place(self.items)

    def with_items(self, units: Mapping[Place, int]) -> InventoryProcess:
        """These are needed, and what is waited for is some of them."""
        kept = _items(units)
        waits_for = self.waits_for.intersection(f"{each.sku} {each.warehouse}" for each in kept)
        return self.model_copy(update={"items": kept, "waits_for": waits_for})


def _valid_until(process: InventoryProcess, fact: Fact) -> datetime:
    """Later than what has lapsed, whatever the clock of who wrote the fact says: no moment comes again."""
    begins = max(fact.occurred_at, process.lapsed_at or fact.occurred_at)
    return begins + timedelta(seconds=process.valid_s)


def _for_all(fact: Fact, items: tuple[Item, ...], command: Callable[[Item], Command]) -> tuple[Group, ...]:
    """One command for each item, carried out all or not at all."""
    targets = (Target(stock_stream(fact.merchant, item.sku, item.warehouse), command(item)) for item in items)
    return (Group(tuple(targets)),) if items else ()


def _placed(event: OrderPlaced, fact: Fact) -> Reaction[InventoryProcess]:
    """Reserved where its lines say; but of what is allocated by rules it is planned first."""
    process = InventoryProcess(
        order_id=event.order_id,
        valid_s=event.terms.reservation_valid_s,
        allocated=event.allocation is not None,
    )
    return Reaction(process) if process.allocated else _reserve(process, event.lines, fact)


def _reserve(
    process: InventoryProcess, units: Iterable[Line | Pick], fact: Fact, *, keep: int = 0, waits: bool = True
) -> Reaction[InventoryProcess]:
    """All of it or nothing: what is refused in one warehouse is not held in another."""
    items = _items(_by_place(units))
    expires_at = _valid_until(process, fact)

    def reserve(item: Item) -> Command:
        return ReserveStock(
            order_id=process.order_id,
            now=fact.occurred_at,
            expires_at=expires_at,
            correlation=fact.correlation,
            clock=fact.clock,
            keep=keep,
            waits=waits,
            **dict(item),
        )

    return Reaction(
        process.model_copy(update={"items": items}),
        _for_all(fact, items, reserve),
        (Deadline(order_key(fact), RESERVATION, expires_at),) if items else (),
    )


def _changed(
    process: InventoryProcess, changes: Iterable[UnitsChange], fact: Fact
) -> Reaction[InventoryProcess]:
    changed = process.with_units(changes)
    return _with_less(process, changed, process.units - changed.units, fact)


def _with_less(
    process: InventoryProcess, changed: InventoryProcess, fewer: Counter[Place], fact: Fact
) -> Reaction[InventoryProcess]:
    """So much is not wanted any more: it is let go, but for what a carrier has."""
    changed, beyond = _beyond(changed)
    let_go = _release(process, _items(fewer - beyond), fact)
    return _still_waiting(process, changed, (*_ship(process, beyond, fact), *let_go), fact)


def _still_waiting(
    process: InventoryProcess, changed: InventoryProcess, let_go: tuple[Group, ...], fact: Fact
) -> Reaction[InventoryProcess]:
    """What is not needed is let go. Where nothing is waited for any more, the time until the order is to
    be confirmed begins."""
    if changed.waits_for or not process.waits_for or process.confirmed:
        return Reaction(changed, let_go)
    held = _held_until(changed, fact, _valid_until(changed, fact))
    return replace(held, commands=(*let_go, *held.commands))


def _release(process: InventoryProcess, items: tuple[Item, ...], fact: Fact) -> tuple[Group, ...]:
    return _for_all(fact, items, lambda i: ReleaseStock(order_id=process.order_id, **dict(i)))


def _to_tell(process: InventoryProcess) -> Counter[Place]:
    """What is wanted, and no parcel has told of yet."""
    return Counter() if process.cancelled else process.units - _by_place(process.gone)


def _beyond(process: InventoryProcess) -> tuple[InventoryProcess, Counter[Place]]:
    """What a carrier was given, and no parcel will tell of: it is booked out, so that nobody else has it."""
    gone, away = _by_place(process.gone), _by_place(process.away)
    beyond = _by_place(process.handed) - _to_tell(process) - gone - away
    return process.model_copy(update={"away": _items(away + beyond)}), beyond


def _ship(process: InventoryProcess, units: Counter[Place], fact: Fact) -> tuple[Group, ...]:
    return _for_all(fact, _items(units), lambda i: ShipStock(order_id=process.order_id, **dict(i)))


def _handed_over(
    process: InventoryProcess, event: PickListHandedOver, fact: Fact
) -> Reaction[InventoryProcess]:
    handed = _by_place(process.handed)
    for line in event.lines if event.warehouse else ():
        handed[line.sku, str(event.warehouse)] += line.quantity
    process, beyond = _beyond(process.model_copy(update={"handed": _items(handed)}))
    return Reaction(process, _ship(process, beyond, fact))


def _dispatched(
    process: InventoryProcess, event: ShipmentDispatched, fact: Fact
) -> Reaction[InventoryProcess]:
    """Booked out, also what was called off too late; but not what nobody wanted any more and was before, nor
    what was found missing when it was picked, of which the parcel may not know."""
    said, gone, away = _in_parcel(event, process), _by_place(process.gone), _by_place(process.away)
    missing = _by_place(process.missing)
    pending = sum((units for _, units in _pending(process)), Counter[Place]())
    never_there = (said - (process.units - pending - gone)) & missing
    sent = said - never_there
    out = (sent - _to_tell(process)) & away
    told = {
        "gone": _items(gone + sent),
        "away": _items(away - out),
        "missing": _items(missing - never_there),
        "parcels": {**process.parcels, event.shipment_id: _items(sent)},
    }
    process, beyond = _beyond(process.model_copy(update=told))
    return Reaction(process, _ship(process, sent - out + beyond, fact))


def _returned(process: InventoryProcess, event: ShipmentReturned, fact: Fact) -> Reaction[InventoryProcess]:
    """What was booked out with the parcel is here again; where that was not kept yet, what it says."""
    said = _in_parcel(event, process) & process.units
    back = process.parcels.get(event.shipment_id, _items(said))
    return Reaction(
        process, _for_all(fact, back, lambda i: ReturnStock(order_id=process.order_id, **dict(i)))
    )


def _cancelled(process: InventoryProcess, fact: Fact) -> Reaction[InventoryProcess]:
    """What is held is let go, but for what was not found; what a carrier has, is out."""
    shorts = [_record(process, each, units & process.units, fact) for each, units in _pending(process)]
    process, beyond = _beyond(process.model_copy(update={"cancelled": True, "shorts": ()}))
    release = _for_all(
        fact,
        process.items,
        lambda i: ReleaseStock(order_id=process.order_id, sku=i.sku, warehouse=i.warehouse),
    )
    undone = _undone(process, fact)
    over = (Deadline(order_key(fact), RESERVATION, None),) if process.items else ()
    short = (group for groups in shorts for group in groups)
    commands = (*short, *_ship(process, beyond, fact), *release, *undone.commands)
    return replace(undone, commands=commands, deadlines=over)


def _grow(
    process: InventoryProcess, change: str, units: Mapping[Place, int], fact: Fact, *, keep: int = 0
) -> Reaction[InventoryProcess]:
    """What a change wants beyond what the order has is committed to it: all, or nothing."""
    growth, held = _items(units), process.units - _by_place(process.gone)

    def allocate(item: Item) -> Command:
        beside = min(held[item.sku, item.warehouse], UNITS_MAX)
        more = {**dict(item), "keep": keep, "beside": beside}
        return AllocateMoreStock(order_id=process.order_id, now=fact.occurred_at, **more)

    process = process.model_copy(
        update={**NO_GROWTH, "change": change, "grower": fact.event_id, "growth": growth}
    )
    return Reaction(process, _for_all(fact, growth, allocate))


def _revised(process: InventoryProcess, event: AllocationRevised, fact: Fact) -> Reaction[InventoryProcess]:
    """The plan is another: of what is held beyond it the stock learns that it was not found, and the rest is
    let go."""
    mine = event.cause == process.change
    held = process.units + (_by_place(process.growth) if mine else Counter())
    needed = _by_place(event.picks)
    record, short = _record_shorts(process, event, held - needed, fact)
    shorts = tuple(each for each in process.shorts if each.short_id != event.cause)
    plan = {"picks": event.picks, "shorts": shorts}
    changed = process.with_items(needed).model_copy(update={**(NO_GROWTH if mine else {}), **plan})
    reaction = _with_less(process, changed, held - needed - short, fact)
    return replace(reaction, commands=(*record, *reaction.commands))


def _record_shorts(
    process: InventoryProcess, event: AllocationRevised, beyond: Counter[Place], fact: Fact
) -> tuple[tuple[Group, ...], Counter[Place]]:
    """Whether a unit was the order's when it was not found, the plan alone says: it may have been let go, or
    be another line's, before it heard of it."""
    short = _by_place(event.short) & beyond
    told = next((each for each in process.shorts if each.short_id == event.cause), None)
    return (_record(process, told, short, fact) if told else ()), short


def _record(process: InventoryProcess, told: Short, units: Counter[Place], fact: Fact) -> tuple[Group, ...]:
    why = {"reason": told.reason, "note": told.note}
    return _for_all(
        fact, _items(units), lambda i: RecordShortPick(order_id=process.order_id, **why, **dict(i))
    )


def _pending(process: InventoryProcess) -> Iterator[tuple[Short, Counter[Place]]]:
    """What of the plan is known as not found, before the plan says so."""
    planned = _by_place(process.picks)
    for each in process.shorts:
        place = (each.item.sku, each.item.warehouse)
        units = max(0, min(each.item.quantity, planned[place] - each.left))
        planned[place] -= units
        yield each, Counter({place: units})


def _grown(process: InventoryProcess, event: StockAllocated, fact: Fact) -> Reaction[InventoryProcess]:
    """It is committed to the change; or let go again, where that came to nothing meanwhile."""
    place = f"{event.sku} {event.warehouse}"
    if leaving := process.leaving.get(fact.causation):
        let_go = tuple(i for i in leaving if f"{i.sku} {i.warehouse}" == place)
        left = tuple(i for i in leaving if i not in let_go)
        others = {name: items for name, items in process.leaving.items() if name != fact.causation}
        kept = {**others, fact.causation: left} if left else others
        return Reaction(process.model_copy(update={"leaving": kept}), _release(process, let_go, fact))
    mine = any(f"{i.sku} {i.warehouse}" == place for i in process.growth)
    if not mine or process.grower not in ("", fact.causation):
        return Reaction(process)
    return Reaction(process.model_copy(update={"grown": process.grown | {place}}))


def _undone(process: InventoryProcess, fact: Fact) -> Reaction[InventoryProcess]:
    """The change came to nothing: what it has taken is let go, and what it will yet take, too."""
    taken = tuple(i for i in process.growth if f"{i.sku} {i.warehouse}" in process.grown)
    coming = tuple(i for i in process.growth if i not in taken)
    leaving = {**process.leaving, process.grower: coming} if coming else process.leaving
    undone = process.model_copy(update={**NO_GROWTH, "leaving": leaving})
    return Reaction(undone, _release(process, taken, fact))


def _held_until(process: InventoryProcess, fact: Fact, expires_at: datetime) -> Reaction[InventoryProcess]:
    """What is reserved by now stays so until then, since other stock of the order is still to come."""

    def renew(item: Item) -> Command:
        place = {"order_id": process.order_id, "sku": item.sku, "warehouse": item.warehouse}
        return RenewReservation(**place, expires_at=expires_at)

    deadline = Deadline(order_key(fact), RESERVATION, expires_at)
    return Reaction(process, _for_all(fact, process.items, renew), (deadline,))


def _waiting(process: InventoryProcess, event: Backordered, fact: Fact) -> Reaction[InventoryProcess]:
    place = f"{event.sku} {event.warehouse}"
    if place not in {f"{each.sku} {each.warehouse}" for each in process.items}:
        return Reaction(process)  # called off meanwhile; what lets it go is on its way
    waits_for = process.waits_for | {place}
    return _held_until(process.model_copy(update={"waits_for": waits_for}), fact, event.expires_at)


def _filled(process: InventoryProcess, event: BackorderFilled, fact: Fact) -> Reaction[InventoryProcess]:
    """Once all of it is there, the time until it is to be confirmed begins."""
    waits_for = process.waits_for - {f"{event.sku} {event.warehouse}"}
    process = process.model_copy(update={"waits_for": waits_for})
    if waits_for or process.confirmed:
        return Reaction(process)
    return _held_until(process, fact, _valid_until(process, fact))


def _lapsed(process: InventoryProcess, event: DeadlineReached, fact: Fact) -> Reaction[InventoryProcess]:
    """The time is over: what is reserved is let go, what is waited for is waited for no more."""
    place = [{"order_id": process.order_id, "sku": i.sku, "warehouse": i.warehouse} for i in process.items]
    commands: list[ExpireReservation | CancelBackorder] = [ExpireReservation(**each) for each in place]
    if process.waits_for:
        commands += [CancelBackorder(**each, reason="expired") for each in place]
    targets = tuple(Target(stock_stream(fact.merchant, c.sku, c.warehouse), c) for c in commands)
    process = process.model_copy(update={"lapsed_at": event.due_at})
    return Reaction(process, (Group(targets),) if targets else ())


def _in_parcel(event: ShipmentDispatched | ShipmentReturned, process: InventoryProcess) -> Counter[Place]:
    """What the parcel says is in it; all of the order, where it does not say."""
    if not event.lines:
        return process.units
    return _by_place(event.lines)


def _picked_short(process: InventoryProcess, event: PickShorted, fact: Fact) -> Reaction[InventoryProcess]:
    """The stock learns of it, as far as the units are held yet, and not waited for. What is left is what will
    be booked out. Where the order is planned by rules, the plan says first which units they are."""
    item = Item(sku=event.sku, warehouse=event.warehouse, quantity=event.quantity)
    missing = _items(_by_place((*process.missing, item)))
    process = process.model_copy(update={"missing": missing})
    short = Short(
        short_id=f"{SHORT_PICK}{fact.event_id}",
        line=event.line,
        item=item,
        reason=event.reason,
        note=event.note,
        left=sum(line.quantity for line in event.left or ()),
    )
    if process.allocated:
        return Reaction(process.model_copy(update={"shorts": (*process.shorts, short)}))
    waits = f"{event.sku} {event.warehouse}" in process.waits_for
    units = Counter[Place]() if waits else _by_place([item]) & _not_there(process, short)
    process = process.model_copy(update={"items": _items(process.units - units)})
    return Reaction(process, _record(process, short, units, fact))


def _not_there(process: InventoryProcess, short: Short) -> Counter[Place]:
    """Of what is held, what the list has not, or had not before it left: what was not found may have been let
    go before."""
    left = Counter({(short.item.sku, short.item.warehouse): short.left})
    return (process.units - left) & (process.units - _by_place(process.gone))


def _replanned(
    process: InventoryProcess,
    event: AllocationChangePlanned | AllocationChangeFailed | AllocationChangeDropped | AllocationRevised,
    fact: Fact,
) -> Reaction[InventoryProcess]:
    """What becomes of a plan that stands, and of what is planned beside it."""
    match event:
        case _ if process.cancelled or not process.order_id:
            return Reaction(process)
        case AllocationChangePlanned(change_id=change, picks=picks, kept=kept):
            return _grow(process, change, _by_place(picks), fact, keep=kept)
        case AllocationChangeFailed(change_id=change):
            return Reaction(process.model_copy(update=NO_GROWTH) if change == process.change else process)
        case AllocationChangeDropped(
            change_id=change
        ):  # it may have been planned anew after its order gave up
            return _undone(process, fact) if change == process.change else Reaction(process)
        case AllocationRevised():
            return _revised(process, event, fact)


def react(process: InventoryProcess, fact: Fact) -> Reaction[InventoryProcess]:
    order_id, items = process.order_id, process.items
    no_deadline = (Deadline(order_key(fact), RESERVATION, None),) if items else ()

    def place(item: Item) -> dict[str, str]:
        return {"order_id": order_id, "sku": item.sku, "warehouse": item.warehouse}

    match fact.event:
        case OrderPlaced() as event if not process.order_id:
            return _placed(event, fact)
        case AllocationPlanned() as event if process.order_id and not process.cancelled:
            process = process.model_copy(update={"picks": event.picks})
            return _reserve(process, event.picks, fact, keep=event.kept, waits=event.waits)
        case OrderConfirmed():
            commands = _for_all(
                fact, items, lambda i: AllocateStock(**place(i), quantity=i.quantity, now=fact.occurred_at)
            )
            return Reaction(process.model_copy(update={"confirmed": True}), commands, no_deadline)
        case OrderCancelled():
            return _cancelled(process, fact)
        case OrderLinesCancelled() | OrderEditConfirmed() | OrderEdited() if process.allocated:
            return Reaction(process)  # the plan follows, and tells
        case (
            AllocationChangePlanned()
            | AllocationChangeFailed()
            | AllocationChangeDropped()
            | AllocationRevised() as event
        ):
            return _replanned(process, event, fact)
        case OrderLinesCancelled(units=units) | OrderEdited(units=units) if order_id:
            return _changed(process, units, fact)
        case OrderEditConfirmed(change_set_id=change, units=units) if units and order_id:
            return _grow(process, change, {(c.sku, c.warehouse): c.change for c in units}, fact)
        case StockAllocated() as event:
            return _grown(process, event, fact)
        case OrderEditDeclined(change_set_id=change) if process.growth and process.change in ("", change):
            return _undone(process, fact)
        case Backordered() | BackorderFilled() if process.cancelled:
            return Reaction(process)  # carried out late; what lets it go is on its way
        case Backordered() as event if not process.confirmed:
            return _waiting(process, event, fact)
        case BackorderFilled() as event:
            return _filled(process, event, fact)
        case PickShorted() as event if process.order_id:
            return _picked_short(process, event, fact)
        case DeadlineReached(name="reservation") as event if not process.confirmed:
            return _lapsed(process, event, fact)
        case PickListHandedOver(inferred=False) as event if process.order_id:
            return _handed_over(process, event, fact)
        case ShipmentDispatched() as event if process.order_id:
            return _dispatched(process, event, fact)
        case ShipmentReturned() as event if process.order_id:
            return _returned(process, event, fact)
        case _:
            return Reaction(process)


INVENTORY_AGENT = Agent(
    name="inventory",
    context="inventory",
    initial=InventoryProcess(),
    interests=(
        OrderPlaced,
        AllocationPlanned,
        AllocationChangePlanned,
        AllocationChangeFailed,
        AllocationChangeDropped,
        AllocationRevised,
        OrderConfirmed,
        OrderCancelled,
        OrderLinesCancelled,
        OrderEditConfirmed,
        OrderEdited,
        OrderEditDeclined,
        StockAllocated,
        Backordered,
        BackorderFilled,
        PickShorted,
        PickListHandedOver,
        DeadlineReached,
        ShipmentDispatched,
        ShipmentReturned,
    ),
    react=react,
    rule_version=11,
)

AGENTS = (INVENTORY_AGENT,)
