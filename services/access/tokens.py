"""Whose access token is it? A JWT of five minutes; a verified one is remembered, in a bounded cache."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from eventstore.seams import Clock, Ids
from services.access.policy import Policy
from services.access.seals import digest_of
from services.access.signing_keys import ALGORITHM, SigningKeys

TYPE = "at+jwt"
LENGTH_MAX = 2_000
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says."""

    user_id: str
    session_id: str
    until: datetime


class AccessTokens:
    def __init__(self, keys: SigningKeys, clock: Clock, ids: Ids, policy: Policy) -> None:
        self.keys = keys
        self._clock = clock
        self._ids = ids
        self._policy = policy
        self._known: OrderedDict[bytes, Claims] = OrderedDict()

    async def issue(self, user_id: str, session_id: str) -> str:
        key = await self.keys.signing()
        now = self._clock.now()
        claims = {
            "iss": self._policy.issuer,
            "aud": self._policy.issuer,
            "sub": user_id,
            "sid": session_id,
            "iat": int(now.timestamp()),
            "exp": int((now + self._policy.access_token).timestamp()),
            "jti": self._ids.new().hex,
        }
        header = {"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=[ALGORITHM])

    async def verify(self, token: str) -> Claims | None:
        """None for whatever is wrong with it."""
        name = digest_of(token)
        claims = self._known.get(name) or await self._verified(name, token)
        return claims if claims and self._clock.now() < claims.until else None

    async def _verified(self, name: bytes, token: str) -> Claims | None:
        if len(token) > LENGTH_MAX or not token.isascii():
            return None
        try:
            kid = jws.extract_compact(token.encode()).headers().get("kid")
            key = await self.keys.verifying(kid) if isinstance(kid, str) else None
            if key is None:
                return None
            decoded = jwt.decode(token, key, algorithms=[ALGORITHM])
        except (JoseError, ValueError):
            return None
        claims = self._claims(decoded.header, decoded.claims)
        if claims:
            self._known[name] = claims
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return claims

    def _claims(self, header: dict[str, Any], claims: dict[str, Any]) -> Claims | None:
        issuer = self._policy.issuer
        if header.get("typ") != TYPE or claims.get("iss") != issuer or claims.get("aud") != issuer:
            return None
        user_id, session_id, until = claims.get("sub"), claims.get("sid"), claims.get("exp")
        if not (isinstance(user_id, str) and isinstance(session_id, str) and isinstance(until, int)):
            return None
        return Claims(user_id, session_id, datetime.fromtimestamp(until, UTC))
