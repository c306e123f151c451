"""What does the API make of input that is wrong, whatever it is? It names the field, and never breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.carrier import ShipmentDispatched, ShipmentReturned
from domain.kernel import Fact
from domain.money import MOST_CENTS
from domain.order import OrderConfirmed, OrderPlaced, OrderReserved
from domain.payment import PaymentAuthorized, PaymentCaptured
from services.agents.registered import AGENTS
from tests.integration.api_client import Api, an_order, problem, serving_in_memory


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serving_in_memory() as api:
        yield api


LINE = an_order()["lines"][0]
PAYMENT = an_order()["payments"][0]
CUSTOMER = an_order()["customer"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"order_id": "a/b"}, "order_id"),
        ({"order_id": ""}, "order_id"),
        ({"order_id": "x" * 101}, "order_id"),
        ({"order_id": "é" * 51}, "order_id"),
        ({"checkout_id": "a b"}, "checkout_id"),
        ({"currency": "real"}, "currency"),
        ({"lines": []}, "lines"),
        ({"lines": [LINE] * 1001}, "lines"),
        ({"lines": [LINE, {**LINE, "quantity": 0}]}, "lines[1].quantity"),
        ({"lines": [{**LINE, "quantity": "1"}]}, "lines[0].quantity"),
        ({"lines": [{**LINE, "quantity": True}]}, "lines[0].quantity"),
        ({"lines": [{**LINE, "quantity": 1.5}]}, "lines[0].quantity"),
        ({"lines": [{**LINE, "unit_price_cents": -1}]}, "lines[0].unit_price_cents"),
        ({"lines": [{**LINE, "quantity": 10**6, "unit_price_cents": MOST_CENTS}]}, "lines"),
        ({"lines": [{**LINE, "quantity": 1, "unit_price_cents": MOST_CENTS}] * 2}, "lines"),
        ({"lines": [{**LINE, "sku": " A"}]}, "lines[0].sku"),
        ({"lines": [{**LINE, "name": "a\x00b"}]}, "lines[0].name"),
        ({"lines": [{**LINE, "warehouse": "a b"}]}, "lines[0].warehouse"),
        ({"lines": [{**LINE, "price": 1}]}, "lines[0].price"),
        ({"lines": [{**LINE, "ship_by": "2026-05-20T00:00:00"}]}, "lines[0].ship_by"),
        ({"lines": [{**LINE, "ship_by": "9999-12-31T23:59:59-12:00"}]}, "lines[0].ship_by"),
        ({"estimated_delivery_at": 1_700_000_000}, "estimated_delivery_at"),
        ({"payments": [{**PAYMENT, "payment_id": "a.b"}]}, "payments[0].payment_id"),
        ({"payments": [{**PAYMENT, "installments": 10**6}]}, "payments[0].installments"),
        ({"payments": [{**PAYMENT, "method": ""}]}, "payments[0].method"),
        ({"adjustments": [{"kind": "gift", "amount_cents": 1}]}, "adjustments[0].kind"),
        ({"customer": {**CUSTOMER, "customer_id": ""}}, "customer.customer_id"),
        ({"customer": {"customer_id": "c1", "zip_prefix": "1"}}, "customer.city"),
        ({"on_account": "yes"}, "on_account"),
        ({"imported": True}, "imported"),
    ],
)
async def test_bad_input_names_its_field(api: Api, changes: dict[str, Any], field: str) -> None:
    document = problem(await api.post("/v1/orders", an_order(**changes), key="k"), 422, "invalid-input")
    assert [error["name"] for error in document["errors"]] == [field]
    assert document["errors"][0]["in"] == "body"
    assert await api.types() == ["MerchantRegistered"]
    # what was not valid used up no key
    assert (await api.post("/v1/orders", an_order(), key="k")).status_code == 201


DASHES = "-" * 100  # as long as an id may be; its bytes stand for three each in a stream's name


@pytest.mark.parametrize(
    ("method", "path", "body", "where", "field"),
    [
        ("POST", "orders", an_order(order_id=DASHES), "body", "order_id"),
        ("POST", "orders", an_order(lines=[LINE, {**LINE, "sku": DASHES}]), "body", "lines[1].sku"),
        ("POST", "orders", an_order(lines=[{**LINE, "warehouse": DASHES}]), "body", "lines[0].warehouse"),
        ("POST", "orders", an_order(order_id="-" * 62, payments=[{**PAYMENT, "payment_id": "-"}]),
         "body", "order_id"),
        ("POST", "orders", an_order(payments=[{**PAYMENT, "payment_id": "-" * 60}]),
         "body", "payments[0].payment_id"),
        ("POST", f"orders/{DASHES}/cancel", {"reason": "customer"}, "path", "order_id"),
        ("POST", f"orders/{DASHES}/prepare", None, "path", "order_id"),
        ("POST", "stock/receive", {"sku": DASHES, "quantity": 1}, "body", "sku"),
        ("POST", "stock/adjust", {"sku": "a", "warehouse": DASHES, "delta": 1, "reason": "count"},
         "body", "warehouse"),
        ("PUT", f"products/{DASHES}", {}, "path", "sku"),
        ("PUT", f"categories/{DASHES}", {"english": "dashes"}, "path", "category"),
    ],
)  # fmt: skip
async def test_what_makes_a_name_too_long_is_refused_by_its_field(
    api: Api, method: str, path: str, body: Any, where: str, field: str
) -> None:
    assert (await api.post("/v1/merchant", {}, merchant=DASHES)).status_code == 201
    answer = await api.send(method, f"/v1/{path}", body, merchant=DASHES)
    (error,) = problem(answer, 422, "invalid-input")["errors"]
    assert (error["in"], error["name"]) == (where, field)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"order_id": "a/b"}, "it holds what may not stand in it"),
        ({"order_id": "é" * 51}, "it is longer than 100 bytes in UTF-8"),
        ({"order_id": 3}, "a text is asked for"),
        ({"currency": "real"}, "three capital letters"),
        ({"lines": []}, "it must have at least 1 entry"),
        ({"lines": 3}, "a list is asked for"),
        ({"lines": [3]}, "an object with fields is asked for"),
        ({"lines": [{**LINE, "quantity": 0}]}, "it must be at least 1"),
        ({"lines": [{**LINE, "quantity": 1.5}]}, "a whole number is asked for"),
        ({"lines": [{**LINE, "ship_by": "soon"}]}, "a time is asked for"),
        ({"lines": [{**LINE, "ship_by": "2026-05-20T00:00:00"}]}, "a time needs its zone"),
        ({"payments": [{**PAYMENT, "payment_id": "a.b"}]}, "it may hold letters and digits"),
        ({"adjustments": [{"kind": "gift", "amount_cents": 1}]}, "it must be 'surcharge' or 'shortfall'"),
        ({"customer": {"customer_id": "c1", "zip_prefix": "1"}}, "it is missing"),
        ({"imported": True}, "there is no such field"),
        ({"on_account": "yes"}, "true or false is asked for"),
    ],
)
async def test_what_is_wrong_is_told_in_words_for_people(
    api: Api, changes: dict[str, Any], words: str
) -> None:
    document = problem(await api.post("/v1/orders", an_order(**changes)), 422, "invalid-input")
    (error,) = document["errors"]
    assert error["detail"].startswith(words)
    assert error["detail"] in document["detail"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"payments": [{**PAYMENT, "amount_cents": 1}]}, "paid_equals_total"),
        ({"on_account": True}, "paid_or_on_account"),
        ({"adjustments": [{"kind": "shortfall", "amount_cents": 9999}]}, "total_not_negative"),
        ({"lines": [LINE | {"line": 1}] * 2, "on_account": True, "payments": []}, "lines_unique"),
        ({"payments": [{**PAYMENT, "amount_cents": 3145}] * 2}, "payments_unique"),
        ({"adjustments": [{"kind": "surcharge", "amount_cents": MOST_CENTS}] * 50}, "total_within_limit"),
        ({"adjustments": [{"kind": "shortfall", "amount_cents": MOST_CENTS}] * 50}, "total_not_negative"),
    ],
)  # fmt: skip
async def test_what_does_not_add_up_names_its_rule(api: Api, changes: dict[str, Any], rule: str) -> None:
    assert problem(await api.post("/v1/orders", an_order(**changes)), 409, "conflict")["rule"] == rule


async def test_bad_bodies(api: Api) -> None:
    async def raw(content: bytes, **headers: str) -> httpx.Response:
        given = {
            "Authorization": f"Bearer {api.key}",
            "Tillroll-Merchant": "m1",
            "Content-Type": "application/json",
            "Idempotency-Key": "k",
        } | headers
        return await api.client.post("/v1/orders", content=content, headers=given)

    for broken in (b"{", b"nonsense", b"\xff", b'{"order_id": NaN}', b'"\\ud800"', b"[" * 30):
        problem(await raw(broken), 400, "malformed-json")
    problem(await raw(b"{}", **{"Content-Type": "text/plain"}), 415, "unsupported-media-type")
    problem(await raw(b" " * (512 * 1024 + 1)), 413, "too-large")
    assert problem(await raw(b""), 422, "invalid-input")["errors"][0]["name"] == "body"
    problem(await raw(b"[]"), 422, "invalid-input")
    for levels in (33, 500, 5000):
        problem(await raw(b'{"order_id":' * levels + b"1" + b"}" * levels), 400, "too-deep")
        problem(await raw(b"[" * levels), 400, "too-deep")
    deep = b'{"order_id":' * 32 + b"1" + b"}" * 32
    assert {e["name"] for e in problem(await raw(deep), 422, "invalid-input")["errors"]} >= {"customer"}

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(600):
            yield b" " * 1024

    headers = {
        "Authorization": f"Bearer {api.key}",
        "Tillroll-Merchant": "m1",
        "Content-Type": "application/json",
    }
    problem(await api.client.post("/v1/orders", content=chunks(), headers=headers), 413, "too-large")
    # a command without a body takes none that is broken either
    garbage = await api.client.post("/v1/orders/o1/prepare", content=b"{", headers=headers)
    problem(garbage, 400, "malformed-json")
    long_key = await api.post("/v1/orders", an_order(), key="k" * 256)
    assert problem(long_key, 422, "invalid-input")["errors"][0] | {"detail": ""} == {
        "in": "header",
        "name": "Idempotency-Key",
        "detail": "",
    }
    problem(await api.post("/v1/nothing"), 404, "not-found")
    problem(await api.post("/v1/orders/"), 404, "not-found")  # a path whose id is empty
    problem(await api.client.delete("/v1/stock/receive"), 405, "method-not-allowed")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["", "\x00", ".", "..", "a/b", "é" * 60, "x" * 300, "2026-02-30T00:00:00Z", "1e999"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FULL_ORDER: dict[str, Any] = an_order(
    order_id="o1",
    checkout_id="k1",
    estimated_delivery_at="2026-05-20T00:00:00Z",
    on_account=False,
    adjustments=[{"kind": "surcharge", "amount_cents": 1}, {"kind": "shortfall", "amount_cents": 1}],
    lines=[
        LINE | {"line": 7, "name": "n", "category": "c", "warehouse": "w", "ship_by": "2026-05-01T00:00Z"}
    ],
    payments=[PAYMENT | {"installments": 3}],
)
COMMANDS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/orders", FULL_ORDER),
    ("POST", "/v1/orders/{}/cancel", {"reason": "customer", "note": "n"}),
    ("POST", "/v1/orders/{}/prepare", None),
    ("POST", "/v1/stock/receive", {"sku": "A-1", "warehouse": "main", "quantity": 1, "reference": "r"}),
    ("POST", "/v1/stock/adjust", {"sku": "A-1", "warehouse": "main", "delta": 1, "reason": "found"}),
    (
        "POST",
        "/v1/stock/move",
        {"sku": "A-1", "quantity": 1, "source": "available", "target": "damaged", "note": "n"},
    ),
    ("PUT", "/v1/stock/rules", {"sku": "A-1", "safety_stock": 1, "backorder_limit": 5, "backorder_days": 9}),
    ("POST", "/v1/stock/backorders/cancel", {"sku": "A-1", "order_id": "o1"}),
    (
        "POST",
        "/v1/purchase-orders",
        {
            "purchase_id": "o1",
            "supplier": "s",
            "currency": "BRL",
            "lines": [{"sku": "A-1", "quantity": 5, "unit_cost_cents": 1}],
        },
    ),
    (
        "POST",
        "/v1/purchase-orders/{}/receive",
        {"receipt_id": "r", "items": [{"sku": "A-1", "quantity": 6, "damaged": 1}]},
    ),
    (
        "POST",
        "/v1/purchase-orders/{}/discrepancies/resolve",
        {"sku": "A-1", "kind": "over", "quantity": 2, "resolution": "returned"},
    ),
    ("POST", "/v1/purchase-orders/{}/close", None),
    ("POST", "/v1/purchase-orders/{}/cancel", {"note": "n"}),
    (
        "POST",
        "/v1/transfers",
        {
            "transfer_id": "o1",
            "source": "main",
            "target": "north",
            "lines": [{"sku": "A-1", "quantity": 1}],
        },
    ),
    ("POST", "/v1/transfers/{}/ship", {"lines": [{"sku": "A-1", "quantity": 1}]}),
    ("POST", "/v1/transfers/{}/receive", {"lines": [{"sku": "A-1", "quantity": 1}], "complete": True}),
    (
        "POST",
        "/v1/transfers/{}/discrepancies/resolve",
        {"sku": "A-1", "kind": "missing", "quantity": 1, "outcome": "lost"},
    ),
    ("POST", "/v1/transfers/{}/cancel", None),
    ("POST", "/v1/stocktakes", {"stocktake_id": "o1", "warehouse": "main", "skus": ["A-1"]}),
    ("POST", "/v1/stocktakes/{}/counts", {"sku": "A-1", "counted": 3, "as_of": "start"}),
    ("POST", "/v1/stocktakes/{}/finish", {"leave_uncounted": True}),
    ("POST", "/v1/stocktakes/{}/cancel", None),
    ("POST", "/v1/merchant", {"zip_prefix": "1", "city": "c", "state": "s"}),
    ("PUT", "/v1/merchant/terms", {"reservation_valid_s": 1, "authorization_valid_s": 1}),
    ("PUT", "/v1/products/{}", {"category": "c", "weight_g": 1}),
    ("PUT", "/v1/categories/{}", {"english": "e"}),
]


def paths_in(value: Any) -> list[tuple[Any, ...]]:
    """Where in a JSON value there is something to change; the root first."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [(), *((key, *rest) for key, member in members for rest in paths_in(member))]


