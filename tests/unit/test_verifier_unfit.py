"""What does the verifier say where it can't check? Never that something was altered: that is exit code 1."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.audit import verifier
from tests.unit.auditing import SIGNER, TRUE, Auditor, held


@pytest.fixture
def auditor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Auditor:
    return Auditor(tmp_path, capsys)


def test_without_its_package_it_says_how_to_install_it(auditor: Auditor) -> None:
    """As on a machine that has Python and nothing else."""
    command = [sys.executable, "-I", "-S", verifier.__file__, auditor.export(TRUE.events)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "python3 -m pip install cryptography" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_verdict_that_can_not_be_written_is_none(auditor: Auditor) -> None:
    asked = [auditor.export(TRUE.events), *held(auditor, TRUE.note(10)), "--key", str(SIGNER.key)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-I", verifier.__file__, *asked],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 2, done.stderr
