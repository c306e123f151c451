"""Is each odd row of the dataset played as its rule says?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.inventory import ReceiveStock
from domain.merchant import SetMerchantTerms
from domain.order import ORDER, OrderPlaced, Portion
from domain.product import ImportProduct
from domain.streams import order_stream
from services.play.facts import compute_facts
from services.play.plan import (
    Cancel,
    CheckoutPlan,
    MerchantOrder,
    Place,
    PlannedRows,
    account_for,
    plan_catalogue,
    plan_checkouts,
)
from services.play.reader import read_olist
from services.play.rows import OlistRows
from services.play.synthetic import synthetic_rows

MINIATURE = Path(__file__).parents[1] / "fixtures" / "olist_miniature"
ROWS = read_olist(MINIATURE)


def planned(rows: OlistRows) -> dict[str, CheckoutPlan]:
    return {plan.checkout_id: plan for plan in plan_checkouts(rows, "subject-{}".format)}


PLANS = planned(ROWS)


def the_order(checkout: str) -> MerchantOrder:
    (order,) = PLANS[checkout].orders
    return order


def steps(checkout: str) -> list[tuple[str, str]]:
    """Month, day and time of each step, and its action."""
    return [(f"{step.at:%m-%d %H:%M}", type(step.action).__name__) for step in PLANS[checkout].steps]


def authorize(checkout: str) -> tuple[str, str, str | None]:
    (told,) = {tuple(scenario["authorize"].items()) for scenario in PLANS[checkout].payment_scenarios}
    fields: dict[str, Any] = dict(told)
    return fields["outcome"], fields["told_at"], fields["happened_at"]


def facts(checkout: str) -> list[tuple[str, str, str | None]]:
    """Type, told_at and happened_at of what the carrier says of each of the checkout's parcels."""
    scenarios = PLANS[checkout].carrier_scenarios
    assert all(scenario["facts"] == scenarios[0]["facts"] for scenario in scenarios)
    return [tuple(each.values()) for each in scenarios[0]["facts"]]


def amounts(portions: Iterable[Portion]) -> list[int]:
    return [portion.amount_cents for portion in portions]


def test_a_plain_order_is_told_at_its_rows_times() -> None:
    assert steps("o01_plain") == [
        ("01-05 10:00", "Place"),
        ("01-05 10:20", "Advance"),
        ("01-07 15:00", "Advance"),
        ("01-15 18:30", "Advance"),
    ]
    assert authorize("o01_plain") == ("authorized", "2017-01-05T10:20:31Z", "2017-01-05T10:20:31Z")
    assert facts("o01_plain") == [
        ("collected", "2017-01-07T15:00:00Z", "2017-01-07T15:00:00Z"),
        ("delivered", "2017-01-15T18:30:00Z", "2017-01-15T18:30:00Z"),
    ]


def test_a_plain_order_says_who_bought_what() -> None:
    order = the_order("o01_plain")
    place = order.place
    assert (order.merchant, place.order_id, place.checkout_id) == ("seller_tea", "o01_plain", "o01_plain")
    assert place.subject == "subject-person_01"
    assert place.customer.model_dump(exclude_defaults=True) == {
        "customer_id": "customer_01",
        "customer_unique_id": "person_01",
        "zip_prefix": "04841",
        "city": "vila das torres",
    }
    assert (place.ship_to_state, place.currency, place.imported) == ("SP", "BRL", True)
    assert place.estimated_delivery_at == datetime(2017, 2, 1, tzinfo=UTC)
    (line,) = place.lines
    assert (line.sku, line.category, line.quantity) == ("kettle", "chaleiras_e_bules", 1)
    assert (line.unit_price_cents, line.unit_shipping_cents) == (5890, 1250)
    assert line.ship_by == datetime(2017, 1, 28, 12, tzinfo=UTC)
    (portion,) = place.portions
    assert portion.model_dump() == {
        "payment_id": "o01_plain.1",
        "method": "credit_card",
        "amount_cents": 7140,
        "installments": 10,
        "sequence": 1,
    }


