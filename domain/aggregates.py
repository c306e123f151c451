"""All aggregates by the category of their streams, and all event types by their stored name."""

from __future__ import annotations

from typing import Any

from domain.api_key import API_KEY
from domain.carrier.carriers import CARRIERS
from domain.carrier.invoice import CARRIER_INVOICE
from domain.carrier.manifest import MANIFEST
from domain.carrier.track_record import TRACK_RECORD
from domain.catalogue import CATEGORY, PRODUCT
from domain.deadline import DEADLINE
from domain.erasure import ERASURE
from domain.kernel import Command, Decider, Event
from domain.mail import MAIL
from domain.merchant import MERCHANT
from domain.order import ORDER
from domain.parked import PARKED
from domain.payment import PAYMENT
from domain.shipment import SHIPMENT
from domain.stock import STOCK
from domain.user import USER

AnyDecider = Decider[Any, Any, Any]

AGGREGATES: dict[str, AnyDecider] = {
    each.category: each
    for each in (
        ORDER,
        STOCK,
        PAYMENT,
        SHIPMENT,
        CARRIERS,
        TRACK_RECORD,
        MANIFEST,
        CARRIER_INVOICE,
        MERCHANT,
        PRODUCT,
        CATEGORY,
        DEADLINE,
        USER,
        API_KEY,
        MAIL,
        PARKED,
        ERASURE,
    )
}

EVENT_TYPES: dict[str, type[Event]] = {
    event.__name__: event for each in AGGREGATES.values() for event in each.events
}

COMMAND_TYPES: dict[str, type[Command]] = {
    f"{each.category}.{command.__name__}": command
    for each in AGGREGATES.values()
    for command in each.commands
}


def aggregate_of(stream: str) -> AnyDecider:
    """The decider whose state the stream holds; KeyError for an unknown category."""
    return AGGREGATES[stream.partition("-")[0]]
