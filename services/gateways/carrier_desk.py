"""Which carrier gets a parcel? The merchant's carriers, rates, rule and track records, and the services that
it names for the way of shipping that was paid for, read and compared.

A parcel of a merchant without rate cards is not chosen for: it goes with the house's carrier.
"""

from __future__ import annotations

from datetime import datetime

from commands.carrier_desk import (
    carriers_of,
    currency_of,
    parcel_of,
    services_for,
    track_records,
    weighed_for,
)
from commands.executor import Executor
from domain.carrier import (
    ChooseCarrier,
    RebookingRequested,
    RecordCarrierShipment,
    RecordUnavailable,
    ShipmentRequested,
)
from domain.carrier.carriers import Carriers, options, quotes
from domain.carrier.choice import fulfilling, ranked, reason
from domain.carrier.rates import NotServed, Parcel
from domain.carrier.shipment_messages import OPTIONS_MAX
from domain.kernel import Command, Fact


async def choose(fact: Fact, executor: Executor, now: datetime) -> Command | None:
    """The command that chooses; None where the event asks for no choice, or nothing is there to choose from.

    The recipient of the event is open, or erased.
    """
    if not isinstance(fact.event, ShipmentRequested | RebookingRequested):
        return None
    carriers = await carriers_of(executor, fact.merchant)
    if not carriers.chooses:
        return None
    weighed = await weighed_for(executor, fact, fact.event, carriers)
    parcel = parcel_of(fact.event, weighed)
    records = await track_records(executor, fact.merchant, carriers)
    method = fact.event.shipping_method
    named = await services_for(executor, fact.merchant, method)
    currency = await currency_of(executor, fact.merchant, fact.event.order_id)
    offered = fulfilling(method, named, options(carriers, parcel, now, records))
    found = ranked(carriers.rule, offered, currency)
    wanted = method if named else ""
    why = reason(carriers.rule, found, currency, wanted) if found else why_nobody(carriers, parcel, now)
    return ChooseCarrier(
        shipment_id=fact.event.shipment_id,
        booking=fact.event.booking if isinstance(fact.event, RebookingRequested) else 1,
        options=found[:OPTIONS_MAX],
        reason=f"{why}; {weighed.words}",
        weighed=weighed,
        now=now,
    )


async def knowing_who_is_suspended(fact: Fact, command: Command, executor: Executor) -> Command:
    """What may have the parcel booked with the next best, chosen a while ago: with who gets nothing new."""
    refused = isinstance(command, RecordCarrierShipment) and command.booking_refused
    if not (refused or (isinstance(command, RecordUnavailable) and command.call == "book")):
        return command
    carriers = (await carriers_of(executor, fact.merchant)).carriers
    suspended = tuple(sorted(name for name, each in carriers.items() if each.suspended))
    return command.model_copy(update={"suspended": suspended})


def why_nobody(carriers: Carriers, parcel: Parcel, now: datetime) -> str:
    """What each service says."""
    told = [
        f"{carrier} {each.service}: {each.why}"
        for carrier, _, each in quotes(carriers, parcel, now)
        if isinstance(each, NotServed)
    ]
    said = "; ".join(told) or "all are suspended, or their rates do not hold yet"
    return f"no carrier takes the parcel: {said}"[:900]
