"""What does a demo say that is stopped before its end, can't read its input, or finds other trade?"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from services.demo_people import let_people_in
from services.runfile import read_run
from services.settings import Settings
from tests.integration.api_client import an_order
from tests.integration.system import TILLROLL, system, tillroll, wait
from tests.patience import HANGS

MINIATURE = Path(__file__).parents[1] / "fixtures" / "olist_miniature"
pytestmark = pytest.mark.slow


def test_a_demo_that_is_stopped_by_a_signal_before_its_end_is_no_success(tmp_path: Path) -> None:
    environment = os.environ | {"TILLROLL_DATA_DIR": str(tmp_path), "TILLROLL_API_PORT": "0"}
    arguments = [*TILLROLL, "demo", "--once", "--orders", "5000", "--seed", "7"]
    with (tmp_path / "demo.log").open("wb") as log:
        demo = subprocess.Popen(arguments, env=environment, stdout=log, stderr=log)
    try:
        wait(lambda: f"TILLROLL_DATA_DIR={tmp_path}" in (tmp_path / "demo.log").read_text(), demo)
        assert read_run(tmp_path), "other commands find it there"
    finally:
        demo.send_signal(signal.SIGINT)
        code = demo.wait(timeout=HANGS)
    assert code == 130, (tmp_path / "demo.log").read_text()[-3000:]


def demo(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"TILLROLL_DATA_DIR": str(data_dir), "TILLROLL_API_PORT": "0"}
    return subprocess.run(
        [*TILLROLL, "demo", "--once", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "/nonexistent"], "/nonexistent: there is no such directory"),
        (["--data", str(MINIATURE), "--oracles", "/nonexistent"], "/nonexistent: No such file"),
        (
            ["--data", str(MINIATURE), "--oracles", str(MINIATURE / "README.md")],
            "README.md:1: it is not JSON",
        ),
        (["--orders", "0"], "--orders"),
    ],
)
def test_input_that_can_not_be_played_is_told_before_anything_is_started(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = demo(tmp_path / "var", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "var").exists()


def test_a_demo_in_whose_log_somebody_traded_says_so_and_does_not_break(tmp_path: Path) -> None:
    with system(tmp_path) as environment:
        known = asyncio.run(let_people_in(Settings.load(data_dir=tmp_path)))
        signing_in = {"email": known["DEMO_ADMIN"], "password": known["DEMO_ADMIN_PASSWORD"]}
        with httpx.Client(base_url=f"{known['API']}/v1") as api:
            token = api.post("/auth/sign-in", json=signing_in).json()["access_token"]
            api.headers.update({"Authorization": f"Bearer {token}", "Tillroll-Merchant": "m1"})
            assert api.post("/merchant", json={}).status_code == 201
            assert api.post("/orders", json=an_order()).status_code == 201
        head = tillroll(environment, "status")[1]["head"]
        assert head >= 2
    done = demo(tmp_path, "--orders", "3")
    assert done.returncode == 1, done.stderr
    assert "trade that is not this demo's" in done.stderr
    assert "Traceback" not in done.stderr
    assert "clean" in done.stdout, "it is verified all the same"
