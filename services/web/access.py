"""Who asks, and may they? The principal of a request, and the rule that every route declares.

A permission is a resource and a verb, `orders:read`. A route says which one it wants by
`dependencies=[requires("orders:read")]`, or `[public("why")]`; an application with a route that says nothing
does not start (`install_rules`). The rules stand in the OpenAPI document: the tests of roles come from there.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol

from fastapi import Depends, FastAPI, Header, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from services.web.openapi import problem_responses
from services.web.problems import Problem, invalid, merchant_required

HEADER = "Tillroll-Merchant"
BYTES_MAX = 100
_NAME = re.compile(r"[!-~]+", re.ASCII)
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an access token, or an API key"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-tillroll",
        "description": "a browser's session; what changes something needs the header Tillroll-CSRF as well",
    },
}
Scope = Literal["merchant", "reach", "platform", "self", "public"]
"""`merchant`: about one merchant's data. `reach`: the same, or, where who may on the platform names none,
about all merchants' (`merchant` is ''). `platform`: across merchants. `self`: about who asks. `public`: for
anybody."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a principal may do at one merchant, or on the platform.

    `subject` is empty, or the pseudonym of the one person whose data is shown: then of a customer.
    """

    role: str
    permissions: frozenset[str]
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a user or an API key.

    `actor` is how the log names it, `user:ID` or `key:ID`. `grants` is by merchant. `platform` reaches every
    merchant; it is None for nearly everybody.
    """

    actor: str
    kind: Literal["user", "key"]
    id: str
    grants: Mapping[str, Grant] = field(default_factory=dict)
    platform: Grant | None = None
    session_id: str = ""

    def grant(self, merchant: str) -> Grant | None:
        """What holds at a merchant: its own grant, else the platform's."""
        return self.grants.get(merchant) or self.platform


class Gate(Protocol):
    """Knows who sends a request; `app.state.gate`."""

    async def principal_of(self, request: Request) -> Principal:
        """Raises a 401 problem for who is not known."""


class NobodyGate:
    """Lets nobody in: what an application has before it is given another."""

    async def principal_of(self, request: Request) -> Principal:
        raise unauthenticated()


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for what, once it is allowed: `request.state.asked`."""

    principal: Principal
    merchant: str = ""
    grant: Grant | None = None


Check = Callable[..., Awaitable[Asked | None]]


@dataclass(frozen=True, slots=True)
class Rule:
    permission: str
    scope: Scope
    reason: str = ""


_RULES: dict[Any, Rule] = {}


def requires(permission: str, scope: Scope = "merchant") -> Any:
    """For a route's `dependencies`: lets in who has the permission, at the merchant that is asked about."""
    rule = Rule(permission, scope)

    async def check(
        request: Request,
        tillroll_merchant: Annotated[
            str | None,
            Header(
                alias=HEADER,
                description="whose data it is about, of the merchants that who asks may act for;"
                " needed where these are several",
                examples=["m1"],
            ),
        ] = None,
    ) -> Asked:
        principal = await _principal_of(request, rule)
        if len(request.headers.getlist(HEADER)) > 1:
            raise Problem(400, "merchant-unknown", f"{HEADER} stands there more than once")
        named, platform = (tillroll_merchant or "").strip(), principal.platform
        if scope == "reach" and not named and platform and permission in platform.permissions:
            asked = Asked(principal, grant=platform)
        else:
            asked = _at_merchant(principal, permission, named)
        request.state.asked = asked
        return asked

    async def check_platform(request: Request) -> Asked:
        principal = await _principal_of(request, rule)
        if principal.platform is None or permission not in principal.platform.permissions:
            raise forbidden(permission)
        request.state.asked = Asked(principal, grant=principal.platform)
        return request.state.asked  # type: ignore[no-any-return]

    async def check_self(request: Request) -> Asked:
        request.state.asked = Asked(await _principal_of(request, rule))
        return request.state.asked  # type: ignore[no-any-return]

    checks: dict[str, Check] = {
        "merchant": check,
        "reach": check,
        "platform": check_platform,
        "self": check_self,
    }
    _RULES[checks[scope]] = rule
    return Depends(checks[scope])


async def _principal_of(request: Request, rule: Rule) -> Principal:
    """Who asks; `request.state` says so, and for what, also where that is refused (`services.web.looked`)."""
    gate: Gate = request.app.state.gate
    principal = await gate.principal_of(request)
    state = request.state
    state.principal, state.rule, state.route = principal, rule, request.scope["route"].path_format
    state.named = (request.headers.get(HEADER) or "").strip()[:BYTES_MAX]
    return principal


