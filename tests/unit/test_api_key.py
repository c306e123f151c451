"""Is an API key issued with what it may have, and is it revoked once?"""

from __future__ import annotations

from datetime import UTC, datetime

from domain.api_key import API_KEY, ApiKeyIssued, ApiKeyRevoked, IssueApiKey, RevokeApiKey
from domain.permissions import PLATFORM
from tests.specification import Specification

key = Specification(API_KEY)


def issue(*permissions: str, merchant: str = "m1") -> IssueApiKey:
    return IssueApiKey(
        key_id="k1",
        name="till",
        merchant=merchant,
        permissions=permissions,
        expires_at=datetime(2024, 2, 29, tzinfo=UTC),
        issued_by="user:u1",
    )


ISSUED = ApiKeyIssued(**dict(issue("orders:read", "orders:write")))


def test_is_issued_once_and_names_its_permissions_in_one_order() -> None:
    key.given().when(issue("orders:write", "orders:read", "orders:read")).then(ISSUED)
    key.given(ISSUED).when(issue("stock:read")).then_nothing()


def test_has_permissions_that_can_be_had_there() -> None:
    key.given().when(issue()).then_refused("permissions_of_place")
    key.given().when(issue("users:write")).then_refused("permissions_of_place")
    outcome = key.given().when(issue("users:write", merchant=PLATFORM))
    assert outcome.refused is None


def test_is_revoked_once() -> None:
    key.given().when(RevokeApiKey(key_id="k1")).then_refused("key_exists")
    key.given(ISSUED).when(RevokeApiKey(key_id="k1")).then(ApiKeyRevoked(key_id="k1"))
    key.given(ISSUED, ApiKeyRevoked(key_id="k1")).when(RevokeApiKey(key_id="k1")).then_nothing()
