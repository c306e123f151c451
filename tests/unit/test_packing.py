"""What does a parcel weigh before anybody has measured it?"""

from __future__ import annotations

from math import prod

from hypothesis import given
from hypothesis import strategies as st

from domain.carrier.carriers import UnitMeasures
from domain.carrier.packing import weighed
from domain.carrier.shipment_messages import Measures, ParcelLine, Weighed

UNIT = UnitMeasures(weight_g=500, length_mm=300, width_mm=200, height_mm=60)
BARE = UnitMeasures()
ANVIL = Measures(weight_g=4_500, length_mm=200, width_mm=150, height_mm=100)
CATALOGUE = {"ANVIL": ANVIL, "SHAPELESS": Measures(weight_g=40), "WEIGHTLESS": Measures(length_mm=900)}


def lines(**units: int) -> tuple[ParcelLine, ...]:
    return tuple(ParcelLine(sku=sku, warehouse="main", quantity=n) for sku, n in units.items())


def test_a_parcel_weighs_what_the_catalogue_says_of_its_units() -> None:
    told = weighed(lines(ANVIL=2), 2, CATALOGUE, UNIT)
    assert (told.weight_g, told.by) == (9_000, "catalogue")
    assert (told.length_mm, told.width_mm, told.height_mm) == (200, 174, 174)


def test_what_the_catalogue_does_not_know_counts_as_the_merchants_usual_unit() -> None:
    told = weighed(lines(ANVIL=1, UNKNOWN=3), 4, CATALOGUE, BARE)
    assert (told.weight_g, told.by) == (4_500 + 3 * 500, "catalogue_in_part")
    assert weighed(lines(UNKNOWN=3), 3, CATALOGUE, UNIT) == Weighed(
        weight_g=1_500, length_mm=300, width_mm=200, height_mm=180, by="unit"
    )
    shaped = weighed(lines(SHAPELESS=1), 1, CATALOGUE, UNIT)
    assert (shaped.weight_g, shaped.length_mm, shaped.by) == (40, 300, "catalogue")
    long = weighed(lines(WEIGHTLESS=1), 1, CATALOGUE, UNIT)
    assert (long.weight_g, long.length_mm, long.width_mm, long.by) == (500, 900, 0, "unit")


def test_a_parcel_of_which_only_the_units_are_known_is_of_usual_ones() -> None:
    """As it was recorded before parcels had lines."""
    assert weighed((), 2, {}, BARE) == Weighed(weight_g=1_000, by="unit")


def test_what_somebody_measured_wins_and_what_nobody_did_is_taken_from_the_catalogue() -> None:
    scale = Measures(weight_g=9_400, length_mm=410, width_mm=300, height_mm=120)
    told = weighed(lines(ANVIL=2), 2, CATALOGUE, UNIT, scale)
    assert told == Weighed(**dict(scale), by="staff")
    by_rule = weighed(lines(ANVIL=2), 2, CATALOGUE, UNIT, Measures(length_mm=410))
    assert (by_rule.weight_g, by_rule.by) == (9_000, "catalogue")
    assert (by_rule.length_mm, by_rule.width_mm) == (410, 0)


sizes = st.builds(
    Measures,
    weight_g=st.integers(0, 10**8),
    length_mm=st.integers(0, 2_000),
    width_mm=st.integers(0, 2_000),
    height_mm=st.integers(0, 2_000),
)


@given(st.dictionaries(st.sampled_from("abc"), sizes, min_size=1), st.integers(1, 10**6))
def test_the_box_holds_each_unit_and_all_of_them(catalogue: dict[str, Measures], units: int) -> None:
    told = weighed(lines(**dict.fromkeys(catalogue, units)), units, catalogue, BARE)
    box = (told.length_mm, told.width_mm, told.height_mm)
    assert list(box) == sorted(box, reverse=True)
    shapes = [(each.length_mm, each.width_mm, each.height_mm) for each in catalogue.values()]
    for shape in shapes:
        assert all(side >= most for side, most in zip(box, sorted(shape, reverse=True), strict=True))
    volume = units * sum(prod(shape) for shape in shapes)
    assert prod(box) >= volume or max(box) == 10**5
    assert told.weight_g <= 10**8


@given(st.integers(1, 40), st.integers(1, 40))
def test_more_units_never_weigh_less(few: int, more: int) -> None:
    parcels = [weighed(lines(ANVIL=n), n, CATALOGUE, UNIT) for n in (few, few + more)]
    assert parcels[0].weight_g < parcels[1].weight_g
