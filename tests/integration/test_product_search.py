"""Is a product found by its words, half typed and mistyped, by filters and prices, and by nobody else's?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from queries.product import search
from tests.integration.api_client import Api, problem, serving
from tests.integration.test_product_api import done, projecting, shown


@pytest.fixture
async def api(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(database, nats_url, tmp_path) as api, projecting(api, database):
        yield api


def draft(product_id: str, name: str, cents: int, **more: Any) -> dict[str, Any]:
    price = {"channel": "web", "currency": "EUR", "price_cents": cents}
    variant = {"sku": f"{product_id}-1", "prices": [price]}
    return {"product_id": product_id, "name": name, "variants": [variant], **more}


PRODUCTS = (
    draft("P1", "Café mug, red", 1990, brand="Olaria", category="kitchen", description="stoneware"),
    draft("P2", "Mug for travellers", 2990, brand="Olaria", category="travel"),
    draft("P3", "Teapot", 4990, brand="Casa", category="kitchen", description="goes with any mug"),
    draft("P4", "Backpack", 9990, brand="Casa", category="travel"),
)


async def set_up(api: Api) -> None:
    for body in PRODUCTS:
        await done(api, "/v1/products", body)
    for product_id in ("P1", "P2", "P3"):
        await done(api, f"/v1/products/{product_id}/activate")
        await done(api, f"/v1/products/{product_id}/publish", {"channel": "web"})
    await done(api, "/v1/stock/receive", {"sku": "P1-1", "quantity": 3})


async def found(api: Api, **query: Any) -> list[str]:
    answer = await shown(api, "/v1/catalogue/search", **query)
    return [each["product_id"] for each in answer["items"]]


async def test_words_half_words_and_mistyped_ones(api: Api) -> None:
    await set_up(api)
    assert await found(api, words="mug") == ["P2", "P1", "P3"], "the name counts more than what is said of it"
    assert await found(api, words="CAFE mug") == ["P1"]
    assert await found(api, words="trav") == ["P2", "P4"]
    assert await found(api, words="p4-1") == ["P4"], "a SKU"
    assert await found(api, words="zebra") == []
    mistyped = await shown(api, "/v1/catalogue/search", words="stonware mugg")
    assert [each["product_id"] for each in mistyped["items"]] == ["P1"]
    assert {"stoneware", "mug"} <= set(mistyped["searched_for"])
    for odd in ("'", "\\", "& | !", "a:*", "''';--", "%"):
        await found(api, words=odd)
        assert await found(api, channel=odd) == []
    assert await found(api, channel="") == []


async def test_a_read_model_of_an_older_version_is_waited_for(api: Api, database: str) -> None:
    """After an upgrade, until it is rebuilt: the columns that the new one has are not there."""
    await set_up(api)
    assert await found(api, words="backpack") == ["P4"]
    with psycopg.connect(database) as connection:
        connection.execute("ALTER VIEW search_products RENAME COLUMN channels TO places")
    refused = await api.send("GET", "/v1/catalogue/search?words=mug")
    assert "tillroll rebuild" in problem(refused, 503, "unavailable")["detail"]


async def test_filters_facets_and_sorting(api: Api) -> None:
    await set_up(api)
    assert await found(api) == ["P4", "P1", "P2", "P3"]
    assert await found(api, category="kitchen") == ["P1", "P3"]
    assert await found(api, status="draft") == ["P4"]
    assert await found(api, channel="web") == ["P1", "P2", "P3"]
    assert await found(api, in_stock=True) == ["P1"]
    assert await found(api, in_stock=False, brand="Olaria") == ["P2"]
    euro = {"channel": "web", "currency": "EUR"}
    assert await found(api, **euro, price_from=2000, price_to=4990) == ["P2", "P3"]
    assert await found(api, **euro, sort="dearest") == ["P3", "P2", "P1"]
    assert await found(api, **euro, sort="cheapest", words="mug") == ["P1", "P2", "P3"]
    assert await found(api, sort="newest") == ["P4", "P3", "P2", "P1"]
    facets = (await shown(api, "/v1/catalogue/search", words="mug", **euro))["facets"]
    assert facets["matches"] == 3
    assert facets["categories"] == [{"value": "kitchen", "count": 2}, {"value": "travel", "count": 1}]
    assert facets["brands"] == [{"value": "Olaria", "count": 2}, {"value": "Casa", "count": 1}]
    assert facets["channels"] == [{"value": "web", "count": 3}]
    assert (facets["price_from_cents"], facets["price_to_cents"]) == (1990, 4990)
    refused = await api.send("GET", "/v1/catalogue/search?sort=cheapest")
    assert "say both" in problem(refused, 422, "invalid-input")["detail"]


async def test_what_else_could_be_chosen_is_counted_beside_what_was(api: Api) -> None:
    """A filter narrows all counts but those of its own kind."""
    await set_up(api)
    facets = (await shown(api, "/v1/catalogue/search", words="mug", category="kitchen"))["facets"]
    assert facets["matches"] == 2
    assert facets["categories"] == [{"value": "kitchen", "count": 2}, {"value": "travel", "count": 1}]
    assert facets["brands"] == [{"value": "Casa", "count": 1}, {"value": "Olaria", "count": 1}]
    facets = (await shown(api, "/v1/catalogue/search", status="active", brand="Casa"))["facets"]
    assert {each["value"]: each["count"] for each in facets["statuses"]} == {"active": 1, "draft": 1}
    assert facets["brands"] == [{"value": "Olaria", "count": 2}, {"value": "Casa", "count": 1}]
    assert facets["categories"] == [{"value": "kitchen", "count": 1}]


@pytest.mark.parametrize("query", [{"words": "mug"}, {"sort": "name"}, {"words": "mugg"}, {"sort": "newest"}])
async def test_page_by_page_it_is_the_same(api: Api, query: dict[str, Any]) -> None:
    await set_up(api)
    whole = await found(api, **query)
    walked, cursor = [], None
    for _ in range(len(whole)):
        page = await shown(
            api, "/v1/catalogue/search", limit=1, **query, **({"cursor": cursor} if cursor else {})
        )
        walked += [each["product_id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert (walked, cursor) == (whole, None)


async def test_of_what_more_have_so_many_are_ranked_and_counted(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages end with them: those with the first ids, unless stock is asked for. By name, all are listed."""
    await set_up(api)
    monkeypatch.setattr(search, "FOUND_MAX", 2)
    for name, statement in (("RANKED", "rank_products"), ("FACETS", "count_facets")):
        monkeypatch.setattr(search, name, search.bounded(statement))
    assert await found(api, words="mug") == ["P2", "P1"], "and P3 is not looked at"
    first = await shown(api, "/v1/catalogue/search", words="mug", limit=1)
    last = await shown(api, "/v1/catalogue/search", words="mug", limit=1, cursor=first["next_cursor"])
    assert [each["product_id"] for each in last["items"]] == ["P1"]
    assert (last["next_cursor"], first["facets"]["matches"]) == (None, 2)
    assert {each["value"]: each["count"] for each in first["facets"]["brands"]} == {"Olaria": 2}
    assert len(await found(api, words="mug", in_stock="false")) == 2
    assert await found(api, words="mug", in_stock="true") == ["P1"]
    by_name = await shown(api, "/v1/catalogue/search", sort="name")
    assert (len(by_name["items"]), by_name["facets"]["matches"]) == (4, 2)


