"""How is a provider called over HTTP: with a time-out, and not at all while its circuit breaker is open?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import aiohttp
import orjson
from yarl import URL

from services.gateways.breaker import Breaker
from services.gateways.gateway import REFUSALS, Account, LeftAlone, Request, Unavailable
from services.gateways.masking import masked

CONNECTIONS_MAX = 128
_AUTOMATIC = ("Accept", "Accept-Encoding", "User-Agent")


def open_http() -> aiohttp.ClientSession:
    """A session for all providers of a process; close it at the end.

    Cookies and content negotiation are nothing that providers need, and cost a third of a call.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_AUTOMATIC,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider answered: a yes (2xx) with the account, or a no with a problem document. `personal` is
    what the request told of a person.
    """

    status: int
    body: Account
    personal: tuple[str, ...] = ()

    @property
    def is_yes(self) -> bool:
        return self.status < 300

    @property
    def reason(self) -> str:
        """Why not, in the provider's words, less what it repeats of a person: it is recorded in plain."""
        words = (str(self.body.get(member) or "") for member in ("code", "detail"))
        return masked(": ".join(filter(None, words)), self.personal) or f"status {self.status}"


class Exchange(Protocol):
    """Sends a request and brings the answer: its status and its body.

    Raises aiohttp.ClientError, TimeoutError or OSError where none comes.
    """

    async def __call__(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None
    ) -> tuple[int, bytes]: ...


class HttpExchange:
    """Over HTTP, with the provider at `url`."""

    def __init__(self, url: str, http: aiohttp.ClientSession, *, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        self._http = http
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def __call__(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str] | None
    ) -> tuple[int, bytes]:
        url = URL(self._url + path, encoded=True)
        async with self._http.request(
            method, url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
        ) as response:
            return response.status, await response.read()


class Provider:
    """One provider, with a breaker of its own. A subclass may speak another wire: see `_exchanged`."""

    def __init__(self, exchange: Exchange, breaker: Breaker | None = None) -> None:
        self._exchange = exchange
        self._breaker = breaker or Breaker()

    async def ask(self, path: str) -> Account | None:
        """What the provider knows, or None if it knows of nothing; raises Unavailable."""
        answer = await self._send("GET", path)
        if answer.is_yes:
            return answer.body
        if answer.status == 404:
            return None
        raise Unavailable(f"it would not say: status {answer.status}")  # its words may be of a person

    async def call(self, request: Request) -> Answer:
        """Have it carried out, or refused; raises Unavailable if that is unknown."""
        answer = await self._send("POST", request.path, request.body, request.key)
        answer = replace(answer, personal=request.personal)
        if not answer.is_yes and answer.status not in request.refusals:
            raise Unavailable(f"POST {request.path}: {answer.reason}")
        return answer

    async def pages(self, since: datetime) -> AsyncIterator[list[Account]]:
        """All that was begun there since then, ours or not, page by page; nothing where there is no list."""
        return
        yield

    async def late(self, now: datetime) -> AsyncIterator[Account]:
        """What, begun at any time, may have changed by itself in the last months; nothing where there is no
        list."""
        return
        yield

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None = None, key: str = ""
    ) -> Answer:
        if not self._breaker.admits():
            raise LeftAlone("it failed again and again, and is left alone for a while")
        try:
            answer = await self._exchanged(method, path, body, key)
        except (Unavailable, aiohttp.ClientError, TimeoutError, OSError) as error:
            self._breaker.failed()
            raise Unavailable(f"{method} {path}: {error or type(error).__name__}") from error
        self._breaker.succeeded()
        return answer

    async def _exchanged(self, method: str, path: str, body: dict[str, Any] | None, key: str) -> Answer:
        """Over the wire, which is JSON. Raises as an exchange does, and Unavailable."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key} if key else None
        content = None if body is None else orjson.dumps(body)
        return _answer(*await self._exchange(method, path, content, headers))


def _answer(status: int, content: bytes) -> Answer:
    if not (200 <= status < 300 or status in REFUSALS):
        raise Unavailable(f"status {status}")
    return Answer(status, _parse(status, content))


def _parse(status: int, content: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        parsed = None
    if isinstance(parsed, dict):
        return parsed
    if status < 300:
        raise Unavailable("its answer is no JSON object")
    return {}  # a refusal without a reason is still one
