"""The carrier gateway: what we ask a carrier for, and which facts its words are."""

from __future__ import annotations

from typing import Any

from domain.carrier import (
    LabelVoidRequested,
    RecordCarrierShipment,
    RecordUnavailable,
    Scan,
    Shipment,
    ShipmentRequested,
)
from domain.kernel import Command, Event, Fact
from domain.personal import Customer
from domain.streams import stream_parts
from services.gateways.gateway import NOT_FOUND, REFUSALS, Account, Gateway, Request, account_path, gone

PATH = "/v1/shipments"


def answered(event: Event, shipment: Shipment) -> bool:
    match event:
        case ShipmentRequested():
            return bool(shipment.tracking_number) or shipment.label_refused or shipment.void == "done"
        case LabelVoidRequested():
            return shipment.void in ("refused", "done")
    return True


def unwanted(event: Event, shipment: Shipment) -> bool:
    return isinstance(event, ShipmentRequested) and shipment.void != "no"


def request(fact: Fact) -> Request:
    stream = fact.stream
    match fact.event:
        case ShipmentRequested() as asked:
            return Request("book", PATH, _booking(fact, asked), stream, REFUSALS - {NOT_FOUND})
        case LabelVoidRequested():
            return Request("void", f"{account_path(PATH, stream)}/void", {}, fact.event_id)
    raise AssertionError(f"nobody is called for {type(fact.event).__name__}")


def _booking(fact: Fact, asked: ShipmentRequested) -> dict[str, Any]:
    """The carrier is told where to, and no more of the recipient; of one who is erased, the state only."""
    ship_to = {"state": asked.ship_to_state}
    if isinstance(asked.recipient, Customer):
        ship_to |= {"zip_prefix": asked.recipient.zip_prefix, "city": asked.recipient.city}
    return {
        "shipment_id": fact.stream,
        "order_id": asked.order_id,
        "merchant": fact.merchant,
        "checkout": fact.correlation,
        "ship_to": ship_to,
        "units": asked.units,
    }


def shows(event: Event, account: Account) -> bool:
    return isinstance(event, ShipmentRequested) or bool(account["voided"])


def record(stream: str, account: Account) -> RecordCarrierShipment:
    return RecordCarrierShipment(
        shipment_id=stream_parts(stream)[1],
        carrier=account["carrier"],
        tracking_number=account["tracking_number"],
        voided=account["voided"],
        scans=tuple(Scan.model_validate(each) for each in account["scans"]),
    )


def refused(fact: Fact, shipment: Shipment, account: Account | None, reason: str) -> Command | None:
    """A booking that is refused is a fact for a person; a label that can't be given back stays ours."""
    if account is None and shipment.tracking_number:
        raise gone(fact.stream)
    shipment_id = stream_parts(fact.stream)[1]
    unknown = RecordCarrierShipment(shipment_id=shipment_id, carrier="", tracking_number="")
    if isinstance(fact.event, ShipmentRequested):
        return unknown.model_copy(update={"booking_refused": reason})
    if account is not None:
        return record(fact.stream, account).model_copy(update={"void_refused": reason})
    return unknown.model_copy(update={"voided": True})


def unavailable(fact: Fact, attempts: int) -> Command:
    call = "book" if isinstance(fact.event, ShipmentRequested) else "void"
    return RecordUnavailable(shipment_id=stream_parts(fact.stream)[1], call=call, attempts=attempts)


def told(stream: str, data: Account) -> Command:
    """A webhook carries a single scan."""
    return RecordCarrierShipment(
        shipment_id=stream_parts(stream)[1],
        carrier=data["carrier"],
        tracking_number=data["tracking_number"],
        scans=(Scan.model_validate(data["scan"]),),
    )


CARRIER_GATEWAY = Gateway(
    name="carrier",
    category="shipment",
    subject="shipment_id",
    path=PATH,
    interests=(ShipmentRequested, LabelVoidRequested),
    answered=answered,
    unwanted=unwanted,
    request=request,
    shows=shows,
    record=record,
    refused=refused,
    unavailable=unavailable,
    told=told,
)

GATEWAYS = (CARRIER_GATEWAY,)
