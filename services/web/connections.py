"""What may one connection do, and how many may there be? uvicorn's protocol, with bounds on time and size.

The application meets a request only once its head is there, so a client that dribbles its head, sends too
much of it, pipelines without end, or takes no answer is met here. Who has only opened a connection, or keeps
one open, is the first to go where there are too many.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.web.addresses import Addresses, client_of, parsed
from services.web.problems import Problem, try_later

RETRY_SECONDS = 1.0
PIPELINED_MAX = 16


@dataclass(frozen=True, slots=True)
class ConnectionBounds:
    """How many, and for one: of its head, of what still comes after an answer, of a reader that stalls.

    A reader must take `stall_bytes` in `stall_seconds`. Proxies that are trusted are many clients: they may
    have any number of the connections.
    """

    connections_max: int = 800
    per_address_max: int = 256
    head_seconds: float = 10.0
    head_bytes_max: int = 32 * 1024
    head_fields_max: int = 100
    rest_seconds: float = 10.0
    rest_bytes_max: int = 2**20
    stall_seconds: float = 10.0
    stall_bytes: int = 16 * 1024
    addresses: Addresses = field(default_factory=Addresses)


class Census:
    """All connections of a server: how many from where, and which are idle, the longest first."""

    def __init__(self, bounds: ConnectionBounds) -> None:
        self._bounds = bounds
        self._by_client: Counter[str] = Counter()
        self._idle: OrderedDict[GuardedProtocol, None] = OrderedDict()
        self._all = 0

    def enter(self, connection: GuardedProtocol, peer: str) -> str | None:
        """Count it; None where there are too many, else what `leave` is to be told."""
        address = parsed(peer)
        client = client_of(address) if address else peer
        trusted = self._bounds.addresses.trusts(address)
        if self._by_client[client] >= self._bounds.per_address_max and not trusted:
            return None
        if self._all >= self._bounds.connections_max and not self._end_one_idle():
            return None
        self._all += 1
        self._by_client[client] += 1
        self._idle[connection] = None
        return client

    def leave(self, connection: GuardedProtocol, client: str) -> None:
        self._all -= 1
        self._idle.pop(connection, None)
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]

    def idle(self, connection: GuardedProtocol) -> None:
        self._idle[connection] = None

    def busy(self, connection: GuardedProtocol) -> None:
        self._idle.pop(connection, None)

    def _end_one_idle(self) -> bool:
        if not self._idle:
            return False
        connection, _ = self._idle.popitem(last=False)
        connection.end()
        return True


class GuardedProtocol(HttpToolsProtocol):
    """Made into a class for one server by `guarded`."""

    bounds: ConnectionBounds
    census: Census

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._client: str | None = None
        self._deaf = False
        self._trouble: Problem | None = None
        # of a request: between messages or in a head; its first byte was seen; bytes of it so far
        self._in_head = True
        self._begun = False
        self._head_bytes = 0
        self._rest_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._pending = 0

    # what the transport tells

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._client = self.census.enter(self, self.client[0] if self.client else "")
        if self._client is None:
            self._refuse(try_later("there are too many connections", RETRY_SECONDS, kind="overloaded"))
        else:
            self._be_done_in(self.bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_stall()
        if self._client is not None:
            self.census.leave(self, self._client)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        self.census.busy(self)
        was_in_head = self._in_head and self._begun
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # we speak nothing else: it was answered as any request, and is the last
            self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._refuse(self._trouble or Problem(400, "malformed-request", "this is not HTTP/1.1"))
        else:
            self._mind(len(data), was_in_head)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._mind_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_stall()

    # what the parser tells

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begun = True

    def on_headers_complete(self) -> None:
        self._trouble = self._trouble_of_head()
        if self._trouble:
            raise ValueError(self._trouble.detail)  # the parser stops, and `data_received` answers
        self._in_head = False
        self._rest_bytes = 0
        super().on_headers_complete()
        if len(self.pipeline) > PIPELINED_MAX:
            raise ValueError("too many requests at once on one connection")

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True
        self._begun = False
        self._head_bytes = 0

    def _trouble_of_head(self) -> Problem | None:
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.bounds.head_bytes_max or len(self.headers) > self.bounds.head_fields_max:
            return self._head_too_large()
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            return Problem(400, "malformed-request", "a request has one header Host")
        return None

    def _head_too_large(self) -> Problem:
        bounds = self.bounds
        detail = f"a head holds at most {bounds.head_bytes_max} bytes and {bounds.head_fields_max} fields"
        return Problem(431, "head-too-large", detail)

    # what the application tells

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._mind_reader()
        elif self.cycle.response_complete:
            if self._in_head and not self._begun:
                self.census.idle(self)
            self._mind(0, was_in_head=False)

    def timeout_keep_alive_handler(self) -> None:
        self.end()

    # how it is minded

    def _mind(self, size: int, was_in_head: bool) -> None:
        """Have a time-out run for what is to come from the client, if anything is."""
        answered = self.cycle is None or self.cycle.response_complete
        if self.transport.is_closing():
            return
        if not self._in_head and answered:
            self._mind_rest(size)
        elif self._in_head and not self.flow.read_paused and (self._begun or (size and answered)):
            self._head_bytes += size if was_in_head else 0
            if self._head_bytes > self.bounds.head_bytes_max:
                self._refuse(self._head_too_large())
            else:
                self._be_done_in(self.bounds.head_seconds)
        else:
            self._stop_timer()

    def _mind_rest(self, size: int) -> None:
        """The rest of a body that was answered before it was there: a little is taken, and thrown away."""
        self._rest_bytes += size
        if self._rest_bytes > self.bounds.rest_bytes_max:
            self.end()
        else:
            self._be_done_in(self.bounds.rest_seconds)

    def _be_done_in(self, seconds: float) -> None:
        """Unless that is running already: what comes meanwhile gives no more time."""
        if self._timer is None:
            self._timer = self.loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        self._timer = None
        if self._in_head and self._begun:
            self._refuse(Problem(408, "too-slow", "the head of the request came too slowly"))
        else:
            self.end()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, problem: Problem) -> None:
        """Answer with the problem where that can be told from other answers, and end."""
        self._deaf = True
        waiting = self.cycle is not None and not self.cycle.response_complete
        if not waiting or not (self._in_head or self.cycle.response_started or self.pipeline):
            self.transport.write(_as_bytes(problem))
        self.end()

    def end(self) -> None:
        """Close, once what was written is taken, if it is."""
        self._deaf = True
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.close()
        self._mind_reader()

    def _mind_reader(self) -> None:
        """Look after the client that takes what is written, or does not."""
        if self._stall is None:
            self._pending = self.transport.get_write_buffer_size()
            if self._pending:
                self._stall = self.loop.call_later(self.bounds.stall_seconds, self._stalled)

    def _stalled(self) -> None:
        self._stall = None
        if self._pending - self.transport.get_write_buffer_size() < min(
            self.bounds.stall_bytes, self._pending
        ):
            self.transport.abort()
        else:
            self._mind_reader()

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


def _as_bytes(problem: Problem) -> bytes:
    """As HTTP, for who has no application behind it."""
    response = problem.response()
    head = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    head += [f"{name.decode()}: {value.decode()}" for name, value in response.raw_headers]
    head += ["cache-control: no-store", "x-content-type-options: nosniff", "connection: close", "", ""]
    return "\r\n".join(head).encode() + bytes(response.body)


def guarded(bounds: ConnectionBounds) -> type[asyncio.Protocol]:
    """The protocol class for `uvicorn.Config(http=…)` of one server."""
    return type("GuardedProtocol", (GuardedProtocol,), {"bounds": bounds, "census": Census(bounds)})
