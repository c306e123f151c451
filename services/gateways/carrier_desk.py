"""Which carrier gets a parcel? The merchant's carriers, rates, rule and track records, read and weighed.

A parcel of a merchant without rate cards is not chosen for: it goes with the house's carrier.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from commands.executor import Executor
from domain.carrier import CarrierChosen, ChooseCarrier, RebookingRequested, ShipmentRequested
from domain.carrier.carriers import Carriers, options, quotes
from domain.carrier.choice import Record, ranked, reason
from domain.carrier.rates import NotServed, Parcel
from domain.carrier.shipment_messages import OPTIONS_MAX
from domain.kernel import Command, Fact
from domain.personal import Customer
from domain.streams import carriers_stream, track_record_stream


async def choose(fact: Fact, executor: Executor, now: datetime) -> Command | None:
    """The command that chooses; None where the event asks for no choice, or nothing is there to choose from.

    The recipient of the event is open, or erased.
    """
    if not isinstance(fact.event, ShipmentRequested | RebookingRequested):
        return None
    carriers = await carriers_of(executor, fact.merchant)
    if not carriers.chooses:
        return None
    parcel = parcel_of(fact.event, carriers)
    records = await track_records(executor, fact.merchant, carriers)
    found = ranked(carriers.rule, options(carriers, parcel, now, records))
    return ChooseCarrier(
        shipment_id=fact.event.shipment_id,
        booking=fact.event.booking if isinstance(fact.event, RebookingRequested) else 1,
        options=found[:OPTIONS_MAX],
        reason=reason(carriers.rule, found) if found else why_nobody(carriers, parcel, now),
        now=now,
    )


async def carriers_of(executor: Executor, merchant: str) -> Carriers:
    (loaded,) = await executor.states.load([carriers_stream(merchant)])
    state: Carriers = loaded.state
    return state


async def track_records(
    executor: Executor, merchant: str, carriers: Carriers
) -> Mapping[tuple[str, str], Record]:
    """By carrier and service, of those that are in any of its last cards."""
    services = sorted(
        {
            (name, service.service)
            for name, carrier in carriers.carriers.items()
            for card in carrier.cards[-2:]
            for service in card.services
        }
    )
    loaded = await executor.states.load([track_record_stream(merchant, *each) for each in services])
    return {each: state.state.record for each, state in zip(services, loaded, strict=True)}


def parcel_of(asked: ShipmentRequested | RebookingRequested | CarrierChosen, carriers: Carriers) -> Parcel:
    """As it was measured, else as many units as are in it, one upon the other."""
    to = asked.recipient
    where = {"region": asked.ship_to_state, "zip_prefix": to.zip_prefix if isinstance(to, Customer) else ""}
    units = max(1, asked.units)
    if asked.measures:
        return Parcel(units=units, **where, **dict(asked.measures))
    unit = carriers.unit
    return Parcel(
        units=units,
        weight_g=min(10**8, units * unit.weight_g),
        length_mm=unit.length_mm,
        width_mm=unit.width_mm,
        height_mm=min(10**5, units * unit.height_mm),
        **where,
    )


def why_nobody(carriers: Carriers, parcel: Parcel, now: datetime) -> str:
    """What each service says."""
    told = [
        f"{carrier} {each.service}: {each.why}"
        for carrier, _, each in quotes(carriers, parcel, now)
        if isinstance(each, NotServed)
    ]
    said = "; ".join(told) or "all are suspended, or their rates do not hold yet"
    return f"no carrier takes the parcel: {said}"[:1000]
