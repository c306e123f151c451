"""Who sends this request? An access token, an API key or a cookie says it; the log says what they may.

What is known of a principal is looked up anew at most once a second: one query tells whether the session or
key is alive and how far the stream with its grants has come. So what another process takes away (a role, a
session, a key) works for a second more at most; what this process takes away stops at once.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakValueDictionary

from fastapi import Request

from domain.api_key import ApiKey
from domain.permissions import PLATFORM
from domain.user import User
from eventstore.seams import Clock
from services.access.api_keys import PREFIX, is_right, key_id_of
from services.access.facts import Facts
from services.access.policy import Policy
from services.access.seals import Seals, digest_of
from services.access.store import Row, Store
from services.access.tokens import AccessTokens
from services.web.access import Grant, Principal, unauthenticated

COOKIE = "__Host-tillroll"
CSRF_HEADER = "Tillroll-CSRF"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
KNOWN_MAX = 10_000
SECRET_LENGTH_MAX = 4_000

UNKNOWN_KEY = "the API key that was sent is not known, or is over: ask who issued it for another"
"""The same for whatever is wrong with it."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A principal as it was at `seen_at`, and until when at the latest; `csrf` for a cookie's."""

    principal: Principal
    seen_at: datetime
    until: datetime | None = None
    csrf: str = ""


class AccessGate:
    """See `services.web.access.Gate`. Whatever is wrong, the answer is one 401."""

    def __init__(
        self, store: Store, seals: Seals, facts: Facts, tokens: AccessTokens, clock: Clock, policy: Policy
    ) -> None:
        self._store = store
        self._seals = seals
        self._facts = facts
        self._tokens = tokens
        self._clock = clock
        self._policy = policy
        self.looked_up = 0
        self._forgotten = 0
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def principal_of(self, request: Request) -> Principal:
        header = request.headers.get("authorization")
        if header is not None:
            scheme, _, secret = header.partition(" ")
            several = len(request.headers.getlist("authorization")) > 1
            if several or scheme.lower() != "bearer" or len(secret) > SECRET_LENGTH_MAX:
                raise unauthenticated()
            secret = secret.strip()
            return await (self._of_key(secret) if secret.startswith(PREFIX) else self._of_token(secret))
        cookie = request.cookies.get(COOKIE)
        if cookie is None or len(cookie) > SECRET_LENGTH_MAX:
            raise unauthenticated()
        return await self._of_cookie(cookie, request)

    def forget(self) -> None:
        """Look everybody up anew: after something was taken away in this process."""
        self._forgotten += 1
        self._known.clear()

    async def _of_token(self, token: str) -> Principal:
        claims = await self._tokens.verify(token)
        if claims is None:
            raise unauthenticated()
        name = b"session " + claims.session_id.encode()
        known = self._fresh(name) or await self._look_up(name, "token", claims.session_id)
        if known.principal.id != claims.user_id:
            raise unauthenticated()
        return known.principal

    async def _of_cookie(self, cookie: str, request: Request) -> Principal:
        name = digest_of(cookie)
        known = self._fresh(name) or await self._look_up(name, "cookie", cookie)
        if request.method not in SAFE_METHODS:
            said = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(said.encode(), known.csrf.encode()):
                raise unauthenticated()
        return known.principal

    async def _of_key(self, key: str) -> Principal:
        name = digest_of(key)
        known = self._fresh(name) or await self._look_up(name, "key", key)
        if known.until is not None and self._clock.now() >= known.until:
            raise unauthenticated(UNKNOWN_KEY)
        return known.principal

    def _fresh(self, name: bytes) -> _Known | None:
        known = self._known.get(name)
        if known and self._clock.now() < known.seen_at + self._policy.refresh_principal:
            return known
        return None

    async def _look_up(self, name: bytes, kind: str, secret: str) -> _Known:
        """Once for all who wait for the same. Raises the 401 problem."""
        turn = self._turns.setdefault(name, asyncio.Lock())
        async with turn:
            if fresh := self._fresh(name):
                return fresh
            # taken before the question is asked: what changes meanwhile is seen a second later at most
            self.looked_up += 1
            now, forgotten = self._clock.now(), self._forgotten
            self._known.pop(name, None)
            known = await (self._key(secret, now) if kind == "key" else self._session(kind, secret, now))
            if known is None:
                raise unauthenticated(UNKNOWN_KEY) if kind == "key" else unauthenticated()
            if forgotten == self._forgotten:
                self._known[name] = known
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
            return known

    async def _session(self, kind: str, secret: str, now: datetime) -> _Known | None:
        if kind == "cookie":
            digest = digest_of(secret)
            standing = await self._store.row("cookie_standing", cookie_digest=digest, now=now)
        else:
            standing = await self._store.row("session_standing", session_id=secret, now=now)
        if standing is None or standing["version"] is None:
            return None
        user = await self._facts.user_at(standing["user_id"], standing["version"])
        if user.disabled or not user.joined:
            return None
        await self._see_session(standing, now, cookie=kind == "cookie")
        session_id = standing["session_id"]
        csrf = self._seals.csrf(session_id) if kind == "cookie" else ""
        return _Known(principal_of_user(standing["user_id"], user, session_id), now, None, csrf)

    async def _see_session(self, standing: Row, now: datetime, *, cookie: bool) -> None:
        """A cookie's session goes on by being used; a token's by being refreshed."""
        if cookie and now >= standing["seen_at"] + self._policy.write_last_use:
            idle_until = now + self._policy.session_idle
            session_id = standing["session_id"]
            await self._store.rows("see_session", session_id=session_id, now=now, idle_until=idle_until)

    async def _key(self, secret: str, now: datetime) -> _Known | None:
        key_id = key_id_of(secret)
        standing = await self._store.row("key_standing", key_id=key_id) if key_id else None
        if key_id is None or standing is None or not is_right(secret, standing) or not standing["version"]:
            return None
        key = await self._facts.key_at(key_id, standing["version"])
        if key.issued is None or key.revoked or now >= key.issued.expires_at:
            return None
        last = standing["last_used_at"]
        if last is None or now >= last + self._policy.write_last_use:
            await self._store.rows("see_api_key", key_id=key_id, now=now)
        return _Known(principal_of_key(key_id, key), now, key.issued.expires_at)


def principal_of_user(user_id: str, user: User, session_id: str) -> Principal:
    grants = {
        merchant: Grant(held.role, held.permissions, held.subject) for merchant, held in user.grants.items()
    }
    platform = grants.pop(PLATFORM, None)
    return Principal(f"user:{user_id}", "user", user_id, grants, platform, session_id)


def principal_of_key(key_id: str, key: ApiKey) -> Principal:
    assert key.issued
    grant = Grant("key", frozenset(key.issued.permissions))
    if key.issued.merchant == PLATFORM:
        return Principal(f"key:{key_id}", "key", key_id, {}, grant)
    return Principal(f"key:{key_id}", "key", key_id, {key.issued.merchant: grant})
