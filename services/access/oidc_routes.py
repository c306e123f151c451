"""The routes of sign-in by somebody else: who can be asked, the way there, and the way back."""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field
from yarl import URL

from eventstore.seams import Clock, WallClock
from services.access.oidc import Identity, OidcProvider, OidcRefused
from services.access.oidc_pending import VALID_S, Pending, PendingSeal
from services.loopback import is_loopback
from services.web.access import public
from services.web.openapi import problem_responses
from services.web.problems import Problem, invalid, not_found, try_later

PREFIX = "/v1/auth/oidc"
RETURN_LENGTH_MAX = 500
PARAMETER_LENGTH_MAX = 4_000
RETRY_S = 5.0
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
SignedIn = Callable[[Identity, Request], Awaitable[Response]]
"""Finds or makes the user of an identity, and answers with a session. `request.state.return_to` is where the
person wants to go, a path on this host; `request.state.oidc_provider` is the provider's name."""
logger = structlog.get_logger()
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


class ProviderNames(BaseModel):
    """Who may be asked."""

    providers: list[str] = Field(
        description="names, for the paths of this resource", examples=[["company", "google"]]
    )


ProviderInPath = Annotated[
    str, Path(max_length=32, description="a provider's name, as the list has it", examples=["company"])
]
ReturnTo = Annotated[
    str,
    Query(
        max_length=RETURN_LENGTH_MAX,
        description="where to go once it is done: a path on this host, with its query",
        examples=["/docs"],
    ),
]


def _parameter(description: str) -> Any:
    return Query(max_length=PARAMETER_LENGTH_MAX, description=description)


def make_router(
    providers: Mapping[str, OidcProvider],
    secret: bytes,
    signed_in: SignedIn,
    *,
    public_url: str = "",
    clock: Clock | None = None,
) -> APIRouter:
    """The routes for these providers. `secret` seals what waits; `public_url` is where browsers find us.

    Without a `public_url` only a browser on this machine can sign in: a request's own word for its host is
    not believed.
    """
    if wrong := [name for name in providers if not NAME.fullmatch(name)]:
        raise ValueError(f"a provider's name has small letters, digits and hyphens: {', '.join(wrong)}")
    door = _Door(providers, PendingSeal(secret, clock or WallClock()), signed_in, public_url)
    router = APIRouter(prefix=PREFIX, tags=["sign-in"])

    @router.get(
        "",
        operation_id="list_oidc_providers",
        summary="Who else can sign a person in",
        dependencies=[public("names of providers: the page for signing in shows them")],
        responses=problem_responses(),
    )
    async def list_oidc_providers() -> ProviderNames:
        """The providers that were set up here. Send the browser to `/{provider}/start`."""
        return ProviderNames(providers=sorted(providers))

    @router.get(
        "/{provider}/start",
        operation_id="start_oidc",
        summary="Send the browser to a provider",
        dependencies=[public("who signs in is not known yet")],
        status_code=302,
        response_class=RedirectResponse,
        responses={302: {"description": "On to the provider"}, **problem_responses(404, 503)},
    )
    async def start_oidc(request: Request, provider: ProviderInPath, return_to: ReturnTo = "/") -> Response:
        """For a browser: it is given a cookie that the way back needs, valid for ten minutes and once."""
        return await door.start(request, provider, return_to)

    @router.get(
        "/{provider}/callback",
        operation_id="finish_oidc",
        summary="Where a provider sends the browser back to",
        dependencies=[public("the code, the state and the cookie say who it is")],
        status_code=303,
        response_class=Response,
        responses={303: {"description": "Signed in, on to `return_to`"}, **problem_responses(404, 503)},
    )
    async def finish_oidc(
        request: Request,
        provider: ProviderInPath,
        code: Annotated[str | None, _parameter("what the provider gives for the tokens")] = None,
        state: Annotated[str | None, _parameter("which sign-in it belongs to")] = None,
        iss: Annotated[str | None, _parameter("whose answer it is (RFC 9207)")] = None,
        error: Annotated[str | None, _parameter("why the provider did not sign the person in")] = None,
    ) -> Response:
        """Not for programs. What is wrong is a problem `sign-in-refused`, whose `reason` names it."""
        given = {"code": code, "state": state, "iss": iss, "error": error}
        return await door.finish(request, provider, {k: v for k, v in given.items() if v is not None})

    return router


