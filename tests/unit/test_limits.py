"""Are the limits right where they need neither a socket nor a database?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.web.addresses import Addresses, networks
from services.web.asgi import Message, Receive, Scope, Send
from services.web.bodies import Bodies, BodyBounds
from services.web.budgets import Budgets, OutOfTime
from services.web.nesting import too_deep
from services.web.shapes import Shapes
from services.web.slots import NoSlot, Slots

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def a_scope(peer: str = "192.0.2.1", method: str = "GET", path: str = "/", **headers: str) -> dict[str, Any]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": "http",
        "client": (peer, 1),
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": raw,
    }


async def status_of(app: App, scope: dict[str, Any], *messages: Message) -> tuple[int, dict[str, Any]]:
    """The status and the document of the answer to a request that comes in these messages."""
    coming, answer = list(messages), bytearray()
    status = 0

    async def receive() -> Message:
        return coming.pop(0) if coming else await asyncio.Event().wait()  # type: ignore[return-value]

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        answer.extend(message.get("body", b""))

    await app(scope, receive, send)
    return status, orjson.loads(answer or b"{}")


async def fine(_: Scope, receive: Receive, send: Send) -> None:
    """An application that takes its body and likes it."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),  # not a proxy of ours: whatever it says
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.9", "198.51.100.9"),  # what stands before it, the client said
        ("10.0.0.1", "1.1.1.1, 198.51.100.9, 10.0.0.2", "198.51.100.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9:4711", "198.51.100.9"),
        ("10.0.0.1", "::ffff:198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "[2001:db8:1:2:3::4]:80", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("2001:db8:1:2:ffff::1", "", "2001:db8:1:2::/64"),
    ],
)
def test_the_address_is_that_of_the_last_that_no_proxy_of_ours_is(
    peer: str, forwarded: str, client: str
) -> None:
    addresses = Addresses(networks("10.0.0.0/8, 2001:db8:f::/48"))
    headers = {"x_forwarded_for": forwarded} if forwarded else {}
    assert addresses.client(a_scope(peer, **headers)) == client


def test_forwarded_lines_count_in_their_order() -> None:
    scope = a_scope("10.0.0.1", x_forwarded_for="1.1.1.1")
    scope["headers"].append((b"x-forwarded-for", b"198.51.100.9"))
    assert Addresses(networks("10.0.0.0/8")).client(scope) == "198.51.100.9"
    assert Addresses().client(scope) == "10.0.0.1"


def depth(value: Any) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if members is None else 1 + max(map(depth, members), default=0)


nested = st.recursive(
    st.none() | st.booleans() | st.text(alphabet='[]{}"\\a', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('[]{}"\\', max_size=4), inner),
)


@given(nested, st.integers(0, 6))
def test_nesting_is_that_of_the_parsed_text(value: Any, most: int) -> None:
    assert too_deep(orjson.dumps(value), most) == (depth(value) > most)


def test_brackets_in_texts_neither_hide_nor_make_depth() -> None:
    assert too_deep(b'{"a}}}}}}":[[[[1]]]]}', 4)
    assert not too_deep(b'{"a[[[[[[":"[[[["}', 4)


async def test_places_are_given_in_order_and_one_too_many_is_told_at_once() -> None:
    slots = Slots(1, waiting_max=2, wait_seconds=60)
    order: list[str] = []

    async def work(name: str, *, back: bool = False) -> None:
        await slots.take(back=back)
        order.append(name)

    await slots.take()
    waiting = [asyncio.create_task(work(name)) for name in ("first", "second")]
    await asyncio.sleep(0)
    with pytest.raises(NoSlot):
        await slots.take()
    waiting.append(asyncio.create_task(work("back", back=True)))
    await asyncio.sleep(0)
    for _ in range(3):
        slots.give()
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["back", "first", "second"]
    slots.give()
    assert (slots.free, slots.waiting) == (1, 0)


