"""Who may act across merchants, and who is let out or in again? For the platform's own people."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Depends

from commands.http import CommandRoute
from domain.permissions import PLATFORM
from queries.models import PageOf
from services.access.addresses import check_address
from services.access.models import UserId, never_kept
from services.access.models_members import (
    InvitePlatformUserBody,
    IssueKeyBody,
    KeyAnswer,
    KeyRevoked,
    MemberAnswer,
    NewKey,
    PlatformRoleBody,
    UserAnswer,
)
from services.access.parts import WantedParts
from services.access.routes_keys import ORDER as KEY_ORDER
from services.access.routes_keys import KeyId
from services.access.routes_users import ORDER as USER_ORDER
from services.access.users import Wanted
from services.web.access import Allowed, requires
from services.web.openapi import problem_responses
from services.web.pagination import Page, as_str, cursor_of

router = APIRouter(
    prefix="/v1/platform",
    route_class=CommandRoute,
    responses=problem_responses(401, 403, 404, 409, 413, 415, 503),
    dependencies=[Depends(never_kept)],
)
_WRITES = [requires("users:write", "platform")]


@router.post(
    "/users",
    operation_id="invite_platform_user",
    summary="Invite a user of the platform",
    status_code=201,
    tags=["users"],
    dependencies=_WRITES,
)
async def invite_platform_user(
    body: InvitePlatformUserBody, asked: Allowed, access: WantedParts
) -> UserAnswer:
    """Who is new gets a token by mail to set a password. Nobody grants more than it has."""
    assert asked.grant
    address, wanted, actor = check_address(body.email), Wanted(body.role), asked.principal.actor
    user_id = await access.users.invite(address, PLATFORM, wanted, asked.grant, actor=actor)
    return UserAnswer(user_id=user_id)


@router.get(
    "/users",
    operation_id="list_platform_users",
    summary="The platform's users",
    tags=["users"],
    dependencies=[requires("users:read", "platform")],
)
async def list_platform_users(access: WantedParts, page: Page) -> PageOf[MemberAnswer]:
    (after,) = page.after(USER_ORDER, as_str) or ("",)
    members, end = await access.users.members(PLATFORM, str(after), page.limit)
    items = [MemberAnswer.of(each, PLATFORM) for each in members]
    return PageOf(items=items, next_cursor=cursor_of(USER_ORDER, end) if end else None)


@router.put(
    "/users/{user_id}/grants",
    operation_id="grant_platform_role",
    summary="Give a user of the platform another role",
    tags=["users"],
    dependencies=_WRITES,
)
async def grant_platform_role(
    user_id: UserId, body: PlatformRoleBody, asked: Allowed, access: WantedParts
) -> UserAnswer:
    """In place of the one it has there."""
    assert asked.grant
    await access.users.grant(user_id, PLATFORM, Wanted(body.role), asked.grant, actor=asked.principal.actor)
    return UserAnswer(user_id=user_id)


@router.delete(
    "/users/{user_id}/grants",
    operation_id="revoke_platform_role",
    summary="End a role on the platform",
    tags=["users"],
    dependencies=_WRITES,
)
async def revoke_platform_role(user_id: UserId, asked: Allowed, access: WantedParts) -> UserAnswer:
    """What it is at merchants stays."""
    assert asked.grant
    await access.users.revoke(user_id, PLATFORM, asked.grant, actor=asked.principal.actor)
    return UserAnswer(user_id=user_id)


@router.post(
    "/users/{user_id}/unlock",
    operation_id="unlock_user",
    summary="End a lock-out",
    tags=["users"],
    dependencies=_WRITES,
)
async def unlock_user(user_id: UserId, asked: Allowed, access: WantedParts) -> UserAnswer:
    """Before its time is over. Of who may do no more than who asks."""
    assert asked.grant
    await access.users.unlock(user_id, asked.grant, actor=asked.principal.actor)
    return UserAnswer(user_id=user_id)


@router.post(
    "/users/{user_id}/disable",
    operation_id="disable_user",
    summary="Let a user in no more",
    tags=["users"],
    dependencies=_WRITES,
)
async def disable_user(user_id: UserId, asked: Allowed, access: WantedParts) -> UserAnswer:
    """Everywhere and at once; its sessions are over. What it holds stays written down. Of who may do no more
    than who asks."""
    assert asked.grant
    await access.users.disable(user_id, asked.grant, actor=asked.principal.actor)
    return UserAnswer(user_id=user_id)


@router.post(
    "/users/{user_id}/enable",
    operation_id="enable_user",
    summary="Let a user in again",
    tags=["users"],
    dependencies=_WRITES,
)
async def enable_user(user_id: UserId, asked: Allowed, access: WantedParts) -> UserAnswer:
    """It signs in anew. Of who may do no more than who asks."""
    assert asked.grant
    await access.users.enable(user_id, asked.grant, actor=asked.principal.actor)
    return UserAnswer(user_id=user_id)


@router.post(
    "/api-keys",
    operation_id="issue_platform_key",
    summary="Issue an API key for all merchants",
    status_code=201,
    tags=["keys"],
    dependencies=[requires("keys:write", "platform")],
)
async def issue_platform_key(body: IssueKeyBody, asked: Allowed, access: WantedParts) -> NewKey:
    """The key is shown in this answer only. It has no more permissions than who asks."""
    valid = timedelta(days=body.expires_in_days)
    shown = await access.api_keys.issue(asked, PLATFORM, body.name, frozenset(body.permissions), valid)
    return NewKey.made(shown)


@router.get(
    "/api-keys",
    operation_id="list_platform_keys",
    summary="The platform's API keys",
    tags=["keys"],
    dependencies=[requires("keys:read", "platform")],
)
async def list_platform_keys(access: WantedParts, page: Page) -> PageOf[KeyAnswer]:
    (after,) = page.after(KEY_ORDER, as_str) or ("",)
    keys, end = await access.api_keys.list(PLATFORM, str(after), page.limit)
    items = [KeyAnswer.of(each) for each in keys]
    return PageOf(items=items, next_cursor=cursor_of(KEY_ORDER, end) if end else None)


@router.delete(
    "/api-keys/{key_id}",
    operation_id="revoke_platform_key",
    summary="Revoke an API key of the platform",
    tags=["keys"],
    dependencies=[requires("keys:write", "platform")],
)
async def revoke_platform_key(key_id: KeyId, asked: Allowed, access: WantedParts) -> KeyRevoked:
    """At once, and for good; one that may do no more than who asks."""
    assert asked.grant
    await access.api_keys.revoke(PLATFORM, key_id, asked.grant, actor=asked.principal.actor)
    return KeyRevoked(key_id=key_id)
