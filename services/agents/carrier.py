"""The shipping agent: asks for a parcel's label once the order is confirmed, gives it back on cancel, and
keeps the record of how each carrier's service fares with our parcels."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from pydantic import AwareDatetime, Field

from domain.carrier import (
    CarrierChosen,
    ChangeParcel,
    ParcelLine,
    ParcelSplit,
    RequestLabelVoid,
    RequestShipment,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentReturned,
)
from domain.carrier.track_record import MeasureDelivery
from domain.kernel import Fact, Group, Reaction, Value, one
from domain.order import (
    Line,
    OrderAddressChanged,
    OrderCancelled,
    OrderConfirmed,
    OrderEdited,
    OrderHeld,
    OrderLinesCancelled,
    OrderPlaced,
    OrderReleased,
    UnitsChange,
)
from domain.personal import Erased, Sealed
from domain.streams import shipment_stream, track_record_stream
from services.agents.agent import Agent


class Carried(Value):
    """A parcel: with whom, until when by their word, and how far it came."""

    carrier: str = ""
    service: str = ""
    promised_at: AwareDatetime | None = None
    dispatched: bool = False
    ended: bool = False


class ShippingProcess(Value):
    """Where the order's parcels go; the recipient stays sealed."""

    order_id: str = ""
    subject: str = ""
    recipient: Sealed | Erased = Erased()
    ship_to_state: str = ""
    units: int = 0
    lines: tuple[ParcelLine, ...] = ()
    requested: bool = False
    confirmed: bool = False
    held: bool = False
    parcels: dict[str, Carried] = Field(default_factory=dict)

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
        units=sum(line.quantity for line in event.lines),
        lines=_in_parcel(event.lines),
    )


def _readdressed(process: ShippingProcess, event: OrderAddressChanged) -> ShippingProcess:
    to = {"recipient": event.customer, "subject": event.subject, "ship_to_state": event.ship_to_state}
    return process.model_copy(update=to)


def _in_parcel(lines: tuple[Line, ...]) -> tuple[ParcelLine, ...]:
    wanted: Counter[tuple[str, str]] = Counter()
    for line in lines:
        wanted[line.sku, line.warehouse] += line.quantity
    return tuple(ParcelLine(sku=s, warehouse=w, quantity=n) for (s, w), n in sorted(wanted.items()))


def _go_on(process: ShippingProcess, fact: Fact) -> Reaction[ShippingProcess]:
    """A parcel is asked for once the order is confirmed, and nothing holds it.

    It is one of all that was ordered; a person, or the warehouse, may split it.
    """
    if not (process.confirmed and process.units) or process.held or process.requested:
        return Reaction(process)
    request = RequestShipment(
        shipment_id=process.order_id,
        order_id=process.order_id,
        subject=process.subject,
        recipient=process.recipient,
        ship_to_state=process.ship_to_state,
        units=process.units,
        lines=process.lines,
    )
    process = process.parcel(process.order_id).model_copy(update={"requested": True})
    return Reaction(process, (one(shipment_stream(fact.merchant, process.order_id), request),))


def _changed(
    process: ShippingProcess, units: tuple[UnitsChange, ...], fact: Fact
) -> Reaction[ShippingProcess]:
    """What was cut or changed goes with the parcel, or goes not. Of several parcels a person says which."""
    left = {(line.sku, line.warehouse): line.quantity for line in process.lines}
    left.update({(each.sku, each.warehouse): each.quantity for each in units})
    lines = tuple(ParcelLine(sku=s, warehouse=w, quantity=n) for (s, w), n in sorted(left.items()) if n > 0)
    total = sum(line.quantity for line in lines)
    process = process.model_copy(update={"lines": lines, "units": total})
    if not process.requested or len(process.parcels) > 1:
        return Reaction(process)
    stream = shipment_stream(fact.merchant, process.order_id)
    return Reaction(process, (one(stream, ChangeParcel(shipment_id=process.order_id, lines=lines)),))


def _void_all(process: ShippingProcess, fact: Fact) -> tuple[Group, ...]:
    """A group for each label: one that is refused must not hold up another."""
    return tuple(
        one(shipment_stream(fact.merchant, shipment_id), RequestLabelVoid(shipment_id=shipment_id))
        for shipment_id, parcel in process.parcels.items()
        if not parcel.dispatched
    )


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
            return Reaction(process.model_copy(update={"held": True}))
        case OrderReleased(remaining=remaining):
            return _go_on(process.model_copy(update={"held": remaining > 0}), fact)
        case OrderConfirmed():
            return _go_on(process.model_copy(update={"confirmed": True}), fact)
        case OrderLinesCancelled(units=units) | OrderEdited(units=units):
            return _changed(process, units, fact)
        case OrderAddressChanged() as event if not process.requested:
            return Reaction(_readdressed(process, event))
        case ParcelSplit(into=into):
            return Reaction(process.parcel(into))
        case CarrierChosen(shipment_id=parcel, option=option, promised_at=promised_at):
            names = {"carrier": option.carrier, "service": option.service}
            return Reaction(process.parcel(parcel, **names, promised_at=promised_at))
        case ShipmentDispatched(shipment_id=parcel):
            return Reaction(process.parcel(parcel, dispatched=True))
        case ShipmentDelivered(shipment_id=parcel, happened_at=happened_at):
            return _ended(process, parcel, happened_at or fact.occurred_at, fact)
        case ShipmentReturned(shipment_id=parcel):
            return _ended(process, parcel, None, fact)
        case OrderCancelled():
            return Reaction(process.model_copy(update={"confirmed": False}), _void_all(process, fact))
        case _:
            return Reaction(process)


CARRIER_AGENT = Agent(
    name="shipping",
    context="carrier",
    initial=ShippingProcess(),
    interests=(
        OrderPlaced,
        OrderConfirmed,
        OrderHeld,
        OrderReleased,
        OrderCancelled,
        OrderLinesCancelled,
        OrderEdited,
        OrderAddressChanged,
        ParcelSplit,
        CarrierChosen,
        ShipmentDispatched,
        ShipmentDelivered,
        ShipmentReturned,
    ),
    react=react,
    rule_version=3,
)

AGENTS = (CARRIER_AGENT,)