def changed(value: Any, path: tuple[Any, ...], to: Any) -> Any:
    if not path:
        return to
    copied: Any = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = changed(value[path[0]], path[1:], to)
    return copied


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, Any]:
    """A command with a part or two of it replaced by anything."""
    method, path, body = draw(st.sampled_from(COMMANDS))
    for _ in range(draw(st.integers(0, 2))):
        body = changed(body, draw(st.sampled_from(paths_in(body))), draw(json_values))
    name = draw(st.sampled_from(["o1", "A-1"]) | st.text(min_size=1, max_size=20))
    return method, path.replace("{}", quote(name, safe="")), body


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(requests(), st.sampled_from(["", "k1", "k2"])), min_size=1, max_size=4))
def test_nothing_that_is_sent_breaks_the_api(sent: list[tuple[tuple[str, str, Any], str]]) -> None:
    async def send() -> None:
        async with serving_in_memory() as api:
            for (method, path, body), key in sent:
                answer = await api.send(method, path, body, key=key)
                assert answer.status_code in {200, 201, 400, 404, 405, 409, 413, 422}, answer.text
            for stored in await api.log.read(0):
                assert not holds_nul(stored.data)
            for fact in await api.facts():
                if isinstance(fact.event, OrderPlaced):
                    agents_can_take(fact, fact.event)

    asyncio.run(send())


