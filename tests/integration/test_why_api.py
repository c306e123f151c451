"""Can an auditor ask "why" over HTTP, of what is its merchant's, and is a wrong question answered clearly?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import pytest_asyncio

from domain.permissions import PLATFORM
from services.audit import why_routes
from services.embedded import NatsServer, PostgresServer
from tests.integration.api_client import problem
from tests.integration.projections_trade import Bought, setting_up
from tests.integration.walls import World, fresh_database, world

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY = {"day": "2018-03-01", "column": "net_cents"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(
    postgres_server: PostgresServer,
    migrated_template: str,
    nats_server: NatsServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    directory: Path = tmp_path_factory.mktemp("why")
    with fresh_database(postgres_server, migrated_template) as database:
        async with world(database, nats_server.url, directory) as opened:
            for merchant in ("m1", "m2"):
                await opened.append(merchant, setting_up(merchant))
                shared = Bought(merchant, f"{merchant}o", checkout_id="both")
                last = await opened.append(merchant, shared.life())
            await opened.shown(await opened.key(PLATFORM), last)
            yield opened


async def ask(found: World, path: str, secret: str = "", merchant: str = "", **query: Any) -> Any:
    secret = secret or await found.signed_in("auditor", "m1")
    return await found.ask("GET", f"/v1/audit/{path}", secret, merchant, params=query)


async def test_the_causes_of_an_order_as_a_tree_and_as_a_picture(found: World) -> None:
    answer = await ask(found, "why/orders/m1o")
    assert answer.status_code == 200, answer.text
    tree = answer.json()
    assert tree["title"] == "order m1o of m1"
    streams = {each["led_to"][0]["details"]["stream"] for each in tree["led_to"]}
    assert {"order-m1.m1o", "payment-m1.m1o%2E1", "shipment-m1.m1o"} <= streams
    picture = await ask(found, "why/orders/m1o", **{"as": "svg"})
    assert picture.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(picture.content).tag.endswith("svg")


@pytest.mark.parametrize("path", ["payments/m1o.1", "shipments/m1o", "stock/A/main", "events/4"])
async def test_the_causes_of_all_else(found: World, path: str) -> None:
    answer = await ask(found, f"why/{path}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["led_to"]


@pytest.mark.parametrize(
    "path",
    ["orders/m2o", "orders/x", "payments/m2o.1", "shipments/x", "stock/B/main", "events/0", "events/x"],
)
async def test_what_is_not_there_or_anothers_is_not_found(found: World, path: str) -> None:
    problem(await ask(found, f"why/{path}"), 404, "not-found")


async def test_a_days_number_is_made_of_its_events(found: World) -> None:
    answer = await ask(found, "why/numbers/sales_by_day", **DAY)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["value"], told["sum"], told["adds_up"]) == (2300, 2300, True)
    assert told["key"] == {"merchant": "m1", "day": "2018-03-01", "currency": "BRL"}
    assert [(each["type"], each["part"]) for each in told["parts"]] == [("OrderPlaced", 2300)]
    assert told["by_type"] == [{"type": "OrderPlaced", "events": 1, "part": 2300}]


async def test_wrong_questions_about_numbers(found: World) -> None:
    for query, status, kind in (
        ({"column": "net_cents", "day": "2011-01-01"}, 404, "not-found"),
        ({"column": "nothing", "day": "2018-03-01"}, 404, "not-found"),
        ({"day": "2018-03-01"}, 422, "invalid-input"),
        ({"column": "net_cents", "day": "someday"}, 422, "invalid-input"),
        ({"column": "net_cents", "sku": "A"}, 422, "invalid-input"),
        ({"column": "net_cents", "colour": "red"}, 422, "invalid-input"),
        ({"column": "net_cents", "day": "2018-03-01", "currency": "a\0b"}, 422, "invalid-input"),
    ):
        problem(await ask(found, "why/numbers/sales_by_day", **query), status, kind)
    problem(await ask(found, "why/numbers/events", **DAY), 404, "not-found")


async def test_a_number_of_too_many_events_for_an_answer_is_refused_with_what_to_do(
    found: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(why_routes, "EVENTS_MAX", 1)
    refused = problem(await ask(found, "why/numbers/sales_by_day", **DAY), 422, "invalid-input")
    assert "more than 1 events make up this number; ask for a smaller one" in refused["detail"]
    assert "`tillroll why` takes 10,000,000" in refused["detail"]


async def test_only_who_reads_audits_of_the_platform_sees_across_merchants(found: World) -> None:
    query = {"column": "due_cents", "checkout_id": "both"}
    problem(await ask(found, "platform/why/numbers/checkouts", **query), 403, "forbidden")
    problem(await ask(found, "why/numbers/checkouts", **query), 422, "invalid-input")
    of_all = await found.signed_in("auditor", PLATFORM)
    told = (await ask(found, "platform/why/numbers/checkouts", of_all, **query)).json()
    assert (told["value"], told["adds_up"], told["parts_count"]) == (4600, True, 2)
    one = await ask(found, "platform/why/numbers/sales_by_day", of_all, merchant="m2", params=None, **DAY)
    assert one.status_code == 422, "two merchants have this day"


async def test_a_customer_and_who_has_no_audit_read_are_kept_out(found: World) -> None:
    for secret in (
        await found.signed_in("customer", "m1", subject="subject-p1"),
        await found.key("m1", "orders:read"),
    ):
        problem(await ask(found, "why/orders/m1o", secret), 403, "forbidden")
        problem(await ask(found, "why/numbers/orders", secret, column="total_cents"), 403, "forbidden")
