"""Does the list of orders find what is asked for, page by page, and do its counts and its export agree?"""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import pytest

from queries.order.orders import ELSEWHERE, list_of
from services.audit.follow import Streams
from tests.integration.projections_trade import START, Bought
from tests.integration.test_queries import Api, sell
from tests.integration.test_queries import api as api  # noqa: PLC0414 - a fixture


@pytest.fixture
async def shop(api: Api) -> Api:
    """What `sell` sells, and an order that was cut, changed, held, noted, tagged and contradicted."""
    api.app.state.streams = Streams()
    await sell(api.trade)
    changed = Bought("m1", "=changed", person="p9", placed_at=START + timedelta(days=9))
    steps = [*changed.placing(), *changed.paying(), *changed.changing()]
    await api.trade.append("m1", steps, changed.placed_at)
    last = 0
    for hour, step in enumerate(changed.contradicting()):
        last = await api.trade.append("m1", [step], changed.placed_at + timedelta(hours=hour))
    await api.ok("/v1/orders/%3Dchanged", at_least=last)
    return api


async def found(shop: Api, **query: Any) -> list[str]:
    return [order["order_id"] for order in await shop.walk("/v1/orders", limit=2, **query)]


async def test_a_list_finds_by_every_condition(shop: Api) -> None:
    everything = await found(shop)
    assert everything[0] == "=changed"
    assert await found(shop, held=True) == ["=changed"]
    assert "=changed" not in await found(shop, held=False)
    assert await found(shop, hold="fraud") == ["=changed"]
    assert await found(shop, hold="staff") == []
    assert await found(shop, tag="gift") == ["=changed"]
    assert await found(shop, tag="vip") == []
    assert await found(shop, discrepancy="any") == ["=changed"]
    assert await found(shop, discrepancy="not_voided") == ["=changed"]
    assert await found(shop, discrepancy="not_captured") == [], "it was resolved"
    assert await found(shop, sku="B") == ["=changed"]
    assert sorted(await found(shop, sku="A")) == sorted(everything)
    assert await found(shop, cancel_reason="customer") == ["cancelled"]
    assert await found(shop, cancel_reason="fraud") == []
    assert await found(shop, tracking_number="Tdone") == ["done"]
    assert await found(shop, tracking_number="T") == []
    assert await found(shop, customer="customer-done") == ["done"]
    assert await found(shop, q="=ch") == ["=changed"]
    assert await found(shop, q="checkout-don") == ["done"]
    assert await found(shop, q="zz") == []
    assert await found(shop, total_min=2000, total_max=2300, status="completed")
    assert await found(shop, total_max=1) == []
    assert await found(shop, currency="EUR") == ["open"]
    assert await found(shop, channel="nowhere") == []
    assert await found(shop, status="cancelled", payment_status="voided") == ["cancelled"]
    assert (await found(shop, sort="oldest")) == everything[::-1]
    by_total = await shop.walk("/v1/orders", limit=2, sort="smallest")
    assert [order["total_cents"] for order in by_total] == sorted(order["total_cents"] for order in by_total)
    wrong = await shop.get("/v1/orders", total_min=2, total_max=1)
    assert wrong.status_code == 422


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_condition_on_another_table_is_a_join(name: str) -> None:
    """Behind a guard it would be asked of each order in turn: 20 of 100,000 took 56 ms, and take 2 so."""
    nothing = dict.fromkeys(ELSEWHERE)
    guards = {each: f"%({each})s::text IS NULL OR " for each in ELSEWHERE}
    text = list_of("newest", {**nothing, name: "it"})
    assert {each for each in ELSEWHERE if guards[each] in text} == set(ELSEWHERE) - {name}


async def test_an_order_is_shown_as_it_was_changed(shop: Api) -> None:
    order = await shop.ok("/v1/orders/%3Dchanged")
    assert (order["held"], order["tags"], order["lines_count"], order["units_count"]) == (
        True,
        ["gift"],
        2,
        4,
    )
    assert (order["items_cents"], order["shipping_cents"], order["total_cents"]) == (2500, 210, 2710)
    assert [(line["line"], line["quantity"]) for line in order["lines"]] == [(1, 1), (2, 3)]
    assert {line["checkout_id"] for line in order["lines"] if "checkout_id" in line} <= {"checkout-=changed"}
    (hold,) = order["holds"]
    assert (hold["reason"], hold["held_by"], hold["released_at"]) == ("fraud", "tester", None)
    (note,) = order["notes"]
    assert (note["text"], note["written_by"]) == ("Friday", "tester")
    (change,) = (await shop.ok("/v1/orders/%3Dchanged/changes"))["items"]
    assert (change["status"], change["change_cents"], change["preview"]["units"]) == (
        "applied",
        1560,
        [{"sku": "B", "warehouse": "main", "quantity": 3, "change": 3}],
    )


