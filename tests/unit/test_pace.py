"""A pace slows with what there is to take, and no further than it may."""

from __future__ import annotations

import pytest

from eventstore.pace import Pace


@pytest.mark.parametrize(("taken", "pause"), [(0, 0.005), (1, 0.007), (10, 0.025), (13, 0.03), (500, 0.03)])
def test_the_pause_grows_with_what_was_taken_up_to_its_bound(taken: int, pause: float) -> None:
    pace = Pace(0.005, seconds_each=0.002, seconds_max=0.03)
    assert pace.pause(taken) == pytest.approx(pause)


async def test_the_first_turn_is_at_once() -> None:
    await Pace(3600.0, seconds_max=3600.0).turn(taken=1)
