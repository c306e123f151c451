"""Does a second thing agree, that only the user has? A code of the moment (RFC 6238), or a recovery code.

A code is taken once: its counter must be higher than that of the last one taken.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

import pyotp

from domain.user import DisableSecondFactor, EnableSecondFactor, RecordRecoveryCode
from eventstore.seams import Clock
from services.access.facts import Facts
from services.access.policy import Policy
from services.access.seals import Seals
from services.access.store import Row, Store
from services.web.access import unauthenticated
from services.web.problems import conflict, invalid

RECOVERY_CODES = 10
_RECOVERY_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another
_RECOVERY_LENGTH = 16
_PURPOSE = "totp seeds"
_DRIFT = (0, -1, 1)


@dataclass(frozen=True, slots=True)
class Proposed:
    """A seed that counts once a code of it was shown: as text, and as what apps scan."""

    seed: str
    uri: str


class SecondFactor:
    def __init__(self, store: Store, seals: Seals, facts: Facts, clock: Clock, policy: Policy) -> None:
        self._store = store
        self._seals = seals
        self._facts = facts
        self._clock = clock
        self._policy = policy

    async def begin(self, user_id: str, label: str, *, proof: int) -> Proposed:
        """Raises a 409 problem where there is one already, and 401 where `proof` is of before a change."""
        row = await self._store.row("read_credential", user_id=user_id)
        if row is None or row["totp_seed"]:
            raise conflict("second_factor_once", "there is a second factor already; remove it first")
        seed = pyotp.random_base32()
        sealed = self._seals.seal(_PURPOSE, user_id, seed.encode())
        until = self._clock.now() + self._policy.pending_seed
        proposed = await self._store.row(
            "propose_seed", user_id=user_id, proof=proof, seed=sealed, until=until
        )
        if proposed is None:
            raise unauthenticated()
        issuer = self._policy.issuer
        return Proposed(seed, pyotp.TOTP(seed).provisioning_uri(name=label, issuer_name=issuer))

    async def confirm(self, user_id: str, code: str, *, actor: str) -> list[str]:
        """The recovery codes, shown once. A 422 problem for a code that is not of the proposed seed.

        A seed is good for a few minutes, and for a few codes.
        """
        row = await self._store.row(
            "try_pending_seed", user_id=user_id, now=self._clock.now(), tries=self._policy.pending_tries
        )
        pending = row["totp_pending"] if row else None
        counter = self._counter(user_id, pending, code) if pending else None
        if counter is None:
            raise invalid("code", "it is not the code of this moment; begin again if in doubt", where="body")
        codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
        digests = [self._seals.recovery_code(user_id, each) for each in codes]
        enabled = await self._store.row(
            "enable_second_factor", user_id=user_id, pending=pending, counter=counter, recovery=digests
        )
        if enabled is None:
            raise conflict("second_factor_once", "another second factor was begun meanwhile")
        command = EnableSecondFactor(user_id=user_id, recovery_codes=len(codes))
        await self._facts.of_user(user_id, command, actor=actor)
        return codes

    async def remove(self, user_id: str, *, actor: str, proof: int) -> None:
        """Raises a 401 problem where `proof` is of before a change."""
        if await self._store.row("disable_second_factor", user_id=user_id, proof=proof) is None:
            raise unauthenticated()
        await self._facts.of_user(user_id, DisableSecondFactor(user_id=user_id), actor=actor)

    async def agrees(self, user_id: str, credential: Row, code: str) -> bool:
        """Whether the code is one, which it is once only."""
        plain = code.strip().replace(" ", "").replace("-", "").lower()
        if plain.isdigit():
            counter = self._counter(user_id, credential["totp_seed"], plain)
            return counter is not None and await self._take(user_id, counter)
        digest = self._seals.recovery_code(user_id, plain)
        taken = await self._store.row("take_recovery_code", user_id=user_id, digest=digest)
        if taken:
            command = RecordRecoveryCode(user_id=user_id, left=taken["left"])
            await self._facts.of_user(user_id, command, actor=f"user:{user_id}")
        return taken is not None

    async def _take(self, user_id: str, counter: int) -> bool:
        return await self._store.row("take_counter", user_id=user_id, counter=counter) is not None

    def _counter(self, user_id: str, sealed: bytes, code: str) -> int | None:
        """The counter that the code is of: the present one or a neighbour, as clocks differ."""
        totp = pyotp.TOTP(self._seals.open(_PURPOSE, user_id, sealed).decode())
        now = totp.timecode(self._clock.now())
        for drift in _DRIFT:
            if hmac.compare_digest(totp.generate_otp(now + drift).encode(), code.encode()):
                return now + drift
        return None


def _recovery_code() -> str:
    return "".join(secrets.choice(_RECOVERY_LETTERS) for _ in range(_RECOVERY_LENGTH))


def code_at(seed: str, moment: datetime) -> str:
    """The code of a seed at a moment: what an authenticator shows."""
    return pyotp.TOTP(seed).at(moment)