class _Door:
    """What the routes do."""

    def __init__(
        self,
        providers: Mapping[str, OidcProvider],
        seal: PendingSeal,
        signed_in: SignedIn,
        public_url: str,
    ) -> None:
        self._providers = providers
        self._seal = seal
        self._signed_in = signed_in
        self._public_url = public_url.rstrip("/")

    async def start(self, request: Request, name: str, return_to: str) -> Response:
        provider = self._provider(name)
        check_return(return_to)
        base = self._base(request)
        redirect_uri = f"{base}{PREFIX}/{name}/callback"
        try:
            begun = await provider.begin(redirect_uri)
        except OidcRefused as refused:
            raise _problem(name, refused) from None
        response = RedirectResponse(begun.url, 302, headers=_PRIVATE)
        sealed = self._seal.seal(name, redirect_uri, return_to, begun)
        _set_cookie(response, base, name, sealed, VALID_S)
        return response

    async def finish(self, request: Request, name: str, parameters: Mapping[str, str]) -> Response:
        provider = self._provider(name)
        base = self._base(request)
        try:
            pending = self._pending(request, base, name, parameters)
        except OidcRefused as refused:
            raise _problem(name, refused) from None
        self._seal.use(pending)  # whatever comes of it: the next answer needs a new sign-in
        try:
            identity = await provider.finish(pending.begun(), pending.redirect_uri, parameters)
        except OidcRefused as refused:
            raise _without_cookie(_problem(name, refused), base, name) from None
        request.state.return_to, request.state.oidc_provider = pending.return_to, name
        try:
            response = await self._signed_in(identity, request)
        except Problem as problem:
            raise _without_cookie(problem, base, name) from None
        response.headers.update(_PRIVATE)
        _set_cookie(response, base, name, "", 0)
        return response

    def _provider(self, name: str) -> OidcProvider:
        provider = self._providers.get(name)
        if provider is None:
            raise not_found("provider", name)
        return provider

    def _base(self, request: Request) -> str:
        """Where browsers find us: as was set; else what the request says, if that is this machine."""
        if self._public_url:
            return self._public_url
        base = str(request.base_url).rstrip("/")
        if not is_loopback(URL(base).host):
            raise Problem(
                400, "public-url-unknown", "TILLROLL_PUBLIC_URL does not say where browsers find us"
            )
        return base

    def _pending(self, request: Request, base: str, name: str, parameters: Mapping[str, str]) -> Pending:
        """What the browser's cookie holds, if the answer belongs to it.

        An answer that does not leaves it as it is: somebody else may have sent it.
        """
        if len(request.query_params) != len(request.query_params.multi_items()):
            raise OidcRefused("malformed", "this answer says something twice; begin again")
        pending = self._seal.open(name, request.cookies.get(_cookie_name(base, name), ""))
        if pending is None:
            raise OidcRefused(
                "no-sign-in", "no sign-in waits in this browser, or it waited too long; begin again"
            )
        if not hmac.compare_digest(parameters.get("state", "").encode(), pending.state.encode()):
            raise OidcRefused("state", "this answer belongs to another sign-in; begin again")
        return pending


def check_return(path: str) -> None:
    """A path on this host, as a browser reads it: `//host` and `/\\host` are others. 422 for all else."""
    parts = urlsplit(path)
    if (
        not path.startswith("/")
        or path.startswith("//")
        or "\\" in path
        or not (path.isascii() and path.isprintable())
        or " " in path
        or parts.scheme
        or parts.netloc
    ):
        raise invalid("return_to", "it must be a path on this host, such as /docs")


def _cookie_name(base: str, name: str) -> str:
    """`__Host-`: no other host, not even a subdomain of ours, can put one there."""
    return f"{'__Host-' if base.startswith('https:') else ''}tillroll-oidc-{name}"


def _set_cookie(response: Response, base: str, name: str, value: str, seconds: int) -> None:
    response.set_cookie(
        _cookie_name(base, name),
        value,
        max_age=seconds,
        path="/",
        secure=base.startswith("https:"),
        httponly=True,
        samesite="lax",  # strict would not be sent by a browser that a provider sends back
    )


def _without_cookie(problem: Problem, base: str, name: str) -> Problem:
    ended = Response()
    _set_cookie(ended, base, name, "", 0)
    problem.headers |= {"Set-Cookie": ended.headers["set-cookie"], **_PRIVATE}
    return problem


def _problem(name: str, refused: OidcRefused) -> Problem:
    logger.info("oidc_refused", provider=name, reason=refused.reason)
    if refused.passing:
        return try_later(refused.message, RETRY_S, kind="sign-in-unavailable", reason=refused.reason)
    return Problem(400, "sign-in-refused", refused.message, title="Not signed in", reason=refused.reason)