def test_worlds_know_payments_and_parcels_by_their_streams() -> None:
    plan = PLANS["o05_two_sellers"]
    assert [each["payment_id"] for each in plan.payment_scenarios] == [
        "payment-seller_books.o05_two_sellers%2D1%2E1",
        "payment-seller_tea.o05_two_sellers%2D2%2E1",
    ]
    assert [each["shipment_id"] for each in plan.carrier_scenarios] == [
        "shipment-seller_books.o05_two_sellers%2D1",
        "shipment-seller_tea.o05_two_sellers%2D2",
    ]
    assert {each["checkout"] for each in (*plan.payment_scenarios, *plan.carrier_scenarios)} == {
        "o05_two_sellers"
    }


def test_checkouts_come_by_time_of_purchase() -> None:
    placed = [plan.placed_at for plan in plan_checkouts(ROWS, str)]
    assert placed == sorted(placed)
    assert [order.purchased_at for order in ROWS.orders] != placed


def test_equal_units_are_one_line() -> None:
    (line,) = the_order("o03_three_units").place.lines
    assert (line.line, line.quantity, line.total_cents) == (1, 3, 13_050)
    lines = the_order("o04_two_products").place.lines
    assert [(line.line, line.sku, line.quantity) for line in lines] == [(1, "lamp", 2), (2, "mystery", 1)]
    assert lines[1].category is None


@pytest.mark.parametrize("field", ["price_cents", "freight_cents", "shipping_limit_at"])
def test_units_that_differ_are_lines_of_their_own(field: str) -> None:
    items = list(ROWS.items)
    index = next(index for index, item in enumerate(items) if item.order_id == "o03_three_units")
    value = getattr(items[index], field)
    items[index] = replace(
        items[index], **{field: value + (timedelta(1) if field == "shipping_limit_at" else 1)}
    )
    (order,) = planned(replace(ROWS, items=tuple(items)))["o03_three_units"].orders
    assert [line.quantity for line in order.place.lines] == [1, 2]


def test_an_order_of_several_sellers_is_an_order_of_each() -> None:
    plan = PLANS["o07_three_sellers_cent_over"]
    assert [(each.merchant, each.place.order_id) for each in plan.orders] == [
        ("seller_books", "o07_three_sellers_cent_over-1"),
        ("seller_lamps", "o07_three_sellers_cent_over-2"),
        ("seller_tea", "o07_three_sellers_cent_over-3"),
    ]
    assert {each.place.checkout_id for each in plan.orders} == {"o07_three_sellers_cent_over"}
    assert [amounts(each.place.portions) for each in plan.orders] == [[4350], [13_824], [2495]]
    assert [sum(a.signed_cents for a in each.place.adjustments) for each in plan.orders] == [0, 1, 0]


def test_each_payment_is_divided_among_all_sellers() -> None:
    books, lamps = (each.place for each in PLANS["o06_two_sellers_two_payments"].orders)
    assert amounts(books.portions) == [2415, 1985]
    assert amounts(lamps.portions) == [7585, 6238]
    assert not books.adjustments
    assert not lamps.adjustments
    assert [portion.payment_id for portion in lamps.portions] == [
        "o06_two_sellers_two_payments-2.1",
        "o06_two_sellers_two_payments-2.2",
    ]


def test_paid_more_than_due_is_a_surcharge() -> None:
    (adjustment,) = the_order("o10_interest").place.adjustments
    assert (adjustment.kind, adjustment.amount_cents) == ("surcharge", 1242)


def test_paid_less_than_due_is_a_shortfall() -> None:
    (adjustment,) = the_order("o11_underpaid").place.adjustments
    assert (adjustment.kind, adjustment.amount_cents) == ("shortfall", 350)
    (cent,) = the_order("o12_cent_under").place.adjustments
    assert (cent.kind, cent.amount_cents) == ("shortfall", 1)


