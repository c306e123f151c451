"""How does one get in, go on and get out? Sign-in, refresh, sign-out, and the keys that verify our tokens."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from commands.http import CommandRoute
from services.access.gate import COOKIE
from services.access.models import Ended, Me, PublicKeys, RefreshBody, SignedIn, SignInBody, never_kept
from services.access.parts import Parts, WantedParts
from services.access.sessions import Begun
from services.web.access import public, requires
from services.web.openapi import problem_responses
from services.web.rates import limit_account, limit_sign_in

router = APIRouter(
    tags=["auth"],
    route_class=CommandRoute,
    responses=problem_responses(401, 413, 415, 503),
    dependencies=[Depends(never_kept)],
)


@router.post(
    "/v1/auth/sign-in",
    operation_id="sign_in",
    summary="Sign in",
    dependencies=[public("here one says who one is"), Depends(limit_sign_in)],
)
async def sign_in(body: SignInBody, access: WantedParts, request: Request, response: Response) -> SignedIn:
    """Whatever is wrong, the answer is the same; where the password is right and a second factor is wanted,
    it says so. After several failures a user is locked out for a while, longer each time."""
    await limit_account(request, body.email)
    cookie = body.session == "cookie"
    begun = await access.sign_in.sign_in(
        body.email,
        body.password.get_secret_value(),
        body.code,
        request.headers.get("user-agent", ""),
        cookie=cookie,
    )
    if not cookie:
        return await _tokens(access, begun)
    seconds = int(access.policy.session.total_seconds())
    response.set_cookie(
        COOKIE, begun.secret, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax"
    )
    csrf = access.seals.csrf(begun.session_id)
    return SignedIn(session_id=begun.session_id, session="cookie", csrf_token=csrf)


@router.post(
    "/v1/auth/refresh",
    operation_id="refresh_session",
    summary="Go on with a session",
    dependencies=[public("the refresh token says who one is"), Depends(limit_sign_in)],
)
async def refresh(body: RefreshBody, access: WantedParts) -> SignedIn:
    """A refresh token is good for once. One that comes a second time was copied: its session is ended."""
    return await _tokens(access, await access.sessions.rotate(body.refresh_token.get_secret_value()))


async def _tokens(access: Parts, begun: Begun) -> SignedIn:
    return SignedIn(
        session_id=begun.session_id,
        session="token",
        access_token=await access.tokens.issue(begun.user_id, begun.session_id),
        expires_in=int(access.policy.access_token.total_seconds()),
        refresh_token=begun.secret,
    )


@router.post(
    "/v1/auth/sign-out",
    operation_id="sign_out",
    summary="Sign out",
    dependencies=[requires("session:end", "self")],
)
async def sign_out(me: Me, access: WantedParts, response: Response) -> Ended:
    """Ends the session that asks."""
    ended = await access.sessions.end(me.id, me.session_id)
    access.gate.forget()
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return Ended(ended=int(ended))


@router.post(
    "/v1/auth/sign-out-everywhere",
    operation_id="sign_out_everywhere",
    summary="Sign out everywhere",
    dependencies=[requires("session:end", "self")],
)
async def sign_out_everywhere(me: Me, access: WantedParts, response: Response) -> Ended:
    """Ends all sessions of the user who asks, this one too."""
    ended = await access.sessions.end_all(me.id, "signed_out_everywhere", actor=me.actor)
    access.gate.forget()
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return Ended(ended=ended)


@router.get(
    "/.well-known/jwks.json",
    operation_id="get_jwks",
    summary="The keys that verify access tokens",
    dependencies=[public("public keys")],
)
async def get_jwks(access: WantedParts) -> PublicKeys:
    """A JSON Web Key Set (RFC 7517). Ask again for a `kid` that is not in it."""
    return PublicKeys.model_validate(await access.tokens.keys.public())
