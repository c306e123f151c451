"""Where does a demo keep its data, so that the books of one input are never mixed with another's?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.demo import settings_of_demo, troubles
from services.settings import Settings
from services.supervisor import Status


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TILLROLL_"):
            monkeypatch.delenv(name)


def test_each_input_has_a_data_directory_of_its_own() -> None:
    inputs: list[tuple[Path | None, int, int]] = [
        (None, 1000, 1),
        (None, 5000, 7),
        (Path("to/olist"), 1000, 1),
    ]
    chosen = [settings_of_demo(Settings(), *each).data_dir for each in inputs]
    assert chosen == [Path("var/demo-1000-1"), Path("var/demo-5000-7"), Path("var/demo-olist")]


def test_with_a_database_of_ones_own_the_keys_stay_where_they_are() -> None:
    own = Settings(database_url="postgresql://somewhere")
    assert settings_of_demo(own, None, 1000, 1).data_dir == Path("var")


def test_a_directory_that_the_caller_chose_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILLROLL_DATA_DIR", "var/demo-1000-1")
    for orders in (1000, 5000):
        assert settings_of_demo(Settings(), None, orders, 1).data_dir == Path("var/demo-1000-1")


def test_a_process_that_ended_by_itself_or_is_not_there_spoils_it_and_a_killed_one_does_not() -> None:
    status = {
        "relay": Status(pid=1, restarts=2, failed=0, alive=True),
        "api": Status(pid=2, restarts=7, failed=7, alive=True),
        "agents": Status(pid=None, restarts=0, failed=0, alive=False),
    }
    assert troubles(status) == ["api ended by itself 7 times", "agents is not alive"]
