"""Somebody else says who it is: whose account is that, and how does the session begin?

An address counts only where its provider is trusted to have proven it, and only for who was invited: sign-in
by a provider opens no account.
"""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from domain.user import JoinUser, LinkIdentity
from services.access.gate import COOKIE
from services.access.oidc import Identity
from services.access.parts import Parts
from services.web.problems import Problem


class SignInBy:
    """For `oidc_routes.make_router`: the browser gets a session's cookie and goes where it wanted."""

    def __init__(self, access: Parts) -> None:
        self._access = access

    async def __call__(self, identity: Identity, request: Request) -> Response:
        access = self._access
        user_id = await self._user_of(identity)
        actor = f"oidc:{request.state.oidc_provider}"
        digest = access.seals.identity(identity.subject)
        link = LinkIdentity(user_id=user_id, issuer=identity.issuer, digest=digest)
        await access.facts.of_user(user_id, link, JoinUser(user_id=user_id), actor=actor)
        client = request.headers.get("user-agent", "")
        begun = await access.sessions.begin(user_id, client, cookie=True)
        response = RedirectResponse(request.state.return_to, 303)
        seconds = int(access.policy.session.total_seconds())
        response.set_cookie(
            COOKIE, begun.secret, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax"
        )
        return response

    async def _user_of(self, identity: Identity) -> str:
        """Raises a 403 problem, the same for whoever may not come in this way."""
        user_id = None
        if identity.email and identity.email_verified:
            user_id = await self._access.addresses.user_of(identity.email)
        if user_id is not None:
            user = await self._access.facts.user(user_id)
            if user.invited and not user.disabled:
                return user_id
        raise Problem(403, "no-account", "nobody was invited by the address that the provider has proven")
