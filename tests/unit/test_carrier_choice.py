"""What does a parcel cost with each carrier, who is chosen, and why?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.carrier.carriers import (
    CARRIERS,
    AddCarrier,
    CarrierAdded,
    CarrierResumed,
    Carriers,
    CarriersCommand,
    CarrierSuspended,
    ChoiceRuleSet,
    PublishRateCard,
    RateCardPublished,
    ResumeCarrier,
    SetChoiceRule,
    SuspendCarrier,
    UnitMeasures,
    options,
    quotes,
)
from domain.carrier.choice import ChoiceRule, Option, Preference, fulfilling, ranked, reason
from domain.carrier.rates import (
    AddedCharge,
    Band,
    NotServed,
    Parcel,
    Quote,
    RateCard,
    Service,
    Surcharge,
    Zone,
    quote,
)
from domain.carrier.track_record import TRACK_RECORD, WINDOW, DeliveryMeasured, MeasureDelivery
from tests.specification import Specification

carriers = Specification(CARRIERS)
track_record = Specification(TRACK_RECORD)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ZONES = (
    Zone(zone="city", zip_prefixes=("01", "0131")),
    Zone(zone="near", regions=("SP",)),
    Zone(zone="far", regions=("*",)),
)
BANDS = tuple(
    Band(zone=zone, up_to_g=up_to_g, cents=cents)
    for zone, up_to_g, cents in (
        ("city", 1000, 500),
        ("city", 5000, 900),
        ("near", 1000, 1000),
        ("near", 5000, 2000),
        ("far", 1000, 3000),
    )
)
EXPRESS = Service(service="express", days=2, zones=ZONES, bands=BANDS, volume_divisor=5000, longest_mm=1000)
SLOW = EXPRESS.model_copy(
    update={
        "service": "slow",
        "days": 9,
        "bands": tuple(b.model_copy(update={"cents": b.cents // 2}) for b in BANDS),
    }
)
CARD = RateCard(currency="BRL", effective_from=NOON, services=(EXPRESS, SLOW))
ADDED = CarrierAdded(carrier="swift")
PUBLISHED = RateCardPublished(carrier="swift", version=1, card=CARD)
PARCEL = Parcel(weight_g=900, region="SP")


def publish(card: RateCard = CARD, expected: int = 0) -> PublishRateCard:
    return PublishRateCard(carrier="swift", expected_version=expected, card=card, now=NOON)


def price(parcel: Parcel, service: Service = EXPRESS) -> Quote:
    told = quote(service, parcel, "BRL")
    assert isinstance(told, Quote)
    return told


def test_the_price_is_that_of_the_zone_and_the_weight() -> None:
    assert (price(PARCEL).zone, price(PARCEL).total_cents) == ("near", 1000)
    assert price(PARCEL.model_copy(update={"weight_g": 1000})).total_cents == 1000
    assert price(PARCEL.model_copy(update={"weight_g": 1001})).total_cents == 2000


def test_the_longest_zip_prefix_goes_before_the_region_and_elsewhere_comes_last() -> None:
    assert price(PARCEL.model_copy(update={"zip_prefix": "01310"})).zone == "city"
    assert price(PARCEL.model_copy(update={"zip_prefix": "22250"})).zone == "near"
    assert price(Parcel(weight_g=900, region="AM")).zone == "far"
    assert price(Parcel(weight_g=900)).zone == "far"


def test_a_light_large_parcel_costs_by_its_volume() -> None:
    box = Parcel(weight_g=300, length_mm=300, width_mm=250, height_mm=200, region="SP")
    assert (price(box).billed_g, price(box).total_cents) == (3000, 2000)
    by_weight = EXPRESS.model_copy(update={"volume_divisor": None})
    assert price(box, by_weight).billed_g == 300


def test_surcharges_are_added_where_their_condition_holds_and_round_half_up() -> None:
    charges = (
        Surcharge(name="fuel", basis_points=1255),
        Surcharge(name="remote", cents=700, zones=("far",)),
        Surcharge(name="heavy", cents=300, above_g=800),
        Surcharge(name="long", cents=400, above_mm=800),
    )
    service = EXPRESS.model_copy(update={"surcharges": charges})
    told = price(PARCEL.model_copy(update={"length_mm": 801}), service)
    assert told.surcharges == (
        AddedCharge(name="fuel", cents=126),
        AddedCharge(name="heavy", cents=300),
        AddedCharge(name="long", cents=400),
    )
    assert told.total_cents == 1000 + 126 + 300 + 400


@pytest.mark.parametrize(
    ("parcel", "why"),
    [
        (Parcel(weight_g=5001, region="SP"), "too_heavy"),
        (Parcel(weight_g=1, width_mm=1001, region="SP"), "too_long"),
    ],
)
def test_says_why_a_service_does_not_take_a_parcel(parcel: Parcel, why: str) -> None:
    assert quote(EXPRESS, parcel, "BRL") == NotServed(service="express", why=why)  # type: ignore[arg-type]
    nowhere = EXPRESS.model_copy(update={"zones": ZONES[:2]})
    assert quote(nowhere, Parcel(region="AM"), "BRL") == NotServed(service="express", why="no_zone")


def option(carrier: str, cents: int, days: int, on_time: int, seen: int = 50) -> Option:
    told: dict[str, Any] = {"service": "s", "card_version": 1, "zone": "z", "billed_g": 1, "currency": "BRL"}
    return Option(carrier=carrier, cents=cents, days=days, on_time_permille=on_time, seen=seen, **told)


CHEAP, FAST, SURE = option("a", 500, 9, 800), option("b", 1500, 1, 900), option("c", 900, 4, 990)


@pytest.mark.parametrize(
    ("prefer", "best", "words"),
    [
        ("cost", CHEAP, "the cheapest of 3"),
        ("speed", FAST, "the fastest of 3"),
        ("reliability", SURE, "the most reliable of 3"),
        ("balanced", SURE, "by price, days and late parcels together"),
    ],
)
def test_chooses_by_rule_and_says_why(prefer: Preference, best: Option, words: str) -> None:
    rule = ChoiceRule(prefer=prefer, day_cents=100, late_cents=1000)
    found = ranked(rule, (CHEAP, FAST, SURE))
    assert found[0] == best
    assert words in reason(rule, found)


def test_what_is_beyond_a_limit_is_taken_only_where_nothing_is_within() -> None:
    rule = ChoiceRule(days_max=5, on_time_min_permille=950)
    assert ranked(rule, (CHEAP, FAST, SURE)) == (SURE, CHEAP, FAST)
    left = ranked(rule, (FAST, CHEAP))
    assert left == (CHEAP, FAST)
    assert "none keeps to the limits" in reason(rule, left)


def test_a_paid_way_of_shipping_goes_by_the_services_that_fulfil_it() -> None:
    rule = ChoiceRule()
    found = ranked(rule, fulfilling("express", {("b", "s"), ("c", "s")}, (CHEAP, FAST, SURE)))
    assert [each.carrier for each in found] == ["c", "b", "a"]
    assert [each.fulfils for each in found] == ["express", "express", ""]
    assert reason(rule, found, wanted="express").startswith(
        "c s is the cheapest of 2 that fulfil express: 900 cents"
    )


def test_where_no_service_that_fulfils_it_takes_the_parcel_the_rule_chooses_and_says_so() -> None:
    rule = ChoiceRule()
    found = ranked(rule, fulfilling("express", {("other", "s")}, (FAST, CHEAP)))
    assert found == (CHEAP, FAST)
    why = reason(rule, found, wanted="express")
    assert why.startswith("a s is the cheapest of 2: ")
    assert why.endswith("; no service that fulfils express takes the parcel")
    assert "express" not in reason(rule, found)


def test_a_card_is_published_on_the_one_before_it() -> None:
    carriers.given(ADDED).when(publish()).then(PUBLISHED)
    carriers.given(ADDED, PUBLISHED).when(publish()).then_nothing()
    later = CARD.model_copy(update={"effective_from": NOON + timedelta(days=1)})
    carriers.given(ADDED, PUBLISHED).when(publish(later)).then_refused("rate_card_follows_the_last")
    carriers.given(ADDED, PUBLISHED).when(publish(later, 1)).then(
        RateCardPublished(carrier="swift", version=2, card=later)
    )
    other = CARD.model_copy(update={"currency": "EUR"})
    carriers.given(ADDED, PUBLISHED).when(publish(other, 1)).then_refused("rate_card_later_than_the_last")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bands": BANDS[:-1]}, "without prices"),
        ({"zones": (*ZONES, ZONES[0])}, "a zone twice"),
        ({"bands": (*BANDS, BANDS[0])}, "two prices"),
        ({"surcharges": (Surcharge(name="x", zones=("moon",)),)}, "unknown zones"),
    ],
)
def test_a_card_that_does_not_add_up_is_refused(change: dict[str, Any], words: str) -> None:
    card = CARD.model_copy(update={"services": (EXPRESS.model_copy(update=change),)})
    refused = carriers.given(ADDED).when(publish(card))
    refused.then_refused("rate_card_complete")


@pytest.mark.parametrize(
    "command", [publish(), SuspendCarrier(carrier="swift"), ResumeCarrier(carrier="swift")]
)
def test_nothing_is_done_with_a_carrier_that_nobody_added(command: CarriersCommand) -> None:
    carriers.given().when(command).then_refused("carrier_exists")


def test_a_suspended_carrier_gets_no_parcels() -> None:
    suspended = CarrierSuspended(carrier="swift", reason="strike")
    ask = SuspendCarrier(carrier="swift", reason="strike")
    assert options(CARRIERS.fold([ADDED, PUBLISHED]), PARCEL, NOON, {})
    assert not options(CARRIERS.fold([ADDED, PUBLISHED, suspended]), PARCEL, NOON, {})
    carriers.given(ADDED).when(ask).then(suspended)
    carriers.given(ADDED, suspended).when(ask).then_nothing()
    carriers.given(ADDED, suspended).when(ResumeCarrier(carrier="swift")).then(
        CarrierResumed(carrier="swift")
    )
    carriers.given(ADDED).when(AddCarrier(carrier="swift")).then_nothing()
    carriers.given(ADDED).when(AddCarrier(carrier="swift", name="S")).then_refused("carrier_added_once")


def test_the_card_that_holds_is_the_last_that_has_begun() -> None:
    dear = tuple(each.model_copy(update={"cents": 9_000}) for each in BANDS)
    later = RateCard(
        currency="BRL",
        effective_from=NOON + timedelta(days=1),
        services=(EXPRESS.model_copy(update={"bands": dear}),),
    )
    state: Carriers = CARRIERS.fold(
        [ADDED, PUBLISHED, RateCardPublished(carrier="swift", version=2, card=later)]
    )
    assert not quotes(state, PARCEL, NOON - timedelta(seconds=1))
    today = [each for each in options(state, PARCEL, NOON, {}) if each.service == "express"]
    assert [(each.card_version, each.cents) for each in today] == [(1, 1000)]
    tomorrow = options(state, PARCEL, NOON + timedelta(days=1), {})
    assert [(each.card_version, each.cents) for each in tomorrow] == [(2, 9_000)]


def test_the_rule_is_set_once() -> None:
    command = SetChoiceRule(rule=ChoiceRule(prefer="speed"), unit=UnitMeasures())
    event = ChoiceRuleSet(rule=ChoiceRule(prefer="speed"), unit=UnitMeasures())
    carriers.given().when(command).then(event)
    carriers.given(event).when(command).then_nothing()


def test_reliability_is_of_our_own_last_parcels() -> None:
    def ended(number: int, *, on_time: bool) -> DeliveryMeasured:
        ids = {"carrier": "swift", "service": "express", "shipment_id": f"s{number}"}
        return DeliveryMeasured(**ids, on_time=on_time)

    again = MeasureDelivery(carrier="swift", service="express", shipment_id="s1", on_time=True)
    track_record.given(ended(1, on_time=True)).when(again).then_nothing()
    late = [ended(number, on_time=False) for number in range(WINDOW)]
    mended = [ended(WINDOW + number, on_time=True) for number in range(WINDOW // 2)]
    assert TRACK_RECORD.fold([*late, *mended]).record == (WINDOW // 2, WINDOW)


def test_a_service_that_disappoints_us_is_chosen_no_more() -> None:
    state = CARRIERS.fold([ADDED, PUBLISHED])
    rule = ChoiceRule(prefer="reliability")
    late = {("swift", "express"): (5, 100), ("swift", "slow"): (80, 100)}
    assert ranked(rule, options(state, PARCEL, NOON, late))[0].service == "slow"
    assert ranked(rule, options(state, PARCEL, NOON, {}))[0].service == "slow"  # as good, and cheaper
    mended = {("swift", "express"): (100, 100), ("swift", "slow"): (80, 100)}
    assert ranked(rule, options(state, PARCEL, NOON, mended))[0].service == "express"


def test_the_reason_says_who_asks_in_another_currency_than_the_order_and_who_does_not() -> None:
    ask = {"card_version": 1, "zone": "z", "billed_g": 1, "days": 2, "on_time_permille": 900, "seen": 0}
    swift = Option(carrier="swift", service="express", cents=900, currency="EUR", fulfils="express", **ask)
    post = Option(carrier="post", service="slow", cents=500, currency="BRL", **ask)
    told = reason(ChoiceRule(), ranked(ChoiceRule(), (post, swift), "BRL"), "BRL", "express")
    assert "nobody who fulfils express asks in BRL, the order's currency" in told
    assert "nobody asks in" not in told
    assert "not compared, as in another currency: post slow (BRL)" in told
    assert "nobody asks in BRL" in reason(ChoiceRule(), (swift,), "BRL", "express")
