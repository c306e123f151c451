"""`tillroll why` on a whole system: does it tell the causes of a played order, and explain its numbers?"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.streams import order_stream
from services.runfile import read_run
from services.settings import Settings
from tests.integration.system import TILLROLL, system, tillroll
from tests.patience import HANGS

pytestmark = pytest.mark.slow


def said(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a person sees."""
    return subprocess.run(
        [*TILLROLL, "why", *arguments],
        env=environment, capture_output=True, timeout=HANGS, check=False, text=True,
    )  # fmt: skip


def kinds(node: dict[str, Any]) -> set[str]:
    return {node["kind"]}.union(*map(kinds, node["led_to"]))


def delivered(data_dir: Path) -> tuple[str, str, str]:
    """(merchant, order, day) of an order that was delivered."""
    run = read_run(data_dir)
    assert run is not None
    url = Settings(data_dir=data_dir, audit_url=run.settings["audit_url"]).url("audit")
    with psycopg.connect(url, options="-c tillroll.reach=all") as connection:
        row = connection.execute(
            "SELECT merchant, order_id, (placed_at AT TIME ZONE 'UTC')::date::text FROM orders"
            " WHERE status = 'completed' ORDER BY order_id LIMIT 1"
        ).fetchone()
    assert row is not None
    return row


def test_why_on_a_whole_system(tmp_path: Path) -> None:
    with system(tmp_path) as environment:
        assert tillroll(environment, "play", "synthetic", "--orders", "30")[0] == 0
        merchant, order_id, day = delivered(tmp_path)
        code, tree = tillroll(environment, "why", "order", order_id, "--merchant", merchant)
        assert code == 0
        assert {"command", "event", "reaction", "call", "webhook", "deadline"} <= kinds(tree)
        for named in (f"{merchant}/{order_id}", order_stream(merchant, order_id)):
            assert tillroll(environment, "why", "order", named) == (0, tree), (
                "an order has one name everywhere"
            )
        seen = said(environment, "order", order_id, "--merchant", merchant)
        assert seen.returncode == 0
        assert "OrderPlaced" in seen.stdout
        picture = tmp_path / "why.svg"
        assert (
            said(environment, "order", order_id, "--merchant", merchant, "--svg", str(picture)).returncode
            == 0
        )
        assert picture.read_text().startswith("<svg")

        number = ("sales_by_day", "--merchant", merchant, "--day", day, "--column", "net_cents")
        code, explained = tillroll(environment, "why", *number)
        assert (code, explained["adds_up"]) == (0, True)
        assert sum(each["part"] for each in explained["parts"]) == explained["value"]
        seen = said(environment, *number)
        assert seen.returncode == 0
        assert "adds up" in seen.stdout
        assert all(each["stream"] in seen.stdout for each in explained["parts"][:50])
        assert f"the events make {explained['sum']:,}, the table shows {explained['value']:,}" in seen.stdout

        for wrong, words in (
            (("order",), "say tillroll why order ORDER_ID"),
            (("thing", "1"), "thing is none of order, payment"),
            (("order", "none"), "say --merchant"),
            (("order", order_id, "--merchant", merchant, "--svg", "/nowhere/w.svg"), "can't be written"),
            (("order", order_id, "--merchant", merchant, "--svg", str(tmp_path)), "can't be written"),
            (("order", "none", "--merchant", merchant), "nothing is known of order none"),
            (("sales_by_day", "--merchant", merchant), "--column"),
            (("sales_by_day", "--merchant", merchant, "--column", "x"), "it has orders_count"),
        ):
            refused = said(environment, *wrong)
            assert refused.returncode == 2, refused
            assert words in refused.stderr
            assert "Traceback" not in refused.stderr
        assert json.dumps(tree).count("sealed") == 0
