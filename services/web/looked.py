"""Which reads are recorded: who looked at what, and when? Here, for all routes alike, around the application.

A read is a look where the auditor's desk is asked (`/v1/audit/…`, whatever comes of it), or where who asks
holds a role on the platform, whatever else it is, or does so as an auditor. It is recorded before the first
byte of the answer goes out; where that can't be done nothing is shown. An answer that is a stream is recorded
when it begins, and once more when it ends, with how many rows there were. So none is lost, none in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl

import orjson
import structlog

from services.web.access import HEADER, Asked, Grant, Principal, Rule
from services.web.asgi import ASGIApp, Message, Receive, Scope, Send, refuse, state_of
from services.web.problems import try_later

DESK = "/v1/audit/"
AUDITOR, AUDITS = "auditor", "audit:read"
RETRY_SECONDS = 2.0
PARAMETERS_MAX, VALUE_MAX, PATH_MAX = 50, 200, 1_000
JSON_BYTES_MAX = 8 << 20
EVENTS = b"text/event-stream"
_COUNTED = (b"application/x-ndjson", b"text/csv", EVENTS)
"""Kinds of answers whose lines, or events, are rows."""
Outcome = Literal["begun", "answered", "refused", "failed", "broken off"]
"""`begun`: a stream whose end was not recorded (yet); `refused`: 4xx; `failed`: 5xx; `broken off`: a stream
that was not sent to its end."""
logger = structlog.get_logger()


class NotRecorded(Exception):
    """A look could not be recorded, so nothing is shown."""


@dataclass(frozen=True, slots=True)
class Look:
    """Who looked, as whom, at what. `merchant` is the one that was asked about: by the header and, at the
    desk, by what was asked for (`request.state.about`); '' for what spans them all, where these two differ,
    and where who asked may not ask about it.

    `rows` counts items of a page, lines or events of a stream, one for any other answer; None: not known yet.
    """

    looked_at: datetime
    actor: str
    role: str
    merchant: str
    permission: str
    method: str
    route: str
    path: str
    parameters: str
    status: int
    outcome: Outcome
    rows: int | None


class Recorder(Protocol):
    """`app.state.looks`; an application without one, which has no database, records nothing."""

    async def record(self, look: Look) -> int:
        """Its number, once it is on the disk. Raises NotRecorded."""

    async def end(self, number: int, outcome: Outcome, rows: int) -> None:
        """What became of one that was begun. Never raises: it is said to be begun, else."""


class Looked:
    """Records the looks among the requests of `app`; `state` is where the recorder and the clock are, `audit`
    all that auditors may do."""

    def __init__(self, app: ASGIApp, state: Any, audit: frozenset[str]) -> None:
        self._app = app
        self._state = state
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        recorder: Recorder | None = getattr(self._state, "looks", None)
        if recorder is None:
            await self._app(scope, receive, send)
            return
        watched = _Watched(scope, send, recorder, self._state, self._audit)
        state_of(scope)
        try:
            await self._app(scope, receive, watched.send)
        except NotRecorded as error:
            logger.warning("look_not_recorded", error=str(error))
            problem = try_later(
                "who looks is recorded, and can't be just now; so nothing is shown",
                RETRY_SECONDS,
                kind="unrecorded",
            )
            await refuse(problem, scope, receive, send)
        finally:
            await watched.over()


class _Watched:
    """The answer to one request, on its way out."""

    def __init__(
        self, scope: Scope, send: Send, recorder: Recorder, state: Any, audit: frozenset[str]
    ) -> None:
        self._scope = scope
        self._audit = audit
        self._send = send
        self._recorder = recorder
        self._state = state
        self._held: Message | None = None
        self._number: int | None = None
        self._kind = b""
        self._rows = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
            return
        held, self._held = self._held, None
        if held is not None and message.get("more_body", False):
            self._number = await self._record(held["status"], None)
        elif held is not None:
            await self._record(held["status"], _rows_of(held["status"], self._kind, message.get("body", b"")))
        if held is not None:
            await self._send(held)
        await self._go_on(message)

    async def _begin(self, message: Message) -> None:
        headers = dict(message.get("headers", ()))
        self._kind = headers.get(b"content-type", b"").partition(b";")[0].strip()
        if not _is_look(self._scope, self._audit):
            await self._send(message)
        elif b"content-length" in headers:
            self._held = message  # with the body it is known how much was shown
        else:
            self._number = await self._record(message["status"], None)
            await self._send(message)

    async def _go_on(self, message: Message) -> None:
        if self._number is not None:
            self._rows += _rows_in(self._kind, message.get("body", b""))
            if not message.get("more_body", False):
                # before the last of it goes out: then the server may end us at any moment
                number, self._number = self._number, None
                rows = self._rows if self._kind in _COUNTED else 1
                await self._recorder.end(number, "answered", rows)
        await self._send(message)

    async def over(self) -> None:
        """A stream that ends without its end was broken off: by who looked, by us, or by an error."""
        number, self._number = self._number, None
        if number is not None:
            await self._recorder.end(number, "broken off", self._rows)

    async def _record(self, status: int, rows: int | None) -> int:
        state = state_of(self._scope)
        principal: Principal = state["principal"]
        rule: Rule = state["rule"]
        asked: Asked | None = state.get("asked")
        grant = (asked and asked.grant) or principal.platform
        look = Look(
            looked_at=self._state.clock.now(),
            actor=principal.actor,
            role=grant.role if grant else "",
            merchant=state.get("about", asked.merchant) if asked else "",
            permission=rule.permission,
            method=self._scope["method"],
            route=state["route"],
            path=self._scope["raw_path"].decode("latin-1")[:PATH_MAX],  # as it was sent: letters, no controls
            parameters=_parameters(self._scope["query_string"], "" if asked else state["named"]),
            status=status,
            outcome=_outcome(status, rows),
            rows=rows,
        )
        return await self._recorder.record(look)


def _is_look(scope: Scope, audit: frozenset[str]) -> bool:
    """Of who is known: whoever is not sees nothing."""
    state = state_of(scope)
    principal: Principal | None = state.get("principal")
    if principal is None:
        return False
    if scope["path"].startswith(DESK):
        return True
    asked: Asked | None = state.get("asked")
    if scope["method"] not in ("GET", "HEAD") or asked is None or asked.grant is None:
        return False
    return principal.platform is not None or _is_an_auditor_s(asked.grant, audit)


def _is_an_auditor_s(grant: Grant, audit: frozenset[str]) -> bool:
    """A role, or a key that is good for what auditors do and nothing else."""
    return grant.role == AUDITOR or (AUDITS in grant.permissions and grant.permissions <= audit)


def _outcome(status: int, rows: int | None) -> Outcome:
    if status >= 500:
        return "failed"
    if status >= 400:
        return "refused"
    return "begun" if rows is None else "answered"


def _rows_of(status: int, kind: bytes, body: bytes) -> int:
    """How much a whole answer shows."""
    if status >= 400:
        return 0
    if kind in _COUNTED:
        return _rows_in(kind, body)
    if kind != b"application/json" or not body or len(body) > JSON_BYTES_MAX:
        return 1
    told = orjson.loads(body)
    items = told.get("items", told) if isinstance(told, dict) else told
    return len(items) if isinstance(items, list) else 1


def _rows_in(kind: bytes, body: bytes) -> int:
    """Lines, or events, that stand in this part of a stream."""
    if kind == EVENTS:
        return body.count(b"\ndata:") + body.startswith(b"data:")
    return body.count(b"\n") if kind in _COUNTED else 0


def _parameters(query: bytes, named: str) -> str:
    """JSON of [name, value] as they were asked, each cut to a bounded length. `named` is a merchant that who
    asks may not act for: it is not that merchant's look."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)[:PARAMETERS_MAX]
    pairs += [(HEADER, named)] if named else []
    return orjson.dumps([[name[:VALUE_MAX], value[:VALUE_MAX]] for name, value in pairs]).decode()
