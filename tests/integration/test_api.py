"""Does the API keep its word over real HTTP: once by key, positions, problems, merchants apart?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import orjson
import psycopg
import pytest

from domain.order import OrderPlaced, Terms
from domain.personal import Sealed
from services.access.api_keys import key_id_of
from services.web.positions import POSITION_HEADER
from tests.integration.api_client import Api, an_order, problem, serving


@pytest.fixture
async def api(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(database, nats_url, tmp_path) as api:
        yield api


def same(first: httpx.Response, second: httpx.Response) -> bool:
    """Status, body and position."""

    def told(response: httpx.Response) -> tuple[Any, ...]:
        return response.status_code, response.content, response.headers.get(POSITION_HEADER)

    return told(first) == told(second)


async def test_an_order_is_placed_and_its_position_told(api: Api) -> None:
    await api.put("/v1/merchant/terms", {"reservation_valid_s": 60, "authorization_valid_s": 600})
    placed = await api.post("/v1/orders", an_order(order_id="1001", checkout_id="k1"))
    assert placed.status_code == 201
    assert placed.headers["location"] == "/v1/orders/1001"
    head = await api.log.head()
    assert placed.json() == {
        "order_id": "1001",
        "checkout_id": "k1",
        "payment_ids": ["1001.card"],
        "total_cents": 6290,
        "currency": "BRL",
        "position": api.log.identity.token(head),
    }
    assert placed.headers[POSITION_HEADER] == placed.json()["position"]
    fact = (await api.facts())[-1]
    assert isinstance(fact.event, OrderPlaced)
    assert fact.event.terms == Terms(reservation_valid_s=60, authorization_valid_s=600)
    assert isinstance(fact.event.customer, Sealed)
    assert (fact.merchant, fact.correlation, fact.clock) == ("m1", "k1", "wall")
    assert fact.actor == f"key:{key_id_of(api.key)}"
    assert fact.causation.startswith("request:")
    stored = await api.log.read(head - 1, 1)
    assert "Paulo" not in stored[0].data.decode()


async def test_the_same_key_gets_the_same_answer(api: Api) -> None:
    first = await api.post("/v1/orders", an_order(), key="k")
    again = await api.post("/v1/orders", an_order(), key="k")
    assert first.status_code == 201
    assert same(first, again)
    assert (await api.types()).count("OrderPlaced") == 1
    # members in another order ask the same
    assert same(first, await api.post("/v1/orders", dict(reversed(an_order().items())), key="k"))


async def test_the_first_answer_stands_whatever_came_since(api: Api) -> None:
    await api.post("/v1/orders", an_order(order_id="o1"), key="place")
    first = await api.post("/v1/orders/o1/cancel", {"reason": "customer"}, key="cancel")
    received = await api.post("/v1/stock/receive", {"sku": "A-1", "quantity": 5}, key="stock")
    assert same(first, await api.post("/v1/orders/o1/cancel", {"reason": "customer"}, key="cancel"))
    assert same(received, await api.post("/v1/stock/receive", {"sku": "A-1", "quantity": 5}, key="stock"))
    assert (await api.types()).count("StockReceived") == 1
    placed_again = await api.post("/v1/orders", an_order(order_id="o1"), key="place")
    assert placed_again.status_code == 201


async def test_without_a_key_each_request_is_done(api: Api) -> None:
    answers = [await api.post("/v1/stock/receive", {"sku": "A-1", "quantity": 5}) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 200]
    assert (await api.types()).count("StockReceived") == 2


async def test_a_key_at_the_same_time_makes_one_order(api: Api) -> None:
    answers = await asyncio.gather(*(api.post("/v1/orders", an_order(), key="k") for _ in range(20)))
    assert {each.status_code for each in answers} == {201}
    assert all(same(answers[0], each) for each in answers)
    assert (await api.types()).count("OrderPlaced") == 1


async def test_a_key_for_another_request_is_refused(api: Api) -> None:
    await api.post("/v1/orders", an_order(order_id="o1"), key="k")
    for other in (
        await api.post("/v1/orders", an_order(order_id="o2"), key="k"),
        await api.post("/v1/orders/o1/cancel", {"reason": "customer"}, key="k"),
        await api.post("/v1/orders/o1/prepare", key="k"),
        await api.put("/v1/products/A-1", {}, key="k"),
    ):
        document = problem(other, 422, "idempotency-key-reused")
        assert [(e["in"], e["name"]) for e in document["errors"]] == [("header", "Idempotency-Key")]
    assert (await api.types())[1:] == ["OrderPlaced"]


async def test_a_refusal_is_repeated_too(api: Api) -> None:
    await api.post("/v1/orders", an_order(order_id="o1"))
    first = await api.post("/v1/orders", an_order(order_id="o1"), key="k")
    assert problem(first, 409, "conflict")["rule"] == "order_id_unique"
    assert first.headers[POSITION_HEADER] == api.log.identity.token(await api.log.head())
    await api.post("/v1/orders/o1/cancel", {"reason": "staff"})
    assert same(first, await api.post("/v1/orders", an_order(order_id="o1"), key="k"))
    problem(await api.post("/v1/orders", an_order(order_id="o2"), key="k"), 422, "idempotency-key-reused")
    missing = await api.post("/v1/orders/o9/prepare", key="early")
    assert problem(missing, 404, "not-found")["rule"] == "order_exists"
    await api.post("/v1/orders", an_order(order_id="o9"))
    assert same(missing, await api.post("/v1/orders/o9/prepare", key="early"))
    assert problem(await api.post("/v1/orders/o9/prepare"), 409, "conflict")["rule"] == "prepare_confirmed"


async def test_what_belongs_to_an_order_belongs_to_its_checkout(api: Api) -> None:
    await api.post("/v1/orders", an_order(order_id="o1", checkout_id="k1"))
    await api.post("/v1/orders/o1/cancel", {"reason": "other", "note": "changed\nher mind"})
    assert {fact.correlation for fact in (await api.facts())[1:]} == {"k1"}


async def test_merchants_are_apart(api: Api) -> None:
    await api.post("/v1/merchant", {"city": "Recife"}, merchant="m2")
    first = await api.post("/v1/orders", an_order(order_id="o1"), key="k")
    second = await api.post("/v1/orders", an_order(order_id="o1", ship_to_state="PE"), key="k", merchant="m2")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["checkout_id"] != second.json()["checkout_id"]
    facts = [fact for fact in await api.facts() if isinstance(fact.event, OrderPlaced)]
    assert [fact.stream for fact in facts] == ["order-m1.o1", "order-m2.o1"]
    # one id at two merchants is two people: erasing one's data must not touch the other's
    assert len({fact.event.subject for fact in facts}) == 2  # type: ignore[attr-defined]
    await api.post("/v1/orders", an_order(order_id="o2"))
    stranger = await api.post("/v1/orders/o2/cancel", {"reason": "customer"}, merchant="m2")
    problem(stranger, 404, "not-found")


async def test_a_merchant_must_be_named_and_known(api: Api) -> None:
    authorized = {"Authorization": f"Bearer {api.key}"}
    nameless = await api.client.post("/v1/orders", json=an_order(), headers=authorized)
    problem(nameless, 400, "merchant-required")
    for method, path, body in (
        ("POST", "/v1/orders", an_order()),
        ("POST", "/v1/orders/o1/cancel", {"reason": "customer"}),
        ("POST", "/v1/orders/o1/prepare", None),
        ("POST", "/v1/stock/receive", {"sku": "a", "quantity": 1}),
        ("POST", "/v1/stock/adjust", {"sku": "a", "delta": 1, "reason": "found"}),
        ("PUT", "/v1/merchant/terms", {"reservation_valid_s": 1, "authorization_valid_s": 1}),
        ("PUT", "/v1/products/a", {}),
        ("PUT", "/v1/categories/a", {"english": "b"}),
    ):
        problem(await api.send(method, path, body, merchant="nobody"), 400, "merchant-unknown")
    assert await api.types() == ["MerchantRegistered"]


@pytest.mark.parametrize("name", ["m" * 101, "a b", "a/b", ".m", "café".encode(), b"caf\xe9", "a\tb"])
async def test_what_is_no_name_of_a_merchant_is_told_so(api: Api, name: str | bytes) -> None:
    for method, path in (("POST", "/v1/merchant"), ("GET", "/v1/orders")):
        headers = {b"Tillroll-Merchant": name, b"Authorization": f"Bearer {api.key}"}
        answer = await api.client.request(method, path, headers=headers, json={})  # type: ignore[arg-type]
        document = problem(answer, 422, "invalid-input")
        assert document["errors"] == [
            {"in": "header", "name": "Tillroll-Merchant", "detail": document["errors"][0]["detail"]}
        ]
    assert await api.types() == ["MerchantRegistered"]


async def test_a_merchant_may_have_a_name_as_long_as_any_id(api: Api) -> None:
    assert (await api.post("/v1/merchant", {}, merchant="m" * 100)).status_code == 201


async def test_stock_is_received_and_adjusted_within_what_is_free(api: Api) -> None:
    received = await api.post("/v1/stock/receive", {"sku": "A/1 é", "quantity": 5, "reference": "note 7"})
    assert received.json().items() >= {"sku": "A/1 é", "warehouse": "main"}.items()
    adjusted = await api.post("/v1/stock/adjust", {"sku": "A/1 é", "delta": -5, "reason": "loss"})
    assert adjusted.status_code == 200
    too_much = await api.post("/v1/stock/adjust", {"sku": "A/1 é", "delta": -1, "reason": "loss"})
    assert problem(too_much, 409, "conflict")["rule"] == "adjust_within_available"
    nothing = await api.post("/v1/stock/adjust", {"sku": "A-1", "delta": 0, "reason": "count"})
    assert problem(nothing, 422, "invalid-input")["errors"][0]["name"] == "delta"


async def test_the_catalogue_takes_skus_with_slashes(api: Api) -> None:
    for path in ("/v1/products/AB/12%203", "/v1/products/AB%2F12%203"):
        answer = await api.put(path, {"category": "toys", "weight_g": 0})
        assert answer.json()["sku"] == "AB/12 3"
    named = await api.put("/v1/categories/brinquedos", {"english": "toys"})
    assert named.json()["category"] == "brinquedos"
    assert (await api.types())[1:] == ["ProductImported", "CategoryTranslated"]
    problem(await api.put("/v1/products/%20", {}), 422, "invalid-input")


async def test_commands_and_queries_share_their_paths(api: Api) -> None:
    for path in ("/v1/orders", "/v1/products", "/v1/merchant"):
        answer = await api.send("GET", path)
        assert answer.status_code in {200, 503}, answer.text  # nobody projects here
    problem(await api.send("PATCH", "/v1/products/A-1", {}), 405, "method-not-allowed")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/orders", "GET, POST"),
        ("/v1/products/A-1", "GET, PUT"),
        ("/v1/merchant", "GET, POST"),
        ("/health", "GET"),
    ],
)
async def test_a_wrong_method_is_told_which_there_are(api: Api, path: str, allowed: str) -> None:
    for method in ("OPTIONS", "HEAD", "DELETE"):
        answer = await api.send(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed), method


async def test_an_erased_customer_is_refused_and_not_kept(api: Api, database: str) -> None:
    assert api.context is not None
    await api.post("/v1/orders", an_order(order_id="o1"))
    (fact,) = [fact for fact in await api.facts() if isinstance(fact.event, OrderPlaced)]
    subject: str = fact.event.subject  # type: ignore[attr-defined]
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        erase = "UPDATE data_keys SET wrapped_key = NULL, erased_at = now() WHERE subject = %s"
        await connection.execute(erase, (subject,))
    api.context.keyring.forget(subject)
    again = await api.post("/v1/orders", an_order(order_id="o2"))
    assert problem(again, 409, "conflict")["rule"] == "customer_not_erased"
    assert (await api.types()).count("OrderPlaced") == 1


async def test_a_merchant_registered_again_keeps_its_data_and_is_told_so(api: Api) -> None:
    first = await api.post("/v1/merchant", {"city": "Recife"}, merchant="m7")
    again = await api.post("/v1/merchant", {"city": "Recife"}, merchant="m7")
    assert (again.status_code, again.json()) == (201, first.json())
    other = await api.post("/v1/merchant", {"city": "Olinda"}, merchant="m7")
    refusal = problem(other, 409, "conflict")
    assert refusal["rule"] == "registered_once"
    assert "Recife" in refusal["detail"]


async def test_health_and_root(api: Api) -> None:
    health = (await api.client.get("/health")).json()
    name = api.log.identity.name
    assert health == {"status": "ready", "log": {"name": name, "head": await api.log.head()}}
    links = (await api.client.get("/")).json()["links"]
    for name in ("openapi", "documentation", "health"):
        assert (await api.client.get(links[name])).status_code == 200


async def test_a_log_that_is_away_is_said_so(api: Api) -> None:
    assert api.context is not None
    await api.context.pool.close()
    health = await api.client.get("/health")
    problem(health, 503, "unavailable")
    assert int(health.headers["retry-after"]) >= 1
    answer = await api.post("/v1/orders", an_order())
    problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_log_that_stops_or_was_restored_is_said_so(api: Api, database: str) -> None:
    assert api.context is not None
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        await connection.execute("UPDATE log SET epoch = epoch + 1")
    problem(await api.post("/v1/merchant", {}, merchant="m2"), 503, "epoch-changed")
    problem(await api.client.get("/health"), 503, "epoch-changed")
    await api.context.log.close()
    answer = await api.post("/v1/merchant", {}, merchant="m3")
    problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_the_ledger_confirms_no_guess_of_whom_a_request_named(api: Api, database: str) -> None:
    """And what an older release kept, which did, is still known again while the ledger has it."""
    first = await api.post("/v1/orders", an_order(), key="k")
    guess = sha256(b"POST /v1/orders\n" + orjson.dumps(an_order(), option=orjson.OPT_SORT_KEYS)).digest()
    kept = "SELECT count(*) FROM commands WHERE fingerprint = %s"
    older = "UPDATE commands SET fingerprint = %s WHERE length(fingerprint) = 32"
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        assert await (await connection.execute(kept.encode(), (guess,))).fetchone() == (0,)
        changed = await connection.execute(older.encode(), (guess,))
        assert changed.rowcount == 1
    assert same(first, await api.post("/v1/orders", an_order(), key="k"))
