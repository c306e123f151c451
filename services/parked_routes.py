"""What can an operator ask of a parked key over HTTP? To retry it, or to skip the event that it stands at.

What is answered is that it was asked, and stands in the log. The follower's own process carries it out, since
it alone may: a moment later the key is gone from the list, or stands at another event.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from commands.fields import Body, Text, whole
from commands.http import PROBLEMS, Call, CommandRoute, Positioned, WantedCall, answers
from domain.parked import RequestParkedRetry, RequestParkedSkip
from domain.permissions import PLATFORM
from eventstore.queries import load_queries
from queries.dependencies import Reader, shown_of
from services.parked_keys import request as record
from services.web.access import requires
from services.web.positions import Freshness

_QUERIES = load_queries("queries", "operator.sql")
Name = Annotated[Text, Field(min_length=1)]


class ParkedKeyBody(Body):
    """A parked key, as the list of them tells it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"follower": "projection:orders:g1", "key": "m1/1001"}]}
    )

    follower: Name
    key: Name


class ParkedSkipBody(ParkedKeyBody):
    """The event to leave out, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "follower": "projection:orders:g1",
                    "key": "m1/1001",
                    "position": 17,
                    "reason": "a test order from before the tax rules",
                }
            ]
        }
    )

    position: Annotated[int, whole(0, 2**63 - 1)] = Field(description="what the key stands at")
    reason: Name = Field(description="stands in the log for ever, so it names no person")


class ParkedKeyAnswer(Positioned):
    """The key that it was about."""

    follower: str = Field(examples=["projection:orders:g1"])
    key: str = Field(examples=["m1/1001"])


router = APIRouter(
    prefix="/v1/operator/parked", tags=["operator"], route_class=CommandRoute, responses=PROBLEMS
)


@router.post(
    "/retry",
    operation_id="retry_parked_key",
    dependencies=[requires("system:write", "platform")],
    summary="Retry a parked key",
    status_code=202,
    response_model=ParkedKeyAnswer,
    responses=answers(202, "It is recorded, and will be carried out"),
)
async def _retry_parked_key(request: Request, call: WantedCall, body: ParkedKeyBody) -> Response:
    """Once the handler is mended: what waits is taken in order, as far as it goes."""
    first = await _first(request, body)
    command = RequestParkedRetry(**dict(body), stands_at=first)
    return await _on_platform(call).carry_out(record, command, _named(body), status=202)


@router.post(
    "/skip",
    operation_id="skip_parked_event",
    dependencies=[requires("system:write", "platform")],
    summary="Skip the event that a parked key stands at",
    status_code=202,
    response_model=ParkedKeyAnswer,
    responses=answers(202, "It is recorded, and will be carried out"),
)
async def _skip_parked_event(request: Request, call: WantedCall, body: ParkedSkipBody) -> Response:
    """The follower never takes it, and goes on with what waits behind it. A read model that is rebuilt tries
    it again; an agent never reacts to it. Refused where the key stands at another event (rule
    `first_is_skipped`).
    """
    first = await _first(request, body)
    command = RequestParkedSkip(**dict(body), stands_at=first)
    return await _on_platform(call).carry_out(record, command, _named(body), status=202)


async def _first(request: Request, body: ParkedKeyBody) -> int | None:
    reader = Reader(shown_of(request), "", Freshness(), Response(), reach="all")
    asked = (_QUERIES.read_first_parked.sql, _named(body))
    ((row,),) = await reader.rows(("merchants",), asked)
    return row["position"]  # type: ignore[no-any-return]


def _on_platform(call: Call) -> Call:
    return replace(call, asked=replace(call.asked, merchant=PLATFORM))


def _named(body: ParkedKeyBody) -> dict[str, str]:
    return {"follower": body.follower, "key": body.key}
