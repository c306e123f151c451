"""What can a hostile client do with a socket? It is met with an answer or an end, and holds no work."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import FastAPI, Request

from services.api import make_server
from services.limit_settings import LimitSettings
from services.limits import harden
from services.listening import API, listen
from services.web.problems import install_problems
from services.web.serving import serve
from tests.integration.api_client import listening
from tests.patience import HANGS

SHORT = 0.05
LARGE, TAKEN = 16_000_000, 2**16
"""Bytes: more than the kernel takes of what nobody reads, which is 4 MB to send and so many received."""
FAR_OFF = dict.fromkeys(
    ("head_seconds", "body_seconds", "body_pause_seconds", "stall_seconds", "request_seconds"), 2 * HANGS
)
REQUEST = b"GET /ok HTTP/1.1\r\nHost: api\r\n\r\n"


class Client:
    """A raw socket: what was answered can be read from it also where the server has ended the connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.loop = asyncio.get_running_loop()
        self.read = bytearray()

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            await self.loop.sock_sendall(self.connection, piece)
            await asyncio.sleep(0)

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """One answer: its status, headers and document."""
        while b"\r\n\r\n" not in self.read:
            assert await self._more(), bytes(self.read)
        head, _, rest = bytes(self.read).partition(b"\r\n\r\n")
        first, *lines = head.decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = int(headers["content-length"])
        self.read = bytearray(rest)
        while len(self.read) < length:
            assert await self._more()
        body = bytes(self.read[:length])
        del self.read[:length]
        return int(first.split()[1]), headers, orjson.loads(body)

    async def rest(self) -> bytes:
        """All that still comes until the server ends it."""
        while await self._more():
            pass
        return bytes(self.read)

    async def _more(self) -> bool:
        try:
            piece = await self.loop.sock_recv(self.connection, 2**16)
        except ConnectionError:
            return False
        self.read += piece
        return bool(piece)

    async def dribble(self, piece: bytes) -> None:
        """Send it again and again, until something comes back or the server has ended it."""
        with suppress(ConnectionError):
            while not select.select([self.connection], [], [], 0)[0]:
                await self.send(piece)
                await asyncio.sleep(SHORT / 10)


class Served:
    """A small hardened application on a socket, and what it saw."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[bytes] = []
        self.called = asyncio.Event()
        self.door = asyncio.Event()
        self.app = FastAPI()
        install_problems(self.app)
        self.app.get("/ok")(self.ok)
        self.app.get("/large")(self.large)
        self.app.get("/slow")(self.slow)
        self.app.post("/body")(self.body)

    async def ok(self) -> dict[str, str]:
        return {"is": "ok"}

    async def large(self) -> str:
        return "x" * LARGE

    async def slow(self) -> dict[str, str]:
        self.called.set()
        await self.door.wait()
        return {"is": "slow"}

    async def body(self, request: Request) -> dict[str, int]:
        self.seen.append(await request.body())
        return {"bytes": len(self.seen[-1])}

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        host, port = self.url.removeprefix("http://").split(":")
        async with asyncio.timeout(HANGS):
            with socket.socket() as connection:
                connection.setblocking(False)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TAKEN)
                await asyncio.get_running_loop().sock_connect(connection, (host, int(port)))
                yield Client(connection)

    async def has_cut_off(self) -> None:
        """Until the server has no connection any more."""
        while self.connections():
            await asyncio.sleep(SHORT / 10)

    def connections(self) -> int:
        """How many the server has open, by the kernel's own account."""
        port = f":{int(self.url.rpartition(':')[2]):04X} "
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        return sum(port in line.split(maxsplit=2)[1] + " " and line.split()[3] == "01" for line in lines)

    async def answers(self) -> bool:
        async with self.client() as client:
            await client.send(REQUEST)
            return (await client.answer())[0] == 200


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[Served]:
    """With these limits; times that are not named are far off, so that no other one ends what is tried."""
    settings = LimitSettings(**FAR_OFF | changes)
    served = Served()
    harden(served.app, settings)
    async with listening(served.app, settings) as served.url:
        yield served
        served.door.set()


