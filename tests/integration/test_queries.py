"""Does the read side of the API show what the read models hold: of one merchant, by page, fresh enough?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from openapi_spec_validator import validate

from domain.erasure import SubjectErased
from domain.order import Terms
from domain.payment import (
    AuthorizationExpired,
    AuthorizationRequested,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentProviderUnavailable,
    RefundFailed,
    RefundRequested,
)
from domain.streams import erasure_stream, payment_stream, warehouses_stream
from domain.warehouse.network import WarehouseRegistered
from eventstore.queries import load_queries
from eventstore.tasks import end_tasks
from queries import routers
from queries.waiting import ProjectionsWaiter
from services.web.access import Grant, Principal
from services.web.pagination import cursor_of
from services.web.problems import install_problems
from tests.integration.api_client import MEMORY_KEY, OneKeyGate
from tests.integration.projections_trade import START, Bought, Step, Trade, open_trade, setting_up
from tests.patience import HANGS

LISTS = (
    "/v1/orders",
    "/v1/payments",
    "/v1/shipments",
    "/v1/stock",
    "/v1/sales/days",
    "/v1/sales/products",
    "/v1/sales/categories",
    "/v1/deliveries/late",
    "/v1/products",
    "/v1/categories",
)


@dataclass(slots=True)
class Api:
    """The read side over HTTP, with a projector that runs."""

    trade: Trade
    client: httpx.AsyncClient
    app: FastAPI

    async def get(
        self, path: str, merchant: str = "m1", at_least: int | str = 0, **query: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {MEMORY_KEY}"}
        headers |= {"Tillroll-Merchant": merchant} if merchant else {}
        if at_least:
            token = at_least if isinstance(at_least, str) else self.trade.log.identity.token(at_least)
            headers |= {"Tillroll-Min-Position": token, "Prefer": "wait=20"}
        return await self.client.get(path, headers=headers, params=query or None)

    async def ok(self, path: str, merchant: str = "m1", at_least: int = 0, **query: Any) -> Any:
        answer = await self.get(path, merchant, at_least, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def walk(self, path: str, merchant: str = "m1", **query: Any) -> list[dict[str, Any]]:
        """All items, page by page."""
        items, cursor = [], None
        while True:
            page = await self.ok(path, merchant, **query, **({"cursor": cursor} if cursor else {}))
            items += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return items


@asynccontextmanager
async def running(trade: Trade) -> AsyncIterator[None]:
    task = asyncio.create_task(trade.runner().run())
    try:
        yield
    finally:
        await end_tasks(task)


@pytest.fixture
async def api(database: str) -> AsyncIterator[Api]:
    async with open_trade(database) as trade, ProjectionsWaiter(database, trade.log.pool).running() as waiter:
        app = FastAPI()
        install_problems(app)
        for router in routers:
            app.include_router(router)
        app.state.gate = OneKeyGate()
        app.state.pool = trade.log.pool
        app.state.identity = trade.log.identity
        app.state.projections_waiter = waiter
        transport = httpx.ASGITransport(app)
        async with running(trade), httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Api(trade, client, app)


async def sell(trade: Trade) -> int:
    """Two merchants; of the first an order delivered, one cancelled, one returned, one late, one open."""
    await trade.append("m1", setting_up("m1"))
    await trade.append("m2", setting_up("m2"))
    await trade.append("m1", Bought("m1", "done").life())
    cancelled = Bought("m1", "cancelled", portions=2, placed_at=START + timedelta(hours=1))
    steps = [*cancelled.placing(), *cancelled.paying(), *cancelled.cancelling()]
    await trade.append("m1", steps, cancelled.placed_at)
    returned = Bought("m1", "returned", placed_at=START + timedelta(hours=2))
    await trade.append(
        "m1", [*returned.placing(), *returned.paying(), *returned.shipping(), *returned.returning()]
    )
    late = Bought("m1", "late", quantity=5)
    delivery = late.delivering(START + timedelta(days=12))
    await trade.append("m1", [*late.placing(), *late.paying(), *late.shipping(), *delivery])
    await trade.append("m2", Bought("m2", "theirs", checkout_id="checkout-done").life())
    return await trade.append("m1", Bought("m1", "open", currency="EUR").placing())


async def test_an_order_shows_its_statuses_money_and_story(api: Api) -> None:
    last = await sell(api.trade)
    order = await api.ok("/v1/orders/cancelled", at_least=last)
    assert (order["status"], order["payment_status"], order["fulfilment_status"]) == (
        "cancelled", "voided", "unfulfilled",
    )  # fmt: skip
    assert (order["cancel_reason"], order["cancel_note"]) == ("customer", "changed my mind")
    assert (order["total_cents"], order["voided_cents"], order["captured_cents"]) == (2300, 2300, 0)
    assert [line["quantity"] for line in order["lines"]] == [2]
    assert [payment["status"] for payment in order["payments"]] == ["voided", "voided"]
    assert order["approved_at"] == "2018-03-01T13:10:00Z"
    assert order["customer_id"] == "customer-cancelled"
    assert order["shipping_method"] == "express"
    told = [moment["type"] for moment in order["timeline"]]
    assert told[:2] == ["OrderPlaced", "OrderReserved"]
    assert told[-1] == "PaymentVoided"
    assert all(moment["causation"] == "test" for moment in order["timeline"])
    assert "customer-cancelled" not in str(order["timeline"])


async def test_every_status_is_derived_from_what_happened(api: Api) -> None:
    last = await sell(api.trade)
    listed = await api.ok("/v1/orders", at_least=last)
    found = {
        each["order_id"]: (each["status"], each["payment_status"], each["fulfilment_status"])
        for each in listed["items"]
    }
    assert found == {
        "done": ("completed", "captured", "delivered"),
        "cancelled": ("cancelled", "voided", "unfulfilled"),
        "returned": ("cancelled", "refunded", "returned"),
        "late": ("completed", "captured", "delivered"),
        "open": ("reserved", "pending", "unfulfilled"),
    }


async def test_orders_are_found_by_what_is_asked_for(api: Api) -> None:
    await api.ok("/v1/orders", at_least=await sell(api.trade))
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"status": "completed"}, {"done", "late"}),
        ({"payment_status": "refunded"}, {"returned"}),
        ({"fulfilment_status": "unfulfilled"}, {"cancelled", "open"}),
        ({"checkout": "checkout-done"}, {"done"}),
        ({"placed_from": "2018-03-01T13:00:00Z", "placed_to": "2018-03-01T14:00:00Z"}, {"cancelled"}),
        ({"q": "checkout-l"}, {"late"}),
        ({"q": "re"}, {"returned"}),
        ({"q": "%"}, set()),
        ({"sort": "largest", "limit": 1}, {"late"}),
    ]
    for query, expected in cases:
        page = await api.ok("/v1/orders", **query)
        assert {each["order_id"] for each in page["items"]} == expected, query


async def test_no_read_shows_what_is_anothers(api: Api) -> None:
    last = await sell(api.trade)
    assert (await api.get("/v1/orders/theirs", at_least=last)).status_code == 404
    assert (await api.get("/v1/shipments/theirs")).status_code == 404
    for path in LISTS:
        mine, theirs = await api.walk(path), await api.walk(path, "m2")
        assert "theirs" not in str(mine), path
        assert "done" not in str(theirs).replace("checkout-done", ""), path
    checkout = await api.ok("/v1/orders", "m2", checkout="checkout-done")
    assert [each["order_id"] for each in checkout["items"]] == ["theirs"]


async def test_a_walk_through_the_pages_meets_everything_once(api: Api) -> None:
    await api.trade.append("m1", setting_up("m1"))
    last = 0
    for number in range(7):  # several at the same time and of the same amount
        placed_at = START + timedelta(hours=number // 3)
        last = await api.trade.append("m1", Bought("m1", f"o{number}").placing(), placed_at)
    await api.ok("/v1/orders", at_least=last)
    for sort in ("newest", "oldest", "largest"):
        walked = [each["order_id"] for each in await api.walk("/v1/orders", sort=sort, limit=2)]
        assert sorted(walked) == [f"o{number}" for number in range(7)]
    assert len({each["payment_id"] for each in await api.walk("/v1/payments", limit=3)}) == 7


async def test_sales_money_and_stock_add_up(api: Api) -> None:
    last = await sell(api.trade)
    (eur, brl) = (await api.ok("/v1/sales/days", at_least=last))["items"]
    assert (eur["currency"], eur["gross_cents"], eur["net_cents"]) == ("EUR", 2000, 2300)
    assert (brl["orders_count"], brl["units_count"], brl["gross_cents"]) == (4, 11, 11_000)
    assert (brl["cancelled_cents"], brl["refunded_cents"], brl["net_cents"]) == (2300, 2300, 8050)
    products = await api.ok("/v1/sales/products", currency="BRL")
    assert [(each["sku"], each["gross_cents"]) for each in products["items"]] == [("A", 11_000)]
    overview = await api.ok("/v1/merchant")
    assert overview["orders"] == {
        "placed": 0, "reserved": 1, "confirmed": 0, "shipped": 0, "completed": 2, "cancelled": 2,
    }  # fmt: skip
    assert [money["captured_cents"] for money in overview["money"]] == [10_350, 0]
    (level,) = (await api.ok("/v1/stock"))["items"]
    assert (level["on_hand"], level["reserved"], level["allocated"], level["available"]) == (991, 2, 0, 989)
    (late,) = (await api.ok("/v1/deliveries/late", days_late_min=1))["items"]
    assert (late["order_id"], late["days_late"]) == ("late", 3)


async def test_the_operator_sees_what_spans_merchants(api: Api) -> None:
    last = await sell(api.trade)
    await api.ok("/v1/operator/checkouts", "", at_least=last)
    by_id = {each["checkout_id"]: each for each in await api.walk("/v1/operator/checkouts", "", limit=2)}
    assert len(by_id) == 5
    shared = by_id["checkout-done"]
    assert (shared["orders_count"], shared["merchants_count"], shared["due_cents"]) == (2, 2, 4600)
    projections = await api.ok("/v1/operator/projections", "")
    assert {each["name"] for each in projections} >= {"orders", "sales", "checkouts"}
    assert all(each["alive"] and not each["parked_keys"] for each in projections)


async def test_a_parcel_is_shown_with_its_scans(api: Api) -> None:
    last = await sell(api.trade)
    parcel = await api.ok("/v1/shipments/returned", at_least=last)
    assert parcel["status"] == "returned"
    assert [scan["type"] for scan in parcel["scans"]] == ["collected", "returned"]
    assert parcel["warehouse"] == "main"


WHERE_TO = {
    "name": "Ana returned",
    "street": "Rua Augusta 1000\napto 21",
    "zip_prefix": "01310",
    "city": "São Paulo",
    "state": "SP",
    "country": "BR",
    "phone": "+55 11 91234-5678",
    "email": "ana@example.com",
    "note": "ring twice",
}


ERASED = SubjectErased(subject="subject-p1", reason="asked for")


class ParcelsOnly(OneKeyGate):
    """Somebody of the staff who may look at parcels, and not at orders."""

    async def principal_of(self, request: Request) -> Principal:
        known = await super().principal_of(request)
        return replace(known, platform=Grant("staff", frozenset({"shipments:read"})))


async def test_who_gets_a_parcel_is_told_to_who_may_read_its_order(api: Api) -> None:
    last = await sell(api.trade)
    order = await api.ok("/v1/orders/returned", at_least=last)
    assert {name: order[f"ship_to_{name}"] for name in WHERE_TO} == WHERE_TO
    assert (await api.ok("/v1/shipments/returned", at_least=last))["ship_to"] == WHERE_TO
    api.app.state.gate = ParcelsOnly()
    assert (await api.ok("/v1/shipments/returned"))["ship_to"] is None
    assert "Ana" not in (await api.get("/v1/shipments")).text


async def test_a_label_says_whom_it_is_from_and_who_gets_it(api: Api) -> None:
    last = await sell(api.trade)
    path = "/v1/shipments/returned/label"
    label = (await api.get(path, at_least=last, format="zpl")).text
    for line in ("From: main, 01310 São Paulo SP", "To: Ana returned", "apto 21", "01310 São Paulo SP BR"):
        assert f"^FD{line}^FS" in label
    north = WarehouseRegistered(warehouse="main", name="North", state="RJ", zip_prefix="20000", country="BR")
    last = await api.trade.append("m1", [(warehouses_stream("m1"), north)])
    label = (await api.get(path, at_least=last, format="zpl")).text
    assert "^FDFrom: North, 20000 RJ BR^FS" in label
    last = await api.trade.append("m1", [(erasure_stream("subject-p1"), ERASED)])
    label = (await api.get(path, at_least=last, format="zpl")).text
    assert "^FDTo: (erased)^FS" in label
    assert (await api.ok("/v1/shipments/returned"))["ship_to"] is None
    assert not [told for told in WHERE_TO.values() if told in label and told not in ("SP", "BR")]


async def test_a_read_waits_for_the_position_that_is_asked_for(api: Api) -> None:
    await api.trade.append("m1", setting_up("m1"))
    for number in range(10):
        last = await api.trade.append("m1", Bought("m1", f"o{number}").placing())
        answer = await api.get(f"/v1/orders/o{number}", at_least=last)
        assert answer.status_code == 200
        assert api.trade.log.identity.position_of(answer.headers["Tillroll-Position"]) >= last


async def test_a_position_that_is_not_reached_is_told(api: Api) -> None:
    last = await sell(api.trade)
    await api.ok("/v1/orders", at_least=last)
    headers = {
        "Authorization": f"Bearer {MEMORY_KEY}",
        "Tillroll-Merchant": "m1",
        "Tillroll-Min-Position": api.trade.log.identity.token(last + 7),
    }
    answer = await api.client.get("/v1/orders", headers=headers)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json()["type"] == "/problems/behind"
    assert answer.json()["behind"] == 7


async def test_a_position_of_another_log_is_refused(api: Api) -> None:
    await api.ok("/v1/merchant", at_least=await api.trade.append("m1", setting_up("m1")))
    for token in ("17", "x.1.17", "0123456789ab.1.17", "x"):
        answer = await api.get("/v1/orders", at_least=token)
        assert (answer.status_code, answer.json()["type"]) == (400, "/problems/foreign-position")


async def test_bad_input_is_a_problem_that_names_it(api: Api) -> None:
    await api.ok("/v1/merchant", at_least=await api.trade.append("m1", setting_up("m1")))
    cases = [
        ("/v1/orders", "", 400, None),
        ("/v1/orders", "nobody", 400, None),
        ("/v1/orders/none", "m1", 404, None),
        ("/v1/orders?status=lost", "m1", 422, "status"),
        ("/v1/orders?limit=201", "m1", 422, "limit"),
        ("/v1/orders?cursor=zzz", "m1", 422, "cursor"),
        (f"/v1/payments?cursor={cursor_of('sku', 'A')}", "m1", 422, "cursor"),
        (f"/v1/payments?cursor={cursor_of('newest', '0001-01-01T00:00:00+14:00', 'A')}", "m1", 422, "cursor"),
        (f"/v1/orders?cursor={cursor_of('newest', '9999-12-31T23:59:59-14:00', 'A')}", "m1", 422, "cursor"),
        (f"/v1/sales/products?cursor={cursor_of('gross', 2**63, 'A', 'BRL')}", "m1", 422, "cursor"),
        ("/v1/orders?placed_from=2018-01-01T00:00:00", "m1", 422, "placed_from"),
        ("/v1/orders/%00", "m1", 422, None),
    ]
    for path, merchant, status, name in cases:
        answer = await api.get(path, merchant)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"].startswith("/problems/")
        if name:
            assert answer.json()["errors"][0]["name"] == name


async def test_the_openapi_document_is_valid_and_names_every_operation(api: Api) -> None:
    document = api.app.openapi()
    validate(document)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    assert {"list_orders", "get_order", "list_parked_keys"} <= set(names)
    assert all(name.split("_")[0] in ("get", "list", "count", "export", "search", "look") for name in names)
    assert all("503" in operation["responses"] for operation in operations)


async def test_payments_in_trouble_are_found(api: Api) -> None:
    await sell(api.trade)
    ids = {"payment_id": "open.1", "order_id": "open"}
    away = PaymentProviderUnavailable(**ids, call="authorize", attempts=3)
    last = await api.trade.append("m1", [(payment_stream("m1", "open.1"), away)])
    for trouble, found in (("any", ["open.1"]), ("authorize_unavailable", ["open.1"]), ("void_failed", [])):
        payments = (await api.ok("/v1/payments", at_least=last, trouble=trouble))["items"]
        assert [each["payment_id"] for each in payments] == found
    (open_one,) = (await api.ok("/v1/payments", at_least=last, order_id="open"))["items"]
    assert (open_one["trouble"], open_one["status"]) == ("authorize_unavailable", "planned")
    assert (await api.ok("/v1/payments", order_id="done"))["items"][0]["trouble"] is None
    assert (await api.get("/v1/payments?trouble=none", "m1")).status_code == 422


EXPRESSIONS = {"carrier": "COALESCE(booked_with, carrier)"}
"""What a filter of a list compares, where it is no column of that name."""


async def test_the_right_index_serves_every_list(api: Api) -> None:
    """With sequential scans and sorts made dear, the plans of the lists need neither."""
    from queries.order.orders import LISTS

    await api.ok("/v1/orders", at_least=await sell(api.trade))
    filters = dict.fromkeys(re.findall(r"%\((\w+)\)s", "".join(LISTS.values())))
    async with api.trade.log.pool.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        for sort, text in LISTS.items():
            for status in (None, "completed"):
                arguments = {**filters, "status": status, "merchant": "m1", "limit": 51}
                cursor = await connection.execute(f"EXPLAIN {text}".encode(), arguments)
                plan = "\n".join(row[0] for row in await cursor.fetchall())
                assert "Index Scan" in plan, (sort, plan)
                assert "Sort" not in plan, (sort, plan)


@pytest.mark.parametrize(
    ("file", "query", "asked"),
    [
        ("inventory.sql", "list_stock", {"warehouse": "main"}),
        ("inventory.sql", "list_holds", {"warehouse": "main"}),
        ("inventory.sql", "list_backorders", {"warehouse": "main"}),
        ("inventory.sql", "list_backorders", {"order_id": "o1"}),
        ("inventory.sql", "list_movements", {"order_id": "o1"}),
        ("shipments.sql", "list_shipments", {"troubled": True}),
        ("shipments.sql", "list_shipments", {"warehouse": "main"}),
        ("shipments.sql", "list_shipments", {"warehouse": "main", "status": "label_bought"}),
        ("shipments.sql", "list_shipments", {"carrier": "swift"}),
        ("payment.sql", "list_payments", {"trouble": "any"}),
    ],
)
async def test_what_is_asked_for_has_an_index_that_is_sorted_as_the_list(
    api: Api, file: str, query: str, asked: dict[str, Any]
) -> None:
    """So that a page costs the same, however few of very many are asked for."""
    await api.ok("/v1/orders", at_least=await sell(api.trade))
    text = getattr(load_queries("queries", file), query).sql
    arguments = {**dict.fromkeys(re.findall(r"%\((\w+)\)s", text)), **asked, "merchant": "m1", "limit": 51}
    async with api.trade.log.pool.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor = await connection.execute(f"EXPLAIN {text}".encode(), arguments)
        plan = "\n".join(row[0] for row in await cursor.fetchall())
    assert "Sort" not in plan, plan
    name, value = next(iter(asked.items()))
    name = EXPRESSIONS.get(name, name)
    wanted = "Index Scan" if value is True or value == "any" else f"({name} = '{value}'::text)"
    assert wanted in plan.split("Filter:")[0], plan


def on_terms(bought: Bought, **changed: Any) -> list[Step]:
    """Its placing, with other terms of holding its payments, or other fields."""
    (order, placed), *held = bought.placing()
    return [(order, placed.model_copy(update=changed)), *held]


async def test_payments_that_lapse_soon_are_listed_the_soonest_first(api: Api) -> None:
    """An order that is held for fraud is cancelled with its payment: so that somebody sees it before."""
    await api.trade.append("m1", setting_up("m1"))
    for order_id, hours, valid_s in (
        ("late", 2, 7200),
        ("soon", 1, 7200),
        ("far", 0, 864_000),
        ("cut", 0, 9),
    ):
        bought = Bought("m1", order_id)
        await api.trade.append("m1", on_terms(bought, terms=Terms(authorization_valid_s=valid_s)), START)
        await api.trade.append("m1", bought.paying(), START + timedelta(hours=hours))
    taken = {"payment_id": "cut.1", "order_id": "cut", "amount_cents": 2300}
    await api.trade.append("m1", [(payment_stream("m1", "cut.1"), PaymentCaptured(**taken, capture_id="c"))])
    account = on_terms(Bought("m1", "account"), portions=(), on_account=True)
    asked = AuthorizationRequested(
        payment_id="account.two", order_id="account", amount_cents=5, currency="BRL", method="card"
    )
    given = PaymentAuthorized(
        payment_id="account.two", order_id="account", amount_cents=5, provider_reference="r"
    )
    added = [(payment_stream("m1", "account.two"), each) for each in (asked, given)]
    last = await api.trade.append("m1", [*account, *added], START)
    before = (START + timedelta(hours=4)).isoformat()
    none = await api.ok("/v1/payments", at_least=last, expires_before=START.isoformat())
    assert none["items"] == []
    soon = await api.walk("/v1/payments", limit=1, expires_before=before)
    assert [(each["payment_id"], datetime.fromisoformat(each["expires_at"])) for each in soon] == [
        ("soon.1", START + timedelta(hours=3)),
    ]
    more = await api.walk("/v1/payments", limit=1, expires_before=(START + timedelta(days=9)).isoformat())
    assert [each["payment_id"] for each in more] == ["soon.1", "late.1", "account.two"]
    filters = {"expires_before": before, "status": "declined"}
    assert (await api.ok("/v1/payments", **filters))["items"] == []
    assert (await api.ok("/v1/payments/cut.1"))["expires_at"] is None, "nothing of it is held"
    lapsed = AuthorizationExpired(payment_id="soon.1", order_id="soon", amount_cents=2300)
    last = await api.trade.append("m1", [(payment_stream("m1", "soon.1"), lapsed)])
    assert (await api.ok("/v1/payments/soon.1", at_least=last))["expires_at"] is None
    wrong = await api.get("/v1/payments?expires_before=tomorrow", "m1")
    assert wrong.status_code == 422


async def test_payments_that_lapse_soon_have_an_index_that_is_sorted_as_the_list(api: Api) -> None:
    await api.ok("/v1/orders", at_least=await sell(api.trade))
    text = load_queries("queries", "payment.sql").list_lapsing_payments.sql
    asked = {"merchant": "m1", "limit": 51, "expires_before": START}
    arguments = {**dict.fromkeys(re.findall(r"%\((\w+)\)s", text)), **asked}
    async with api.trade.log.pool.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor = await connection.execute(f"EXPLAIN {text}".encode(), arguments)
        plan = "\n".join(row[0] for row in await cursor.fetchall())
    assert "Sort" not in plan, plan
    assert "expires_at < " in plan.split("Filter:")[0], plan


async def test_a_payment_is_shown_with_its_captures_and_refunds(api: Api) -> None:
    last = await sell(api.trade)
    ids = {"payment_id": "done.1", "order_id": "done"}
    failed = RefundFailed(**ids, refund_id="r1", reason="closed")
    why = {"reason": "customer", "note": "broken"}
    asked = RefundRequested(**ids, refund_id="r1", amount_cents=100, **why)
    last = await api.trade.append("m1", [(payment_stream("m1", "done.1"), each) for each in (asked, failed)])
    shown = await api.ok("/v1/payments/done.1", at_least=last)
    told = [
        (each["call"], each["status"], each["amount_cents"], each["reason"]) for each in shown["movements"]
    ]
    assert told == [("capture", "done", shown["captured_cents"], None), ("refund", "failed", 100, "closed")]
    assert [(each["refund_reason"], each["refund_note"]) for each in shown["movements"]] == [
        (None, None),
        ("customer", "broken"),
    ]
    assert (shown["refunded_cents"], shown["disputes"]) == (0, [])
    assert (await api.get("/v1/payments/done.1", "m2")).status_code == 404


async def test_a_false_word_of_the_projector_ends_one_wait_and_no_more(api: Api) -> None:
    last = await sell(api.trade)
    await api.ok("/v1/orders", at_least=last)
    waiter: ProjectionsWaiter = api.app.state.projections_waiter
    async with api.trade.log.pool.connection() as connection:
        parts = (
            "[[0, 64, 9]]",
            "[[-1, 9, 9]]",
            "[[0, 63]]",
            "[0, 63, 9]",
            '[[0, 63, "9"]]',
            f"[[0, 40, {last + 9}]]",
        )
        words = [f'{{"orders": {part}}}' for part in parts]
        for word in ("no JSON", "[1]", '{"orders": "far", "nobody": 9}', *words):
            await connection.execute("SELECT pg_notify('tillroll_projections', %s)", (word,))
        await asyncio.sleep(0.1)
        assert waiter.shown(("orders",)) == last
        for word in (f'{{"orders": [[41, 63, {last + 9}]]}}', f'{{"orders": {last + 1_000_000}}}'):
            await connection.execute("SELECT pg_notify('tillroll_projections', %s)", (word,))
    async with asyncio.timeout(HANGS):
        while waiter.shown(("orders",)) < last + 1_000_000:  # both of them are heard
            await asyncio.sleep(0.005)
    assert waiter.shown(("nobody",)) == 0
    answer = await api.get("/v1/orders", at_least=last + 1)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/behind")
    assert waiter.shown(("orders",)) <= last
    await api.ok("/v1/orders", at_least=await api.trade.append("m1", Bought("m1", "later").placing()))
