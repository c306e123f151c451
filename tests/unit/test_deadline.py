"""Does a deadline wake its agent once, and again only if it was asked for again?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from domain.deadline import DEADLINE, DeadlineReached, ReachDeadline
from tests.specification import Specification

deadline = Specification(DEADLINE)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ID = {"agent": "order", "key": "o1", "name": "reservation"}


def test_is_reached_once() -> None:
    deadline.given().when(ReachDeadline(**ID, due_at=NOON)).then(DeadlineReached(**ID, due_at=NOON))
    deadline.given(DeadlineReached(**ID, due_at=NOON)).when(ReachDeadline(**ID, due_at=NOON)).then_nothing()


def test_an_earlier_one_is_passed_and_a_later_one_is_new() -> None:
    given = deadline.given(DeadlineReached(**ID, due_at=NOON))
    later = NOON + timedelta(seconds=1)
    given.when(ReachDeadline(**ID, due_at=NOON - timedelta(seconds=1))).then_nothing()
    given.when(ReachDeadline(**ID, due_at=later)).then(DeadlineReached(**ID, due_at=later))


def test_a_moment_is_the_same_in_every_zone() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=-3)))
    deadline.given(DeadlineReached(**ID, due_at=NOON)).when(ReachDeadline(**ID, due_at=there)).then_nothing()
