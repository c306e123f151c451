"""Is an API key issued once, with what can be had there, and revoked for good?"""

from __future__ import annotations

from hypothesis.stateful import invariant, rule

from domain.api_key import API_KEY, IssueApiKey, RevokeApiKey
from domain.permissions import PLATFORM, at_merchant, on_platform
from tests.property.machine import AggregateMachine
from tests.strategies import key_issues


class ApiKeyMachine(AggregateMachine):
    decider = API_KEY

    def __init__(self) -> None:
        super().__init__()
        self.first: IssueApiKey | None = None
        self.revoked = False

    @rule(command=key_issues)
    def issue(self, command: IssueApiKey) -> None:
        possible = on_platform() if command.merchant == PLATFORM else at_merchant()
        came = self.send(command)
        if self.first:
            assert came == []
        elif command.permissions and set(command.permissions) <= possible:
            assert came == ["ApiKeyIssued"]
            self.first = command
        else:
            assert came == "permissions_of_place"

    @rule()
    def revoke(self) -> None:
        came = self.send(RevokeApiKey(key_id="k1"))
        if self.first is None:
            assert came == "key_exists"
        else:
            assert came == ([] if self.revoked else ["ApiKeyRevoked"])
            self.revoked = True

    @invariant()
    def is_where_the_model_is(self) -> None:
        assert self.state.revoked == self.revoked
        assert (self.state.issued is None) == (self.first is None)
        if self.first:
            assert set(self.state.issued.permissions) == set(self.first.permissions)
            assert self.state.issued.expires_at == self.first.expires_at


TestApiKey = ApiKeyMachine.TestCase
