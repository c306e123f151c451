"""Is `tillroll status` read at a glance: how long ago was something, and does it fit a terminal?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from projections.read_models import READ_MODELS
from services.status import ago, followers_table


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "0 s ago"),
        (0.4, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3_599, "59 min ago"),
        (7_200, "2 h ago"),
        (200_000, "2 d ago"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, said: str) -> None:
    assert ago(timedelta(seconds=seconds)) == said


def test_the_followers_fit_into_80_columns() -> None:
    now = datetime(2026, 5, 4, tzinfo=UTC)
    far = {"first_partition": 0, "last_partition": 63, "position": 348_344, "behind": 1_200, "alive": True}
    followers = [
        {
            **far,
            "follower": model.follower(1),
            "worker": "till:12345",
            "moved_at": now - timedelta(seconds=12),
        }
        for model in READ_MODELS.values()
    ]
    terminal = Console(file=StringIO(), width=80)
    terminal.print(followers_table(followers, now))
    lines = terminal.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 1 + len(followers), "a line each"
    assert all("348,344" in line and "12 s ago" in line and "till:12345" in line for line in lines[1:])
