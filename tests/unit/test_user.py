"""Does a user hold what it was granted, and is what happened to its ways in said once?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.permissions import PLATFORM, at_merchant, customer, on_platform, permissions_of
from domain.personal import EmailAddress
from domain.user import (
    USER,
    DisableUser,
    EnableSecondFactor,
    GrantRole,
    IdentityLinked,
    InviteUser,
    JoinUser,
    LinkIdentity,
    LockUserOut,
    PasswordChanged,
    PasswordResetRequested,
    RecordPasswordChange,
    RecordRecoveryCode,
    RecordTokenReuse,
    RecoveryCodeUsed,
    RefreshTokenReused,
    RequestPasswordReset,
    RevokeRole,
    RoleGranted,
    RoleRevoked,
    SecondFactorEnabled,
    UnlockUser,
    UserDisabled,
    UserInvited,
    UserJoined,
    UserLockedOut,
    UserUnlocked,
)
from tests.specification import Specification

user = Specification(USER)
EMAIL = EmailAddress(address="ana@example.com")
INVITED = UserInvited(user_id="u1", subject="s1", email=EMAIL)
NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
OWNER = RoleGranted(user_id="u1", merchant="m1", role="owner")


def grant(role: str, merchant: str = "m1", permissions: tuple[str, ...] = (), subject: str = "") -> GrantRole:
    return GrantRole.model_validate(
        {
            "user_id": "u1",
            "merchant": merchant,
            "role": role,
            "permissions": permissions,
            "subject": subject,
        }
    )


def test_is_invited_and_joins_once() -> None:
    invite = InviteUser(user_id="u1", subject="s1", email=EMAIL)
    user.given().when(invite).then(INVITED)
    user.given(INVITED).when(invite).then_nothing()
    user.given().when(JoinUser(user_id="u1")).then_refused("user_exists")
    user.given(INVITED).when(JoinUser(user_id="u1")).then(UserJoined(user_id="u1"))


def test_a_role_is_granted_replaced_and_revoked() -> None:
    user.given(INVITED).when(grant("owner")).then(OWNER)
    user.given(INVITED, OWNER).when(grant("owner")).then_nothing()
    auditor = RoleGranted(user_id="u1", merchant="m1", role="auditor")
    user.given(INVITED, OWNER).when(grant("auditor")).then(auditor)
    revoked = RoleRevoked(user_id="u1", merchant="m1", role="auditor")
    user.given(INVITED, OWNER, auditor).when(RevokeRole(user_id="u1", merchant="m1")).then(revoked)
    user.given(INVITED, OWNER, auditor, revoked).when(RevokeRole(user_id="u1", merchant="m1")).then_nothing()


def test_staff_holds_what_was_chosen_and_says_it_in_one_order() -> None:
    outcome = user.given(INVITED).when(grant("staff", permissions=("stock:write", "orders:read")))
    outcome.then(
        RoleGranted(user_id="u1", merchant="m1", role="staff", permissions=("orders:read", "stock:write"))
    )
    assert outcome.state.grants["m1"].permissions == {"orders:read", "stock:write"}


@pytest.mark.parametrize(
    "command",
    [
        grant("admin"),
        grant("operator"),
        grant("owner", PLATFORM),
        grant("customer", PLATFORM, subject="s2"),
        grant("staff"),
        grant("customer"),
        grant("owner", subject="s2"),
        grant("staff", permissions=("users:write",)),
        grant("staff", PLATFORM, permissions=("orders:read",)),
        grant("owner", permissions=("orders:read",)),
    ],
)
def test_a_role_that_makes_no_sense_is_refused(command: GrantRole) -> None:
    given = user.given(INVITED)
    with pytest.raises(AssertionError, match="refused by"):
        given.when(command).then()


def test_what_the_roles_allow() -> None:
    assert permissions_of("admin", PLATFORM) == on_platform()
    assert permissions_of("owner", "m1") == at_merchant()
    assert permissions_of("customer", "m1") == customer()
    assert permissions_of("operator", PLATFORM) == {"system:read", "system:write"}
    assert all(each.endswith(":read") for each in permissions_of("auditor", PLATFORM))
    assert not permissions_of("auditor", "m1") & {"members:read", "keys:read", "users:read"}
    assert permissions_of("unheard-of", "m1") == frozenset()


def test_is_locked_out_for_longer_and_unlocked() -> None:
    locked = UserLockedOut(user_id="u1", until=NOON)
    user.given(INVITED).when(LockUserOut(user_id="u1", until=NOON)).then(locked)
    user.given(INVITED, locked).when(LockUserOut(user_id="u1", until=NOON)).then_nothing()
    later = NOON + timedelta(minutes=1)
    user.given(INVITED, locked).when(LockUserOut(user_id="u1", until=later)).then(
        UserLockedOut(user_id="u1", until=later)
    )
    user.given(INVITED, locked).when(UnlockUser(user_id="u1")).then(UserUnlocked(user_id="u1"))
    user.given(INVITED).when(UnlockUser(user_id="u1")).then_nothing()


def test_recovery_codes_count_down() -> None:
    enabled = SecondFactorEnabled(user_id="u1", recovery_codes=10)
    user.given(INVITED).when(EnableSecondFactor(user_id="u1", recovery_codes=10)).then(enabled)
    used = RecoveryCodeUsed(user_id="u1", left=9)
    user.given(INVITED, enabled).when(RecordRecoveryCode(user_id="u1", left=9)).then(used)
    user.given(INVITED, enabled, used).when(RecordRecoveryCode(user_id="u1", left=9)).then_nothing()
    user.given(INVITED).when(RecordRecoveryCode(user_id="u1", left=9)).then_nothing()


def test_what_has_a_name_of_its_own_is_said_once() -> None:
    reset = PasswordResetRequested(user_id="u1", reset_id="r1")
    user.given(INVITED).when(RequestPasswordReset(user_id="u1", reset_id="r1")).then(reset)
    user.given(INVITED, reset).when(RequestPasswordReset(user_id="u1", reset_id="r1")).then_nothing()
    reused = RefreshTokenReused(user_id="u1", session_id="e1")
    user.given(INVITED).when(RecordTokenReuse(user_id="u1", session_id="e1")).then(reused)
    user.given(INVITED, reused).when(RecordTokenReuse(user_id="u1", session_id="e1")).then_nothing()
    linked = IdentityLinked(user_id="u1", issuer="i1", digest="d1")
    user.given(INVITED).when(LinkIdentity(user_id="u1", issuer="i1", digest="d1")).then(linked)
    user.given(INVITED, linked).when(LinkIdentity(user_id="u1", issuer="i1", digest="d1")).then_nothing()


def test_each_change_of_a_password_counts() -> None:
    changed = PasswordChanged(user_id="u1")
    user.given(INVITED, changed).when(RecordPasswordChange(user_id="u1")).then(changed)


def test_is_disabled_once() -> None:
    disabled = UserDisabled(user_id="u1")
    user.given(INVITED).when(DisableUser(user_id="u1")).then(disabled)
    user.given(INVITED, disabled).when(DisableUser(user_id="u1")).then_nothing()
