"""Does a process end by one signal, whenever it comes?"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.processes import running
from services.settings import Settings


def test_a_signal_that_is_lost_while_a_process_begins_ends_it_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As Python 3.11's `wait_for` loses it, where what it waits for comes in that moment."""
    began: list[str] = []

    @asynccontextmanager
    async def open_context(*_: Any, **__: Any) -> AsyncIterator[Any]:
        yield SimpleNamespace(log=None, bus=None)

    async def lose(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            began.append("to wait")

    async def pass_by(*_: Any) -> None:
        pass

    async def main(_: Any) -> None:
        began.append("to work")

    monkeypatch.setattr(running, "open_context", open_context)
    monkeypatch.setattr(running, "refuse_older_log", lose)
    monkeypatch.setattr(running, "_erase_whoever_was", pass_by)
    monkeypatch.setattr(running, "end_with_the_epoch", pass_by)
    monkeypatch.setattr(running, "spare_the_collector", lambda: None)
    running.run_process("relay", Settings(data_dir=tmp_path), main)
    assert began == ["to wait"]