async def test_what_changes_is_found_anew(api: Api) -> None:
    await set_up(api)
    await done(api, "/v1/products/P4/describe", {"name": "Rucksack"})
    await done(api, "/v1/products/P2/unpublish", {"channel": "web"})
    await done(
        api, "/v1/products/P3/prices", {"sku": "P3-1", "channel": "web", "currency": "EUR", "price_cents": 1}
    )
    await done(api, "/v1/products/P1/archive")
    assert await found(api, words="backpack") == []
    assert await found(api, words="rucksack") == ["P4"]
    assert await found(api, channel="web") == ["P1", "P3"]
    price = {"sku": "P2-1", "channel": "shop", "currency": "EUR", "price_cents": 1}
    await done(api, "/v1/products/P2/prices", price)
    await done(api, "/v1/products/P2/publish", {"channel": "shop"})
    assert (await found(api, channel="shop"), await found(api, channel="web", words="travel")) == (["P2"], [])
    euro = {"channel": "web", "currency": "EUR"}
    assert await found(api, **euro, sort="cheapest", status="active") == ["P3"]
    assert await found(api, status="archived") == ["P1"]


async def test_the_index_answers_although_rows_are_hidden_by_policies(api: Api) -> None:
    """`@@` is leakproof here (migration 0024), so the policy comes not before the index."""
    assert api.context
    async with api.context.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT proleakproof FROM pg_proc WHERE oid = 'ts_match_vq(tsvector, tsquery)'::regprocedure"
        )
        assert await cursor.fetchone() == (True,)
