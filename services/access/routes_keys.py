"""Which programs may come in, and with what? Keys of a merchant."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from commands.http import CommandRoute
from queries.models import PageOf
from services.access.models import AtMerchant, never_kept
from services.access.models_members import IssueKeyBody, KeyAnswer, KeyRevoked, NewKey
from services.access.parts import WantedParts
from services.web.access import Allowed, requires
from services.web.openapi import problem_responses
from services.web.pagination import Page, as_str, cursor_of

router = APIRouter(
    prefix="/v1/api-keys",
    tags=["keys"],
    route_class=CommandRoute,
    responses=problem_responses(401, 403, 404, 409, 413, 415, 503),
    dependencies=[Depends(never_kept)],
)
ORDER = "key"
KeyId = Annotated[
    str, Path(pattern=r"^[0-9a-f]{32}$", description="the key", examples=["0190c3f2a1b47c3d8e9f001122334455"])
]


@router.post(
    "",
    operation_id="issue_api_key",
    summary="Issue an API key",
    status_code=201,
    dependencies=[requires("keys:write")],
)
async def issue_api_key(
    body: IssueKeyBody, asked: Allowed, merchant: AtMerchant, access: WantedParts
) -> NewKey:
    """The key is shown in this answer only. It has no more permissions than who asks."""
    valid = timedelta(days=body.expires_in_days)
    shown = await access.api_keys.issue(asked, merchant, body.name, frozenset(body.permissions), valid)
    return NewKey.made(shown)


@router.get(
    "",
    operation_id="list_api_keys",
    summary="The merchant's API keys",
    dependencies=[requires("keys:read")],
)
async def list_api_keys(merchant: AtMerchant, access: WantedParts, page: Page) -> PageOf[KeyAnswer]:
    (after,) = page.after(ORDER, as_str) or ("",)
    keys, end = await access.api_keys.list(merchant, str(after), page.limit)
    items = [KeyAnswer.of(each) for each in keys]
    return PageOf(items=items, next_cursor=cursor_of(ORDER, end) if end else None)


@router.delete(
    "/{key_id}",
    operation_id="revoke_api_key",
    summary="Revoke an API key",
    dependencies=[requires("keys:write")],
)
async def revoke_api_key(
    key_id: KeyId, asked: Allowed, merchant: AtMerchant, access: WantedParts
) -> KeyRevoked:
    """At once, and for good; one that may do no more than who asks."""
    assert asked.grant
    await access.api_keys.revoke(merchant, key_id, asked.grant, actor=asked.principal.actor)
    return KeyRevoked(key_id=key_id)
