"""Do the lines that the documents print work as they stand there, from the first to the last?"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from services.demo_people import let_people_in
from services.settings import Settings
from tests.integration.system import system, wait
from tests.patience import HANGS

DOCS = Path(__file__).parents[2] / "docs"
DEMO = "var/demo-1000-1"
PAYMENT = re.compile(r"^PAYMENT=http://127.0.0.1:\d+", re.MULTILINE)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("curl"), reason="the document's lines are for curl"),
]


@dataclass(frozen=True, slots=True)
class Demo:
    """A system that is up, with the people of a demo; the lines run in `directory`, as the reader's do."""

    directory: Path
    api: str
    payment: str
    key: str

    def run_lines(self, name: str) -> str:
        """What all that the document has a shell do prints; only the payment world is elsewhere."""
        blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / name).read_text(), re.MULTILINE | re.DOTALL)
        lines = PAYMENT.sub(f"PAYMENT={self.payment}", "\n".join(blocks))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", lines],
            cwd=self.directory,
            capture_output=True,
            timeout=HANGS,
            check=False,
        )
        said = done.stdout.decode()
        assert (done.returncode, done.stderr) == (0, b""), said
        assert said.endswith("\n")
        return said


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    directory = tmp_path_factory.mktemp("reader")
    data_dir = directory / DEMO
    data_dir.mkdir(parents=True)
    with system(data_dir):
        settings = Settings.load(data_dir=data_dir)
        known = asyncio.run(let_people_in(settings))
        yield Demo(directory, known["API"], str(settings.payment_url), known["DEMO_KEY"])


def test_every_line_of_the_api_works_as_printed(demo: Demo) -> None:
    said = demo.run_lines("api.md")
    answers = re.findall(r"^HTTP/1.1 (\d+)", said, re.MULTILINE)
    assert answers[:3] == ["200", "200", "201"], said
    assert set(answers) == {"200", "201"}, said
    assert '"order_id":"1002"' in said, (
        "read at the position at which it was placed; with its parcel, if that was fast"
    )
    assert '"order_id":"1001"' in said, "it is placed"
    assert re.search(r'"items":\[\{.*"next_cursor":', said), "the second page goes on"


def test_every_line_of_the_worlds_works_as_printed(demo: Demo) -> None:
    with httpx.Client(base_url=demo.api, headers={"Authorization": f"Bearer {demo.key}"}) as api:
        said = demo.run_lines("worlds.md")
        assert '"scenarios":1' in said
        assert '"clocks":{"basket-2002"' in said
        wait(lambda: cancelled(api, "2001") and cancelled(api, "2002"))


def test_every_line_of_the_carriers_works_as_printed(demo: Demo) -> None:
    said = demo.run_lines("carriers.md")
    assert '"reason":"swift express is the best of 1' in said


def cancelled(api: httpx.Client, order_id: str) -> bool:
    """Whether the order was declined, and so ended."""
    order = api.get(f"/v1/orders/{order_id}")
    return order.status_code == 200 and order.json()["status"] == "cancelled"
