"""The shipping agent: asks for a parcel from each warehouse once the order is confirmed, keeps what is in it
as it is wanted, gives back labels that are not, and keeps the record of how each carrier's service fares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any, TypeAlias

from pydantic import AwareDatetime, Field, model_validator

from domain.allocation import AllocationPlanned, AllocationRevised, Pick
from domain.carrier import (
    CarrierChosen,
    ChangeParcel,
    HoldParcel,
    ParcelLine,
    ParcelSplit,
    ReaddressParcel,
    ReleaseParcel,
    RequestLabelVoid,
    RequestShipment,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentReturned,
)
from domain.carrier.track_record import MeasureDelivery
from domain.kernel import Command, Fact, Group, Reaction, Value, one
from domain.order import (
    Line,
    OrderAddressChanged,
    OrderCancelled,
    OrderConfirmed,
    OrderEdited,
    OrderHeld,
    OrderLinesCancelled,
    OrderParcelUnwanted,
    OrderPartShipped,
    OrderPlaced,
    OrderReleased,
    ParcelUnits,
    UnitsChange,
)
from domain.personal import Erased, Sealed
from domain.streams import parcel_id, shipment_stream, track_record_stream
from services.agents.agent import Agent

Place: TypeAlias = tuple[str, str]
"""A warehouse, and a product that is sent from there."""


class Carried(Value):
    """A parcel: what is in it, with whom, until when by their word, and how far it came.

    `emptied`: nothing was left to be sent in it, so its label is given back.
    """

    lines: tuple[ParcelLine, ...] = ()
    emptied: bool = False

    carrier: str = ""
    service: str = ""
    promised_at: AwareDatetime | None = None
    dispatched: bool = False
    ended: bool = False


class ShippingProcess(Value):
    """Where the order's parcels go; the recipient stays sealed. `lines` are to be sent, all in all.
    `requested`: parcels were asked for, and follow the order from then on; `over`: nothing is to be sent any
    more. `split_before`: people did so when
    nobody kept what is in which, so that it is for people to change them.
    """

    order_id: str = ""
    subject: str = ""
    recipient: Sealed | Erased = Erased()
    ship_to_state: str = ""
    shipping_method: str = ""
    lines: tuple[ParcelLine, ...] = ()
    allocated: bool = False
    requested: bool = False
    confirmed: bool = False
    over: bool = False
    held: bool = False
    parcels: dict[str, Carried] = Field(default_factory=dict)
    split_before: bool = False

    @model_validator(mode="before")
    @classmethod
    def _of_one_parcel(cls, kept: Any) -> Any:
        """As it was kept while all of an order was asked for in one parcel, which only people split."""
        if not isinstance(kept, Mapping) or "units" not in kept:
            return kept
        known = {name: each for name, each in kept.items() if name != "units"}
        known["split_before"] = len(kept["parcels"]) > 1
        if len(kept["parcels"]) == 1:
            known["parcels"] = {
                name: {**each, "lines": kept["lines"]} for name, each in kept["parcels"].items()
            }
        return known

    def parcel(self, shipment_id: str, **changed: object) -> ShippingProcess:
        parcel = self.parcels.get(shipment_id, Carried()).model_copy(update=changed)
        return self.model_copy(update={"parcels": {**self.parcels, shipment_id: parcel}})


def _placed(event: OrderPlaced) -> ShippingProcess:
    recipient = event.customer
    assert isinstance(recipient, Sealed | Erased), "agents never see personal data in the clear"
    return ShippingProcess(
        order_id=event.order_id,
        subject=event.subject,
        recipient=recipient,
        ship_to_state=event.ship_to_state,
        shipping_method=event.shipping_method,
        lines=() if event.allocation else _together(event.lines),
        allocated=event.allocation is not None,
    )


def _readdressed(
    process: ShippingProcess, event: OrderAddressChanged, fact: Fact
) -> Reaction[ShippingProcess]:
    """Also of what was asked for already, as long as it is here."""
    to = {"recipient": event.customer, "subject": event.subject, "ship_to_state": event.ship_to_state}
    commands = _each_here(process, fact, lambda name: ReaddressParcel(shipment_id=name, **to))
    return Reaction(process.model_copy(update=to), commands)


def _each_here(process: ShippingProcess, fact: Fact, command: Callable[[str], Command]) -> tuple[Group, ...]:
    """A group for each parcel that has not left: one that is refused must not hold up another."""
    return tuple(
        one(shipment_stream(fact.merchant, name), command(name))
        for name, parcel in process.parcels.items()
        if not (parcel.dispatched or parcel.emptied)
    )


def _together(units: Iterable[Line | Pick | ParcelLine | ParcelUnits]) -> tuple[ParcelLine, ...]:
    return _lines(_units(units))


def _units(units: Iterable[Line | Pick | ParcelLine | ParcelUnits]) -> Counter[Place]:
    wanted: Counter[Place] = Counter()
    for each in units:
        wanted[each.warehouse, each.sku] += each.quantity
    return wanted


def _lines(units: Mapping[Place, int]) -> tuple[ParcelLine, ...]:
    return tuple(ParcelLine(sku=s, warehouse=w, quantity=n) for (w, s), n in sorted(units.items()) if n > 0)


def _packed(process: ShippingProcess) -> dict[str, Counter[Place]]:
    """What is to be in each parcel: each unit that is wanted is in one, of the warehouse that it leaves from.

    What is too much is taken from the last ones that have not left; what is missing is added to the first
    one from there that has not, or else goes in a parcel of its own.
    """
    parcels = {name: _units(each.lines) for name, each in process.parcels.items() if not each.emptied}
    here = {name: units for name, units in parcels.items() if not process.parcels[name].dispatched}
    homes = {warehouse: name for name in reversed(here) for warehouse, _ in here[name]}
    missing = _units(process.lines)
    for packed in parcels.values():
        missing.subtract(packed)
    for place, units in sorted((-missing).items()):
        _take(place, units, here)
    for place, units in sorted((+missing).items()):
        if name := homes.get(place[0]) or _new(process, homes, place[0]):
            parcels.setdefault(name, Counter())[place] += units
    return parcels


def _take(place: Place, units: int, parcels: dict[str, Counter[Place]]) -> None:
    for name in reversed(parcels):
        taken = min(units, parcels[name][place])
        parcels[name][place] -= taken
        units -= taken


def _new(process: ShippingProcess, homes: dict[str, str], warehouse: str) -> str:
    """A further parcel, if one may leave: the first has the order's name, the others are numbered."""
    if process.held or not process.confirmed:
        return ""
    names = (parcel_id(process.order_id, number) for number in count(1))
    taken = process.parcels.keys() | homes.values()
    homes[warehouse] = next(name for name in names if name not in taken)
    return homes[warehouse]


