"""Who are a merchant's members? What they are elsewhere is not shown here."""

from __future__ import annotations

from fastapi import APIRouter

from commands.http import CommandRoute
from queries.models import PageOf
from services.access.addresses import check_address
from services.access.models import AtMerchant, UserId
from services.access.models_members import InviteMemberBody, MemberAnswer, MemberRoleBody, UserAnswer
from services.access.parts import WantedParts
from services.web.access import Allowed, requires
from services.web.openapi import problem_responses
from services.web.pagination import Page, as_str, cursor_of

router = APIRouter(
    prefix="/v1/users",
    tags=["users"],
    route_class=CommandRoute,
    responses=problem_responses(401, 403, 404, 409, 413, 415, 503),
)
ORDER = "user"


@router.post(
    "",
    operation_id="invite_user",
    summary="Invite a member",
    status_code=201,
    dependencies=[requires("members:write")],
)
async def invite_user(
    body: InviteMemberBody, asked: Allowed, merchant: AtMerchant, access: WantedParts
) -> UserAnswer:
    """Who is new gets a token by mail to set a password. Nobody grants more than it has."""
    assert asked.grant
    wanted = access.users.wanted(merchant, body.role, body.permissions, body.customer)
    address, actor = check_address(body.email), asked.principal.actor
    user_id = await access.users.invite(address, merchant, wanted, asked.grant, actor=actor)
    return UserAnswer(user_id=user_id)


@router.get(
    "",
    operation_id="list_users",
    summary="The merchant's members",
    dependencies=[requires("members:read")],
)
async def list_users(merchant: AtMerchant, access: WantedParts, page: Page) -> PageOf[MemberAnswer]:
    (after,) = page.after(ORDER, as_str) or ("",)
    members, end = await access.users.members(merchant, str(after), page.limit)
    items = [MemberAnswer.of(each, merchant) for each in members]
    return PageOf(items=items, next_cursor=cursor_of(ORDER, end) if end else None)


@router.put(
    "/{user_id}/grants",
    operation_id="grant_role",
    summary="Give a member another role",
    dependencies=[requires("members:write")],
)
async def grant_role(
    user_id: UserId, body: MemberRoleBody, asked: Allowed, merchant: AtMerchant, access: WantedParts
) -> UserAnswer:
    """In place of the one it has. Nobody changes the role of who may do more."""
    assert asked.grant
    wanted = access.users.wanted(merchant, body.role, body.permissions, body.customer)
    await access.users.grant(user_id, merchant, wanted, asked.grant, actor=asked.principal.actor)
    return UserAnswer(user_id=user_id)


@router.delete(
    "/{user_id}/grants",
    operation_id="revoke_role",
    summary="End a membership",
    dependencies=[requires("members:write")],
)
async def revoke_role(
    user_id: UserId, asked: Allowed, merchant: AtMerchant, access: WantedParts
) -> UserAnswer:
    """The user stays one, with what it has elsewhere."""
    assert asked.grant
    await access.users.revoke(user_id, merchant, asked.grant, actor=asked.principal.actor)
    return UserAnswer(user_id=user_id)