def test_a_payment_of_zero_is_kept_and_no_provider_knows_of_it() -> None:
    assert amounts(the_order("o14_voucher_of_zero").place.portions) == [2140, 5000, 0]
    assert len(PLANS["o14_voucher_of_zero"].payment_scenarios) == 2
    assert PLANS["o18_not_defined"].payment_scenarios == ()


def test_payments_keep_their_numbers_and_stand_by_them() -> None:
    assert [p.sequence for p in the_order("o15_first_payment_missing").place.portions] == [2]
    portions = the_order("o16_payment_missing_between").place.portions
    assert [portion.payment_id for portion in portions] == [
        "o16_payment_missing_between.1",
        "o16_payment_missing_between.3",
    ]


def test_a_payment_number_that_repeats_makes_no_second_payment_of_the_same_id() -> None:
    twice = [replace(row, sequence=2) for row in ROWS.payments if row.order_id == "o13_fifteen_vouchers"]
    others = [row for row in ROWS.payments if row.order_id != "o13_fifteen_vouchers"]
    plans = planned(replace(ROWS, payments=(*others, *twice)))
    ids = [portion.payment_id for portion in plans["o13_fifteen_vouchers"].orders[0].place.portions]
    assert ids[:3] == ["o13_fifteen_vouchers.2", "o13_fifteen_vouchers.2.2", "o13_fifteen_vouchers.2.3"]
    assert len(set(ids)) == 15


def test_an_unpaid_order_is_on_account() -> None:
    place = the_order("o17_unpaid").place
    assert (place.on_account, place.portions, place.adjustments) == (True, (), ())
    assert not the_order("o01_plain").place.on_account


def test_not_defined_and_zero_instalments_are_kept() -> None:
    assert the_order("o18_not_defined").place.portions[0].method == "not_defined"
    assert the_order("o19_zero_instalments").place.portions[0].installments == 0


def test_an_order_without_items_is_the_house_merchants() -> None:
    order = the_order("o42_unavailable_without_items")
    assert (order.merchant, order.place.lines, order.place.imported) == ("olist", (), True)
    assert [(a.kind, a.amount_cents) for a in order.place.adjustments] == [("surcharge", 7211)]


def test_approved_at_the_moment_of_purchase_needs_no_step() -> None:
    assert steps("o21_approved_at_once")[:2] == [("05-01 10:00", "Place"), ("05-03 10:00", "Advance")]
    assert authorize("o21_approved_at_once")[1] == "2017-05-01T10:00:00Z"


def test_reservations_and_authorisations_outlast_every_checkout_of_the_dataset() -> None:
    terms = the_order("o22_approved_after_16_days").place.terms
    assert terms.reservation_valid_s == terms.authorization_valid_s == 3_650 * 86_400


def test_shipped_before_approved_is_told_with_the_approval() -> None:
    assert authorize("o23_shipped_before_approved")[1] == "2017-05-06T09:00:00Z"
    assert facts("o23_shipped_before_approved")[0] == (
        "collected",
        "2017-05-06T09:00:00Z",
        "2017-05-05T17:00:00Z",
    )


def test_shipped_before_purchase_keeps_its_time() -> None:
    assert facts("o24_shipped_before_purchase")[0] == (
        "collected",
        "2017-05-04T10:15:00Z",
        "2017-05-03T18:00:00Z",
    )


def test_delivered_before_shipped_is_told_after_it() -> None:
    assert facts("o25_delivered_before_shipped") == [
        ("collected", "2017-05-12T18:00:00Z", "2017-05-12T18:00:00Z"),
        ("delivered", "2017-05-12T18:00:00Z", "2017-05-12T09:30:00Z"),
    ]


def test_delivered_never_approved_is_authorised_at_an_unknown_time() -> None:
    assert authorize("o29_delivered_never_approved") == ("authorized", "2017-06-03T10:00:00Z", None)


