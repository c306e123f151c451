"""Who am I here, and where am I signed in?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from commands.http import CommandRoute
from services.access.models import Ended, GrantAnswer, Me, MeAnswer, SessionAnswer
from services.access.parts import WantedParts
from services.web.access import Allowed, requires
from services.web.openapi import problem_responses
from services.web.problems import not_found

router = APIRouter(
    prefix="/v1/auth",
    tags=["auth"],
    route_class=CommandRoute,
    responses=problem_responses(401, 403, 503),
)


@router.get(
    "/me",
    operation_id="get_me",
    summary="Who asks, and what may it do?",
    dependencies=[requires("self:read", "self")],
)
async def get_me(asked: Allowed, access: WantedParts, request: Request) -> MeAnswer:
    """Of a user and of an API key."""
    me = asked.principal
    grants = [GrantAnswer.of(merchant, grant) for merchant, grant in sorted(me.grants.items())]
    if me.platform:
        grants.append(GrantAnswer.of(None, me.platform))
    user = await access.facts.user(me.id) if me.kind == "user" else None
    by_cookie = me.session_id and "authorization" not in request.headers
    return MeAnswer(
        id=me.id,
        kind=me.kind,
        email=(await access.addresses.of_users([user]))[0] if user else None,
        second_factor=user.second_factor if user else False,
        grants=grants,
        csrf_token=access.seals.csrf(me.session_id) if by_cookie else None,
    )


@router.get(
    "/sessions",
    operation_id="list_sessions",
    summary="Where am I signed in?",
    dependencies=[requires("session:read", "self")],
)
async def list_sessions(me: Me, access: WantedParts) -> list[SessionAnswer]:
    """The newest first."""
    rows = await access.sessions.alive(me.id)
    return [
        SessionAnswer.model_validate({**row, "current": row["session_id"] == me.session_id}) for row in rows
    ]


@router.delete(
    "/sessions/{session_id}",
    operation_id="end_session",
    summary="End one of my sessions",
    dependencies=[requires("session:end", "self")],
    responses={404: problem_responses(404)[404]},
)
async def end_session(
    session_id: Annotated[
        str, Path(pattern=r"^[0-9a-f]{32}$", examples=["0190c3f2a1b47c3d8e9f001122334455"])
    ],
    me: Me,
    access: WantedParts,
) -> Ended:
    """Whoever goes on with it is out at once."""
    if not await access.sessions.end(me.id, session_id):
        raise not_found("session", session_id)
    access.gate.forget()
    return Ended(ended=1)
