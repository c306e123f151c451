"""How long ago was something, as `tillroll status` says it?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.status import ago


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
