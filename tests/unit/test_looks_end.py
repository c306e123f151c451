"""Are the ends of looks recorded, whatever ends the process that showed something?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eventstore import tasks
from eventstore.seams import WallClock
from services.audit.looked import Looks


async def test_an_end_that_is_in_hand_is_recorded_though_others_insist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "INSIST_SECONDS", 0.0)
    looks = Looks(None, WallClock())  # type: ignore[arg-type] - nothing is asked of it here
    recording, recorded = asyncio.Event(), []

    async def fetch(name: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
        recording.set()
        for _ in range(20):
            await asyncio.sleep(0)
        recorded.append((name, arguments["number"]))
        return []

    async def show() -> None:
        async with looks.running():
            await looks.end(7, "answered", 1)

    monkeypatch.setattr(looks, "_fetch", fetch)
    showing = asyncio.create_task(show())
    await recording.wait()
    await tasks.end_tasks(showing)
    assert recorded == [("end_look", 7)]