def public(reason: str) -> Any:
    """For a route's `dependencies`: anybody may, and why that is right."""

    async def nobody() -> None:
        return None

    _RULES[nobody] = Rule("", "public", reason)
    return Depends(nobody)


def _at_merchant(principal: Principal, permission: str, named: str) -> Asked:
    merchant = named or _only_merchant(principal)
    check_name(merchant)
    grant = principal.grant(merchant)
    if grant is None or permission not in grant.permissions:
        raise forbidden(permission, merchant)
    return Asked(principal, merchant, grant)


def check_name(merchant: str) -> None:
    """The rule is that of other ids, in ASCII alone: HTTP says not how other characters stand in a header."""
    if not _NAME.fullmatch(merchant):
        raise invalid(HEADER, "it holds more than printable ASCII without white space", where="header")
    if len(merchant) > BYTES_MAX or "/" in merchant or merchant.startswith("."):
        detail = f"it has at most {BYTES_MAX} characters, no slash, and no dot in front"
        raise invalid(HEADER, detail, where="header")


def _only_merchant(principal: Principal) -> str:
    if len(principal.grants) == 1:
        return next(iter(principal.grants))
    raise merchant_required()


def forbidden(permission: str, merchant: str = "") -> Problem:
    """403, the same for a merchant that is not there and for one that is another's."""
    where = f" at merchant {merchant}" if merchant else ""
    return Problem(403, "forbidden", f"this needs the permission {permission}{where}", permission=permission)


def unauthenticated(detail: str = "sign in, or send an API key") -> Problem:
    """401; what was wrong with the token is for the log, not for who sent it."""
    return Problem(401, "unauthenticated", detail, headers={"WWW-Authenticate": 'Bearer realm="tillroll"'})


async def merchant_of_request(request: Request) -> str:
    return asked_of(request).merchant


Merchant = Annotated[str, Depends(merchant_of_request)]
"""The type of a route's parameter that wants the merchant whose data it is about."""


def asked_of(request: Request) -> Asked:
    """What was allowed; for routes whose rule is not `public`."""
    return request.state.asked  # type: ignore[no-any-return]


async def asked_of_request(request: Request) -> Asked:
    """The same as a dependency: one that is no coroutine would be run in a thread, for each request."""
    return asked_of(request)


Allowed = Annotated[Asked, Depends(asked_of_request)]
"""The type of a route's parameter that wants to know who asks."""


def rule_of(route: APIRoute | RouteContext) -> Rule | None:
    """The rule that a route declares, or a router that it is included by."""
    return _rule_in(route.dependant)


def routes_of(app: FastAPI) -> Iterator[RouteContext]:
    """All API routes of `app`. Its `routes` don't tell: they hold a router that was included as one thing."""
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            yield context


def _rule_in(dependant: Dependant) -> Rule | None:
    for each in dependant.dependencies:
        if each.call in _RULES:
            return _RULES[each.call]
        if inner := _rule_in(each):
            return inner
    return None


class RouteWithoutRule(Exception):
    """A route that anybody could call, and nobody said so: give it `requires(…)` or `public(…)`."""


def install_rules(app: FastAPI) -> None:
    """Show each route's rule in the OpenAPI document. Raises RouteWithoutRule.

    After all routers are included: what comes later is not looked at.
    """
    rules: dict[tuple[str, str], Rule] = {}
    for route in routes_of(app):
        rule = rule_of(route)
        if rule is None:
            raise RouteWithoutRule(f"{sorted(route.methods or ())} {route.path} declares no permission")
        for method in route.methods or ():
            rules[str(route.path_format), method.lower()] = rule
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes.update(SECURITY_SCHEMES)
        for path, operations in document["paths"].items():
            for method in operations:
                if rule := rules.get((path, method)):
                    operations[method].update(_shown(rule))
                    for status in _refusals(rule):
                        answer = problem_responses(status)[status]
                        operations[method]["responses"].setdefault(str(status), answer)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _refusals(rule: Rule) -> tuple[int, ...]:
    """What who does not keep to the rule is answered with."""
    refusals: dict[Scope, tuple[int, ...]] = {"public": (), "self": (401,)}
    return refusals.get(rule.scope, (401, 403))


def _shown(rule: Rule) -> dict[str, Any]:
    return {
        "x-permission": rule.permission or rule.scope,
        "x-scope": rule.scope,
        "security": [] if rule.scope == "public" else [{"bearer": []}, {"session": []}],
    }
