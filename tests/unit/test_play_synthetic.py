"""Is made-up trade the same for the same seed, whole, odd in every way, and readable as the dataset is?"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.play.facts import compute_facts
from services.play.reader import read_olist
from services.play.rows import STATUSES, by_order
from services.play.synthetic import synthetic_rows
from services.play.writer import write_olist

ODDITIES = (
    "olist_core.customers_repeat",
    "olist_core.orders_paid_over_gt_1c",
    "olist_core.orders_paid_under_gt_1c",
    "olist_core.orders_paid_differs_1c_exactly",
    "olist_core.orders_without_items",
    "olist_core.orders_without_payment",
    "olist_core.orders_multi_seller",
    "olist_core.orders_same_product_repeated",
    "olist_core.orders_mixed_payment_types",
    "olist_core.payments_zero_value",
    "olist_core.payments_not_defined",
    "olist_core.payments_installments_zero",
    "olist_core.orders_payment_seq_not_from_1",
    "olist_core.items_freight_zero",
    "olist_core.delivered_after_estimate_day",
    "olist_core.delivered_no_customer_date",
    "olist_core.delivered_no_carrier_date",
    "olist_core.delivered_no_approved_at",
    "olist_core.canceled_with_delivery",
    "olist_core.canceled_with_carrier",
    "olist_core.approved_equals_purchase",
    "olist_core.carrier_before_approved",
    "olist_core.carrier_before_purchase",
    "olist_core.delivered_before_carrier",
    "olist_core.delivered_before_approved",
    "olist_core.items_shipped_after_limit",
    "olist_core.items_without_category",
    "olist_catalogue.products_without_category",
    "olist_catalogue.products_without_dimensions",
    "olist_catalogue.products_zero_weight",
    "olist_catalogue.sellers_city_numeric",
    "olist_catalogue.sellers_zip_leading_zero",
    "tillroll.captured",
    "tillroll.refunded",
    "tillroll.voided",
    "tillroll.never_approved",
    "tillroll.open",
)


@settings(deadline=None, max_examples=15)
@given(orders=st.integers(0, 40), seed=st.integers(0, 2**32), compressed=st.booleans())
def test_what_is_written_is_read_again(orders: int, seed: int, compressed: bool) -> None:
    rows = synthetic_rows(orders, seed)
    with tempfile.TemporaryDirectory() as directory:
        write_olist(rows, Path(directory), compressed=compressed)
        assert read_olist(Path(directory)) == rows


def test_all_oddities_survive_writing_and_reading(tmp_path: Path) -> None:
    rows = synthetic_rows(500, 1)
    write_olist(rows, tmp_path)
    assert read_olist(tmp_path) == rows
    assert any("\n" in review.message for review in rows.reviews)


@settings(deadline=None, max_examples=10)
@given(orders=st.integers(0, 60), seed=st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_rows(orders: int, seed: int) -> None:
    assert synthetic_rows(orders, seed) == synthetic_rows(orders, seed)


def test_another_seed_gives_other_rows() -> None:
    assert synthetic_rows(5, 1).orders != synthetic_rows(5, 2).orders


@pytest.mark.parametrize("orders", [0, 1, 2, 499, 500])
def test_there_are_as_many_orders_as_asked_for(orders: int) -> None:
    assert len(synthetic_rows(orders, 3).orders) == orders


@pytest.mark.parametrize("seed", range(8))
def test_every_oddity_is_in_500_orders(seed: int) -> None:
    rows = synthetic_rows(500, seed)
    facts = compute_facts(rows)
    assert [key for key in ODDITIES if float(facts[key]["value"]) == 0] == []
    assert {order.status for order in rows.orders} == STATUSES
    late = facts["olist_core.delivered_after_estimate"]["value"]
    assert late > facts["olist_core.delivered_after_estimate_day"]["value"]
    assert len(facts["olist_catalogue.categories_untranslated"]["value"]) == 2
    assert facts["olist_core.max_payments_in_order"]["value"] >= 15
    assert facts["olist_core.orders_without_items_by_status"]["value"].keys() == {
        "unavailable",
        "canceled",
        "invoiced",
    }
    reviews = Counter(review.review_id for review in rows.reviews)
    assert max(reviews.values()) > 1


@pytest.mark.parametrize("seed", range(3))
def test_checkouts_of_several_sellers_are_paid_in_several_ways(seed: int) -> None:
    rows = synthetic_rows(500, seed)
    payments = by_order(rows.payments)
    sellers = {
        order_id: len({item.seller_id for item in items}) for order_id, items in by_order(rows.items).items()
    }
    assert max(sellers.values()) == 3
    assert any(count > 1 and len(payments.get(order_id, ())) > 1 for order_id, count in sellers.items())


@pytest.mark.parametrize("seed", range(3))
def test_no_approval_is_known_where_nobody_could_tell_it(seed: int) -> None:
    rows = synthetic_rows(4000, seed)
    payments = by_order(rows.payments)
    for order in rows.orders:
        paid = payments.get(order.order_id, [])
        if not paid:
            assert order.approved_at == order.purchased_at
        elif not any(payment.amount_cents for payment in paid):
            assert order.approved_at is None