def test_delivered_undated_is_told_on_the_promised_day() -> None:
    assert facts("o30_delivered_undated")[1] == ("delivered", "2017-06-29T00:00:00Z", None)


def test_an_undated_fact_past_its_promise_is_told_a_day_later() -> None:
    orders = tuple(replace(order, estimated_at=None) for order in ROWS.orders)
    delivered = planned(replace(ROWS, orders=orders))["o30_delivered_undated"].carrier_scenarios[0]["facts"][
        1
    ]
    assert delivered["told_at"] == "2017-06-09T18:00:00Z"


def test_delivered_never_handed_over_is_told_as_a_delivery_alone() -> None:
    assert [kind for kind, *_ in facts("o31_delivered_never_handed_over")] == ["delivered"]


@pytest.mark.parametrize(
    ("checkout", "outcome", "actions"),
    [
        ("o32_shipped", "authorized", ["Place", "Advance", "Advance"]),
        ("o33_invoiced", "authorized", ["Place", "Advance"]),
        ("o34_processing", "authorized", ["Place", "Advance", "Prepare"]),
        ("o35_approved", "authorized", ["Place", "Advance"]),
        ("o36_created", "never", ["Place"]),
    ],
)
def test_orders_that_stay_open(checkout: str, outcome: str, actions: list[str]) -> None:
    assert authorize(checkout)[0] == outcome
    assert [action for _, action in steps(checkout)] == actions


def test_a_parcel_that_is_never_collected_has_an_empty_scenario() -> None:
    assert facts("o33_invoiced") == []
    assert len(PLANS["o33_invoiced"].carrier_scenarios) == 1


def test_canceled_is_the_customers_wish_after_the_last_stamp() -> None:
    last = PLANS["o37_canceled"].steps[-1]
    assert isinstance(last.action, Cancel)
    assert last.action.reason == "customer"
    assert last.at == datetime(2017, 8, 1, 10, 15, tzinfo=UTC)


def test_canceled_never_approved_is_never_authorised() -> None:
    assert authorize("o38_canceled_never_approved")[0] == "never"
    assert [action for _, action in steps("o38_canceled_never_approved")] == ["Place", "Cancel"]


def test_canceled_after_hand_over_comes_back_by_a_step_of_its_own() -> None:
    assert facts("o39_canceled_after_hand_over") == [
        ("collected", "2017-08-07T12:00:00Z", "2017-08-07T12:00:00Z"),
        ("returned", "2017-08-28T00:00:00Z", None),
    ]
    assert [action for _, action in steps("o39_canceled_after_hand_over")] == [
        "Place",
        "Advance",
        "Advance",
        "Advance",
    ]


def test_canceled_after_delivery_comes_back_too() -> None:
    assert [kind for kind, *_ in facts("o40_canceled_after_delivery")] == [
        "collected",
        "delivered",
        "returned",
    ]


def test_unavailable_is_called_off_for_want_of_stock() -> None:
    action = PLANS["o41_unavailable"].steps[-1].action
    assert isinstance(action, Cancel)
    assert action.reason == "stock"


def test_opening_stock_is_what_is_sold() -> None:
    (stage,) = (stage for stage in plan_catalogue(ROWS).stages() if stage.name == "opening stock")
    stock = {(each.merchant, each.command.sku): each.command.quantity for each in stage.setups}  # type: ignore[attr-defined]
    assert stock == Counter((item.seller_id, item.product_id) for item in ROWS.items)
    assert ("seller_lamps", "unsold") not in stock


