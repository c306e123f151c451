"""Is a product found by its words, half typed and mistyped, by filters and prices, and by nobody else's?"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.product.words import trigrams
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


def shirt(product_id: str, *variants: tuple[str, str], name: str = "Shirt", **more: Any) -> dict[str, Any]:
    """A price each; in what colours and sizes it comes."""
    price = {"channel": "web", "currency": "EUR", "price_cents": 1990}
    made = [
        {"sku": f"{product_id}-{number}", "options": list(each), "prices": [price]}
        for number, each in enumerate(variants, 1)
    ]
    return {"product_id": product_id, "name": name, "options": ["colour", "size"], "variants": made, **more}


async def dress_up(api: Api) -> None:
    await set_up(api)
    for body in (
        shirt("S1", ("red", "M"), ("blue", "L")),
        shirt("S2", ("red", "L"), ("red", "M"), category="travel"),
        shirt("S3", ("green  light", "M"), name="Blouse"),
    ):
        await done(api, "/v1/products", body)
        await done(api, f"/v1/products/{body['product_id']}/activate")
        await done(api, f"/v1/products/{body['product_id']}/publish", {"channel": "web"})
    await done(api, "/v1/stock/receive", {"sku": "S2-2", "quantity": 3})


def counts(facet: dict[str, Any]) -> dict[str, int]:
    return {each["value"]: each["count"] for each in facet["values"]}


async def test_one_variant_has_all_the_options_that_are_asked_for(api: Api) -> None:
    await dress_up(api)
    assert await found(api, option="colour:red") == ["S1", "S2"]
    assert await found(api, option=["colour:red", "size:L"]) == ["S2"], "S1 comes in L, but not in red"
    assert await found(api, option=["colour:blue", "colour:green light", "sort:none"], words="shirt") == []
    assert await found(api, option=["colour:blue", "colour:green light"]) == ["S3", "S1"], "either will do"
    assert await found(api, option="colour:red", words="shirt", category="travel") == ["S2"]
    assert await found(api, option=["colour:red", "size:M"], in_stock="true") == ["S2"]
    assert await found(api, option=["colour:red", "size:L"], in_stock="true") == [], "what is there is an M"
    assert await found(api, option=["colour:red", "size:L"], in_stock="false") == ["S2"]
    for odd in ("colour:'", "colour:\\", "':x", "a:b:c", "colour:& | !", "colour:", ":red", "colour:red%"):
        assert await found(api, option=odd) == []
    for wrong, why in (
        ("option=red", "NAME:VALUE"),
        ("option=a:1&option=b:1&option=c:1&option=d:1", "at most 3"),
        ("option=a:1&brand=Casa&brand=Olaria", "brand: it stands there more than once"),
    ):
        refused = await api.send("GET", f"/v1/catalogue/search?{wrong}")
        assert why in problem(refused, 422, "invalid-input")["detail"]


async def test_options_are_counted_with_what_else_could_be_chosen(api: Api) -> None:
    await dress_up(api)
    facets = (await shown(api, "/v1/catalogue/search"))["facets"]
    assert facets["options"] == [
        {"name": "size", "values": [{"value": "M", "count": 3}, {"value": "L", "count": 2}]},
        {
            "name": "colour",
            "values": [
                {"value": "red", "count": 2},
                {"value": "blue", "count": 1},
                {"value": "green light", "count": 1},
            ],
        },
    ]
    red = await shown(api, "/v1/catalogue/search", option="colour:red")
    by = {each["name"]: counts(each) for each in red["facets"]["options"]}
    assert red["facets"]["matches"] == 2
    assert by == {"colour": {"red": 2, "blue": 1, "green light": 1}, "size": {"M": 2, "L": 1}}, (
        "S1 in L is blue"
    )
    both = await shown(api, "/v1/catalogue/search", option=["colour:red", "size:L"])
    by = {each["name"]: counts(each) for each in both["facets"]["options"]}
    assert by == {"colour": {"red": 1, "blue": 1}, "size": {"M": 2, "L": 1}}


async def test_options_change_with_the_product(api: Api) -> None:
    await dress_up(api)
    await done(api, "/v1/products/S1/describe", {"name": "Shirt", "options": ["color", "size"]})
    await done(api, "/v1/products/S2/variants/remove", {"sku": "S2-1"})
    await done(api, "/v1/products/S3/variants/describe", {"sku": "S3-1", "options": ["white", "S"]})
    assert await found(api, option="colour:red") == ["S2"]
    assert await found(api, option="color:red") == ["S1"]
    assert await found(api, option=["colour:red", "size:L"]) == []
    assert await found(api, option="size:S") == ["S3"]


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
    monkeypatch.setattr(search, "STATEMENTS", search.Statements(most=2))
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
    mugs = await shown(api, "/v1/catalogue/search", words="mug", sort="name")
    assert (len(mugs["items"]), mugs["facets"]["matches"]) == (3, 2)


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


async def test_words_are_alike_by_the_trigrams_that_they_share(api: Api, database: str) -> None:
    """As by comparing with every word there is."""
    chance = random.Random(7)
    syllables = ("ka", "lo", "mi", "pu", "re", "51", "0")
    words = sorted({"".join(chance.choices(syllables, k=chance.randint(2, 5))) for _ in range(600)})
    await done(api, "/v1/products", draft("P1", "one", 1, description=" ".join(words)))
    await shown(api, "/v1/catalogue/search", words="one")
    asked = [mistaken(chance.choice(words), chance) for _ in range(80)]
    with psycopg.connect(database) as connection:
        connection.execute("SELECT set_config('tillroll.merchant', %s, true)", (api.merchant,))
        like = {"asked": asked, "merchant": api.merchant}
        found = connection.execute(search._QUERIES.like_words.sql, like).fetchall()
        known = [row[0] for row in connection.execute("SELECT word FROM search_words")]
    assert set(words) <= set(known)
    assert set(found) == {(each, word) for each in asked for word in alike(each, known)}
    assert len(found) > len(asked)


def mistaken(word: str, chance: random.Random) -> str:
    at = chance.randrange(len(word))
    return chance.choice(
        (word[:at] + "x" + word[at + 1 :], word[:at] + "x" + word[at:], word[:4], word[1:] + "ka")
    )


def alike(asked: str, known: list[str]) -> list[str]:
    def shared(word: str) -> int:
        return len({*trigrams(asked)} & {*trigrams(word)})

    def part(word: str) -> Fraction:
        return Fraction(shared(word), len(word) + len(asked) + 2 - shared(word))

    near = [word for word in known if abs(len(word) - len(asked)) <= 3 and shared(word)]
    best = sorted(near, key=lambda word: (-part(word), word))[:5]
    return [word for word in best if part(word) >= Fraction(3, 10)]


async def test_the_index_answers_although_rows_are_hidden_by_policies(api: Api) -> None:
    """`@@` is leakproof here (migration 0024), so the policy comes not before the index."""
    assert api.context
    async with api.context.pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT proleakproof FROM pg_proc WHERE oid = 'ts_match_vq(tsvector, tsquery)'::regprocedure"
        )
        assert await cursor.fetchone() == (True,)
