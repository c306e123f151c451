"""Does a demo that was stopped before its end say so, and where its data is?"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from services.runfile import read_run
from tests.integration.system import SECONDS_MAX, TILLROLL, wait

pytestmark = pytest.mark.slow


def test_a_demo_that_is_stopped_by_a_signal_before_its_end_is_no_success(tmp_path: Path) -> None:
    environment = os.environ | {"TILLROLL_DATA_DIR": str(tmp_path), "TILLROLL_API_PORT": "0"}
    arguments = [*TILLROLL, "demo", "--once", "--orders", "5000", "--seed", "7"]
    with (tmp_path / "demo.log").open("wb") as log:
        demo = subprocess.Popen(arguments, env=environment, stdout=log, stderr=log)
    own = tmp_path / "demo-5000-7"
    try:
        wait(lambda: f"TILLROLL_DATA_DIR={own}" in (tmp_path / "demo.log").read_text(), demo)
        assert read_run(own), "other commands find it there"
    finally:
        demo.send_signal(signal.SIGINT)
        code = demo.wait(timeout=SECONDS_MAX)
    assert code == 130, (tmp_path / "demo.log").read_text()[-3000:]
