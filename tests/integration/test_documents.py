"""Do the lines that the documents print work as they stand there, from the first to the last?"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.runfile import read_run
from tests.integration.system import SECONDS_MAX, system, wait

DOCS = Path(__file__).parents[2] / "docs"
PRINTED = re.compile(r"^(API|PAYMENT)=http://127.0.0.1:\d+", re.MULTILINE)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("curl"), reason="the document's lines are for curl"),
]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    data_dir = tmp_path_factory.mktemp("up")
    with system(data_dir):
        wait(lambda: "Tillroll is up" in (data_dir / "up.log").read_text())
        run = read_run(data_dir)
        assert run
        api = f"http://127.0.0.1:{run.settings['api_port']}"
        yield {"API": api, "PAYMENT": str(run.settings["payment_url"])}


def run_lines(name: str, addresses: dict[str, str]) -> str:
    """What all that the document has a shell do prints, at other addresses than those that stand there."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / name).read_text(), re.MULTILINE | re.DOTALL)
    lines = PRINTED.sub(lambda printed: f"{printed[1]}={addresses[printed[1]]}", "\n".join(blocks))
    assert "127.0.0.1:84" not in lines
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines], capture_output=True, timeout=SECONDS_MAX, check=False
    )
    said = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b""), said
    assert said.endswith("\n")
    return said


def test_every_line_of_the_api_works_as_printed(addresses: dict[str, str]) -> None:
    said = run_lines("api.md", addresses)
    answers = re.findall(r"^HTTP/1.1 (\d+)", said, re.MULTILINE)
    assert answers == ["201", "200", "201", "200", "200", "200"], said
    assert said.count('"order_id":"1002"') == 1, "read at the position at which it was placed"
    assert said.count('"order_id":"1001"') == 2, "placed, and on the second page"


def test_every_line_of_the_worlds_works_as_printed(addresses: dict[str, str]) -> None:
    registered = {"city": "São Paulo", "state": "SP"}  # as the API's document does it, or else it is refused
    merchant = {"Tillroll-Merchant": "m1"}
    with httpx.Client(base_url=addresses["API"], headers=merchant) as api:
        assert api.post("/v1/merchant", json=registered).status_code == 201
        said = run_lines("worlds.md", addresses)
        assert '"scenarios":1' in said
        assert '"clocks":{"basket-2002"' in said
        wait(lambda: cancelled(api, "2001") and cancelled(api, "2002"))


def cancelled(api: httpx.Client, order_id: str) -> bool:
    """Whether the order was declined, and so ended."""
    order = api.get(f"/v1/orders/{order_id}")
    return order.status_code == 200 and order.json()["status"] == "cancelled"
