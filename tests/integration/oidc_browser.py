"""The routes of sign-in by a provider, and a browser that walks through them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from eventstore.seams import Clock
from services.access.oidc import Identity, OidcProvider
from services.access.oidc_routes import make_router
from services.web.access import install_rules
from services.web.problems import install_problems
from tests.patience import HANGS

SECRET = b"s" * 32


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def seconds(self) -> float:
        return self.moment.timestamp()

    def pass_by(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@dataclass
class Site:
    """What was served, and who was signed in."""

    app: FastAPI
    url: str = ""
    identities: list[Identity] = field(default_factory=list)

    def browser(self) -> httpx.AsyncClient:
        """With cookies of its own; it follows no redirect. Without a socket if there is no `url`."""
        if self.url:
            return httpx.AsyncClient(base_url=self.url, timeout=HANGS)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(base_url="http://127.0.0.1", transport=transport)

    async def signed_in(self, identity: Identity, request: Request) -> Response:
        self.identities.append(identity)
        return RedirectResponse(request.state.return_to, 303)


def site_of(providers: Mapping[str, OidcProvider], clock: Clock, public_url: str = "") -> Site:
    app = FastAPI()
    site = Site(app)
    install_problems(app)
    app.include_router(make_router(providers, SECRET, site.signed_in, public_url=public_url, clock=clock))
    install_rules(app)
    return site


async def start(browser: httpx.AsyncClient, provider: str, return_to: str = "/docs") -> str:
    """Begin; the address at the provider that the browser is sent to."""
    answer = await browser.get(f"/v1/auth/oidc/{provider}/start", params={"return_to": return_to})
    assert answer.status_code == 302, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.headers["location"]


async def come_back(
    browser: httpx.AsyncClient, provider: str, parameters: Mapping[str, str]
) -> httpx.Response:
    return await browser.get(f"/v1/auth/oidc/{provider}/callback", params=dict(parameters))
