"""Does a small run of `make chaos` come back clean, and does a seed always inflict the same faults?"""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.chaos import ground
from tests.chaos.__main__ import main
from tests.chaos.faults import KINDS, plan, possible_kinds

FAULTS = 6
CHAOS = (sys.executable, "-m", "tests.chaos")
SMALL = ("--seed", "10", "--minutes", "0", "--orders", "400", "--faults", str(FAULTS))


def test_a_seed_gives_the_same_faults_and_another_seed_others() -> None:
    kinds = possible_kinds(own_ground=True)
    faults = list(islice(plan(1, kinds), 100))
    assert faults == list(islice(plan(1, kinds), 100))
    assert faults != list(islice(plan(2, kinds), 100))


def test_each_turn_has_every_kind_once_and_in_time_every_target_comes() -> None:
    kinds = possible_kinds(own_ground=True)
    targets_max = max(len(kind.targets) for kind in KINDS.values())
    faults = list(islice(plan(1, kinds), len(kinds) * targets_max))
    assert {fault.kind for fault in faults[: len(kinds)]} == set(kinds)
    assert {(fault.kind, fault.target) for fault in faults} == {
        (name, target) for name, kind in KINDS.items() for target in kind.targets
    }


def test_where_nobody_has_a_ground_of_its_own_the_others_are_inflicted() -> None:
    assert {"kill", "stop", "restart", "wipe"} <= set(possible_kinds(own_ground=False))
    assert not {"disk", "network", "cut"} & set(possible_kinds(own_ground=False))


def test_where_nothing_of_what_was_asked_for_can_be_done_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ground, "enter", lambda: False)
    monkeypatch.setattr(sys, "argv", ["chaos", "--only", "disk", "network"])
    assert main() == 1
    assert "nothing of what was asked for" in capsys.readouterr().out


@pytest.mark.nightly
@pytest.mark.slow
def test_six_faults_while_trade_is_played(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run([*CHAOS, *SMALL, "--report", str(report)], capture_output=True, check=False)
    assert report.exists(), done.stderr.decode()[-3000:]
    result = json.loads(report.read_text())
    assert result["clean"], result
    assert done.returncode == 0
    (played,) = result["rounds"]
    assert len({fault["kind"] for fault in played["faults"]}) == FAULTS
