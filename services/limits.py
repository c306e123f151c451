"""What stands in front of the application? All limits and headers, put together from the settings.

From outside to inside: headers of every answer, CORS, the shape of the request, the rate of its address, its
body, a place in the work with a budget of time. What the connections may do is `connection_bounds`.
"""

from __future__ import annotations

import re

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.permissions import audit
from services.limit_settings import LimitSettings, listed
from services.web.addresses import Addresses, networks
from services.web.bodies import Bodies, BodyBounds
from services.web.connections import ConnectionBounds
from services.web.headers import AnswerHeaders, documentation_policy
from services.web.looked import Looked
from services.web.openapi import document_limits
from services.web.rate_counts import RateCounts
from services.web.rates import AddressRates, Policies, Rates
from services.web.shapes import METHODS, Shapes
from services.web.work import WorkBounds, WorkLimits

SPARED = ("/health",)
"""Stays reachable, whatever else is refused."""
STREAMED = ("/v1/catalogue/imports",)
"""Files, which are larger than what is kept in memory."""
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?")
CORS_ASK = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Last-Event-ID",
    "Prefer",
    "Tillroll-Cart",
    "Tillroll-CSRF",
    "Tillroll-Email",
    "Tillroll-Merchant",
    "Tillroll-Min-Position",
)
_CORS_TELL = (
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Tillroll-Parked",
    "Tillroll-Position",
)


class WrongLimit(ValueError):
    """A setting that can't be understood."""

    expected = True


def harden(app: FastAPI, settings: LimitSettings) -> None:
    """Put the limits around `app`, and say in its OpenAPI document what they may answer. Raises WrongLimit.

    `app.state` gets `rates` (for `services.web.rates`) and their `rate_counts` (for `services.rates`).
    """
    addresses, origins = _addresses(settings), _origins(settings)
    app.state.rate_counts = RateCounts()
    app.state.rates = _rates(app.state.rate_counts, settings)
    make_inner = app.build_middleware_stack

    def make_stack() -> ASGIApp:
        inner = make_inner()
        doors = _doors(inner, app, settings, addresses, origins)

        async def hardened(scope: Scope, receive: Receive, send: Send) -> None:
            await (doors if scope["type"] == "http" else inner)(scope, receive, send)

        return hardened

    # outside of all that the application builds, so that an error which nobody expected has its headers, too
    app.build_middleware_stack = make_stack  # type: ignore[method-assign]
    document_limits(app, SPARED)


def connection_bounds(settings: LimitSettings) -> ConnectionBounds:
    """For `services.web.connections.guarded`."""
    return ConnectionBounds(
        connections_max=settings.connections_max,
        per_address_max=settings.connections_per_address_max,
        head_seconds=settings.head_seconds,
        head_bytes_max=settings.head_bytes_max,
        head_fields_max=settings.head_fields_max,
        rest_seconds=settings.head_seconds,
        stall_seconds=settings.stall_seconds,
        addresses=_addresses(settings),
    )


def _doors(
    inner: ASGIApp, app: FastAPI, settings: LimitSettings, addresses: Addresses, origins: list[str]
) -> ASGIApp:
    doors: ASGIApp = Looked(inner, app.state, audit())
    doors = WorkLimits(doors, _work_bounds(settings), spared=SPARED)
    doors = Bodies(doors, body_bounds(settings), streamed=STREAMED)
    doors = AddressRates(doors, app.state.rates, addresses, spared=SPARED)
    doors = Shapes(doors, hosts=listed(settings.allowed_hosts))
    if origins:
        doors = CORSMiddleware(
            doors,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=CORS_ASK,
            allow_credentials=True,
            expose_headers=_CORS_TELL,
        )
    return AnswerHeaders(doors, behind_tls=settings.behind_tls, pages=_pages(app))


def _work_bounds(settings: LimitSettings) -> WorkBounds:
    return WorkBounds(
        working_max=settings.working_max,
        waiting_max=settings.waiting_max,
        wait_seconds=settings.waiting_seconds,
        resting_max=settings.resting_max,
        budget_seconds=settings.request_seconds,
    )


def body_bounds(settings: LimitSettings) -> BodyBounds:
    """For `services.web.bodies.Bodies`."""
    return BodyBounds(
        bytes_max=settings.body_bytes_max,
        bytes_in_hand_max=settings.bodies_bytes_max,
        pause_seconds=settings.body_pause_seconds,
        whole_seconds=settings.body_seconds,
        depth_max=settings.json_depth_max,
    )


def _rates(counts: RateCounts, settings: LimitSettings) -> Rates:
    policies = Policies(
        address=settings.rate_address,
        principal=settings.rate_principal,
        sign_in_address=settings.rate_sign_in_address,
        sign_in_account=settings.rate_sign_in_account,
    )
    try:
        return Rates(counts, policies)
    except ValueError as error:
        raise WrongLimit(f"TILLROLL_RATE_…: {error}; write `100 per minute`") from None


def _addresses(settings: LimitSettings) -> Addresses:
    try:
        return Addresses(networks(settings.trusted_proxies))
    except ValueError as error:
        raise WrongLimit(f"TILLROLL_TRUSTED_PROXIES: {error}") from None


def _origins(settings: LimitSettings) -> list[str]:
    """Exact ones: a pattern would let in whoever finds a name that fits it, and with cookies at that."""
    origins = listed(settings.cors_origins)
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise WrongLimit(f"TILLROLL_CORS_ORIGINS: {origin} is not like https://shop.example.org")
    return origins


def _pages(app: FastAPI) -> dict[str, str]:
    """The page of the documentation, and the policy that it works under."""
    if not (app.docs_url and app.openapi_url):
        return {}
    page = get_swagger_ui_html(
        openapi_url=app.openapi_url,
        title=f"{app.title} - Swagger UI",
        oauth2_redirect_url=app.swagger_ui_oauth2_redirect_url,
        init_oauth=app.swagger_ui_init_oauth,
        swagger_ui_parameters=app.swagger_ui_parameters,
    )
    return {app.docs_url: documentation_policy(bytes(page.body))}