def test_the_catalogue_is_set_up_in_stages() -> None:
    stages = plan_catalogue(ROWS).stages()
    made = {stage.name: list(stage.setups) for stage in stages}
    assert list(made) == ["merchants", "terms", "categories", "products", "opening stock"]
    assert {stage.name: stage.total for stage in stages} == {name: len(each) for name, each in made.items()}
    assert [each.merchant for each in made["merchants"]] == [
        "olist",
        "seller_tea",
        "seller_lamps",
        "seller_books",
        "seller_idle",
    ]
    terms = [each.command for each in made["terms"]]
    assert all(
        isinstance(each, SetMerchantTerms) and each.terms.reservation_valid_s > 86_400 for each in terms
    )
    assert {each.merchant for each in (*made["categories"], *made["products"])} == {"olist"}
    mystery = next(each.command for each in made["products"] if each.stream == "product-olist.mystery")
    assert mystery == ImportProduct(sku="mystery", weight_g=371, length_cm=26, height_cm=4, width_cm=26)
    kettle = next(each for each in made["opening stock"] if each.stream == "stock-seller_tea.kettle.main")
    assert isinstance(kettle.command, ReceiveStock)


def test_every_row_ends_somewhere() -> None:
    account = account_for(ROWS)
    assert account.played["olist_orders_dataset.csv"] == 45
    assert account.played["olist_customers_dataset.csv"] == 45
    assert [(each.file, each.line) for each in account.unplayed] == [
        ("olist_order_reviews_dataset.csv", line) for line in (2, 3, 7, 8)
    ]
    assert all(each.reason for each in account.unplayed)


def test_customers_without_orders_and_files_not_read_are_listed() -> None:
    idle = replace(ROWS.customers[0], customer_id="customer_99", line=99)
    account: PlannedRows = account_for(
        replace(ROWS, customers=(*ROWS.customers, idle), unread=("olist_geolocation_dataset.csv",))
    )
    listed = {(each.file, each.line) for each in account.unplayed}
    assert ("olist_customers_dataset.csv", 99) in listed
    assert ("olist_geolocation_dataset.csv", None) in listed
    assert account.played["olist_customers_dataset.csv"] == 45


def check_all(rows: OlistRows) -> tuple[int, int]:
    """What holds of any plan; how many merchant orders and portions there are."""
    orders = portions = 0
    paid: Counter[str] = Counter()
    streams = set()
    for plan in plan_checkouts(rows, str):
        moments = [step.at for step in plan.steps]
        assert moments == sorted(moments)
        assert isinstance(plan.steps[0].action, Place)
        assert plan.steps[0].at == plan.placed_at
        told = [scenario["authorize"]["told_at"] for scenario in plan.payment_scenarios]
        told += [each["told_at"] for scenario in plan.carrier_scenarios for each in scenario["facts"]]
        assert set(told) <= {at.isoformat().replace("+00:00", "Z") for at in moments}
        for order in plan.orders:
            (placed,) = ORDER.decide(order.place, ORDER.initial)
            assert isinstance(placed, OrderPlaced)
            assert placed.total_cents == sum(amounts(placed.portions)) or placed.on_account
            streams.add(order_stream(order.merchant, order.place.order_id))
            paid[plan.checkout_id] += sum(amounts(order.place.portions))
            orders += 1
            portions += len(order.place.portions)
    assert len(streams) == orders
    in_rows: Counter[str] = Counter()
    for payment in rows.payments:
        in_rows[payment.order_id] += payment.amount_cents
    assert +paid == +in_rows
    return orders, portions


@pytest.mark.parametrize("seed", range(3))
def test_plans_of_made_up_trade_are_accepted_by_the_domain(seed: int) -> None:
    rows = synthetic_rows(600, seed)
    found = compute_facts(rows)
    expected = (found["tillroll.merchant_orders"]["value"], found["tillroll.payment_portions"]["value"])
    assert check_all(rows) == expected


def test_plans_of_the_miniature_are_accepted_by_the_domain() -> None:
    assert check_all(ROWS) == (51, 69)


@pytest.mark.olist
@pytest.mark.skipif("TILLROLL_OLIST_DIR" not in os.environ, reason="TILLROLL_OLIST_DIR is not set")
def test_plans_of_the_real_data_are_accepted_by_the_domain() -> None:
    assert check_all(read_olist(Path(os.environ["TILLROLL_OLIST_DIR"]))) == (17_396, 18_122)
