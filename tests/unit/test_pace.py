"""A pace slows with what there is to take, and no further than it may."""

from __future__ import annotations

import asyncio

import pytest

from eventstore.pace import Pace, at_leisure


@pytest.mark.parametrize(("taken", "pause"), [(0, 0.005), (1, 0.007), (10, 0.025), (13, 0.03), (500, 0.03)])
def test_the_pause_grows_with_what_was_taken_up_to_its_bound(taken: int, pause: float) -> None:
    pace = Pace(0.005, seconds_each=0.002, seconds_max=0.03)
    assert pace.pause(taken) == pytest.approx(pause)


async def test_the_first_turn_is_at_once() -> None:
    await Pace(3600.0, seconds_max=3600.0).turn(taken=1)


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []

    async def rest(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", rest)
    return found


async def test_what_is_done_at_leisure_rests_for_the_rest_of_the_time(
    monkeypatch: pytest.MonkeyPatch, rests: list[float]
) -> None:
    now = iter([100.0, 102.0])
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: next(now, 102.0))
    async with at_leisure(0.2):
        pass
    assert rests == [pytest.approx(8.0)]


async def test_what_fails_does_not_rest(rests: list[float]) -> None:
    async def fail() -> None:
        async with at_leisure(0.2):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fail()
    assert not rests
