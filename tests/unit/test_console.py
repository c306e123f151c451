"""Does long work say how far it is, also where nobody sees a bar?"""

from __future__ import annotations

import time

import pytest

from services import console


def test_where_no_terminal_is_progress_comes_in_lines(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "LINE_SECONDS", 0.001)
    told = ""
    with console.telling_progress() as tell:
        tell("events", 1_000, 3_000)
        while "events" not in told:
            time.sleep(0.001)
            told += capfd.readouterr().err
    assert "events: 1,000 of 3,000" in told