def holds_nul(data: bytes) -> bool:
    """No database takes it in a text."""
    return b"\\u0000" in data.replace(b"\\\\", b"")


def agents_can_take(fact: Fact, placed: OrderPlaced) -> None:
    """All that agents derive from the order is valid: an order that got in never parks its own key."""
    order_id = placed.order_id
    ids = {"shipment_id": order_id, "order_id": order_id}
    paid = [
        {"payment_id": each.payment_id, "order_id": order_id, "amount_cents": each.amount_cents}
        for each in placed.portions
    ]
    events = [
        placed,
        OrderReserved(order_id=order_id),
        *(PaymentAuthorized(**each, provider_reference="r") for each in paid),
        OrderConfirmed(order_id=order_id),
        ShipmentDispatched(**ids),
        *(PaymentCaptured(**each, capture_id=f"{each['payment_id']}.capture") for each in paid),
        ShipmentReturned(**ids, scan_id="s1"),
    ]
    for agent in AGENTS:
        process = agent.initial
        for event in events:
            told = fact._replace(event=event)
            process = agent.react(process, told).process


@pytest.mark.parametrize(
    ("method", "path", "names"),
    [
        ("GET", "/v1/orders?limit=1&statuss=placed&limt=2", ["statuss", "limt"]),
        ("GET", "/v1/operator/checkouts?merchant=m1", ["merchant"]),
        ("POST", "/v1/stock/receive?sku=A", ["sku"]),
        ("GET", "/health?verbose=1", ["verbose"]),
        ("GET", "/v1/orders?status=placed&limit=1&status=cancelled", ["status"]),
    ],
)
async def test_parameters_of_a_query_that_would_be_passed_over_are_refused(
    api: Api, method: str, path: str, names: list[str]
) -> None:
    answer = await api.send(method, path, {"sku": "A", "quantity": 1} if method == "POST" else None)
    document = problem(answer, 422, "invalid-input")
    assert [(each["in"], each["name"]) for each in document["errors"]] == [("query", n) for n in names]
    assert await api.types() == ["MerchantRegistered"]
