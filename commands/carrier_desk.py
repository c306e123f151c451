"""What is known of carriers when one is to be chosen: their rates, its rule, their track records."""

from __future__ import annotations

from collections.abc import Mapping

from commands.executor import Executor
from domain.carrier import CarrierChosen, RebookingRequested, ShipmentRequested
from domain.carrier.carriers import Carriers
from domain.carrier.choice import Record
from domain.carrier.rates import Parcel
from domain.personal import Customer
from domain.streams import carriers_stream, track_record_stream


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
