"""What can an auditor ask of the log over HTTP? Its events: by page, as a stream of lines, as they are
stored, or as they come.

A merchant's own people see their merchant's events; who reads the platform's names a merchant, or sees all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from eventstore.log import LogIdentity
from services.audit.desk import Desk
from services.audit.filters import EventFilter
from services.audit.follow import STREAMS_MAX, follow
from services.audit.history_models import EventsAnswer
from services.audit.lines import line_of
from services.audit.requests import RULE, AtClosedDesk, AtDesk, Filter, as_json, position_of, told
from services.web.access import Asked, asked_of, forbidden
from services.web.openapi import problem_responses
from services.web.pagination import Page, as_int, as_str, cursor_of
from services.web.positions import POSITION_HEADER, foreign_position
from services.web.problems import Problem, invalid
from services.web.work import check_room_to_rest, resting

NDJSON = "application/x-ndjson"
After = Annotated[int, Query(ge=0, le=2**62, description="events after this position")]
UpTo = Annotated[int | None, Query(ge=0, le=2**62, description="up to this position")]
router = APIRouter(prefix="/v1/audit", tags=["audit"], responses=problem_responses(503))
_STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            NDJSON: {"schema": {"type": "string"}, "example": '{"position":17,"type":"OrderPlaced"}\n'}
        }
    }
}
_EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            NDJSON: {
                "schema": {"type": "string"},
                "example": '{"position":17,"stream":"order-m1.1001","version":3,"type":"OrderConfirmed",'
                '"schema":1,"event_id":"0190c3f2-a1b4-7c3d-8e9f-001122334455",'
                '"occurred_at":"2026-03-01T12:00:00.000000Z",'
                '"recorded_at":"2026-03-01T12:00:00.130000Z","merchant":"m1","correlation":"checkout-1",'
                '"causation":"event:0190c3f2-a1b4-7c3d-8e9f-001122334454",'
                '"metadata":"eyJhY3RvciI6ImFnZW50Om9yZGVyIn0=","data":"eyJvcmRlcl9pZCI6IjEwMDEifQ==",'
                '"leaf_hash":"sm2FhVjHWbAp/Vz3F4VKqHNMJj6MVVSVyTEXIGhAaXM="}\n',
            }
        }
    }
}
_FOLLOWED: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "example": 'id: 0190c3f2a1b4.1.17\ndata: {"position":17,"type":"OrderPlaced"}\n\n',
            }
        }
    }
}


@router.get(
    "/events",
    operation_id="list_audit_events",
    dependencies=RULE,
    summary="Events of the log, in order",
    response_model=EventsAnswer,
    responses=_STREAMED,
)
async def list_events(
    request: Request,
    response: Response,
    desk: AtDesk,
    wanted: Filter,
    page: Page,
    after: After = 0,
    until: UpTo = None,
    accept: Annotated[str, Header(description=f"`{NDJSON}` for all of them, a line each, however many")] = "",
) -> Any:
    """All conditions hold at once."""
    with told():
        until = await desk.position(until, None, "until")
    identity: LogIdentity = request.app.state.identity
    if NDJSON in accept.lower():
        return _as_lines(request, _shown(desk, wanted, after, until), until)
    if found := page.after("position", as_int, as_str):
        after, until = int(str(found[0])), min(until, position_of(request, found[1]))
    response.headers[POSITION_HEADER] = identity.token(until)
    with told():
        shown = await desk.events(wanted, after, until, page.limit)
    return as_json(
        response,
        {
            "items": shown["items"],
            "next_cursor": None
            if shown["whole"]
            else cursor_of("position", shown["searched_until"], identity.token(until)),
            "searched_until": shown["searched_until"],
            "until": until,
        },
    )


@router.get(
    "/events/export",
    operation_id="export_audit_events",
    dependencies=RULE,
    summary="Events as they are stored, for the verifier",
    response_class=StreamingResponse,
    responses={**_EXPORTED, **problem_responses(429, 503)},
)
async def export_events(
    request: Request, desk: AtClosedDesk, wanted: Filter, after: After = 0, until: UpTo = None
) -> StreamingResponse:
    """All that fit, however many, a line each: every stored byte, from which the leaf hash is computed.

    What is personal stays sealed. Others' events lie in between: the verifier takes it with `--partial`.
    """
    with told():
        until = await desk.position(until, None, "until")
    return _as_lines(request, _stored(desk, wanted, after, until), until)


async def _shown(desk: Desk, wanted: EventFilter, after: int, until: int) -> AsyncIterator[bytes]:
    async for shown, _ in desk.stream_of_events(wanted, after, until):
        yield b"".join(orjson.dumps(each) + b"\n" for each in shown)


async def _stored(desk: Desk, wanted: EventFilter, after: int, until: int) -> AsyncIterator[bytes]:
    async for step in desk.history.stream(wanted, after, until):
        yield b"".join(map(line_of, step.events))


def _as_lines(request: Request, parts: AsyncIterator[bytes], until: int) -> StreamingResponse:
    """Raises 429 for who has too many streams open, 503 where all have."""
    _check_room(request)
    identity: LogIdentity = request.app.state.identity
    headers = {POSITION_HEADER: identity.token(until)}
    return StreamingResponse(_lines(request, parts), media_type=NDJSON, headers=headers)


async def _lines(request: Request, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Without a place in the work: it ends when its reader has all, and breaks off when he may no more."""
    state, loop = request.app.state, asyncio.get_running_loop()
    asked = loop.time()
    with state.streams.one(_actor(request)):
        async with resting(request):
            async for part in parts:
                if loop.time() - asked >= state.heart_beat_seconds:
                    if not await _still_may(request):
                        raise forbidden("audit:read", asked_of(request).merchant)
                    asked = loop.time()
                if part:
                    yield part


