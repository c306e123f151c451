"""What a merchant asks at the end of the day: key figures, what sells, what runs out."""

from __future__ import annotations

from tillroll_client.api.catalogue import list_running_out, list_top_products
from tillroll_client.api.sales import get_kpis
from tillroll_client.models import ListTopProductsBy

from tests.client.goods import NAME, SKU, TIME_ZONE
from tests.client.shop import Shop, good, reached


def check(shop: Shop) -> None:
    """By the merchant's own days: six orders, of which one was cancelled."""
    api = shop.api
    asked = reached(
        lambda: good(get_kpis.sync(client=api, currency="BRL")),
        lambda answer: sum(each.cancelled_count for each in answer.items) == 1,
    )
    assert asked.time_zone == TIME_ZONE, asked
    assert sum(each.orders_count for each in asked.items) == 6, asked
    assert sum(each.refunded_cents for each in asked.items) == 1000, asked
    top = good(list_top_products.sync(client=api, currency="BRL", by=ListTopProductsBy.UNITS))
    first = top.items[0]
    assert (top.time_zone, first.sku, first.name) == (TIME_ZONE, SKU, NAME), top
    assert (first.units_count, first.net_units_count) == (67, 62), top  # sixty, five, and one each
    low = {each.sku: each for each in good(list_running_out.sync(client=api, at_most=40)).items}
    assert low[SKU].available == 33, low
    assert low[SKU].lasts_days is not None, low
