"""Is what sold told by the days of a time zone, currencies apart, without what was called off?"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from domain.merchant import MerchantTimeZoneSet
from domain.streams import merchant_stream
from tests.integration.projections_trade import START, Bought, a_product, setting_up
from tests.integration.test_queries import Api, api

__all__ = ["api"]
DAYS = {"day_from": "2018-03-01", "day_to": "2018-03-03"}


async def trade(api: Api) -> int:
    """START is noon of 1 March, in UTC; a day later, at 23:30, it is the next day in Berlin."""
    await api.trade.append("m1", [*setting_up("m1", "A", 7), *a_product("m1", "MUG")])
    late = START + timedelta(days=1, hours=11, minutes=30)
    orders = (
        Bought("m1", "o1", sku="A", quantity=2, unit_price_cents=1000),
        Bought("m1", "o2", sku="B", quantity=5, unit_price_cents=300),
        Bought("m1", "o3", sku="A", quantity=1, unit_price_cents=900, placed_at=late),
        Bought("m1", "o4", sku="A", quantity=1, unit_price_cents=50, currency="EUR"),
    )
    for order in orders:
        await api.trade.append("m1", order.placing(), order.placed_at)
    off = Bought("m1", "o5", sku="B", quantity=100, unit_price_cents=300)
    return await api.trade.append("m1", [*off.placing(), *off.cancelling()], off.placed_at)


async def test_top_products_by_revenue_and_by_units(api: Api) -> None:
    last = await trade(api)

    async def top(**query: Any) -> list[tuple[Any, ...]]:
        found = await api.ok("/v1/catalogue/analytics/top-products", at_least=last, **DAYS, **query)
        return [
            (each["sku"], each["currency"], each["net_units_count"], each["revenue_cents"])
            for each in found["items"]
        ]

    assert await top() == [("A", "BRL", 3, 2900), ("B", "BRL", 5, 1500), ("A", "EUR", 1, 50)]
    assert await top(by="units") == [("B", "BRL", 5, 1500), ("A", "BRL", 3, 2900), ("A", "EUR", 1, 50)]
    assert await top(currency="EUR") == [("A", "EUR", 1, 50)]
    assert await top(limit=1) == [("A", "BRL", 3, 2900), ("A", "EUR", 1, 50)]  # of each currency
    assert await top(category="books") == []


async def test_what_no_order_names_has_the_name_of_the_catalogue(api: Api) -> None:
    await api.trade.append("m1", [*setting_up("m1", "MUG-1", 7), *a_product("m1", "MUG")])
    for number, sku in enumerate(("MUG-1", "A")):
        order = Bought("m1", f"o{number}", sku=sku, quantity=1, unit_price_cents=1000)
        last = await api.trade.append("m1", order.placing(), order.placed_at)
    found = await api.ok("/v1/catalogue/analytics/top-products", at_least=last, **DAYS)
    assert {each["sku"]: each["name"] for each in found["items"]} == {"MUG-1": "Name of MUG", "A": ""}


async def test_performance_by_the_days_of_a_time_zone(api: Api) -> None:
    last = await trade(api)

    async def days(**query: Any) -> list[tuple[Any, ...]]:
        path = "/v1/catalogue/analytics/performance/A"
        found = await api.ok(path, at_least=last, **DAYS, currency="BRL", **query)
        return [(each["day"], each["units_count"], each["revenue_cents"]) for each in found["items"]]

    assert await days() == [("2018-03-02", 1, 900), ("2018-03-01", 2, 2000)]
    assert await days(time_zone="Europe/Berlin") == [("2018-03-03", 1, 900), ("2018-03-01", 2, 2000)]
    own = MerchantTimeZoneSet(merchant_id="m1", time_zone="Europe/Berlin")
    last = await api.trade.append("m1", [(merchant_stream("m1"), own)])
    assert await days() == await days(time_zone="Europe/Berlin")
    assert await days(time_zone="UTC") == [("2018-03-02", 1, 900), ("2018-03-01", 2, 2000)]
    assert (await api.ok("/v1/sales/kpis", at_least=last))["time_zone"] == "Europe/Berlin"
    assert (await api.ok("/v1/merchant", at_least=last))["time_zone"] == "Europe/Berlin"
    cancelled = await api.ok("/v1/catalogue/analytics/performance/B", **DAYS)
    assert [(each["cancelled_units_count"], each["revenue_cents"]) for each in cancelled["items"]] == [
        (100, 1500)
    ]
    assert (await api.get("/v1/catalogue/analytics/performance/NONE")).status_code == 404
    for wrong in (
        {"time_zone": "Mars"},
        {"day_from": "2020-01-01", "day_to": "2019-01-01"},
        {"day_from": "2001-01-01"},
        {"day_from": "1969-12-31"},
        {"day_to": "0001-01-05"},
        {"day_to": "9999-12-31"},
    ):
        assert (await api.get("/v1/catalogue/analytics/performance/A", **wrong)).status_code == 422


async def test_low_stock_with_how_long_it_lasts(api: Api) -> None:
    last = await trade(api)
    query = {"at_most": 10, "as_of": (START + timedelta(days=2)).isoformat()}
    found = await api.ok("/v1/catalogue/analytics/running-out", at_least=last, **query)
    low = {
        each["sku"]: (each["available"], each["ordered_30_days_count"], each["lasts_days"])
        for each in found["items"]
    }
    assert set(low) == {"A", "B"}
    assert low["B"][1] == 5, "what was called off is nobody's demand"
    assert low["A"][1] == 4
    assert low["A"][2] == max(low["A"][0], 0) * 30 // 4
    assert (await api.ok("/v1/catalogue/analytics/running-out", **query | {"at_most": -(10**6)}))[
        "items"
    ] == []


async def test_the_late_rate_is_of_deliveries_that_had_a_promise(api: Api) -> None:
    """Nobody promised anything to who bought by a cart: such a parcel is neither late nor in time."""
    await api.trade.append("m1", setting_up("m1"))
    late = START + timedelta(days=30)
    parcels = (
        *[(Bought("m1", f"cart{at}", estimated_delivery_at=None), late) for at in range(3)],
        (Bought("m1", "euro", currency="EUR", estimated_delivery_at=None), late),
        (Bought("m1", "late"), late),
        (Bought("m1", "in-time"), None),
    )
    for order, at in parcels:
        steps = [*order.placing(), *order.paying(), *order.shipping(), *order.delivering(at)]
        last = await api.trade.append("m1", steps, order.placed_at)
    found = await api.ok("/v1/sales/kpis", at_least=last, **DAYS)
    told = {
        each["currency"]: (each["deliveries_count"], each["promised_deliveries_count"], each["late_count"])
        for each in found["items"]
    }
    assert told == {"BRL": (5, 2, 1), "EUR": (1, 0, 0)}
    assert {each["currency"]: each["late_rate"] for each in found["items"]} == {"BRL": 0.5, "EUR": None}
