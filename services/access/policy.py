"""How long does a way in stay open, and how much may be tried?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from services.settings import Settings


@dataclass(frozen=True, slots=True)
class Policy:
    """`hash_*` is what a password costs (RFC 9106's second choice), `hashing` how many are hashed at once."""

    issuer: str = "tillroll"
    access_token: timedelta = timedelta(minutes=5)
    signing_key: timedelta = timedelta(days=30)
    session: timedelta = timedelta(days=30)
    session_idle: timedelta = timedelta(days=7)
    refresh_principal: timedelta = timedelta(seconds=1)
    write_last_use: timedelta = timedelta(minutes=1)
    failures: int = 5
    lock_first: timedelta = timedelta(seconds=30)
    lock_longest: timedelta = timedelta(hours=1)
    invitation: timedelta = timedelta(days=7)
    password_reset: timedelta = timedelta(minutes=30)
    between_mails: timedelta = timedelta(minutes=1)
    pending_seed: timedelta = timedelta(minutes=10)
    pending_tries: int = 5
    hash_time: int = 3
    hash_memory_kib: int = 64 * 1024
    hash_lanes: int = 4
    hashing: int = 2
    hashing_waiting: int = 100

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        return cls(
            issuer=settings.token_issuer,
            signing_key=timedelta(days=settings.signing_key_days),
            session=timedelta(days=settings.session_days),
            session_idle=timedelta(hours=settings.session_idle_hours),
        )