@pytest.mark.parametrize(
    "start",
    [b"", b"GET /", b"GET /ok HTTP/1.1\r\nHost: api\r\n", b"GET /ok HTTP/1.1\r\nHost: api\r\nX-A", b"\r\n"],
)
async def test_a_head_has_a_time_and_dribbling_gives_no_more(start: bytes) -> None:
    async with serving(head_seconds=SHORT) as served, served.client() as client:
        await client.send(start)
        if start.startswith(b"GET"):
            await client.dribble(b"X-A: 1\r\n" if start.endswith(b"\n") else b"X")
            status, headers, document = await client.answer()
            assert (status, document["type"]) == (408, "/problems/too-slow")
            assert headers["connection"] == "close"
        assert await client.rest() == b""
        assert await served.answers()


async def test_a_kept_connection_has_a_time_for_its_next_head_too() -> None:
    async with serving(head_seconds=SHORT) as served, served.client() as client:
        for _ in range(2):
            await client.send(REQUEST)
            assert (await client.answer())[0] == 200
        await client.dribble(b"\r\n")  # no request yet, says the parser
        assert await client.rest() == b""


async def test_a_slow_connection_that_is_kept_is_not_cut() -> None:
    async with serving(head_seconds=SHORT) as served, served.client() as client:
        for _ in range(3):
            await client.send(REQUEST[:10], REQUEST[10:])
            assert (await client.answer())[0] == 200
            await asyncio.sleep(2 * SHORT)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /ok HTTP/1.1\r\nHost: api\r\nX-A: " + b"a" * 5000 + b"\r\n\r\n", 431),
        (b"GET /ok HTTP/1.1\r\nHost: api\r\n" + b"X-A: 1\r\n" * 20 + b"\r\n", 431),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: api\r\n\r\n", 431),
        (b"GET /" + b"a" * 2100 + b" HTTP/1.1\r\nHost: api\r\n\r\n", 414),
        (b"GET /ok HTTP/1.1\r\n\r\n", 400),
        (b"GET /ok HTTP/1.1\r\nHost: api\r\nHost: other\r\n\r\n", 400),
        (b"GET http://api HTTP/1.1\r\nHost: api\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: api\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"TRACE /ok HTTP/1.1\r\nHost: api\r\n\r\n", 405),
        (b"CONNECT api:80 HTTP/1.1\r\nHost: api\r\n\r\n", 400),
        (b"POST /body HTTP/1.1\r\nHost: api\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab", 400),
        (b"POST /body HTTP/1.1\r\nHost: api\r\nContent-Length: -2\r\n\r\nab", 400),
        (
            b"POST /body HTTP/1.1\r\nHost: api\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
    ],
)
async def test_what_is_no_request_of_ours_gets_a_problem(head: bytes, status: int) -> None:
    async with serving(head_bytes_max=4096, head_fields_max=16) as served, served.client() as client:
        await client.send(head)
        found, headers, document = await client.answer()
        assert (found, document["status"]) == (status, status)
        assert headers["content-type"] == "application/problem+json"
        assert "server" not in headers
        assert served.seen == []
        assert await served.answers()


async def test_a_head_without_end_is_cut() -> None:
    async with serving(head_bytes_max=4096) as served, served.client() as client:
        await client.send(b"GET /ok HTTP/1.1\r\nHost: api\r\nX-A: ")
        await client.dribble(b"a" * 1024)
        assert (await client.answer())[0] == 431


async def test_a_body_has_a_time() -> None:
    async with (
        serving(body_pause_seconds=0.5, working_max=1, waiting_max=0) as served,
        served.client() as client,
    ):
        await client.send(b"POST /body HTTP/1.1\r\nHost: api\r\nContent-Length: 9\r\n\r\nabc")
        assert await served.answers()  # it holds no place in the work meanwhile
        status, headers, document = await client.answer()
        assert (status, document["type"]) == (408, "/problems/too-slow")
        assert headers["connection"] == "close"
        assert await client.rest() == b""
        assert served.seen == []


