"""Who is a member here, and as what? Nobody grants, or takes, more than it has itself."""

from __future__ import annotations

from dataclasses import dataclass

from commands.personal import subject_of
from domain.kernel import Command
from domain.permissions import PLATFORM, permissions_of
from domain.user import DisableUser, EnableUser, GrantRole, InviteUser, RevokeRole, UnlockUser, User
from eventstore.keyring import Keyring
from eventstore.seams import Clock
from services.access.addresses import Addresses
from services.access.facts import Facts
from services.access.later import Later
from services.access.mail import Mailer
from services.access.policy import Policy
from services.access.resets import Resets
from services.access.sessions import Sessions
from services.access.store import Store
from services.web.access import Grant, forbidden
from services.web.problems import Problem, not_found

_INVITED_TEXT = """\
You were invited to Tillroll as {role} of {where}.

Set your password with this token, which is good for once and for {days} days:

    {token}
"""
_GRANTED_TEXT = "You are {role} of {where} from now on. Sign in as ever.\n"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A role, with the permissions chosen for staff, or the one person of whose data a customer sees."""

    role: str
    permissions: tuple[str, ...] = ()
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    user_id: str
    email: str | None
    user: User


class Users:
    def __init__(
        self,
        store: Store,
        facts: Facts,
        addresses: Addresses,
        resets: Resets,
        sessions: Sessions,
        mailer: Mailer,
        later: Later,
        clock: Clock,
        policy: Policy,
        keyring: Keyring,
    ) -> None:
        self._keyring = keyring
        self._store = store
        self._facts = facts
        self._addresses = addresses
        self._resets = resets
        self._sessions = sessions
        self._mailer = mailer
        self._later = later
        self._clock = clock
        self._policy = policy

    def wanted(self, merchant: str, role: str, permissions: tuple[str, ...], customer: str) -> Wanted:
        """A role as it is asked for: the person goes by a pseudonym, as in the person's orders."""
        subject = subject_of(self._keyring, merchant, customer) if customer else ""
        return Wanted(role, permissions, subject)

    async def invite(
        self, address: str, merchant: str, wanted: Wanted, own: Grant, *, actor: str, mail: bool = True
    ) -> str:
        """The user of the address, invited where it is new, with the role. `own` is what who asks holds."""
        _check_within(wanted, merchant, own)
        user_id = await self._addresses.claim(address)
        user = await self._facts.user(user_id)
        _check_held(user, merchant, own)
        commands: list[Command] = []
        if not user.invited:
            subject, email = await self._addresses.sealed(user_id, address)
            commands.append(InviteUser(user_id=user_id, subject=subject, email=email))
        commands.append(_grant(user_id, merchant, wanted))
        await self._store.rows("add_member", merchant=merchant, user_id=user_id)
        await self._facts.of_user(user_id, *commands, actor=actor, merchant=merchant)
        if mail:
            self._later.do("invitation", self._tell(user_id, merchant, wanted.role, user.joined))
        return user_id

    async def _tell(self, user_id: str, merchant: str, role: str, joined: bool) -> None:
        to = await self._addresses.of_user(user_id)
        now = self._clock.now()
        before = now - self._policy.between_mails
        if to is None or not await self._store.row(
            "may_mail_invitation", user_id=user_id, now=now, before=before
        ):
            return  # whoever invites again and again fills nobody's mailbox
        where = "the platform" if merchant == PLATFORM else merchant
        if joined:
            await self._mailer.send(to, "A new role", _GRANTED_TEXT.format(role=role, where=where))
            return
        token = await self._resets.make_token(user_id, "join", self._policy.invitation)
        days = self._policy.invitation.days
        text = _INVITED_TEXT.format(role=role, where=where, days=days, token=token)
        await self._mailer.send(to, "You are invited", text)

    async def grant(self, user_id: str, merchant: str, wanted: Wanted, own: Grant, *, actor: str) -> None:
        """Another role for who is a member. A 404 problem for who is not."""
        _check_within(wanted, merchant, own)
        _check_held(await self._member(user_id, merchant), merchant, own)
        command = _grant(user_id, merchant, wanted)
        await self._facts.of_user(user_id, command, actor=actor, merchant=merchant)

    async def revoke(self, user_id: str, merchant: str, own: Grant, *, actor: str) -> None:
        _check_held(await self._member(user_id, merchant), merchant, own)
        command = RevokeRole(user_id=user_id, merchant=merchant)
        await self._facts.of_user(user_id, command, actor=actor, merchant=merchant)

    async def _member(self, user_id: str, merchant: str) -> User:
        user = await self._facts.user(user_id)
        if merchant not in user.grants:
            raise not_found("member", user_id)
        return user

    async def members(self, merchant: str, after: str, limit: int) -> tuple[list[Member], str | None]:
        """Who holds a role at `merchant` (or on the PLATFORM), by user id; and where the list goes on."""
        rows = await self._store.rows("list_members", merchant=merchant, after=after, limit=limit + 1)
        ids = [row["user_id"] for row in rows[:limit]]
        users = await self._facts.users(ids) if ids else []
        addresses = await self._addresses.of_users(users)
        found = [
            Member(user_id, address, user)
            for user_id, user, address in zip(ids, users, addresses, strict=True)
            if merchant in user.grants
        ]
        return found, ids[-1] if len(rows) > limit else None

    async def unlock(self, user_id: str, own: Grant, *, actor: str) -> None:
        await self._check_reach(user_id, own)
        await self._facts.of_user(user_id, UnlockUser(user_id=user_id), actor=actor)
        await self._store.rows("forget_failures", user_id=user_id)

    async def disable(self, user_id: str, own: Grant, *, actor: str) -> None:
        """No way in works from now on; sessions are over for good."""
        await self._check_reach(user_id, own)
        await self._facts.of_user(user_id, DisableUser(user_id=user_id), actor=actor)
        await self._sessions.end_all(user_id, "disabled", actor=actor)

    async def enable(self, user_id: str, own: Grant, *, actor: str) -> None:
        """Nothing of before comes to life again, not even what was begun while it was disabled."""
        if (await self._check_reach(user_id, own)).disabled:
            await self._sessions.end_all(user_id, "enabled", actor=actor)
        await self._facts.of_user(user_id, EnableUser(user_id=user_id), actor=actor)

    async def _check_reach(self, user_id: str, own: Grant) -> User:
        """The user. A 403 problem where it may do, wherever that is, what `own` does not allow."""
        user = await self._facts.user(user_id)
        for place in user.grants:
            _check_held(user, place, own)
        return user


def _grant(user_id: str, merchant: str, wanted: Wanted) -> GrantRole:
    return GrantRole.model_validate(
        {
            "user_id": user_id,
            "merchant": merchant,
            "role": wanted.role,
            "permissions": wanted.permissions,
            "subject": wanted.subject,
        }
    )


def _check_within(wanted: Wanted, merchant: str, own: Grant) -> None:
    """A 403 problem where the role would allow what `own` does not."""
    allowed = permissions_of(wanted.role, merchant, wanted.permissions)
    if missing := allowed.union(wanted.permissions) - own.permissions:
        raise _beyond(min(missing))


def _check_held(user: User, merchant: str, own: Grant) -> None:
    """The same for a role that is there already: nobody takes the role of who may do more."""
    held = user.grants.get(merchant)
    if held and (missing := held.permissions - own.permissions):
        raise _beyond(min(missing))


def _beyond(permission: str) -> Problem:
    problem = forbidden(permission)
    problem.detail = f"nobody decides about a role that may do more than itself: {permission}"
    return problem
