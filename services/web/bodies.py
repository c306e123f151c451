"""How does the body of a request come in? Whole, not too large, not too slowly, not too deep.

It is read before the request takes a place in the work: a client that dribbles keeps nobody busy, and what it
can make us hold in memory is bounded for one request and for all together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from services.web.asgi import ASGIApp, Message, Receive, Scope, Send, refuse
from services.web.budgets import Budgets, OutOfTime
from services.web.nesting import DEPTH_MAX, too_deep
from services.web.problems import Problem, try_later

RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class BodyBounds:
    """In bytes and seconds: of one body, of all bodies in hand, of a pause in it, of the whole of it."""

    bytes_max: int = 512 * 1024
    bytes_in_hand_max: int = 64 * 2**20
    pause_seconds: float = 10.0
    whole_seconds: float = 30.0
    depth_max: int = DEPTH_MAX


class _Gone(Exception):
    """The client left before its body was whole."""


class Bodies:
    """Reads the body, and hands the request on with it. At the paths `streamed` a route reads it by itself,
    piece by piece, with bounds of its own.
    """

    def __init__(
        self, app: ASGIApp, bounds: BodyBounds | None = None, *, streamed: Collection[str] = ()
    ) -> None:
        self._app = app
        self._streamed = streamed
        self._bounds = bounds or BodyBounds()
        self._patience = Budgets(self._bounds.pause_seconds)
        self._in_hand = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        announced = _announced(scope)
        if announced is None or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
            return
        body = bytearray()
        try:
            await self._read(announced, body, receive)
            await self._app(scope, _again(bytes(body), receive), send)
        except _Refused as refused:
            await refuse(refused.problem, scope, receive, send)
        except _Gone:
            return
        finally:
            self._in_hand -= len(body)

    async def _read(self, announced: int, body: bytearray, receive: Receive) -> None:
        """Raises _Refused or _Gone. What is in `body` counts as in hand."""
        self._check_size(announced)
        clock = asyncio.get_running_loop().time
        until = clock() + self._bounds.whole_seconds
        try:
            with self._patience.begin() as patience:
                while await self._take(body, receive):
                    patience.until = min(until, clock() + self._bounds.pause_seconds)
        except OutOfTime:
            # the connection ends with it: the rest of the body would stand before the next request
            headers = {"Connection": "close"}
            raise _Refused(Problem(408, "too-slow", "the body came too slowly", headers=headers)) from None
        if too_deep(bytes(body), self._bounds.depth_max):
            detail = f"JSON may be nested {self._bounds.depth_max} deep at most"
            raise _Refused(Problem(400, "too-deep", detail))

    async def _take(self, body: bytearray, receive: Receive) -> bool:
        """Take one more piece; whether there is more to come."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        piece = message.get("body", b"")
        body += piece
        self._in_hand += len(piece)
        self._check_size(len(body))
        return bool(message.get("more_body"))

    def _check_size(self, size: int) -> None:
        if size > self._bounds.bytes_max:
            detail = f"the body of a request holds at most {self._bounds.bytes_max} bytes"
            raise _Refused(Problem(413, "too-large", detail))
        if self._in_hand > self._bounds.bytes_in_hand_max:
            raise _Refused(try_later("too much is being sent at once", RETRY_SECONDS, kind="overloaded"))


class _Refused(Exception):
    """Not for the application: its own problems go their own way."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def _announced(scope: Scope) -> int | None:
    """The bytes of the body, 0 where they come in chunks; None where there is no body."""
    found = None
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
        if name == b"transfer-encoding":
            found = 0
    return found


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body in one piece, and then what comes after it."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