async def test_dribbling_a_body_gives_no_more_time() -> None:
    async with serving(body_seconds=SHORT) as served, served.client() as client:
        await client.send(b"POST /body HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.dribble(b"1\r\na\r\n")
        assert (await client.answer())[0] == 408


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_body_that_is_too_large_is_not_taken(chunked: bool) -> None:
    async with serving(body_bytes_max=2048) as served, served.client() as client:
        how = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 3000"
        await client.send(b"POST /body HTTP/1.1\r\nHost: api\r\n" + how + b"\r\n\r\n")
        body = b"x" * 3000
        await client.send(b"bb8\r\n" + body + b"\r\n0\r\n\r\n" if chunked else body)
        status, _, document = await client.answer()
        assert (status, document["type"]) == (413, "/problems/too-large")
        await client.send(REQUEST)  # the rest was thrown away, the connection is good
        assert (await client.answer())[0] == 200
        assert served.seen == []


async def test_who_asks_first_need_not_send_what_is_too_large() -> None:
    async with serving(body_bytes_max=2048) as served, served.client() as client:
        head = b"POST /body HTTP/1.1\r\nHost: api\r\nExpect: 100-continue\r\nContent-Length: 3000\r\n\r\n"
        await client.send(head)
        assert (await client.answer())[0] == 413  # and no 100 before it


async def test_what_comes_after_a_refusal_is_bounded() -> None:
    async with serving(body_bytes_max=2048, head_seconds=60) as served, served.client() as client:
        await client.send(b"POST /body HTTP/1.1\r\nHost: api\r\nContent-Length: 900000000\r\n\r\n")
        assert (await client.answer())[0] == 413
        await client.dribble(b"x" * 65536)
        assert await client.rest() == b""


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving() as served, served.client() as client:
        body = b"POST /body HTTP/1.1\r\nHost: api\r\nContent-Length: %d\r\n\r\n%s"
        await client.send(REQUEST + body % (2, b"ab") + REQUEST + body % (3, b"abc"))
        answers = [(await client.answer())[2] for _ in range(4)]
        assert answers == [{"is": "ok"}, {"bytes": 2}, {"is": "ok"}, {"bytes": 3}]


async def test_pipelining_has_an_end() -> None:
    async with serving(head_seconds=60) as served, served.client() as client:
        await client.send(b"GET /slow HTTP/1.1\r\nHost: api\r\n\r\n" + REQUEST * 5000)
        assert await client.rest() == b""
        assert await served.answers()


async def test_who_may_not_send_on_is_not_late() -> None:
    async with serving(head_seconds=SHORT) as served, served.client() as client:
        slow = b"GET /slow HTTP/1.1\r\nHost: api\r\n\r\n"
        await client.send(slow + REQUEST + REQUEST[:10])  # nothing more is read until the first is answered
        await asyncio.sleep(4 * SHORT)
        await client.send(REQUEST[10:])
        served.door.set()
        assert [(await client.answer())[0] for _ in range(3)] == [200] * 3


async def test_garbage_after_a_request_is_no_answer_to_it() -> None:
    async with serving() as served, served.client() as client:
        await client.send(b"GET /slow HTTP/1.1\r\nHost: api\r\n\r\n" + b"garbage\r\n\r\n")
        assert await client.rest() == b""


async def test_an_upgrade_is_not_taken() -> None:
    async with serving() as served, served.client() as client:
        head = REQUEST[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        await client.send(head + b"more", REQUEST)
        assert (await client.answer())[0] == 200
        assert await client.rest() == b""


async def test_a_reader_that_takes_nothing_is_cut_off() -> None:
    async with serving(stall_seconds=SHORT, working_max=1, waiting_max=0) as served:
        async with served.client() as client:
            await client.send(b"GET /large HTTP/1.1\r\nHost: api\r\n\r\n")
            await served.has_cut_off()
            assert 0 < len(await client.rest()) < LARGE
        assert await served.answers()


async def test_a_reader_that_takes_it_gets_it_all() -> None:
    async with serving(stall_seconds=5) as served, served.client() as client:
        await client.send(b"GET /large HTTP/1.1\r\nHost: api\r\n\r\n")
        assert len((await client.answer())[2]) == LARGE


async def test_a_half_closed_connection_is_closed() -> None:
    async with serving() as served, served.client() as client:
        await client.send(b"POST /body HTTP/1.1\r\nHost: api\r\nContent-Length: 9\r\n\r\nabc")
        client.connection.shutdown(socket.SHUT_WR)
        assert await client.rest() == b""
        assert served.seen == []
        assert await served.answers()


async def test_an_address_has_so_many_connections_and_no_more() -> None:
    async with serving(connections_per_address_max=2) as served:
        async with served.client() as first, served.client() as second:
            for client in (first, second):
                await client.send(REQUEST)
                assert (await client.answer())[0] == 200
            async with served.client() as third:
                status, headers, document = await third.answer()
                assert (status, document["type"]) == (503, "/problems/overloaded")
                assert headers["retry-after"] == "1"
                assert await third.rest() == b""
        assert await served.answers()


async def test_a_proxy_of_ours_has_any_number() -> None:
    trusting = {"connections_per_address_max": 1, "trusted_proxies": "127.0.0.0/8"}
    async with serving(**trusting) as served, served.client() as first:
        await first.send(REQUEST)
        assert (await first.answer())[0] == 200
        assert await served.answers()


async def test_who_is_idle_makes_room_and_who_works_does_not() -> None:
    async with serving(connections_max=2) as served, served.client() as working, served.client() as idle:
        await working.send(b"GET /slow HTTP/1.1\r\nHost: api\r\n\r\n")
        await idle.send(REQUEST)
        assert (await idle.answer())[0] == 200
        async with served.client() as third:
            await third.send(b"GET /slow HTTP/1.1\r\nHost: api\r\n\r\n")
            assert await idle.rest() == b""
            async with served.client() as fourth:
                assert (await fourth.answer())[0] == 503
            served.door.set()
            assert (await third.answer())[2] == (await working.answer())[2] == {"is": "slow"}


@pytest.mark.parametrize("turns", range(6))
async def test_who_comes_in_the_last_moment_is_not_left_behind(turns: int) -> None:
    """Some turns of the loop pass until a server knows whom it has taken; it is stopped after each."""
    listener = listen("127.0.0.1", 0, API)
    server = make_server(Served().app, LimitSettings(head_seconds=60))
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0)
    with socket.create_connection(listener.getsockname()) as connection:
        for _ in range(turns):
            await asyncio.sleep(0)
        await server.shutdown([listener])
        with suppress(ConnectionResetError):  # nobody had taken it yet
            assert connection.recv(1, socket.MSG_DONTWAIT) == b""
    server.started, server.should_exit = False, True  # it was shut down already
    await serving


async def test_who_insists_that_a_server_ends_still_lets_it_answer() -> None:
    served = Served()
    listener = listen("127.0.0.1", 0, API)
    served.url = "http://{}:{}".format(*listener.getsockname())
    serving = asyncio.create_task(serve(make_server(served.app), listener))
    async with served.client() as client:
        await client.send(b"GET /slow HTTP/1.1\r\nHost: api\r\n\r\n")
        await served.called.wait()
        for _ in range(3):
            serving.cancel()
            await asyncio.sleep(SHORT)
        served.door.set()
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "close")
    await asyncio.wait([serving])
    assert serving.cancelled()


async def test_the_body_of_an_answer_does_not_wait_until_its_head_is_acknowledged() -> None:
    with listen("127.0.0.1", 0, API) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
