"""Is what a person asks of a parked key recorded, if it is what was seen there?"""

from __future__ import annotations

from domain.parked import (
    PARKED,
    ParkedRetryRequested,
    ParkedSkipRequested,
    RequestParkedRetry,
    RequestParkedSkip,
)
from tests.specification import Specification

parked = Specification(PARKED)
KEY = {"follower": "agent:order", "key": "order-m1.o1"}


def test_a_retry_is_recorded() -> None:
    parked.given().when(RequestParkedRetry(**KEY, stands_at=7)).then(ParkedRetryRequested(**KEY))


def test_a_skip_is_recorded_with_its_reason() -> None:
    command = RequestParkedSkip(**KEY, position=7, reason="a test order", stands_at=7)
    parked.given().when(command).then(ParkedSkipRequested(**KEY, position=7, reason="a test order"))


def test_a_deadline_has_no_position_and_may_be_skipped_again_when_it_was_parked_anew() -> None:
    command = RequestParkedSkip(**KEY, position=0, reason="late", stands_at=0)
    skipped = ParkedSkipRequested(**KEY, position=0, reason="late")
    parked.given(skipped).when(command).then(skipped)


def test_nothing_is_asked_of_a_key_that_is_not_parked() -> None:
    parked.given().when(RequestParkedRetry(**KEY, stands_at=None)).then_refused("parked_key_exists")
    skip = RequestParkedSkip(**KEY, position=7, reason="a test order", stands_at=None)
    parked.given().when(skip).then_refused("parked_key_exists")


def test_only_what_a_key_stands_at_is_skipped() -> None:
    command = RequestParkedSkip(**KEY, position=9, reason="a test order", stands_at=7)
    assert "stands at 7" in parked.given().when(command).then_refused("first_is_skipped")
