"""Which keys sign access tokens, and which did lately? Old ones verify until their tokens are over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from joserfc.jwk import ECKey, KeySet

from eventstore.seams import Clock
from services.access.policy import Policy
from services.access.seals import Seals
from services.access.store import Row, Store

ALGORITHM = "ES256"
_PURPOSE = "signing keys"
_RELOAD = timedelta(minutes=1)
_RELOAD_UNKNOWN = timedelta(seconds=1)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Keys:
    """Newest last; `signing` is None where a new one is due."""

    by_kid: dict[str, ECKey] = field(default_factory=dict)
    signing: ECKey | None = None
    signs_until: datetime = _NEVER
    loaded_at: datetime = _NEVER


class SigningKeys:
    """The keys in the table `signing_keys`, private ones sealed; read anew once a minute."""

    def __init__(self, store: Store, seals: Seals, clock: Clock, policy: Policy) -> None:
        self._store = store
        self._seals = seals
        self._clock = clock
        self._policy = policy
        self._keys = _Keys()

    async def signing(self) -> ECKey:
        """The one that signs; made where there is none, or where it is too old."""
        now = self._clock.now()
        if now >= self._keys.loaded_at + _RELOAD or now >= self._keys.signs_until:
            await self._load()
        if self._keys.signing is None:
            await self._make(now)
            await self._load()
        assert self._keys.signing is not None
        return self._keys.signing

    async def verifying(self, kid: str) -> ECKey | None:
        """The key of that name, unless it is long retired."""
        now = self._clock.now()
        patience = _RELOAD if kid in self._keys.by_kid else _RELOAD_UNKNOWN
        if now >= self._keys.loaded_at + patience:
            await self._load()
        return self._keys.by_kid.get(kid)

    async def public(self) -> dict[str, Any]:
        """The JSON Web Key Set: all keys that may have signed a token which is still good."""
        await self.signing()
        return dict(KeySet(list(self._keys.by_kid.values())).as_dict(private=False))

    async def _make(self, now: datetime) -> None:
        key = ECKey.generate_key("P-256", parameters={"use": "sig", "alg": ALGORITHM}, auto_kid=True)
        assert key.kid
        private = orjson.dumps(key.as_dict(private=True))
        await self._store.rows(
            "add_signing_key",
            kid=key.kid,
            private_key=self._seals.seal(_PURPOSE, key.kid, private),
            public_jwk=orjson.dumps(key.as_dict(private=False)).decode(),
            now=now,
            since=now - self._policy.signing_key,
        )

    async def _load(self) -> None:
        now = self._clock.now()
        rows = await self._store.rows("read_signing_keys", since=now - 2 * self._policy.access_token)
        keys = {row["kid"]: self._opened(row) for row in rows}
        fresh = [
            row
            for row in rows
            if row["retired_at"] is None and row["created_at"] > now - self._policy.signing_key
        ]
        newest = fresh[-1] if fresh else None
        until = newest["created_at"] + self._policy.signing_key if newest else _NEVER
        self._keys = _Keys(keys, keys[newest["kid"]] if newest else None, until, now)

    def _opened(self, row: Row) -> ECKey:
        return ECKey.import_key(orjson.loads(self._seals.open(_PURPOSE, row["kid"], row["private_key"])))