async def test_discrepancies_are_listed_open_or_resolved_by_kind_and_page_by_page(shop: Api) -> None:
    at = START + timedelta(days=9)
    path = "/v1/order-discrepancies"
    all_of = await shop.walk(path, limit=1)
    assert [(each["kind"], each["fact"], each["about"], each["status"]) for each in all_of] == [
        ("not_captured", "e5", "=changed.1", "resolved"),
        ("not_shippable", "e4", "=changed", "resolved"),
        ("not_captured", "e3", "=changed.2", "resolved"),
        ("not_voided", "e1", "=changed.1", "open"),
    ]
    assert [each["opened_at"] for each in all_of] == sorted((e["opened_at"] for e in all_of), reverse=True)
    first, _, other, last = all_of
    assert (first["resolved_by"], first["reason"]) == ("tester", "paid in cash again")
    assert (other["resolved_by"], other["reason"]) == ("tester", "paid in cash")
    assert datetime.fromisoformat(other["resolved_at"]) == at + timedelta(hours=3)
    assert (last["resolved_at"], last["resolved_by"], last["reason"]) == (None, None, None)
    assert await shop.walk(path, limit=1, open=True) == [last]
    assert await shop.walk(path, limit=1, open=False) == all_of[:3]
    assert await shop.walk(path, limit=1, kind="not_captured") == [first, other]
    assert await shop.walk(path, kind="not_captured", open=True) == []
    assert await shop.walk(path, order_id="=changed") == all_of
    assert await shop.walk(path, order_id="done") == []
    assert await shop.walk(path, "m2") == []
    assert (await shop.get(path, kind="no_such_kind")).status_code == 422
    order = await shop.ok("/v1/orders/%3Dchanged")
    assert order["discrepancy"] == "not_voided", "of four the one that is open"
    told = [each["type"] for each in order["timeline"] if "Discrepancy" in each["type"]]
    assert (told.count("OrderDiscrepancyOpened"), told.count("OrderDiscrepancyResolved")) == (5, 3)


async def test_counts_are_those_of_the_list(shop: Api) -> None:
    counts = await shop.ok("/v1/order-counts")
    for kind in ("status", "payment_status", "fulfilment_status"):
        for each in counts[kind]:
            listed = await found(shop, **{kind: each["name"]})
            assert (each["orders_count"], each["is_more"]) == (len(listed), False), each
    assert counts["held"]["orders_count"] == 1


async def test_key_figures_are_of_the_days_of_a_time_zone(shop: Api) -> None:
    days: dict[str, Any] = {"day_from": "2018-02-25", "day_to": "2018-03-31"}
    utc = await shop.ok("/v1/sales/kpis", **days, currency="BRL")
    orders = [order for order in await shop.walk("/v1/orders") if order["currency"] == "BRL"]
    assert sum(day["orders_count"] for day in utc["items"]) == len(orders)
    assert sum(day["ordered_cents"] for day in utc["items"]) == sum(each["total_cents"] for each in orders)
    assert sum(day["refunded_cents"] for day in utc["items"]) == sum(
        each["refunded_cents"] for each in orders
    )
    first = utc["items"][-1]
    assert first["begins_on"] == "2018-03-01"
    assert first["average_order_cents"] == first["ordered_cents"] // first["orders_count"]
    assert 0 < first["cancel_rate"] < 1
    # noon of the first of March is the second in Kiritimati, which is 14 hours ahead
    ahead = await shop.ok("/v1/sales/kpis", **days, currency="BRL", time_zone="Pacific/Kiritimati")
    assert ahead["items"][-1]["begins_on"] == "2018-03-02"
    months = await shop.ok("/v1/sales/kpis", **days, period="month", time_zone="America/Sao_Paulo")
    assert {each["begins_on"] for each in months["items"]} == {"2018-03-01"}
    assert {each["currency"] for each in months["items"]} == {"BRL", "EUR"}
    weeks = await shop.ok("/v1/sales/kpis", **days, period="week", currency="BRL")
    assert weeks["items"][-1]["begins_on"] == "2018-02-26"
    assert (await shop.get("/v1/sales/kpis", time_zone="Mars")).status_code == 422
    assert (await shop.get("/v1/sales/kpis", day_from="2010-01-01", day_to="2018-01-01")).status_code == 422


async def test_an_export_is_the_list_without_formulas(shop: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("queries.order.export.PAGE", 2)
    answer = await shop.get("/v1/order-export")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    listed = await shop.walk("/v1/orders")
    assert [row["order_id"] for row in rows] == ["'=changed", *[order["order_id"] for order in listed[1:]]]
    assert [int(row["total_cents"]) for row in rows] == [order["total_cents"] for order in listed]
    held = await shop.get("/v1/order-export", held=True)
    assert len(list(csv.DictReader(io.StringIO(held.text)))) == 1