async def test_who_waited_too_long_gets_no_place_and_leaves_none_behind() -> None:
    slots = Slots(1, waiting_max=2, wait_seconds=0.01)
    await slots.take()
    with pytest.raises(NoSlot):
        await slots.take()
    slots.give()
    assert (slots.free, slots.waiting) == (1, 0)


@pytest.mark.parametrize("given_first", [True, False])
async def test_a_place_is_not_lost_when_who_waits_is_cancelled(given_first: bool) -> None:
    slots = Slots(1, waiting_max=2, wait_seconds=60)
    await slots.take()
    waiting = asyncio.create_task(slots.take())
    await asyncio.sleep(0)
    first, second = (slots.give, waiting.cancel) if given_first else (waiting.cancel, slots.give)
    first()
    second()
    with suppress(asyncio.CancelledError):
        await waiting
    assert (slots.free, slots.waiting) == (1, 0)


async def test_a_budget_ends_what_takes_too_long_and_not_what_rests() -> None:
    budgets = Budgets(0.02)
    with pytest.raises(OutOfTime), budgets.begin():
        await asyncio.Event().wait()
    with budgets.begin() as budget:
        left = budget.pause()
        await asyncio.sleep(0.1)
        budget.go_on(left)
    assert len(budgets) == 0


async def test_a_cancellation_from_outside_stays_one() -> None:
    budgets = Budgets(60)

    async def work() -> None:
        with budgets.begin():
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(budgets) == 0


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "get"])
async def test_odd_methods_are_refused(method: str) -> None:
    status, document = await status_of(Shapes(fine), a_scope(method=method))
    assert (status, document["type"]) == (405, "/problems/method-not-allowed")


async def test_addresses_have_a_length() -> None:
    assert (await status_of(Shapes(fine), a_scope(path="/" + "a" * 2048)))[0] == 414
    long_query = a_scope() | {"query_string": b"a" * 8193}
    assert (await status_of(Shapes(fine), long_query))[0] == 414


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("shop.example.org", True),
        ("SHOP.example.org:8460", True),
        ("a.b.example.com", True),
        ("example.com", False),
        ("badexample.com", False),
        ("evil.org", False),
        ("", False),
    ],
)
async def test_only_our_hosts_are_served(host: str, known: bool) -> None:
    shapes = Shapes(fine, hosts=["shop.example.org", "*.example.com"])
    headers = {"host": host} if host else {}
    assert (await status_of(shapes, a_scope(**headers), {"type": "http.request"}))[0] == (
        200 if known else 400
    )


def a_piece(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.parametrize(
    ("headers", "pieces", "status"),
    [
        ({"content_length": "10"}, [a_piece(b"0123456789")], 200),
        ({"content_length": "11"}, [], 413),  # it is told before anything is taken
        ({"transfer_encoding": "chunked"}, [a_piece(b"0123456789", more=True), a_piece(b"x")], 413),
        ({"transfer_encoding": "chunked"}, [a_piece(b"01234", more=True), a_piece(b"56789")], 200),
        ({"content_length": "10"}, [a_piece(b"[[[[1]]]]")], 400),
        ({"content_length": "10"}, [a_piece(b"0", more=True)], 408),
        ({}, [a_piece(b"")], 200),
    ],
)
async def test_bodies_are_bounded(headers: dict[str, str], pieces: list[Message], status: int) -> None:
    bodies = Bodies(fine, BodyBounds(bytes_max=10, pause_seconds=0.01, depth_max=3))
    assert (await status_of(bodies, a_scope(**headers), *pieces))[0] == status
    assert bodies._in_hand == 0


async def test_all_bodies_together_are_bounded() -> None:
    bodies = Bodies(fine, BodyBounds(bytes_in_hand_max=10))
    first = asyncio.create_task(status_of(bodies, a_scope(content_length="9"), a_piece(b"x" * 8, more=True)))
    await asyncio.sleep(0)
    status, document = await status_of(bodies, a_scope(content_length="8"), a_piece(b"x" * 8))
    assert (status, document["type"]) == (503, "/problems/overloaded")
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    assert (await status_of(bodies, a_scope(content_length="8"), a_piece(b"x" * 8)))[0] == 200
