"""A program's way in: `tlr_key_ID_SECRET_CHECK`, shown once. What is kept is a digest.

The check (CRC-32 of what stands before it) lets a scanner of source code tell a key from what only looks
like one.
"""

from __future__ import annotations

import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.api_key import ApiKeyIssued, IssueApiKey, RevokeApiKey
from eventstore.seams import Clock, Ids
from services.access.facts import Facts
from services.access.seals import digest_of
from services.access.store import Row, Store
from services.web.access import Asked, Grant, forbidden
from services.web.problems import not_found

PREFIX = "tlr_key_"
PATTERN = re.compile(r"tlr_key_([0-9a-f]{32})_([0-9a-f]{64})_([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class Shown:
    """A key of a list; `secret` only at once after it was made."""

    issued: ApiKeyIssued
    revoked: bool
    last_used_at: datetime | None
    secret: str = ""


def key_id_of(key: str) -> str | None:
    """The id in a key that is well-formed, with the right check."""
    match = PATTERN.fullmatch(key)
    if match is None:
        return None
    rest, _, check = key.rpartition("_")
    return match[1] if check == _check(rest) else None


def is_right(key: str, standing: Row) -> bool:
    """Whether it is the key whose digest is kept."""
    return hmac.compare_digest(digest_of(key), standing["digest"])


def _check(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


class ApiKeys:
    def __init__(self, store: Store, facts: Facts, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._facts = facts
        self._clock = clock
        self._ids = ids

    async def issue(
        self, asked: Asked, merchant: str, name: str, permissions: frozenset[str], valid: timedelta
    ) -> Shown:
        """A key at `merchant`, or on the PLATFORM. A 403 problem where it would have more than who asks."""
        assert asked.grant
        if missing := permissions - asked.grant.permissions:
            raise forbidden(min(missing), asked.merchant)
        key_id = self._ids.new().hex
        rest = f"{PREFIX}{key_id}_{secrets.token_hex(32)}"
        key = f"{rest}_{_check(rest)}"
        issued = ApiKeyIssued(
            key_id=key_id,
            name=name,
            merchant=merchant,
            permissions=tuple(sorted(permissions)),
            expires_at=self._clock.now() + valid,
            issued_by=asked.principal.actor,
        )
        # the digest first: without its fact it opens nothing
        await self._store.rows("keep_api_key", key_id=key_id, merchant=merchant, digest=digest_of(key))
        await self._facts.of_key(
            key_id, IssueApiKey(**dict(issued)), actor=asked.principal.actor, merchant=merchant
        )
        return Shown(issued, False, None, key)

    async def list(self, merchant: str, after: str, limit: int) -> tuple[list[Shown], str | None]:
        """By id; and where the list goes on."""
        found = await self._store.rows("list_api_keys", merchant=merchant, after=after, limit=limit + 1)
        rows = found[:limit]
        keys = await self._facts.keys([row["key_id"] for row in rows]) if rows else []
        shown = [
            Shown(key.issued, key.revoked, row["last_used_at"])
            for row, key in zip(rows, keys, strict=True)
            if key.issued
        ]
        return shown, rows[-1]["key_id"] if len(found) > limit else None

    async def revoke(self, merchant: str, key_id: str, own: Grant, *, actor: str) -> None:
        """A 404 problem for one that is not there, or another merchant's; 403 for one that may do more."""
        if await self._store.row("read_api_key", merchant=merchant, key_id=key_id) is None:
            raise not_found("API key", key_id)
        (key,) = await self._facts.keys([key_id])
        if key.issued and (missing := frozenset(key.issued.permissions) - own.permissions):
            raise forbidden(min(missing), merchant)
        await self._facts.of_key(key_id, RevokeApiKey(key_id=key_id), actor=actor, merchant=merchant)
