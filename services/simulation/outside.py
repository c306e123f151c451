"""The provider's and the carrier's worlds in a simulation: the code that plays the outside, without its HTTP.

What they remember survives their deaths, as their journal does; what they had not settled is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from services.worlds.asgi import Application, problem
from services.worlds.core import Core
from services.worlds.routes import carrier_routes, fault_of, payment_routes
from services.worlds.stage import stable_id
from services.worlds.stripe_errors import errors
from services.worlds.webhooks import Post
from services.worlds.world import World

FLUSH_SECONDS = 0.001
_NO = b'{"error": {"type": "invalid_request_error", "code": "refused", "message": "the bank says no"}}'


class MemoryJournal:
    """The twin of `services.worlds.journal.Journal`: `lines` is the disk, the rest dies with the process."""

    def __init__(self, name: str, lines: list[bytes]) -> None:
        self.name = name
        self.lines = lines
        self._taken: list[tuple[bytes, Callable[[], None] | None]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._flush_is_due = False

    def replay(self) -> Iterator[bytes]:
        return iter(tuple(self.lines))

    def append(self, line: bytes, afterwards: Callable[[], None] | None = None) -> None:
        self._taken.append((line, afterwards))
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush)

    async def settled(self) -> None:
        if self._taken:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    def close(self) -> None:
        self._flush()

    def _flush(self) -> None:
        self._flush_is_due = False
        taken, self._taken = self._taken, []
        waiting, self._waiting = self._waiting, []
        self.lines.extend(line for line, _ in taken)
        for _, afterwards in taken:
            if afterwards:
                afterwards()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)


class Refusals:
    """What a provider will not do though it could: of which payment, what, and how often. Remembered by the
    key of the request, so that who asks again is told the same again."""

    def __init__(self) -> None:
        self._left: dict[tuple[str, str], int] = {}
        self._answers: dict[tuple[str, str, str], bool] = {}

    def plan(self, subject: str, change: str, times: int) -> None:
        """`subject` is our stream; the provider's name for it follows from that."""
        self._left.setdefault((stable_id("pi", subject), change), times)

    def refuses(self, path: str, body: bytes, key: str) -> bool:
        asked = *_change_of(path, body), key
        if asked not in self._answers:
            left = self._left.get(asked[:2], 0)
            self._answers[asked] = left > 0
            self._left[asked[:2]] = left - 1
        return self._answers[asked]


def _change_of(path: str, body: bytes) -> tuple[str, str]:
    """The provider's name of the payment, and which of its changes is asked for."""
    *_, subject, change = path.split("/")
    if change == "refunds":
        return dict(parse_qsl(body.decode()))["payment_intent"], change
    releases = change == "cancel" or body.startswith(b"amount_to_capture=0&")
    return subject, "void" if releases else {"capture": "captures"}.get(change, change)


class Outside:
    """One life of a world's process."""

    def __init__(
        self,
        core: Core[Any],
        lines: list[bytes],
        refusals: Refusals,
        post: Post,
        now: Callable[[], datetime],
    ) -> None:
        self.world: World[Any] = World(core, MemoryJournal(core.kind, lines), now)
        self.refusals = refusals
        is_payment = core.kind == "payment"
        handler = payment_routes(self.world) if is_payment else carrier_routes(self.world)
        refuse = errors if is_payment else problem
        self._application = Application(handler, fault_of(self.world), asyncio.Event(), refuse)
        self.world.start(post)

    async def answer(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None
    ) -> tuple[int, bytes]:
        """What a client would get over HTTP, if it waits long enough."""
        if (
            method == "POST"
            and headers
            and self.refusals.refuses(path, body or b"", headers["Idempotency-Key"])
        ):
            return 400, _NO
        scope = {
            "type": "http",
            "method": method,
            "raw_path": path.partition("?")[0].encode("latin-1"),
            "query_string": path.partition("?")[2].encode("latin-1"),
            "headers": [(n.lower().encode(), v.encode()) for n, v in (headers or {}).items()],
        }
        received = [{"type": "http.request", "body": body or b""}]
        sent: list[Any] = []

        async def receive() -> Any:
            if not received:
                await asyncio.Event().wait()  # the client never goes away: it gives up
            return received.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        await self._application(scope, receive, send)
        return sent[0]["status"], sent[1]["body"]
