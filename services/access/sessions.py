"""Is this session alive, and who goes on with it? Refresh tokens are good for once; a used one ends it.

Who steals a refresh token and who it was stolen from both show it sooner or later: the second to do so is
noticed, and both are out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.user import RecordSessionsEnd, RecordTokenReuse
from eventstore.seams import Clock, Ids, key_id
from services.access.facts import SYSTEM, Facts
from services.access.policy import Policy
from services.access.seals import digest_of, fresh_token
from services.access.store import Row, Statements, Store
from services.web.access import unauthenticated

REFRESH_PREFIX = "tlr_rt_"
COOKIE_PREFIX = "tlr_sc_"
CLIENT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Begun:
    """A session, and the secret by which it goes on: a refresh token or a cookie. Shown once."""

    session_id: str
    user_id: str
    secret: str


class Sessions:
    def __init__(self, store: Store, facts: Facts, clock: Clock, ids: Ids, policy: Policy) -> None:
        self._store = store
        self._facts = facts
        self._clock = clock
        self._ids = ids
        self._policy = policy

    async def begin(self, user_id: str, client: str, *, cookie: bool, proof: int | None = None) -> Begun:
        """`client` is what the caller says of itself, for the list that its owner sees.

        `proof` is how often the password that was shown was changed: a 401 problem where it is more by now.
        """
        now = self._clock.now()
        session_id = self._ids.new().hex
        secret = fresh_token(COOKIE_PREFIX if cookie else REFRESH_PREFIX)
        begun = await self._store.row(
            "begin_session",
            session_id=session_id,
            user_id=user_id,
            kind="cookie" if cookie else "token",
            cookie_digest=digest_of(secret) if cookie else None,
            client="".join(c for c in client if c.isprintable())[:CLIENT_LENGTH],
            now=now,
            idle_until=now + self._policy.session_idle,
            expires_at=now + self._policy.session,
            token_digest=None if cookie else digest_of(secret),
            proof=proof,
        )
        if begun is None:
            raise unauthenticated()
        await self._end_if_disabled(user_id, session_id)
        return Begun(session_id, user_id, secret)

    async def rotate(self, token: str) -> Begun:
        """The token's successor. Raises the 401 problem; a used token ends its session as well."""
        now = self._clock.now()
        digest, successor = digest_of(token), fresh_token(REFRESH_PREFIX)
        used = await self._store.row(
            "rotate",
            digest=digest,
            successor=digest_of(successor),
            now=now,
            idle_until=now + self._policy.session_idle,
        )
        if used is None:
            await self._end_reused(digest, now)
        if used is None or used["user_id"] is None:
            raise unauthenticated()
        await self._end_if_disabled(used["user_id"], used["session_id"])
        return Begun(used["session_id"], used["user_id"], successor)

    async def _end_if_disabled(self, user_id: str, session_id: str) -> None:
        """A 401 problem. Looked at once the session is there: who disables the user meanwhile ends it."""
        if (await self._facts.user(user_id)).disabled:
            await self.end(user_id, session_id)
            raise unauthenticated()

    async def _end_reused(self, digest: bytes, now: datetime) -> None:
        ended = await self._store.row("end_reused", digest=digest, now=now)
        if ended:
            command = RecordTokenReuse(user_id=ended["user_id"], session_id=ended["session_id"])
            command_id = key_id("refresh token reused", ended["session_id"])
            await self._facts.of_user(ended["user_id"], command, actor=SYSTEM, command_id=command_id)

    async def alive(self, user_id: str) -> list[Row]:
        return await self._store.rows("list_sessions", user_id=user_id, now=self._clock.now())

    async def end(self, user_id: str, session_id: str) -> bool:
        """Whether it was there, and this user's."""
        found = await self._store.row(
            "end_session", user_id=user_id, session_id=session_id, now=self._clock.now()
        )
        return found is not None

    async def end_all(self, user_id: str, reason: str, *, actor: str) -> int:
        """Ends all of a user's; how many there were. What it was sent or proved before is void."""
        async with self._store.of_user(user_id) as statements:
            await statements.rows("void_proofs", user_id=user_id)
            ended = await self.end_with(statements, user_id)
        self._facts.told()
        await self._facts.of_user(user_id, RecordSessionsEnd(user_id=user_id, reason=reason), actor=actor)
        return ended

    async def end_with(self, statements: Statements, user_id: str, *, but: str = "") -> int:
        """Ends all of a user's, `but` one, and the tokens it was sent, in the transaction of `statements`.

        Call it after the statement that changes what `begin` compares. That one waits for a session which is
        just begun; this one, being another, sees it.
        """
        now = self._clock.now()
        await statements.rows("use_up_tokens", user_id=user_id, now=now)
        return len(await statements.rows("end_sessions", user_id=user_id, but=but, now=now))
