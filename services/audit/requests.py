"""What do the routes of the history take, and how do they answer what a desk raises?"""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import psycopg
from fastapi import Depends, Query, Request, Response
from psycopg_pool import PoolTimeout
from pydantic import AwareDatetime

from eventstore.log import LogIdentity
from services.audit.desk import Desk
from services.audit.filters import EventFilter
from services.audit.folding import CannotFold
from services.audit.history import Reach
from services.audit.named import NotThere, checked, merchant_asked
from services.web.access import Allowed, Asked, forbidden, requires
from services.web.problems import Problem, invalid, try_later

PERSONAL = "personal:read"
RETRY_SECONDS = 1.0
RULE = [requires("audit:read", "reach")]
ENCODED = "its parts are percent-encoded where they hold anything but letters, digits, `_` and `~`"


def text(description: str, *examples: str) -> Any:
    return Query(
        min_length=1, max_length=500, pattern=r"^[^\x00]*$", description=description, examples=list(examples)
    )


Position = Annotated[int | None, Query(ge=0, le=2**62, description="as of this position", examples=[4711])]
At = Annotated[
    AwareDatetime | None,
    Query(
        description="as of this time: what the log held when it came past it",
        examples=["2026-03-01T12:00:00Z"],
    ),
]
Personal = Annotated[
    bool,
    Query(description=f"open personal fields, which needs the permission {PERSONAL}; else they stay sealed"),
]


async def filter_of_request(
    stream: Annotated[str | None, text(f"of this stream; {ENCODED}", "order-m1.1001")] = None,
    type_: Annotated[str | None, Query(alias="type", max_length=200, examples=["OrderPlaced"])] = None,
    merchant: Annotated[str | None, text("of this merchant", "m1")] = None,
    actor: Annotated[str | None, text("whose command it was", "agent:order")] = None,
    correlation: Annotated[str | None, text("what belongs together")] = None,
    causation: Annotated[str | None, text("the event or request that caused it")] = None,
    subject: Annotated[str | None, text("the pseudonym of a person: events with personal data of it")] = None,
    order: Annotated[
        str | None,
        text(
            "all events about an order: MERCHANT/ORDER_ID, its id with `merchant`, or its stream", "m1/1001"
        ),
    ] = None,
    occurred_from: Annotated[AwareDatetime | None, Query(description="business time, inclusive")] = None,
    occurred_until: Annotated[AwareDatetime | None, Query(description="business time, exclusive")] = None,
    recorded_from: Annotated[AwareDatetime | None, Query(description="recorded, inclusive")] = None,
    recorded_until: Annotated[AwareDatetime | None, Query(description="recorded, exclusive")] = None,
) -> EventFilter:
    if type_ is not None and "\x00" in type_:
        raise invalid("type", "no type holds U+0000")
    wanted = EventFilter(
        stream, type_, merchant, actor, correlation, causation, subject, order, occurred_from, occurred_until,
        recorded_from, recorded_until,
    )  # fmt: skip
    with told():
        return checked(wanted)


async def desk_of_request(request: Request, asked: Allowed, *, personal: Personal = False) -> Desk:
    """Raises 403 for who may not open what is personal."""
    if personal and (asked.grant is None or PERSONAL not in asked.grant.permissions):
        raise forbidden(PERSONAL, asked.merchant)
    return _desk(request, asked, open_=personal)


async def closed_desk_of_request(request: Request, asked: Allowed) -> Desk:
    """At which nothing personal can be opened."""
    return _desk(request, asked, open_=False)


def _desk(request: Request, asked: Asked, *, open_: bool) -> Desk:
    request.state.about = merchant_asked(request.query_params, asked.merchant)
    state = request.app.state
    return Desk(state.audit_pool, state.folding_pool, state.keyring, Reach(asked.merchant), open_=open_)


Filter = Annotated[EventFilter, Depends(filter_of_request)]
AtDesk = Annotated[Desk, Depends(desk_of_request)]
AtClosedDesk = Annotated[Desk, Depends(closed_desk_of_request)]
Named = Annotated[str, text(f"the stream; {ENCODED}", "order-m1.1001", "order-m1.o%2D1")]
Agent = Annotated[str, text("the agent's name", "order", "cart")]
Key = Annotated[
    str,
    text(
        "what the agent's process is of: an order as MERCHANT/ORDER_ID, or its stream; of the agents cart and"
        f" product a cart's or a product's stream; {ENCODED}",
        "m1/1001",
        "cart-m1.c1",
    ),
]
Table = Annotated[str, text("a table of a read model", "orders")]
RowsKey = Annotated[
    str,
    Query(
        max_length=500,
        pattern=r"^[^\x00]*$",
        description="only the rows of an order (MERCHANT/ORDER_ID, or its stream), or of another stream, in a"
        " table whose rows are of those",
        examples=["m1/1001"],
    ),
]
FromPosition = Annotated[
    int | None, Query(ge=0, le=2**62, description="the first moment; default: the beginning")
]
ToPosition = Annotated[int | None, Query(ge=0, le=2**62, description="the second moment; default: the head")]
MomentAt = Annotated[AwareDatetime | None, Query(description="the same, by time")]


class told:  # noqa: N801 - reads as a word
    """What a desk raises, as the problem that it is."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        match error:
            case NotThere(name=name, detail=detail):
                raise invalid(name, detail) from None
            case CannotFold():
                raise Problem(409, "cannot-fold", str(error)) from None
            case psycopg.errors.QueryCanceled():
                raise try_later(
                    "it took too long and was given up: ask with a key, for fewer events, or at the machine"
                    " with `tillroll state` or `tillroll diff`, which take their time",
                    RETRY_SECONDS,
                    kind="took-too-long",
                ) from None
            case psycopg.DataError():
                raise Problem(
                    422, "invalid-input", "a parameter holds what no column of ours can hold"
                ) from None
            case psycopg.OperationalError() | PoolTimeout():
                raise try_later(
                    "the database can't be reached, or has too much to do", RETRY_SECONDS
                ) from None


def position_of(request: Request, token: Any) -> int:
    """That of a position token which a cursor holds. Raises 422 where the log began another epoch since."""
    identity: LogIdentity = request.app.state.identity
    try:
        return identity.position_of(token)
    except ValueError as error:
        raise invalid("cursor", f"{error}: begin with the first page") from None


def as_json(response: Response, content: dict[str, Any]) -> Response:
    """As it is: what was dumped from models need not be tried against them again."""
    return Response(orjson.dumps(content), headers=dict(response.headers), media_type="application/json")
