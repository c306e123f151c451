"""Do the lines that we print for others to run do what we say, exactly as they are printed?

They run in bash, in a directory where a demo is up as the README says to start one; it is only smaller.
"""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.system import TILLROLL, system, wait
from tests.patience import HANGS

ROOT = Path(__file__).parents[2]
PRINTED = "var/demo-1000-1"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONTROL = re.compile(r"\x1b\[[0-9;]*m")

pytestmark = pytest.mark.slow


def printed_lines(file: str) -> str:
    """The one block of the file that reads what the demo made up."""
    text = (ROOT / file).read_text()
    (block,) = (each for each in BLOCK.findall(text) if f". {PRINTED}/secrets/demo.env" in each)
    return str(block)


def run(lines: str, directory: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@contextmanager
def demo(directory: Path, log: Path) -> Iterator[str]:
    """A small one, up; gives what it printed. It stops without complaint."""
    environment = os.environ | {"TILLROLL_DATA_DIR": PRINTED, "TILLROLL_API_PORT": "0", "COLUMNS": "100"}
    environment["PYTHONPATH"] = str(ROOT)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*TILLROLL, "demo", "--orders", "15"],
            cwd=directory,
            env=environment,
            stdout=output,
            stderr=output,
        )
    try:
        wait(lambda: "Ctrl-C stops it" in log.read_text(), process)
        yield CONTROL.sub("", log.read_text())
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=HANGS)
    assert code == 0, log.read_text()[-3000:]


def test_the_printed_lines_and_a_second_start(tmp_path: Path) -> None:
    kept = tmp_path / PRINTED / "secrets/demo.env"
    with demo(tmp_path, tmp_path / "first.log") as told:
        first = kept.read_text()
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert "83 of 83 oracles match" in " ".join(told.split())
        secrets = re.findall(r"(?:_PASSWORD|_KEY)=(\S+)", first)
        assert len(secrets) == 3
        assert all(told.count(each) == 1 for each in secrets), "each is printed, once"
        read_back = json.loads(run(printed_lines("README.md"), tmp_path).splitlines()[-1])
        assert (read_back["order_id"], read_back["total_cents"]) == ("o-1", 12580)
        answers = run(printed_lines("docs/api.md"), tmp_path)
        assert re.findall(r"^HTTP/1.1 (\d+)", answers, re.MULTILINE) == ["200", "200", "201"]
        assert '"order_id":"1001"' in answers
    with demo(tmp_path, tmp_path / "second.log") as told:
        assert "the oracles are not asked" in told, "who tried the API is told so, and it stays up"
        assert "✓ clean" in told
        assert all(told.count(each) == 1 for each in secrets), "nothing is made up anew"
        assert '"order_id":"o-1"' in run(printed_lines("README.md"), tmp_path), "the same lines once more"
    with system(tmp_path / PRINTED):
        again = run(printed_lines("README.md"), tmp_path)
        assert '"order_id":"o-1"' in again, "and where `tillroll up` started it, at other ports"
