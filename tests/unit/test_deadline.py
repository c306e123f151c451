"""Does a deadline wake its agent once, and again only if it was asked for again?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.deadline import DEADLINE, DeadlineReached, ReachDeadline
from tests.specification import Specification

deadline = Specification(DEADLINE)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ID = {"agent": "order", "key": "o1", "name": "reservation", "asked_by": "e1"}
AGAIN = {**ID, "asked_by": "e2"}


def test_is_reached_once() -> None:
    deadline.given().when(ReachDeadline(**ID, due_at=NOON)).then(DeadlineReached(**ID, due_at=NOON))
    deadline.given(DeadlineReached(**ID, due_at=NOON)).when(ReachDeadline(**ID, due_at=NOON)).then_nothing()


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_what_is_asked_for_again_is_reached_whenever_it_is_due(seconds: int) -> None:
    """The clock of who asks may be behind that of who asked before: or its agent would sleep for ever."""
    due_at = NOON + timedelta(seconds=seconds)
    given = deadline.given(DeadlineReached(**ID, due_at=NOON))
    given.when(ReachDeadline(**AGAIN, due_at=due_at)).then(DeadlineReached(**AGAIN, due_at=due_at))


def test_of_an_older_version_it_is_known_when_alone() -> None:
    """What was reached before it was said who asked, and sent again after the upgrade, is one deadline."""
    older = deadline.given(DeadlineReached(agent="order", key="o1", name="reservation", due_at=NOON))
    older.when(ReachDeadline(**ID, due_at=NOON)).then_nothing()


def test_a_moment_is_the_same_in_every_zone() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=-3)))
    deadline.given(DeadlineReached(**ID, due_at=NOON)).when(ReachDeadline(**ID, due_at=there)).then_nothing()
