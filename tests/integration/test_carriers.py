"""Is a parcel given to the carrier that the rule chooses, and to the next best where that one fails?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from domain.carrier import BookingFailed, CarrierChosen, LabelBought, LabelRefused, ShipmentDispatched
from domain.carrier.carriers import AddCarrier, PublishRateCard, SetChoiceRule, SuspendCarrier, UnitMeasures
from domain.carrier.choice import ChoiceRule, Preference
from domain.carrier.rates import Band, RateCard, Service, Zone
from domain.cart.storefront import SetStorefront, ShippingMethod, ShippingService, StorefrontSettings
from domain.streams import carriers_stream, storefront_stream
from services.gateways.carrier_desk import choose
from tests.integration.test_gateways import System, Worlds

LONG_AGO = datetime(2016, 1, 1, tzinfo=UTC)
ANYWHERE = Zone(zone="all", regions=("*",))


def service(name: str, cents: int, days: int) -> Service:
    bands = (Band(zone="all", up_to_g=50_000, cents=cents),)
    return Service(service=name, days=days, zones=(ANYWHERE,), bands=bands)


CARDS = {
    "swift": (service("express", 2_000, 1), service("calm", 900, 6)),
    "post": (service("parcel", 1_000, 4),),
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Worlds]:
    made = Worlds(tmp_path_factory.mktemp("worlds"))
    yield made  # type: ignore[misc]
    made.end()


@pytest.fixture
async def system(database: str, worlds: Worlds) -> AsyncIterator[System]:
    async with AsyncExitStack() as stack:
        made = System(database, worlds)
        await made.open(stack)
        yield made
        await made.call(made.carrier, "PUT", "/control/carriers", {})
        await made.close()


async def with_carriers(system: System, prefer: Preference = "cost") -> None:
    stream = carriers_stream(system.merchant)
    for name, services in CARDS.items():
        await system.command(stream, AddCarrier(carrier=name))
        card = RateCard(currency="BRL", effective_from=LONG_AGO, services=services)
        await system.command(
            stream, PublishRateCard(carrier=name, expected_version=0, card=card, now=LONG_AGO)
        )
    await system.command(stream, SetChoiceRule(rule=ChoiceRule(prefer=prefer), unit=UnitMeasures()))


async def chosen(system: System, stream: str) -> list[str]:
    facts = await system.facts(stream)
    return [f.event.option.name for f in facts if isinstance(f.event, CarrierChosen)]


DELIVERED = ("ShipmentScanned", "ShipmentDispatched", "ShipmentScanned", "ShipmentDelivered")


@pytest.mark.parametrize(
    ("prefer", "best", "cents"), [("cost", "swift calm", 900), ("speed", "swift express", 2_000)]
)
async def test_the_rule_chooses_and_the_chosen_carrier_carries(
    system: System, prefer: Preference, best: str, cents: int
) -> None:
    await with_carriers(system, prefer)
    stream = await system.book("s1")
    facts = await system.until(stream, "ShipmentRequested", "CarrierChosen", "LabelBought", *DELIVERED)
    assert await chosen(system, stream) == [best]
    bought = facts[2].event
    assert isinstance(bought, LabelBought)
    carrier, name = best.split()
    assert (bought.carrier, bought.service, bought.cents) == (carrier, name, cents)
    await system.at_rest()


async def with_methods(system: System, *named: tuple[str, str]) -> None:
    services = tuple(ShippingService(carrier=carrier, service=each) for carrier, each in named)
    method = ShippingMethod(method="fast", currency="BRL", amount_cents=2_500, services=services)
    settings = StorefrontSettings(shipping=(method,))
    await system.command(storefront_stream(system.merchant), SetStorefront(settings=settings))


async def why(system: System, stream: str) -> list[str]:
    facts = await system.facts(stream)
    return [fact.event.reason for fact in facts if isinstance(fact.event, CarrierChosen)]


async def test_a_parcel_goes_by_the_way_of_shipping_that_was_paid_for(system: System) -> None:
    await with_carriers(system)
    await with_methods(system, ("swift", "express"))
    paid, unpaid = await system.book("s1", "fast"), await system.book("s2", "by balloon")
    for stream in (paid, unpaid):
        await system.until(stream, "ShipmentRequested", "CarrierChosen", "LabelBought", *DELIVERED)
    assert await chosen(system, paid) == ["swift express"]
    assert (await why(system, paid))[0].startswith("swift express is the cheapest of 1 that fulfil fast:")
    assert await chosen(system, unpaid) == ["swift calm"]
    await system.at_rest()


async def test_where_nothing_fulfils_the_paid_way_of_shipping_the_parcel_goes_all_the_same(
    system: System,
) -> None:
    await with_carriers(system)
    await with_methods(system, ("swift", "express"))
    await system.call(system.carrier, "PUT", "/control/carriers", {"refused": ["swift/express"]})
    refused = await system.book("s1", "fast")
    again = ("CarrierChosen", "BookingFailed", "CarrierChosen", "LabelBought")
    await system.until(refused, "ShipmentRequested", *again, *DELIVERED)
    assert await chosen(system, refused) == ["swift express", "swift calm"]
    assert "though it is not named for fast" in (await why(system, refused))[1]
    await with_methods(system, ("nobody", "express"))
    unserved = await system.book("s2", "fast")
    await system.until(unserved, "ShipmentRequested", "CarrierChosen", "LabelBought", *DELIVERED)
    assert await chosen(system, unserved) == ["swift calm"]
    assert (await why(system, unserved))[0].count("; no service that fulfils fast takes the parcel; ")
    await system.at_rest()


async def test_the_booked_service_fails_and_the_next_best_carries(system: System) -> None:
    await with_carriers(system)
    await system.call(system.carrier, "PUT", "/control/carriers", {"refused": ["swift/calm"]})
    stream = await system.book("s1")
    await system.until(
        stream,
        "ShipmentRequested",
        "CarrierChosen",
        "BookingFailed",
        "CarrierChosen",
        "LabelBought",
        *DELIVERED,
    )
    assert await chosen(system, stream) == ["swift calm", "post parcel"]
    await system.at_rest()


async def test_where_every_service_refuses_a_person_must_look(system: System) -> None:
    await with_carriers(system)
    await system.call(system.carrier, "PUT", "/control/carriers", {"refused": ["swift", "post"]})
    stream = await system.book("s1")
    failed = ("BookingFailed", "CarrierChosen") * 2
    await system.until(stream, "ShipmentRequested", "CarrierChosen", *failed, "LabelRefused")
    await system.at_rest()


async def test_a_carrier_that_is_down_is_left_for_another_and_its_label_is_taken_back(
    system: System,
) -> None:
    await with_carriers(system)
    await system.call(system.carrier, "PUT", "/control/carriers", {"down": ["swift"]})
    stream = await system.book("s1")

    booked = ("ShipmentRequested", "CarrierChosen", "BookingFailed", "CarrierChosen", "LabelVoidRequested")
    await system.until(stream, *booked, "LabelBought", *DELIVERED)
    assert await chosen(system, stream) == ["swift calm", "post parcel"]
    await system.call(system.carrier, "PUT", "/control/carriers", {})
    await system.until(stream, *booked, "LabelBought", *DELIVERED, "LabelVoided")
    await system.at_rest()


async def test_a_carrier_that_booked_and_did_not_say_so_ships_nothing_twice(system: System) -> None:
    """Time-outs after success, of every booking of both carriers: whoever is believed at last, the parcel is
    dispatched once, and one label is left that is not taken back."""
    await with_carriers(system)
    await system.faults(system.carrier, timeout_after=0.9)
    streams = [await system.book(f"s{number}") for number in range(8)]
    await system.until_dispatched(streams)
    await system.faults(system.carrier)
    await system.at_rest()
    for stream in streams:
        facts = await system.facts(stream)
        assert sum(isinstance(fact.event, ShipmentDispatched) for fact in facts) == 1
        (state,) = await system.executor.states.load([stream])
        kept = [n for n in state.state.labels if state.state.voids.get(n, "no") != "done"]
        assert len(kept) == 1, [type(fact.event).__name__ for fact in facts]


async def test_a_suspended_carrier_is_not_chosen(system: System) -> None:
    await with_carriers(system)
    await system.command(carriers_stream(system.merchant), SuspendCarrier(carrier="swift"))
    stream = await system.book("s1")
    await system.until(stream, "ShipmentRequested", "CarrierChosen", "LabelBought", *DELIVERED)
    assert await chosen(system, stream) == ["post parcel"]


async def test_what_a_carrier_repeats_of_who_gets_the_parcel_is_not_kept(system: System) -> None:
    """It was booked with the name and the address, so it may say both as it refuses."""
    await with_carriers(system)
    repeating = {"refused": ["swift", "post"], "repeats": True}
    await system.call(system.carrier, "PUT", "/control/carriers", repeating)
    stream = await system.book("s1")
    again = ("BookingFailed", "CarrierChosen")
    facts = await system.until(stream, "ShipmentRequested", "CarrierChosen", *again, *again, "LabelRefused")
    refusals = [each.event for each in facts if isinstance(each.event, BookingFailed | LabelRefused)]
    reasons = [each.reason for each in refusals]
    assert len(reasons) == 3
    assert all(reason.endswith(", to …, …, …, …") for reason in reasons)
    await system.at_rest()


async def test_a_carrier_that_is_suspended_after_the_choice_is_not_fallen_back_to(system: System) -> None:
    """Not even where nobody else is left: then a person must look."""
    await with_carriers(system)
    await system.call(system.carrier, "PUT", "/control/carriers", {"refused": ["swift"]})
    await system.gateways.kill()
    stream = await system.book("s1")
    (asked,) = await system.facts(stream)
    choice = await choose(asked, system.executor, datetime.now(UTC))
    assert choice
    await system.command(stream, choice)
    await system.command(carriers_stream(system.merchant), SuspendCarrier(carrier="post"))
    await system.start()
    failed = ("BookingFailed", "CarrierChosen", "LabelRefused")
    await system.until(stream, "ShipmentRequested", "CarrierChosen", *failed)
    assert await chosen(system, stream) == ["swift calm", "swift express"]
    await system.at_rest()


async def test_carriers_use_their_numbers_again_and_no_parcel_takes_the_scan_of_another(
    system: System,
) -> None:
    await with_carriers(system)
    await system.call(system.carrier, "PUT", "/control/carriers", {"numbers": 1})
    streams = [await system.book(f"s{number}") for number in range(4)]
    track = ("ShipmentRequested", "CarrierChosen", "LabelBought", *DELIVERED)
    await system.until_all(streams, *track)
    numbers = {
        fact.event.tracking_number
        for stream in streams
        for fact in await system.facts(stream)
        if isinstance(fact.event, LabelBought)
    }
    assert len(numbers) == 1
    await system.at_rest()
