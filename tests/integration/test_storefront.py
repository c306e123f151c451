"""What does a shop tell of itself: to who works there, to its customers, and to guests at its door?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.api_client import Api, problem, serving
from tests.integration.test_cart import ok
from tests.integration.test_cart_reads import get, latest, projecting

SHIPPING = [
    {"method": "express", "name": "tomorrow", "currency": "EUR", "amount_cents": 990},
    {"method": "standard", "name": "3 to 5 days", "currency": "EUR", "amount_cents": 300},
    {"method": "standard", "name": "3 to 5 days", "currency": "BRL", "amount_cents": 1300},
]
TERMS = {"abandon_after_s": 60, "expire_after_s": 7200, "claim_valid_s": 30}


@pytest.fixture
async def api(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(database, nats_url, tmp_path) as api, projecting(api):
        yield api


async def at_the_door(api: Api, path: str = "", merchant: str = "m1", **query: Any) -> httpx.Response:
    """What somebody is answered who is not signed in."""
    headers = {"Tillroll-Merchant": merchant, **await latest(api)}
    return await api.client.get(f"/v1/storefront/shop{path}", headers=headers, params=query)


async def open_shop(api: Api, **settings: Any) -> None:
    await ok(api.put("/v1/storefront", {"guests": True, "shipping": SHIPPING, **settings}))


async def test_who_works_there_reads_what_is_set(api: Api) -> None:
    """Who set nothing reads what holds then; each setting replaces all of the one before."""
    unset = await ok(get(api, "/v1/storefront"))
    assert (unset["channel"], unset["guests"], unset["shipping"]) == ("web", False, [])
    assert (unset["set_at"], unset["set_by"]) == (None, None)
    await open_shop(api, terms=TERMS)
    answered = await ok(api.put("/v1/storefront", {"channel": "app", "terms": TERMS, "shipping": SHIPPING}))
    shown = await ok(get(api, "/v1/storefront"))
    for name in ("channel", "guests", "terms", "shipping"):
        assert shown[name] == answered[name]
    assert (shown["channel"], shown["guests"], shown["terms"]) == ("app", False, TERMS)
    assert shown["set_at"] > "2026"
    assert shown["set_by"].startswith("key:")


async def test_a_guest_reads_what_shipping_costs_before_choosing(api: Api) -> None:
    await open_shop(api, terms=TERMS)
    shop = await ok(at_the_door(api))
    assert shop["shipping"] == SHIPPING
    assert (shop["channel"], shop["expire_after_s"], shop["claim_valid_s"]) == ("web", 7200, 30)
    assert not shop.keys() & {"set_by", "terms", "guests"}, "that is the merchant's own affair"
    assert await ok(get(api, "/v1/shop")) == shop, "who is signed in reads the same"


async def test_a_door_that_is_closed_tells_guests_nothing(api: Api) -> None:
    problem(await at_the_door(api), 403, "forbidden")
    await open_shop(api, guests=False)
    problem(await at_the_door(api), 403, "forbidden")
    assert (await ok(get(api, "/v1/shop")))["shipping"] == SHIPPING
    problem(await at_the_door(api, merchant="nobody"), 400, "merchant-unknown")
    problem(await at_the_door(api, merchant=""), 400, "merchant-required")
    problem(await at_the_door(api, merchant="a/b"), 422, "invalid-input")
