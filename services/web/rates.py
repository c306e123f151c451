"""How often may somebody come? By address, by principal, for sign-in by address and account.

Refused with 429, `Retry-After`, and the fields `RateLimit-Policy` and `RateLimit` of the IETF's draft
(draft-ietf-httpapi-ratelimit-headers-11). A hit that is refused is not counted, so that who waits gets in.

    application.state.gate = RatedGate(gate, rates)                         # each principal, once known
    @router.post("/sign-in", dependencies=[Depends(limit_sign_in)])         # each address
    await limit_account(request, email)                                     # each account, once it is read
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import blake2b

from limits import RateLimitItem, RateLimitItemPerSecond, parse
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import Request

from services.web.access import Gate, Principal
from services.web.addresses import Addresses
from services.web.asgi import ASGIApp, Receive, Scope, Send, refuse, said_of, state_of
from services.web.problems import Problem
from services.web.rate_counts import RateCounts

ADDRESS, PRINCIPAL = "address", "principal"
SIGN_IN_ADDRESS, SIGN_IN_ACCOUNT = "sign-in-address", "sign-in-account"


@dataclass(frozen=True, slots=True)
class Policies:
    """As the library `limits` reads them: `100 per minute`, `20 per 15 minutes`."""

    address: str = "12000 per minute"
    principal: str = "6000 per minute"
    sign_in_address: str = "60 per 15 minutes"
    sign_in_account: str = "20 per 15 minutes"


class Rates:
    """Counts hits; `application.state.rates`."""

    def __init__(self, storage: RateCounts, policies: Policies | None = None) -> None:
        policies = policies or Policies()
        self._storage = storage
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._items = {
            ADDRESS: _item(ADDRESS, policies.address),
            PRINCIPAL: _item(PRINCIPAL, policies.principal),
            SIGN_IN_ADDRESS: _item(SIGN_IN_ADDRESS, policies.sign_in_address),
            SIGN_IN_ACCOUNT: _item(SIGN_IN_ACCOUNT, policies.sign_in_account),
        }
        self._policies = {
            name: f'"{name}";q={item.amount};w={item.get_expiry()}'.encode()
            for name, item in self._items.items()
        }

    async def hit(self, policy: str, who: str, scope: Scope, *, quiet: bool = False) -> None:
        """Count one. Raises a 429 problem. `quiet` says how it stands only where it is refused."""
        item = self._items[policy]
        if await self._limiter.hit(item, who):
            if not quiet:
                reset_at, remaining = await self._limiter.get_window_stats(item, who)
                self._say(policy, remaining, _ahead(reset_at), scope)
            return
        seconds = await self._pause(item, who)
        self._say(policy, 0, seconds, scope)
        detail = f"at most {item.amount} requests in {item.get_expiry()} s; try again in {seconds} s"
        headers = {"Retry-After": str(seconds)}
        raise Problem(429, "rate-limited", detail, headers=headers, policy=policy)

    def _say(self, policy: str, remaining: int, seconds: int, scope: Scope) -> None:
        said = said_of(scope)
        said.append((b"ratelimit-policy", self._policies[policy]))
        said.append((b"ratelimit", f'"{policy}";r={remaining};t={seconds}'.encode()))

    async def _pause(self, item: RateLimitItem, who: str) -> int:
        expiry = item.get_expiry()
        before, _, current, ends_in = await self._storage.get_sliding_window(item.key_for(who), expiry)
        return seconds_until_next(item.amount, expiry, before, current, ends_in - expiry)


def seconds_until_next(limit: int, expiry: int, before: int, current: int, left: float) -> int:
    """When one more is allowed, in whole seconds, at least 1; `left` of this window are still to come.

    The window before fades evenly while this one lasts; in the next one, this one does.
    """
    if current < limit and before:
        wait = left - (limit - current) * expiry / before
    else:
        wait = left + max(0.0, expiry * (1 - limit / max(1, current)))
    return max(1, math.floor(wait) + 1)  # at the very moment itself it still counts as a whole one


def _ahead(reset_at: float) -> int:
    """Whole seconds until a time that the library has told."""
    return max(0, math.ceil(reset_at - time.time()))


class _Item(RateLimitItemPerSecond):
    """A policy's; its keys are made in a third of the time."""

    def key_for(self, *identifiers: bytes | str | float) -> str:
        (who,) = identifiers
        return f"{self.namespace}/{who!s}/{self.amount}/{self.multiples}"


def _item(name: str, text: str) -> RateLimitItem:
    item = parse(text)
    return _Item(item.amount, item.get_expiry(), namespace=name)


class AddressRates:
    """Limits each address, before anything is read or worked on; the `spared` paths are not counted."""

    def __init__(
        self, app: ASGIApp, rates: Rates, addresses: Addresses, *, spared: Collection[str] = ()
    ) -> None:
        self._app = app
        self._rates = rates
        self._addresses = addresses
        self._spared = frozenset(spared)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = state_of(scope)["address"] = self._addresses.client(scope)
        if scope["path"] not in self._spared:
            try:
                await self._rates.hit(ADDRESS, address, scope, quiet=True)
            except Problem as problem:
                await refuse(problem, scope, receive, send)
                return
        await self._app(scope, receive, send)


class RatedGate:
    """A gate that counts each principal which it lets in. See `services.web.access.Gate`."""

    def __init__(self, gate: Gate, rates: Rates) -> None:
        self._gate = gate
        self._rates = rates

    async def principal_of(self, request: Request) -> Principal:
        principal = await self._gate.principal_of(request)
        await self._rates.hit(PRINCIPAL, principal.actor, request.scope)
        return principal


def address_of(request: Request) -> str:
    """The client's address, as `AddressRates` found it; empty without it."""
    return str(getattr(request.state, "address", ""))


async def limit_sign_in(request: Request) -> None:
    """For the dependencies of routes that take a password, a code or a token: each address, strictly."""
    rates: Rates = request.app.state.rates
    await rates.hit(SIGN_IN_ADDRESS, address_of(request), request.scope)


async def limit_account(request: Request, account: str) -> None:
    """For the same routes, once they know which account they were asked for, whether or not it exists."""
    rates: Rates = request.app.state.rates
    name = blake2b(account.strip().casefold().encode(), digest_size=16).hexdigest()
    await rates.hit(SIGN_IN_ACCOUNT, name, request.scope)
