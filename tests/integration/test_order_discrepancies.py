"""Can a merchant close what contradicts an order over HTTP, and is it shown who did, when and why?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from commands.executor import Context
from domain.kernel import one
from domain.order import OpenOrderDiscrepancy, OrderDiscrepancyResolved
from domain.streams import order_stream
from eventstore.seams import RandomIds
from tests.integration.api_client import Api, an_order, problem, serving
from tests.integration.test_cart import ok
from tests.integration.test_cart_reads import get, projecting


async def tell(api: Api, kind: Any, fact: str, about: str = "1001.card") -> None:
    """As the order's agent does: by whatever hears of it, and each time that it hears."""
    assert api.context is not None
    told = Context(RandomIds().new(), "m1", "test", "k", "test", api.context.clock.now())
    command = OpenOrderDiscrepancy(order_id="1001", kind=kind, about=about, fact=fact)
    done = await api.context.executor.execute(one(order_stream("m1", "1001"), command), told)
    assert done.refused is None


async def listed(api: Api, **query: str) -> list[tuple[str, str]]:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    page = await ok(get(api, f"/v1/order-discrepancies?{words}"))
    return [(each["kind"], each["status"]) for each in page["items"]]


async def test_a_person_resolves_a_discrepancy_of_an_order_and_says_why(
    database: str, nats_url: str, tmp_path: Path
) -> None:
    path = "/v1/orders/1001/discrepancies/{}/resolve"
    async with serving(database, nats_url, tmp_path) as api, projecting(api):
        assert (await api.post("/v1/orders", an_order(order_id="1001"))).status_code == 201
        none = problem(await api.post(path.format("not_voided"), {"reason": "seen"}), 404, "not-found")
        assert none["rule"] == "discrepancy_exists"
        assert none["detail"] == "no discrepancy not_voided of this order is open; open: none"
        nobodys = await api.post("/v1/orders/9/discrepancies/not_voided/resolve", {"reason": "seen"})
        assert problem(nobodys, 404, "not-found")["rule"] == "order_exists"
        await tell(api, "not_refunded", "e1")
        await tell(api, "not_voided", "e2")
        assert (await ok(get(api, "/v1/orders/1001")))["discrepancy"] == "not_voided"
        for body in ({}, {"reason": ""}, {"reason": " "}, {"reason": "a\x00"}, {"reason": "\x00"}):
            problem(await api.post(path.format("not_voided"), body), 422, "invalid-input")
        assert (await api.post(path.format("not_voided"), {"reason": "let go by hand"})).status_code == 200
        again = await api.post(path.format("not_voided"), {"reason": "again"})
        assert again.status_code == 200, "it is resolved already"
        (event,) = await api.events(OrderDiscrepancyResolved)
        assert (event.kind, event.about, event.reason) == ("not_voided", "1001.card", "let go by hand")
        order = await ok(get(api, "/v1/orders/1001"))
        assert order["discrepancy"] == "not_refunded", "the other one is open yet"
        (closed,) = (await ok(get(api, "/v1/order-discrepancies?open=false")))["items"]
        assert (closed["order_id"], closed["about"]) == ("1001", "1001.card")
        assert closed["resolved_by"]
        assert closed["resolved_at"] >= closed["opened_at"]
        assert await listed(api, open="true") == [("not_refunded", "open")]
        # told once more, by what was told before, and by something new
        await tell(api, "not_voided", "e2")
        assert await listed(api, kind="not_voided") == [("not_voided", "resolved")]
        await tell(api, "not_voided", "e3")
        assert await listed(api, kind="not_voided") == [("not_voided", "open")]
        assert [each["order_id"] for each in (await ok(get(api, "/v1/orders?discrepancy=any")))["items"]] == [
            "1001"
        ]
        await check_what_came_after_the_look(api, path)


async def check_what_came_after_the_look(api: Api, path: str) -> None:
    (seen,) = (await ok(get(api, "/v1/order-discrepancies?open=true&kind=not_voided")))["items"]
    assert seen["fact"] == "e3"
    await tell(api, "not_voided", "e4")
    late = {"reason": "done", "fact": "e3"}
    told = problem(await api.post(path.format("not_voided"), late), 409, "conflict")
    assert (told["rule"], told["detail"]) == (
        "fact_seen",
        "1001.card was told again since e3; look at e4 first",
    )
    await tell(api, "not_voided", "e5", about="1001.other")
    assert await listed(api, kind="not_voided", open="true") == [("not_voided", "open")] * 2
    which = problem(await api.post(path.format("not_voided"), {"reason": "done"}), 409, "conflict")
    assert which["rule"] == "fact_named"
    assert which["detail"].startswith("2 of not_voided are open: e4 (of 1001.card), e5 (of 1001.other);")
    nobody = await api.post(path.format("not_voided"), {"reason": "done", "fact": "e9"})
    assert problem(nobody, 404, "not-found")["rule"] == "discrepancy_exists"
    for body in ({"fact": None}, {"fact": "a\x00"}, {"fact": 3}, {"fact": "e" * 1001}):
        problem(await api.post(path.format("not_voided"), {"reason": "done", **body}), 422, "invalid-input")
    for _ in ("now", "before"):
        named = await api.post(path.format("not_voided"), {"reason": "by hand", "fact": "e4"})
        assert named.status_code == 200
    (left,) = (await ok(get(api, "/v1/order-discrepancies?open=true&kind=not_voided")))["items"]
    assert (left["fact"], left["about"]) == ("e5", "1001.other")
    assert len((await ok(get(api, "/v1/orders?discrepancy=not_voided")))["items"]) == 1
    assert (await ok(get(api, "/v1/orders/1001")))["discrepancy"] == "not_voided", "one is open yet"
    for kind in ("not_voided", "not_refunded"):
        assert (await api.post(path.format(kind), {"reason": "done"})).status_code == 200
    assert (await ok(get(api, "/v1/orders/1001")))["discrepancy"] is None
    assert (await ok(get(api, "/v1/orders?discrepancy=any")))["items"] == []
