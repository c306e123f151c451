"""The carrier gateway: what we ask a carrier for, and which facts its words are.

One wire for every carrier: a parcel that a merchant's rules gave to a carrier goes to `/carriers/NAME/…`,
which `carrier_routes` finds the address of; any other to the house's carrier. A booking is an account of its
own there, known by the shipment's stream, and from the second one on by its number too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from domain.carrier import (
    CarrierChosen,
    LabelVoidRequested,
    Measures,
    RebookingRequested,
    RecordCarrierShipment,
    RecordUnavailable,
    Scan,
    Shipment,
    ShipmentRequested,
)
from domain.carrier.choice import Option
from domain.kernel import Command, Event, Fact
from domain.personal import Customer
from domain.streams import stream_parts
from services.gateways.carrier_desk import choose, knowing_who_is_suspended
from services.gateways.gateway import NOT_FOUND, REFUSALS, Account, Gateway, Request, account_path, gone

PATH = "/v1/shipments"
_CODE = re.compile("[a-z]+(_[a-z]+)*")
"""A carrier's word for something, no sentence and no name: `address_unknown`."""
SCANS = frozenset(Scan.model_fields["type"].annotation.__args__)  # type: ignore[union-attr]
Booking = ShipmentRequested | CarrierChosen | RebookingRequested
_BOOKINGS = (ShipmentRequested, CarrierChosen, RebookingRequested)


def _number(event: Event) -> int:
    """Which booking of the parcel it is about."""
    return 1 if isinstance(event, ShipmentRequested) else event.booking  # type: ignore[attr-defined]


def _option(event: Event) -> Option | None:
    return event.option if isinstance(event, CarrierChosen) else None


def account_id(stream: str, booking: int) -> str:
    return stream if booking == 1 else f"{stream}~{booking}"


def shipments_path(event: Event) -> str:
    """Of the carrier that the event is about."""
    option = _option(event)
    carrier = option.carrier if option else getattr(event, "carrier", "")
    return f"/carriers/{carrier}{PATH}" if carrier else PATH


def located(fact: Fact, _: object = None) -> str:
    return account_path(shipments_path(fact.event), account_id(fact.stream, _number(fact.event)))


def answered(event: Event, shipment: Shipment) -> bool:
    """A request that was answered by the choice of a carrier goes on with that."""
    if isinstance(event, LabelVoidRequested):
        return shipment.voids.get(event.booking, "no") in ("refused", "done")
    if not isinstance(event, _BOOKINGS):
        return True
    over = bool(shipment.tracking_number) or shipment.label_refused or shipment.void == "done"
    chosen = not isinstance(event, CarrierChosen) and shipment.option is not None
    return over or chosen or shipment.booking != _number(event)


def unwanted(event: Event, shipment: Shipment) -> bool:
    return isinstance(event, _BOOKINGS) and shipment.void != "no"


def request(fact: Fact, _: object = None) -> Request:
    match fact.event:
        case ShipmentRequested() | CarrierChosen() | RebookingRequested() as asked:
            booking = _booking(fact, asked)
            account = account_id(fact.stream, _number(asked))
            refusals, personal = REFUSALS - {NOT_FOUND}, _personal(booking["ship_to"])
            return Request("book", shipments_path(asked), booking, account, refusals, personal)
        case LabelVoidRequested():
            return Request("void", f"{located(fact)}/void", {}, fact.event_id)
    raise AssertionError(f"nobody is called for {type(fact.event).__name__}")


def _booking(fact: Fact, asked: Booking) -> dict[str, Any]:
    """The carrier is told who gets it and where, not who bought it; of one who is erased, the state only."""
    ship_to = {"state": asked.ship_to_state}
    if isinstance(asked.recipient, Customer):
        ship_to |= _where_to(asked.recipient)
    return {
        "shipment_id": fact.stream,
        "order_id": asked.order_id,
        "merchant": fact.merchant,
        "checkout": fact.correlation,
        "ship_to": ship_to,
        "units": asked.units,
        **_details(asked),
    }


