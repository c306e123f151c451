"""A user: who was invited, what it may do where, and what happened to its ways in.

No secret stands here: hashes, seeds and tokens live in tables of their own, never in the log. Whether a role
may be granted by who asks is checked where it is asked; here, whether it makes sense at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, TypeAlias

from pydantic import AwareDatetime, Field

from domain.kernel import Command, Decider, Event, Refused
from domain.permissions import Role, is_platform, permissions_of, possible_at
from domain.personal import EmailAddress, Erased, Personal, Sealed

Id = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, le=100)]
Email: TypeAlias = Personal[EmailAddress]


class UserInvited(Event):
    user_id: Id
    subject: Id
    email: Email


class UserJoined(Event):
    """It has a way in from now on: a password, or an identity elsewhere."""

    user_id: Id


class RoleGranted(Event):
    """In place of the role that it had at that merchant. `merchant` is PLATFORM for a role on the platform.

    `permissions` are those chosen for staff; `subject` is the one person of whose data a customer sees.
    """

    user_id: Id
    merchant: Id
    role: Role
    permissions: tuple[str, ...] = ()
    subject: str = ""


class RoleRevoked(Event):
    user_id: Id
    merchant: Id
    role: Role


class PasswordChanged(Event):
    user_id: Id


class PasswordResetRequested(Event):
    user_id: Id
    reset_id: Id


class SecondFactorEnabled(Event):
    user_id: Id
    recovery_codes: Count = 0


class SecondFactorDisabled(Event):
    user_id: Id


class RecoveryCodeUsed(Event):
    user_id: Id
    left: Count


class UserLockedOut(Event):
    user_id: Id
    until: AwareDatetime


class UserUnlocked(Event):
    user_id: Id


class RefreshTokenReused(Event):
    """Somebody has a copy of a token that is good for once: the session was ended."""

    user_id: Id
    session_id: Id


class SessionsEnded(Event):
    """All of them."""

    user_id: Id
    reason: Id


class UserDisabled(Event):
    user_id: Id


class UserEnabled(Event):
    user_id: Id


class IdentityLinked(Event):
    """It may come in by another's sign-in; `digest` is of the name by which the issuer knows it,
    under a key that is not in the database."""

    user_id: Id
    issuer: Id
    digest: Id


UserEvent: TypeAlias = (
    UserInvited
    | UserJoined
    | RoleGranted
    | RoleRevoked
    | PasswordChanged
    | PasswordResetRequested
    | SecondFactorEnabled
    | SecondFactorDisabled
    | RecoveryCodeUsed
    | UserLockedOut
    | UserUnlocked
    | RefreshTokenReused
    | SessionsEnded
    | UserDisabled
    | UserEnabled
    | IdentityLinked
)


class InviteUser(Command):
    user_id: Id
    subject: Id
    email: Email


class JoinUser(Command):
    user_id: Id


class GrantRole(Command):
    user_id: Id
    merchant: Id
    role: Role
    permissions: tuple[str, ...] = ()
    subject: str = ""


class RevokeRole(Command):
    user_id: Id
    merchant: Id


class RecordPasswordChange(Command):
    user_id: Id


class RequestPasswordReset(Command):
    user_id: Id
    reset_id: Id


class EnableSecondFactor(Command):
    user_id: Id
    recovery_codes: Count = 0


class DisableSecondFactor(Command):
    user_id: Id


class RecordRecoveryCode(Command):
    user_id: Id
    left: Count


class LockUserOut(Command):
    user_id: Id
    until: AwareDatetime


class UnlockUser(Command):
    user_id: Id


class RecordTokenReuse(Command):
    user_id: Id
    session_id: Id


class RecordSessionsEnd(Command):
    user_id: Id
    reason: Id


class DisableUser(Command):
    user_id: Id


class EnableUser(Command):
    user_id: Id


class LinkIdentity(Command):
    user_id: Id
    issuer: Id
    digest: Id


UserCommand: TypeAlias = (
    InviteUser
    | JoinUser
    | GrantRole
    | RevokeRole
    | RecordPasswordChange
    | RequestPasswordReset
    | EnableSecondFactor
    | DisableSecondFactor
    | RecordRecoveryCode
    | LockUserOut
    | UnlockUser
    | RecordTokenReuse
    | RecordSessionsEnd
    | DisableUser
    | EnableUser
    | LinkIdentity
)


@dataclass(frozen=True, slots=True)
class Held:
    """A role at one merchant, or on the platform; `chosen` are the permissions of staff, in order."""

    role: Role
    merchant: str
    chosen: tuple[str, ...] = ()
    subject: str = ""

    @property
    def permissions(self) -> frozenset[str]:
        """What the role allows now: more, where a context came that has permissions of its own."""
        return permissions_of(self.role, self.merchant, self.chosen)


@dataclass(frozen=True, slots=True)
class User:
    """`grants` is by merchant, or PLATFORM."""

    invited: bool = False
    joined: bool = False
    disabled: bool = False
    subject: str = ""
    email: EmailAddress | Sealed | Erased = Erased()  # noqa: RUF009 - frozen
    grants: Mapping[str, Held] = field(default_factory=dict)
    second_factor: bool = False
    recovery_codes: int = 0
    locked_until: AwareDatetime | None = None
    reset_id: str = ""
    reused_session: str = ""
    identities: frozenset[tuple[str, str]] = frozenset()


def decide(command: UserCommand, user: User) -> tuple[UserEvent, ...]:
    user_id = command.user_id
    if not user.invited and not isinstance(command, InviteUser):
        raise Refused("user_exists", f"there is no user {user_id}; invite it first")
    match command:
        case InviteUser():
            return () if user.invited else (UserInvited(**dict(command)),)
        case JoinUser():
            return () if user.joined else (UserJoined(user_id=user_id),)
        case GrantRole():
            return _grant(command, user)
        case RevokeRole(merchant=merchant):
            held = user.grants.get(merchant)
            return (RoleRevoked(user_id=user_id, merchant=merchant, role=held.role),) if held else ()
        case RecordPasswordChange():
            return (PasswordChanged(user_id=user_id),)
        case RequestPasswordReset(reset_id=reset_id):
            known = reset_id == user.reset_id
            return () if known else (PasswordResetRequested(user_id=user_id, reset_id=reset_id),)
        case RecordTokenReuse(session_id=session_id):
            known = session_id == user.reused_session
            return () if known else (RefreshTokenReused(user_id=user_id, session_id=session_id),)
        case RecordSessionsEnd(reason=reason):
            return (SessionsEnded(user_id=user_id, reason=reason),)
        case DisableUser():
            return () if user.disabled else (UserDisabled(user_id=user_id),)
        case EnableUser():
            return (UserEnabled(user_id=user_id),) if user.disabled else ()
        case LinkIdentity(issuer=issuer, digest=digest):
            known = (issuer, digest) in user.identities
            return () if known else (IdentityLinked(user_id=user_id, issuer=issuer, digest=digest),)
        case _:
            return _decide_way_in(command, user)


_WayIn: TypeAlias = EnableSecondFactor | DisableSecondFactor | RecordRecoveryCode | LockUserOut | UnlockUser


def _decide_way_in(command: _WayIn, user: User) -> tuple[UserEvent, ...]:
    user_id = command.user_id
    match command:
        case EnableSecondFactor(recovery_codes=codes):
            on = user.second_factor
            return () if on else (SecondFactorEnabled(user_id=user_id, recovery_codes=codes),)
        case DisableSecondFactor():
            return (SecondFactorDisabled(user_id=user_id),) if user.second_factor else ()
        case RecordRecoveryCode(left=left):
            new = user.second_factor and left < user.recovery_codes
            return (RecoveryCodeUsed(user_id=user_id, left=left),) if new else ()
        case LockUserOut(until=until):
            locked = user.locked_until is not None and until <= user.locked_until
            return () if locked else (UserLockedOut(user_id=user_id, until=until),)
        case UnlockUser():
            return (UserUnlocked(user_id=user_id),) if user.locked_until else ()


def _grant(command: GrantRole, user: User) -> tuple[UserEvent, ...]:
    """Refused where the role makes no sense: there, or without what it needs."""
    if set(command.permissions) - possible_at(command.merchant) or (
        command.permissions and command.role != "staff"
    ):
        raise Refused(
            "permissions_of_role", "permissions are chosen for staff, of those that a merchant can allow"
        )
    chosen = tuple(sorted(set(command.permissions)))
    held = Held(command.role, command.merchant, chosen, command.subject)
    if not held.permissions:
        where = "the platform" if is_platform(command.merchant) else f"merchant {command.merchant}"
        needed = "staff needs `permissions` that there are" if command.role == "staff" else "nobody is that"
        raise Refused("role_of_place", f"{command.role} on {where}: {needed}")
    if (command.role == "customer") != bool(command.subject):
        raise Refused(
            "customer_has_subject", "the role customer is of one person (`customer`), and no other role is"
        )
    if user.grants.get(command.merchant) == held:
        return ()
    return (RoleGranted(**dict(command) | {"permissions": chosen}),)


def evolve(user: User, event: UserEvent) -> User:
    match event:
        case UserInvited(subject=subject, email=email):
            return replace(user, invited=True, subject=subject, email=email)
        case UserJoined():
            return replace(user, joined=True)
        case RoleGranted(merchant=merchant, role=role, permissions=chosen, subject=subject):
            held = Held(role, merchant, tuple(sorted(set(chosen))), subject)
            return replace(user, grants={**user.grants, merchant: held})
        case RoleRevoked(merchant=merchant):
            return replace(user, grants={m: held for m, held in user.grants.items() if m != merchant})
        case PasswordResetRequested(reset_id=reset_id):
            return replace(user, reset_id=reset_id)
        case SecondFactorEnabled(recovery_codes=codes):
            return replace(user, second_factor=True, recovery_codes=codes)
        case SecondFactorDisabled():
            return replace(user, second_factor=False, recovery_codes=0)
        case RecoveryCodeUsed(left=left):
            return replace(user, recovery_codes=left)
        case UserLockedOut(until=until):
            return replace(user, locked_until=until)
        case UserUnlocked():
            return replace(user, locked_until=None)
        case RefreshTokenReused(session_id=session_id):
            return replace(user, reused_session=session_id)
        case UserDisabled():
            return replace(user, disabled=True)
        case UserEnabled():
            return replace(user, disabled=False)
        case IdentityLinked(issuer=issuer, digest=digest):
            return replace(user, identities=user.identities | {(issuer, digest)})
        case PasswordChanged() | SessionsEnded():
            return user


USER: Decider[UserCommand, UserEvent, User] = Decider(
    "user",
    decide,
    evolve,
    User(),
    events=UserEvent.__args__,
    commands=UserCommand.__args__,
    parts=("user_id",),
    evolve_version=3,
)

AGGREGATES = (USER,)
