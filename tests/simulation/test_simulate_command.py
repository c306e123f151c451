"""What does `tillroll simulate` say of histories that went well, and of those that did not?"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from services.simulation.command import Asked, NowhereToExport, UnknownFaults, run_simulations, summary_of
from services.simulation.export import exported
from services.simulation.faults import Faults
from services.simulation.run import simulate
from services.simulation.system import System
from tests.patience import HANGS
from tests.simulation.rule_mutants import RULE_MUTANTS

BUG = next(each for each in RULE_MUTANTS if each.name == "of each product one is reserved")
ASKED = Asked(10, "mild")


def the_test_in(file: Path) -> Callable[[], None]:
    names: dict[str, Any] = {}
    exec(compile(file.read_text(), file, "exec"), names)
    (found,) = (each for name, each in names.items() if name.startswith("test_"))
    return found  # type: ignore[no-any-return]


def test_it_tells_of_each_history() -> None:
    command = [sys.executable, "-m", "services.cli", "simulate", "--orders", "3", "--runs", "2", "--json"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    found = orjson.loads(run.stdout)
    assert run.returncode == 0, run.stderr
    assert [each["seed"] for each in found] == [1, 2]
    assert all(each["violations"] == [] for each in found)


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_history_begins_once_its_time_is_over(jobs: int, capsys: pytest.CaptureFixture[str]) -> None:
    asked = Asked(3, "none")
    assert run_simulations(asked, range(1, 10**9), jobs=jobs, export=None, as_json=False, minutes=0) == 0
    said = capsys.readouterr().out
    assert said.startswith("1 history of 3 orders")
    assert "the 0 minutes were over before 999,999,998 more histories" in said


def test_all_are_played_while_there_is_time(capsys: pytest.CaptureFixture[str]) -> None:
    asked = Asked(2, "none")
    assert run_simulations(asked, range(1, 6), jobs=2, export=None, as_json=False, minutes=600) == 0
    said = capsys.readouterr().out
    assert said.startswith("5 histories of 2 orders")
    assert "were over" not in said


def test_a_history_leaves_nothing_in_memory() -> None:
    """Left to a collector in no haste, 1,000 of them took 12 GB a process."""

    def systems() -> int:
        return sum(isinstance(each, System) for each in gc.get_objects())

    gc.collect()
    before = systems()
    gc.disable()
    try:
        summary_of(1, ASKED)
        assert systems() == before
    finally:
        gc.enable()


def test_its_processes_end_with_it() -> None:
    command = [sys.executable, "-m", "services.cli", "simulate", "--runs", "100", "--jobs", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while not (workers := workers_of(run.pid)):
            assert run.poll() is None
            time.sleep(0.05)
        run.kill()
    _, alive = psutil.wait_procs(workers, timeout=HANGS)
    assert not [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]


def workers_of(parent: int) -> list[psutil.Process]:
    return [each for each in psutil.Process(parent).children() if "spawn_main" in " ".join(each.cmdline())]


def test_of_one_that_fails_it_tells_the_shortest_and_exports_it_as_a_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "test_exported.py"
    with BUG.planted():
        assert run_simulations(ASKED, range(3, 5), jobs=1, export=file, as_json=False) == 1
    said, on_the_way = capsys.readouterr()
    assert "seed 3 failed: " in on_the_way
    assert "seed 3:" in said
    assert "seed 3, shortened to 1 orders" in said
    exported_test = the_test_in(file)
    exported_test()  # without the bug it passes
    with BUG.planted(), pytest.raises(AssertionError):
        exported_test()


def test_what_is_said_of_an_exported_history_can_be_anything(tmp_path: Path) -> None:
    outcome = simulate(3, 4, Faults.parse("mild"))
    outcome.violations.append('something "was" \\ wrong\n"""')
    file = tmp_path / "test_exported.py"
    file.write_text(exported(outcome, "mild"))
    the_test_in(file)()


def test_where_nothing_fails_no_test_is_written_and_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "test_exported.py"
    assert run_simulations(ASKED, range(1, 2), jobs=1, export=file, as_json=False) == 0
    assert not file.exists()
    assert "nothing failed" in capsys.readouterr().err


def test_what_can_not_be_done_is_said_before_anything_is_simulated(tmp_path: Path) -> None:
    for export in (tmp_path / "nowhere" / "test_exported.py", tmp_path):
        with pytest.raises(NowhereToExport):
            run_simulations(ASKED, range(10**9), jobs=1, export=export, as_json=False)
    for faults in ("none,crash=often", "crash=2", "crush=0.1", "crash"):
        with pytest.raises(UnknownFaults, match="rate"):
            run_simulations(Asked(3, faults), range(10**9), jobs=1, export=None, as_json=False)
