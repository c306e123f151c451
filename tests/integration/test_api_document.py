"""Do the lines that docs/api.md prints work as they stand there, from the first to the last?"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from services.runfile import read_run
from tests.integration.system import SECONDS_MAX, system, wait

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"
PRINTED = "API=http://127.0.0.1:8460"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("curl"), reason="the document's lines are for curl"),
]


def script(address: str) -> str:
    """All that the document has a shell do, in order, at another address than the one it prints."""
    lines = "\n".join(re.findall(r"^```sh\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL))
    assert lines.count(PRINTED) == 1
    return lines.replace(PRINTED, f"API={address}")


def test_every_line_works_as_printed(tmp_path: Path) -> None:
    with system(tmp_path):
        wait(lambda: "Tillroll is up" in (tmp_path / "up.log").read_text())
        run = read_run(tmp_path)
        assert run
        lines = script(f"http://127.0.0.1:{run.settings['api_port']}")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", lines], capture_output=True, timeout=SECONDS_MAX, check=False
        )
    said = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b""), said
    answers = re.findall(r"^HTTP/1.1 (\d+)", said, re.MULTILINE)
    assert answers == ["201", "200", "201", "200", "200", "200"], said
    assert said.count('"order_id":"1002"') == 1, "read at the position at which it was placed"
    assert said.count('"order_id":"1001"') == 2, "placed, and on the second page"
    assert said.endswith("\n")
