"""Is it this user? By password, and by a second factor where there is one.

A wrong password, an address that nobody has, a user who is locked out or disabled: the same answer, in about
the same work. What is done besides for a user who exists is done after the answer.
"""

from __future__ import annotations

from datetime import datetime

from domain.user import LockUserOut
from eventstore.seams import Clock
from services.access.facts import SYSTEM, Facts
from services.access.later import Later
from services.access.passwords import Passwords
from services.access.policy import Policy
from services.access.seals import Seals
from services.access.second_factor import SecondFactor
from services.access.sessions import Begun, Sessions
from services.access.store import Row, Store
from services.web.problems import Problem

_NOBODY = "nobody"
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tillroll"'}


def refused() -> Problem:
    """401, whatever it was."""
    detail = "this address, password and code do not go together, or too much was tried; wait before the next"
    return Problem(401, "sign-in-refused", detail, headers=_CHALLENGE)


def second_factor_required() -> Problem:
    """401: the password was right."""
    detail = "send `code` as well: of the authenticator, or a recovery code"
    return Problem(401, "second-factor-required", detail, headers=_CHALLENGE)


class SignIn:
    def __init__(
        self,
        store: Store,
        seals: Seals,
        facts: Facts,
        passwords: Passwords,
        second_factor: SecondFactor,
        sessions: Sessions,
        later: Later,
        clock: Clock,
        policy: Policy,
    ) -> None:
        self._store = store
        self._seals = seals
        self._facts = facts
        self._passwords = passwords
        self._second_factor = second_factor
        self._sessions = sessions
        self._later = later
        self._clock = clock
        self._policy = policy

    async def sign_in(
        self, address: str, password: str, code: str | None, client: str, *, cookie: bool
    ) -> Begun:
        """A new session. Raises a 401 problem, or 503 where too many try."""
        row = await self._store.row("user_of_address", digest=self._seals.address(address))
        user_id = row["user_id"] if row else _NOBODY
        proof = await self.prove(user_id, password, code)
        return await self._sessions.begin(user_id, client, cookie=cookie, proof=proof)

    async def prove(self, user_id: str, password: str, code: str | None) -> int:
        """Whether it is who it says (else a 401 problem); what to compare before one acts on it.

        It is how often the password was changed, or all sessions were ended: `password_changes`.
        """
        user = await self._facts.user(user_id)
        # read and counted within one's turn: of many at once, few get a try before the lock-out is seen
        async with self._passwords.turn():
            row = await self._store.row("read_credential", user_id=user_id)
            right, newer = await self._passwords.verify(password, row["password_hash"] if row else None)
            locked = row is not None and self._is_locked(row)
            if not right or row is None or locked or user.disabled or not user.joined:
                await self._count_failure(user_id)
                raise refused()
            if row["totp_seed"]:
                await self._prove_second(user_id, row, code)
        if row["failures"]:
            await self._store.rows("forget_failures", user_id=user_id)
        if newer:
            was = row["password_hash"]
            await self._store.rows("rehash_password", user_id=user_id, was=was, password_hash=newer)
        changes: int = row["password_changes"]
        return changes

    async def _prove_second(self, user_id: str, row: Row, code: str | None) -> None:
        if not code:
            raise second_factor_required()
        if not await self._second_factor.agrees(user_id, row, code):
            await self._count_failure(user_id)
            raise refused()

    def _is_locked(self, row: Row) -> bool:
        return row["locked_until"] is not None and self._clock.now() < row["locked_until"]

    async def _count_failure(self, user_id: str) -> None:
        """The same statement for nobody, whom it does not find."""
        counted = await self._store.row(
            "count_failure",
            user_id=user_id,
            now=self._clock.now(),
            threshold=self._policy.failures,
            first_s=self._policy.lock_first.total_seconds(),
            longest_s=self._policy.lock_longest.total_seconds(),
        )
        if counted and counted["locked_until"]:
            self._later.do("lock-out", self._locked_out(user_id, counted["locked_until"]))

    async def _locked_out(self, user_id: str, until: datetime) -> None:
        await self._facts.of_user(user_id, LockUserOut(user_id=user_id, until=until), actor=SYSTEM)