def _arranged(process: ShippingProcess, fact: Fact) -> Reaction[ShippingProcess]:
    """The parcels as they are to be, and what must be asked for that.

    An order's parcels are asked for once it is confirmed, and nothing holds it.
    """
    if not (process.requested or process.confirmed) or process.split_before:
        return Reaction(process)
    commands: list[Group] = []
    for name, units in _packed(process).items():
        known, lines = process.parcels.get(name), _lines(units)
        if known is not None and known.dispatched:
            continue
        if known is None:
            process, command = process.model_copy(update={"requested": True}), _request(process, name, lines)
        elif not lines:
            process, command = process.parcel(name, emptied=True), RequestLabelVoid(shipment_id=name)
        elif lines != known.lines:
            command = _change(process, name, lines)
        else:
            continue
        process = process.parcel(name, lines=lines)
        commands.append(one(shipment_stream(fact.merchant, name), command))
    return Reaction(process, tuple(commands))


def _request(process: ShippingProcess, name: str, lines: tuple[ParcelLine, ...]) -> Command:
    return RequestShipment(
        shipment_id=name,
        order_id=process.order_id,
        subject=process.subject,
        recipient=process.recipient,
        ship_to_state=process.ship_to_state,
        units=sum(line.quantity for line in lines),
        lines=lines,
        shipping_method=process.shipping_method,
    )


def _change(process: ShippingProcess, name: str, lines: tuple[ParcelLine, ...]) -> Command:
    return ChangeParcel(shipment_id=name, lines=lines, beside=frozenset(process.parcels))


def _changed(
    process: ShippingProcess, units: tuple[UnitsChange, ...], fact: Fact
) -> Reaction[ShippingProcess]:
    """What was cut or changed goes with the parcel, or goes not."""
    wanted = _units(process.lines)
    for each in units:
        place = (each.warehouse, each.sku)
        wanted[place] = each.quantity
    return _arranged(process.model_copy(update={"lines": _lines(wanted)}), fact)


def _split(process: ShippingProcess, event: ParcelSplit, fact: Fact) -> Reaction[ShippingProcess]:
    """A person's wish. What we had asked of the parcel meanwhile is asked again, as it came too late."""
    left = _units(process.parcels.get(event.shipment_id, Carried()).lines)
    left.subtract(_units(event.lines))
    process = process.parcel(event.shipment_id, lines=_lines(left)).parcel(event.into, lines=event.lines)
    if process.over:
        into = one(shipment_stream(fact.merchant, event.into), RequestLabelVoid(shipment_id=event.into))
        return Reaction(process, (into,))
    arranged = _arranged(process, fact)
    if process.held:
        held = one(shipment_stream(fact.merchant, event.into), HoldParcel(shipment_id=event.into))
        arranged = replace(arranged, commands=(held, *arranged.commands))
    lines, stream = _lines(left), shipment_stream(fact.merchant, event.shipment_id)
    if not lines or any(target.stream == stream for group in arranged.commands for target in group.targets):
        return arranged
    again = one(stream, _change(process, event.shipment_id, lines))
    return replace(arranged, commands=(*arranged.commands, again))


