"""How does a user change how it gets in? A new password, by the old one or a token; a second factor."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request

from commands.http import CommandRoute
from services.access.models import (
    Accepted,
    ChangePasswordBody,
    ConfirmCodeBody,
    ConfirmResetBody,
    Me,
    PasswordSet,
    ProposedSeed,
    ProveBody,
    RecoveryCodes,
    ResetBody,
    SecondFactorState,
    never_kept,
)
from services.access.parts import WantedParts
from services.web.access import public, requires
from services.web.openapi import problem_responses
from services.web.rates import limit_account, limit_sign_in

router = APIRouter(
    prefix="/v1/auth",
    tags=["auth"],
    route_class=CommandRoute,
    responses=problem_responses(401, 403, 409, 413, 415, 503),
    dependencies=[Depends(never_kept)],
)


@router.post(
    "/password",
    operation_id="change_password",
    summary="Change my password",
    dependencies=[requires("password:write", "self")],
)
async def change_password(body: ChangePasswordBody, me: Me, access: WantedParts) -> PasswordSet:
    """Ends every other session. A wrong password counts as at sign-in."""
    proof = await access.sign_in.prove(me.id, body.password.get_secret_value(), body.code)
    await access.resets.change(me.id, body.new_password.get_secret_value(), proof=proof, but=me.session_id)
    return PasswordSet(user_id=me.id)


@router.post(
    "/password-reset",
    operation_id="request_password_reset",
    summary="Ask for a token to set a new password",
    status_code=202,
    dependencies=[public("who forgot the password can't sign in"), Depends(limit_sign_in)],
)
async def request_password_reset(body: ResetBody, access: WantedParts, request: Request) -> Accepted:
    """The answer is the same for every address. The token goes there by mail, and is good for once."""
    # counted apart from sign-ins: who tries those in vain keeps nobody from a new password
    await limit_account(request, f"reset {body.email.strip()}")
    access.resets.request(body.email)
    return Accepted(detail="if somebody has this address, a message is on its way")


@router.post(
    "/password-reset/confirm",
    operation_id="confirm_password_reset",
    summary="Set a password with a token",
    dependencies=[public("the token says who one is"), Depends(limit_sign_in)],
)
async def confirm_password_reset(body: ConfirmResetBody, access: WantedParts) -> PasswordSet:
    """Also for who was invited. Ends every session; a second factor stays."""
    user_id = await access.resets.confirm(body.token.get_secret_value(), body.password.get_secret_value())
    return PasswordSet(user_id=user_id)


@router.post(
    "/second-factor",
    operation_id="begin_second_factor",
    summary="Begin with a second factor",
    dependencies=[requires("second-factor:write", "self")],
)
async def begin_second_factor(body: ProveBody, me: Me, access: WantedParts) -> ProposedSeed:
    """Gives a seed for an authenticator; until it is confirmed nothing changes."""
    proof = await access.sign_in.prove(me.id, body.password.get_secret_value(), body.code)
    label = await access.addresses.of_user(me.id)
    proposed = await access.second_factor.begin(me.id, label or me.id, proof=proof)
    return ProposedSeed(seed=proposed.seed, uri=proposed.uri)


@router.post(
    "/second-factor/confirm",
    operation_id="confirm_second_factor",
    summary="Confirm the second factor",
    dependencies=[requires("second-factor:write", "self")],
)
async def confirm_second_factor(body: ConfirmCodeBody, me: Me, access: WantedParts) -> RecoveryCodes:
    """With a code of the seed; from now on sign-in wants one. Gives the recovery codes, once."""
    codes = await access.second_factor.confirm(me.id, body.code, actor=me.actor)
    return RecoveryCodes(recovery_codes=codes)


@router.post(
    "/second-factor/remove",
    operation_id="remove_second_factor",
    summary="Remove the second factor",
    dependencies=[requires("second-factor:write", "self")],
)
async def remove_second_factor(body: ProveBody, me: Me, access: WantedParts) -> SecondFactorState:
    """With the password and a code, or a recovery code."""
    proof = await access.sign_in.prove(me.id, body.password.get_secret_value(), body.code)
    await access.second_factor.remove(me.id, actor=me.actor, proof=proof)
    return SecondFactorState(second_factor=False)
