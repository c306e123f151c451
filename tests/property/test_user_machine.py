"""Does any run of commands leave a user where a plain table of its grants and switches says?"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from domain.permissions import PLATFORM, at_merchant, on_platform
from domain.user import (
    USER,
    DisableSecondFactor,
    DisableUser,
    EnableSecondFactor,
    EnableUser,
    GrantRole,
    InviteUser,
    JoinUser,
    RecordRecoveryCode,
    RevokeRole,
    RoleGranted,
)
from tests.property.machine import AggregateMachine
from tests.strategies import COMMANDS, EMAIL, merchants

SWITCHES: dict[str, tuple[Any, Any, str, str]] = {
    "disabled": (DisableUser, EnableUser, "UserDisabled", "UserEnabled"),
    "second_factor": (
        EnableSecondFactor,
        DisableSecondFactor,
        "SecondFactorEnabled",
        "SecondFactorDisabled",
    ),
}
SENSIBLE = {
    ("admin", True),
    ("auditor", True),
    ("operator", True),
    ("owner", False),
    ("auditor", False),
    ("customer", False),
    ("staff", False),
}


class UserMachine(AggregateMachine):
    """The model: what it was granted where, and which switches are on."""

    decider = USER

    def __init__(self) -> None:
        super().__init__()
        self.invited = False
        self.joined = False
        self.grants: dict[str, tuple[str, tuple[str, ...], str]] = {}
        self.on = dict.fromkeys(SWITCHES, False)
        self.codes = 0

    @initialize(first=st.sampled_from([True, True, True, False]))
    def begin(self, first: bool) -> None:
        if first:
            self.invite()

    @rule()
    def invite(self) -> None:
        came = self.send(InviteUser(user_id="u1", subject="s1", email=EMAIL))
        assert came == ([] if self.invited else ["UserInvited"])
        self.invited = True

    @rule()
    def join(self) -> None:
        came = self.send(JoinUser(user_id="u1"))
        if not self.invited:
            assert came == "user_exists"
        else:
            assert came == ([] if self.joined else ["UserJoined"])
            self.joined = True

    @rule(command=COMMANDS[GrantRole])
    def grant(self, command: GrantRole) -> None:
        came = self.send(command)
        wanted = (command.role, tuple(sorted(set(command.permissions))), command.subject)
        if not self.invited:
            assert came == "user_exists"
        elif not self._makes_sense(command):
            assert isinstance(came, str)
        elif self.grants.get(command.merchant) == wanted:
            assert came == []
        else:
            assert came == ["RoleGranted"]
            self.grants[command.merchant] = wanted

    @staticmethod
    def _makes_sense(command: GrantRole) -> bool:
        staff = command.role == "staff"
        known = set(command.permissions) <= at_merchant()
        return (
            (command.role, command.merchant == PLATFORM) in SENSIBLE
            and bool(command.permissions) == staff
            and known
            and bool(command.subject) == (command.role == "customer")
        )

    @rule(merchant=merchants)
    def revoke(self, merchant: str) -> None:
        came = self.send(RevokeRole(user_id="u1", merchant=merchant))
        if not self.invited:
            assert came == "user_exists"
        else:
            assert came == (["RoleRevoked"] if merchant in self.grants else [])
            self.grants.pop(merchant, None)

    @rule(name=st.sampled_from(sorted(SWITCHES)), on=st.booleans())
    def switch(self, name: str, on: bool) -> None:
        turn_on, turn_off, was_on, was_off = SWITCHES[name]
        came = self.send((turn_on if on else turn_off)(user_id="u1"))
        if not self.invited:
            assert came == "user_exists"
        else:
            assert came == ([] if self.on[name] == on else [was_on if on else was_off])
            self.codes = 0 if name == "second_factor" and came else self.codes
            self.on[name] = on

    @rule(left=st.integers(0, 3))
    def use_recovery_code(self, left: int) -> None:
        came = self.send(RecordRecoveryCode(user_id="u1", left=left))
        if self.invited:
            assert came == (["RecoveryCodeUsed"] if left < self.codes else [])
            self.codes = min(left, self.codes)

    @rule(command=st.one_of([COMMANDS[each] for each in USER.commands if each is not InviteUser]))
    def nothing_happens_to_a_stranger(self, command: Any) -> None:
        if not self.invited:
            assert self.send(command) == "user_exists"

    @invariant()
    def is_where_the_model_is(self) -> None:
        assert (self.state.invited, self.state.joined) == (self.invited, self.joined)
        assert {m: (held.role, held.subject) for m, held in self.state.grants.items()} == {
            m: (role, subject) for m, (role, _, subject) in self.grants.items()
        }
        assert {name: getattr(self.state, name) for name in SWITCHES} == self.on

    @invariant()
    def nobody_has_more_than_can_be_had_there(self) -> None:
        for merchant, held in self.state.grants.items():
            assert held.permissions
            assert held.permissions <= (on_platform() if merchant == PLATFORM else at_merchant())
            if held.role == "staff":
                assert held.permissions == set(self.grants[merchant][1])

    @invariant()
    def a_grant_in_the_log_says_what_was_chosen(self) -> None:
        for event in self.stream:
            if isinstance(event, RoleGranted):
                assert bool(event.permissions) == (event.role == "staff")


TestUser = UserMachine.TestCase