def _check_room(request: Request) -> None:
    """Before the answer begins. Raises 429 for who has too many streams open, 503 where all have."""
    check_room_to_rest(request)
    if not request.app.state.streams.has_room(_actor(request)):
        raise Problem(429, "too-many-streams", f"you have {STREAMS_MAX} streams open: end one of them first")


def _actor(request: Request) -> str:
    return asked_of(request).principal.actor


@router.get(
    "/events/follow",
    operation_id="follow_audit_events",
    dependencies=RULE,
    summary="Events as they come, as server-sent events",
    response_class=StreamingResponse,
    responses={**_FOLLOWED, **problem_responses(429, 503)},
)
async def follow_events(
    request: Request,
    desk: AtDesk,
    wanted: Filter,
    after: Annotated[
        int | None, Query(ge=0, le=2**62, description="begin after this position; default: now")
    ] = None,
    until: Annotated[
        int | None, Query(ge=0, le=2**62, description="end at this position; default: never")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(description="go on after this one: the `id` of the last event, a position token")
    ] = None,
) -> StreamingResponse:
    """Each event's `id` is its position token. Where nothing comes a heart-beat does, every 15 seconds."""
    state = request.app.state
    identity: LogIdentity = state.identity
    with told():
        head = await desk.position(None, None)
    if last_event_id:
        try:
            after = identity.position_of(last_event_id)
        except ValueError as error:
            raise foreign_position(str(error)) from None
    began = head if after is None else after
    if began > head:
        raise invalid("after", f"the log ends at position {head}")
    _check_room(request)

    async def events() -> AsyncIterator[bytes]:
        with state.streams.one(_actor(request)):
            async with resting(request):
                parts = follow(
                    desk,
                    wanted,
                    began,
                    state.news,
                    identity,
                    lambda: _still_may(request),
                    state.heart_beat_seconds,
                    until,
                )
                async for part in parts:
                    yield part

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)


async def _still_may(request: Request) -> bool:
    """Whether who began to follow may still: a session that ended, or a role that was taken, ends it."""
    asked: Asked = asked_of(request)
    try:
        principal = await request.app.state.gate.principal_of(request)
    except Problem as problem:
        return problem.status not in (401, 403)
    grant = principal.grant(asked.merchant) if asked.merchant else principal.platform
    return grant is not None and asked.grant is not None and asked.grant.permissions <= grant.permissions