def _where_to(to: Customer) -> dict[str, str]:
    """What nobody said is left out: what was booked before anybody could is asked again word for word."""
    more = ("name", "street", "country", "phone", "email", "note")
    said = {name: getattr(to, name) for name in more if getattr(to, name)}
    return {"zip_prefix": to.zip_prefix, "city": to.city, **said}


def _personal(ship_to: dict[str, str]) -> tuple[str, ...]:
    return tuple(value for name, value in ship_to.items() if name != "state")


def _details(asked: Booking) -> dict[str, Any]:
    """What the house's carrier does not ask about."""
    option, number = _option(asked), _number(asked)
    details: dict[str, Any] = {"booking": number} if number > 1 else {}
    if measures := (asked.weighed if isinstance(asked, CarrierChosen) else None) or asked.measures:
        details["measures"] = measures.model_dump(include=set(Measures.model_fields))
    return {**details, "service": option.service, "price_cents": option.cents} if option else details


def shows(event: Event, account: Account) -> bool:
    return isinstance(event, _BOOKINGS) or bool(account["voided"])


def record(stream: str, account: Account) -> RecordCarrierShipment:
    return RecordCarrierShipment(
        shipment_id=stream_parts(stream)[1],
        carrier=account["carrier"],
        tracking_number=account["tracking_number"],
        booking=account.get("booking", 1),
        service=account.get("service") or "",
        cents=account.get("price_cents"),
        voided=account["voided"],
        scans=scans(account["scans"]),
    )


def scans(told: Sequence[Account]) -> tuple[Scan, ...]:
    return tuple(_scan(each) for each in told)


def _scan(told: Account) -> Scan:
    """A kind of scan that we do not know is an exception for a person, with the carrier's own word for it.

    Nothing that a carrier writes in words is kept: it may be of a person, also of another parcel's, and no
    erasure would reach it.
    """
    known = told["type"] in SCANS
    word = str((told.get("detail") if known else told["type"]) or "")
    kept = {"type": told["type"] if known else "exception", "detail": word if _CODE.fullmatch(word) else ""}
    return Scan.model_validate({**told, **kept})


def refused(fact: Fact, shipment: Shipment, account: Account | None, reason: str) -> Command | None:
    """A booking that is refused goes to the next best; a label that can't be given back stays ours."""
    booking = _number(fact.event)
    if account is None and booking in shipment.labels:
        raise gone(fact.stream)
    shipment_id = stream_parts(fact.stream)[1]
    unknown = RecordCarrierShipment(shipment_id=shipment_id, carrier="", tracking_number="", booking=booking)
    if isinstance(fact.event, _BOOKINGS):
        return unknown.model_copy(update={"booking_refused": reason})
    if account is not None:
        return record(fact.stream, account).model_copy(update={"void_refused": reason})
    return unknown.model_copy(update={"voided": True})


def unavailable(fact: Fact, attempts: int) -> Command:
    call = "void" if isinstance(fact.event, LabelVoidRequested) else "book"
    shipment_id = stream_parts(fact.stream)[1]
    return RecordUnavailable(
        shipment_id=shipment_id, call=call, attempts=attempts, booking=_number(fact.event)
    )


def told(stream: str, data: Account) -> Command:
    """A webhook carries a single scan."""
    return RecordCarrierShipment(
        shipment_id=stream_parts(stream)[1],
        carrier=data["carrier"],
        tracking_number=data["tracking_number"],
        booking=data.get("booking", 1),
        service=data.get("service") or "",
        cents=data.get("price_cents"),
        scans=scans((data["scan"],)),
    )


CARRIER_GATEWAY = Gateway(
    name="carrier",
    category="shipment",
    subject="shipment_id",
    path=PATH,
    interests=(*_BOOKINGS, LabelVoidRequested),
    answered=answered,
    unwanted=unwanted,
    request=request,
    shows=shows,
    record=record,
    refused=refused,
    unavailable=unavailable,
    told=told,
    located=located,
    prepare=choose,
    informed=knowing_who_is_suspended,
    addressee=lambda shipment: (shipment.subject, shipment.recipient),
)

GATEWAYS = (CARRIER_GATEWAY,)
