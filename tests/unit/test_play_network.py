"""Are a dataset's goods spread so that its orders, planned by the sellers' rules, all get their units?"""

from __future__ import annotations

from collections import Counter
from functools import reduce
from pathlib import Path

import pytest

from domain.allocation.planning import plan_all, unit_scores
from domain.carrier.carriers import CARRIERS, options
from domain.carrier.rates import Parcel
from domain.streams import parcel_id, shipment_stream
from domain.warehouse.network import NETWORK
from services.play.claim import dataset_digest
from services.play.network import LONG_AGO, Networks, carriers, places_of, warehouses
from services.play.plan import CURRENCY, CheckoutPlan, plan_catalogue, plan_checkouts
from services.play.reader import read_olist
from services.play.rows import OlistRows
from services.play.synthetic import synthetic_rows

MINIATURE = Path(__file__).parents[1] / "fixtures" / "olist_miniature"
DATASETS = {"miniature": read_olist(MINIATURE), "made up": synthetic_rows(600, 1)}


@pytest.fixture(params=DATASETS)
def rows(request: pytest.FixtureRequest) -> OlistRows:
    return DATASETS[request.param]


def planned(rows: OlistRows) -> list[CheckoutPlan]:
    return list(plan_checkouts(rows, "subject-{}".format, Networks(rows)))


def test_as_many_units_lie_in_both_warehouses_as_are_sold(rows: OlistRows) -> None:
    units = Networks(rows).units(rows)
    sold = Counter((item.seller_id, item.product_id) for item in rows.items)
    assert Counter((seller, sku) for seller, sku, _ in units.elements()) == sold
    assert {warehouse for _, _, warehouse in units} == {"main", "hub"}


def test_each_order_gets_its_units_and_some_are_split(rows: OlistRows) -> None:
    """One after another, each planned by all that is there then."""
    free, split = Counter(Networks(rows).units(rows)), 0
    for plan in planned(rows):
        for order in plan.orders:
            if not (terms := order.place.allocation):
                assert not order.place.lines
                continue
            wanted: Counter[str] = Counter()
            for line in order.place.lines:
                wanted[line.sku] += line.quantity
            there = {(sku, site.warehouse): 0 for sku in wanted for site in terms.sites}
            there |= {(sku, place): free[order.merchant, sku, place] for sku, place in there}
            found = plan_all(wanted, terms, order.place.ship_to_state, there)
            assert found, order.place.order_id
            free.subtract({(order.merchant, sku, place): n for (sku, place), n in found.taken.items()})
            split += len({place for _, place in found.taken}) > 1
    assert split > 0
    assert min(free.values()) == max(free.values()) == 0, "and nothing is left"


def test_the_first_unit_of_an_order_lies_nearest_to_its_buyer() -> None:
    rows = DATASETS["miniature"]
    item = rows.items[0]
    order = next(row for row in rows.orders if row.order_id == item.order_id)
    buyer = next(row for row in rows.customers if row.customer_id == order.customer_id)
    scores = unit_scores(Networks(rows).terms(item.seller_id, buyer), buyer.state)
    assert (item.seller_id, item.product_id, min(scores, key=scores.__getitem__)) in Networks(rows).units(
        rows
    )


def test_every_parcel_that_may_leave_has_a_scenario(rows: OlistRows) -> None:
    """As many as the order has units, and one for each warehouse at most, by their names."""
    for plan in planned(rows):
        parcels = sum(
            max(1, min(2, sum(line.quantity for line in order.place.lines))) for order in plan.orders
        )
        assert len({each["shipment_id"] for each in plan.carrier_scenarios}) == parcels
        assert {each["shipment_id"] for each in plan.carrier_scenarios} <= {
            shipment_stream(order.merchant, parcel_id(order.place.order_id, number))
            for order in plan.orders
            for number in (1, 2)
        }


def test_what_a_seller_sets_up_is_taken_by_its_rules(rows: OlistRows) -> None:
    for seller in rows.sellers[:20]:
        network = NETWORK.initial
        for command in warehouses(seller):
            network = reduce(NETWORK.evolve, NETWORK.decide(command, network), network)
        assert network.places == places_of(seller)
        assert len({place.state for place in network.places.values()}) == 2
        known = CARRIERS.initial
        for rate in carriers(seller, CURRENCY):
            known = reduce(CARRIERS.evolve, CARRIERS.decide(rate, known), known)
        for region, cheaper in ((seller.state, "swift"), ("XX", "post")):
            offers = options(known, Parcel(weight_g=500, region=region), LONG_AGO, {})
            assert min(offers, key=lambda each: each.cents).carrier == cheaper


def test_without_networks_all_is_as_it_was(rows: OlistRows) -> None:
    stages = {stage.name for stage in plan_catalogue(rows).stages()}
    assert stages == {"merchants", "terms", "categories", "products", "opening stock"}
    assert all(
        order.place.allocation is None
        for plan in plan_checkouts(rows, "subject-{}".format)
        for order in plan.orders
    )


def test_over_warehouses_it_is_another_play(rows: OlistRows) -> None:
    assert dataset_digest(rows, spread=True) != dataset_digest(rows)
