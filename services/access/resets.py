"""How does a user get a new password without the old one? By a token for once, sent to its address."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from domain.kernel import Command
from domain.user import JoinUser, RecordPasswordChange, RecordSessionsEnd, RequestPasswordReset
from eventstore.seams import Clock, key_id
from services.access.addresses import Addresses
from services.access.facts import Facts
from services.access.later import Later
from services.access.mail import Mailer
from services.access.passwords import Passwords, check_password
from services.access.policy import Policy
from services.access.seals import digest_of, fresh_token
from services.access.sessions import Sessions
from services.access.store import Store
from services.web.access import unauthenticated
from services.web.problems import Problem, invalid, try_later

TOKEN_PREFIX = "tlr_su_"  # noqa: S105 - what tokens begin with
Purpose = Literal["join", "reset"]
_BUSY_SECONDS = 5.0
_RESET_TEXT = """\
Somebody, probably you, asked for a new password for this address.

Set it with this token, which is good for once and for {minutes} minutes:

    {token}

If it was not you, do nothing: your password stays as it is.
"""


class Resets:
    def __init__(
        self,
        store: Store,
        facts: Facts,
        addresses: Addresses,
        passwords: Passwords,
        sessions: Sessions,
        mailer: Mailer,
        later: Later,
        clock: Clock,
        policy: Policy,
    ) -> None:
        self._store = store
        self._facts = facts
        self._addresses = addresses
        self._passwords = passwords
        self._sessions = sessions
        self._mailer = mailer
        self._later = later
        self._clock = clock
        self._policy = policy

    async def make_token(self, user_id: str, purpose: Purpose, valid: timedelta) -> str:
        """Shown or sent once; kept as a digest."""
        token = fresh_token(TOKEN_PREFIX)
        now = self._clock.now()
        await self._store.rows(
            "make_single_use_token",
            digest=digest_of(token),
            purpose=purpose,
            user_id=user_id,
            now=now,
            expires_at=now + valid,
        )
        return token

    def request(self, address: str) -> None:
        """Everything after the answer, so that it tells nothing; a 503 problem where too much waits."""
        if self._later.full:
            raise try_later("too much is waiting", _BUSY_SECONDS, kind="busy")
        self._later.do("password reset", self._send(address))

    async def _send(self, address: str) -> None:
        user_id = await self._addresses.user_of(address)
        user = await self._facts.user(user_id) if user_id else None
        if user_id is None or user is None or user.disabled or not user.invited:
            return
        now = self._clock.now()
        before = now - self._policy.between_mails
        if await self._store.row("may_mail_reset", user_id=user_id, now=now, before=before) is None:
            return  # whoever asks again and again fills nobody's mailbox
        token = await self.make_token(user_id, "reset", self._policy.password_reset)
        reset_id = digest_of(digest_of(token).hex()).hex()[:32]
        command = RequestPasswordReset(user_id=user_id, reset_id=reset_id)
        await self._facts.of_user(user_id, command, actor=f"user:{user_id}")
        to = await self._addresses.of_user(user_id)
        if to:
            minutes = int(self._policy.password_reset.total_seconds() // 60)
            await self._mailer.send(to, "A new password", _RESET_TEXT.format(token=token, minutes=minutes))

    async def confirm(self, token: str, password: str) -> str:
        """Sets the password and ends every session, in one; the user. A 422 problem for a token that is bad.

        Its facts come after: nothing is told that did not happen.
        """
        digest = digest_of(token)
        found = await self._store.row(
            "read_single_use_token", digest=digest, purposes=["join", "reset"], now=self._clock.now()
        )
        if found is None:
            raise _no_such_token()
        user_id: str = found["user_id"]
        user = await self._facts.user(user_id)
        if user.disabled:
            raise _no_such_token()
        check_password(password, (await self._addresses.of_users([user]))[0] or "")
        async with self._passwords.turn():
            hashed = await self._passwords.hash(password)
        actor = f"user:{user_id}"
        if not user.joined:
            # before the token is used up: who stops in between may come again with it
            await self._facts.of_user(user_id, JoinUser(user_id=user_id), actor=actor)
        async with self._store.of_user(user_id) as statements:
            used = await statements.row("use_single_use_token", digest=digest, now=self._clock.now())
            if used is None:
                raise _no_such_token()
            await statements.rows("put_password", user_id=user_id, password_hash=hashed)
            await self._sessions.end_with(statements, user_id)
        self._facts.told()
        await self._facts.of_user(
            user_id,
            RecordPasswordChange(user_id=user_id),
            RecordSessionsEnd(user_id=user_id, reason="password_reset"),
            actor=actor,
            command_id=key_id("single-use token", digest.hex()),
        )
        return user_id

    async def change(self, user_id: str, password: str, *, proof: int, but: str) -> None:
        """A new password, once the old one was proved; ends every session `but` the one that asks.

        `proof` is what `SignIn.prove` gave: a 401 problem where the password was changed since.
        """
        check_password(password, await self._addresses.of_user(user_id) or "", "new_password")
        async with self._passwords.turn():
            hashed = await self._passwords.hash(password)
        async with self._store.of_user(user_id) as statements:
            changed = await statements.row(
                "change_password", user_id=user_id, proof=proof, password_hash=hashed
            )
            if changed is None:
                raise unauthenticated()
            ended = await self._sessions.end_with(statements, user_id, but=but)
        self._facts.told()
        commands: list[Command] = [RecordPasswordChange(user_id=user_id)]
        if ended or not but:
            commands.append(RecordSessionsEnd(user_id=user_id, reason="password_changed"))
        await self._facts.of_user(user_id, *commands, actor=f"user:{user_id}")


def _no_such_token() -> Problem:
    return invalid("token", "it is unknown, too old, or was used before", where="body")