def _dispatched(process: ShippingProcess, event: ShipmentDispatched, fact: Fact) -> Reaction[ShippingProcess]:
    """What was asked of it too late goes in another parcel. What was wanted of it, the order will say."""
    parcel = event.shipment_id
    lines = event.lines or process.parcels.get(parcel, Carried()).lines
    process = process.parcel(parcel, dispatched=True, emptied=False, lines=lines)
    return _arranged(process, fact) if event.lines else Reaction(process)


def _void_all(process: ShippingProcess, fact: Fact) -> tuple[Group, ...]:
    return _each_here(process, fact, lambda name: RequestLabelVoid(shipment_id=name))


def _ended(
    process: ShippingProcess, shipment_id: str, delivered_at: datetime | None, fact: Fact
) -> Reaction[ShippingProcess]:
    """The end of a parcel counts for its service, once; one that came back was not on time."""
    parcel = process.parcels.get(shipment_id, Carried())
    if parcel.ended or parcel.promised_at is None:
        return Reaction(process)
    late_s = (delivered_at - parcel.promised_at).total_seconds() if delivered_at else 0.0
    measure = MeasureDelivery(
        carrier=parcel.carrier,
        service=parcel.service,
        shipment_id=shipment_id,
        on_time=delivered_at is not None and late_s <= 0,
        days_late=max(0, -int(-late_s // 86_400)),
    )
    stream = track_record_stream(fact.merchant, parcel.carrier, parcel.service)
    return Reaction(process.parcel(shipment_id, ended=True), (one(stream, measure),))


def react(process: ShippingProcess, fact: Fact) -> Reaction[ShippingProcess]:
    match fact.event:
        case OrderPlaced() as event if not process.order_id:
            return Reaction(_placed(event))
        case _ if not process.order_id:
            return Reaction(process)  # of an order that nobody placed here
        case OrderHeld():
            commands = _each_here(process, fact, lambda name: HoldParcel(shipment_id=name))
            return Reaction(process.model_copy(update={"held": True}), commands)
        case OrderReleased(remaining=0):
            commands = _each_here(process, fact, lambda name: ReleaseParcel(shipment_id=name))
            arranged = _arranged(process.model_copy(update={"held": False}), fact)
            return replace(arranged, commands=(*commands, *arranged.commands))
        case OrderConfirmed():
            return _arranged(process.model_copy(update={"confirmed": True}), fact)
        case AllocationPlanned(picks=picks) | AllocationRevised(picks=picks):
            return _arranged(process.model_copy(update={"lines": _together(picks)}), fact)
        case OrderLinesCancelled() | OrderEdited() if process.allocated:
            return Reaction(process)  # what is to be sent its plan says, which follows
        case OrderLinesCancelled(units=units) | OrderEdited(units=units):
            return _changed(process, units, fact)
        case OrderAddressChanged() as event:
            return _readdressed(process, event, fact)
        case ParcelSplit() as event:
            return _split(process, event, fact)
        case CarrierChosen(shipment_id=parcel, option=option, promised_at=promised_at):
            names = {"carrier": option.carrier, "service": option.service}
            return Reaction(process.parcel(parcel, **names, promised_at=promised_at))
        case ShipmentDispatched() as event:
            return _dispatched(process, event, fact)
        case OrderPartShipped(shipment_id=parcel, units=units) if parcel in process.parcels:
            return _arranged(process.parcel(parcel, lines=_together(units)), fact)
        case OrderParcelUnwanted(shipment_id=parcel) if parcel in process.parcels:
            return _arranged(process.parcel(parcel, lines=()), fact)
        case ShipmentDelivered(shipment_id=parcel, happened_at=happened_at):
            return _ended(process, parcel, happened_at or fact.occurred_at, fact)
        case ShipmentReturned(shipment_id=parcel):
            return _ended(process, parcel, None, fact)
        case OrderCancelled():
            over = process.model_copy(update={"confirmed": False, "over": True})
            return Reaction(over, _void_all(process, fact))
        case _:
            return Reaction(process)


CARRIER_AGENT = Agent(
    name="shipping",
    context="carrier",
    initial=ShippingProcess(),
    interests=(
        OrderPlaced,
        AllocationPlanned,
        AllocationRevised,
        OrderConfirmed,
        OrderHeld,
        OrderReleased,
        OrderCancelled,
        OrderLinesCancelled,
        OrderPartShipped,
        OrderParcelUnwanted,
        OrderEdited,
        OrderAddressChanged,
        ParcelSplit,
        CarrierChosen,
        ShipmentDispatched,
        ShipmentDelivered,
        ShipmentReturned,
    ),
    react=react,
    rule_version=9,
)

AGENTS = (CARRIER_AGENT,)
