"""How can an auditor ask over HTTP how something stood, and what made the difference between two moments?"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request, Response

from services.audit.desk import Asked, Desk
from services.audit.history_models import ChangesAnswer, ProcessStateAnswer, RowsAnswer, StreamStateAnswer
from services.audit.requests import (
    RULE,
    Agent,
    At,
    AtDesk,
    FromPosition,
    Key,
    MomentAt,
    Named,
    Position,
    RowsKey,
    Table,
    ToPosition,
    as_json,
    position_of,
    text,
    told,
)
from services.web.openapi import problem_responses
from services.web.pagination import Page, as_str, cursor_of
from services.web.positions import POSITION_HEADER
from services.web.problems import invalid

router = APIRouter(prefix="/v1/audit", tags=["audit"], responses=problem_responses(409, 503))


@router.get(
    "/state/stream",
    operation_id="get_stream_state",
    dependencies=RULE,
    summary="An aggregate as it stood",
    response_model=StreamStateAnswer,
)
async def get_stream_state(
    response: Response,
    request: Request,
    desk: AtDesk,
    stream: Named,
    position: Position = None,
    at: At = None,
) -> Any:
    return await _state(request, response, desk, Asked(stream=stream), position, at)


@router.get(
    "/state/process",
    operation_id="get_process_state",
    dependencies=RULE,
    summary="An agent's process as it stood",
    response_model=ProcessStateAnswer,
)
async def get_process_state(
    response: Response,
    request: Request,
    desk: AtDesk,
    agent: Agent,
    key: Key,
    position: Position = None,
    at: At = None,
) -> Any:
    """As the agent's present rules make it of the events that it had heard."""
    return await _state(request, response, desk, Asked(agent=agent, key=key), position, at)


async def _state(
    request: Request, response: Response, desk: Desk, wanted: Asked, position: int | None, at: datetime | None
) -> Response:
    with told():
        moment = await _moment(request, response, desk, position, at)
        return as_json(response, await desk.state(wanted, moment))


@router.get(
    "/state/rows",
    operation_id="list_rows_as_of",
    dependencies=RULE,
    summary="Rows of a read model as it stood",
    response_model=RowsAnswer,
)
async def list_rows(
    response: Response,
    request: Request,
    desk: AtDesk,
    page: Page,
    table: Table,
    key: RowsKey = "",
    column: Annotated[str | None, text("only rows in which this column", "day")] = None,
    value: Annotated[str | None, text("has this value", "2018-03-01")] = None,
    position: Position = None,
    at: At = None,
) -> Any:
    """With a key the rows are folded from that key's events alone, in milliseconds."""
    if (column is None) != (value is None):
        raise invalid("value" if value is None else "column", "column and value go together")
    where = {column: value} if column is not None and value is not None else None
    going_on: Any = page.after("rows", _keys, as_str)
    keys = None
    if going_on:  # all pages are of the moment of the first
        keys, position, at = going_on[0], position_of(request, going_on[1]), None
    with told():
        moment = await _moment(request, response, desk, position, at)
        shown = await desk.rows(Asked(table=table, key=key), moment, page.limit, keys, where)
    following = shown.pop("next")
    token = request.app.state.identity.token(moment)
    cursor = cursor_of("rows", orjson.dumps(following).decode(), token) if following else None
    return as_json(response, {**shown, "next_cursor": cursor})


def _keys(told: Any) -> Any:
    """A parser of cursor keys: the values of a primary key, as JSON."""
    keys = orjson.loads(as_str(told))
    if not isinstance(keys, list) or not all(isinstance(each, str | int) for each in keys):
        raise TypeError("no key")
    return keys


@router.get(
    "/difference/stream",
    operation_id="list_stream_changes",
    dependencies=RULE,
    summary="What changed an aggregate between two moments",
    response_model=ChangesAnswer,
)
async def list_stream_changes(
    request: Request,
    response: Response,
    desk: AtDesk,
    stream: Named,
    from_position: FromPosition = None,
    to_position: ToPosition = None,
    from_at: MomentAt = None,
    to_at: MomentAt = None,
) -> Any:
    moments = (from_position, from_at, to_position, to_at)
    return await _difference(request, response, desk, Asked(stream=stream), *moments)


@router.get(
    "/difference/process",
    operation_id="list_process_changes",
    dependencies=RULE,
    summary="What changed an agent's process between two moments",
    response_model=ChangesAnswer,
)
async def list_process_changes(
    request: Request,
    response: Response,
    desk: AtDesk,
    agent: Agent,
    key: Key,
    from_position: FromPosition = None,
    to_position: ToPosition = None,
    from_at: MomentAt = None,
    to_at: MomentAt = None,
) -> Any:
    moments = (from_position, from_at, to_position, to_at)
    return await _difference(request, response, desk, Asked(agent=agent, key=key), *moments)


@router.get(
    "/difference/rows",
    operation_id="list_row_changes",
    dependencies=RULE,
    summary="What changed the rows of a read model between two moments",
    response_model=ChangesAnswer,
)
async def list_row_changes(
    request: Request,
    response: Response,
    desk: AtDesk,
    table: Table,
    key: RowsKey = "",
    from_position: FromPosition = None,
    to_position: ToPosition = None,
    from_at: MomentAt = None,
    to_at: MomentAt = None,
) -> Any:
    """Of all tables of the read model that the table belongs to, since one event changes several."""
    moments = (from_position, from_at, to_position, to_at)
    return await _difference(request, response, desk, Asked(table=table, key=key), *moments)


async def _difference(
    request: Request,
    response: Response,
    desk: Desk,
    wanted: Asked,
    from_position: int | None,
    from_at: datetime | None,
    to_position: int | None,
    to_at: datetime | None,
) -> Response:
    _one_of("from_at", from_position, from_at)
    _one_of("to_at", to_position, to_at)
    with told():
        began = from_position is None and from_at is None
        first = 0 if began else await desk.position(from_position, from_at, "from_position", "from_at")
        last = await desk.position(to_position, to_at, "to_position", "to_at")
        if first > last:
            raise invalid("from_position", f"{first} is after {last}: the first moment comes first")
        response.headers[POSITION_HEADER] = request.app.state.identity.token(last)
        return as_json(response, await desk.changes(wanted, first, last))


async def _moment(
    request: Request, response: Response, desk: Desk, position: int | None, at: datetime | None
) -> int:
    _one_of("at", position, at)
    moment = await desk.position(position, at)
    response.headers[POSITION_HEADER] = request.app.state.identity.token(moment)
    return moment


def _one_of(name: str, position: int | None, at: datetime | None) -> None:
    if position is not None and at is not None:
        raise invalid(name, "say a position or a time, not both")
