"""How reliable is a service, by our own parcels? The ends of the last ones, each on time or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from domain.carrier.choice import Record
from domain.carrier.rates import Name
from domain.kernel import Command, Decider, Event

WINDOW = 200
"""Parcels that count: a service that has mended its ways is not held to its past for ever."""


class DeliveryMeasured(Event):
    """The end of a parcel: on time, or late, sent back or lost."""

    carrier: Name
    service: Name
    shipment_id: str
    on_time: bool
    days_late: int = 0


class MeasureDelivery(Command):
    carrier: Name
    service: Name
    shipment_id: str
    on_time: bool
    days_late: int = 0


TrackRecordEvent: TypeAlias = DeliveryMeasured


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """The last parcels, the oldest first."""

    ends: tuple[tuple[str, bool], ...] = ()

    @property
    def record(self) -> Record:
        return sum(on_time for _, on_time in self.ends), len(self.ends)


def decide(command: MeasureDelivery, state: TrackRecord) -> tuple[DeliveryMeasured, ...]:
    known = any(shipment == command.shipment_id for shipment, _ in state.ends)
    return () if known else (DeliveryMeasured(**dict(command)),)


def evolve(state: TrackRecord, event: DeliveryMeasured) -> TrackRecord:
    return TrackRecord((*state.ends, (event.shipment_id, event.on_time))[-WINDOW:])


TRACK_RECORD: Decider[MeasureDelivery, DeliveryMeasured, TrackRecord] = Decider(
    "trackrecord",
    decide,
    evolve,
    TrackRecord(),
    events=(DeliveryMeasured,),
    commands=(MeasureDelivery,),
    parts=("merchant", "carrier", "service"),
)
