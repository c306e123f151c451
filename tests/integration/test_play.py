"""A play on the whole system, from the command line: the miniature, bad input, and the real data."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import psycopg
import pytest

from eventstore.roles import ROLES
from services.embedded import owner_of_embedded
from services.runfile import read_run
from services.up import PROCESSES, WORLDS
from tests.integration.system import TILLROLL, system, tillroll, token_of_admin
from tests.patience import HANGS

MINIATURE = Path(__file__).parent.parent / "fixtures" / "olist_miniature"
OLIST = os.environ.get("TILLROLL_OLIST_DIR")

pytestmark = pytest.mark.slow


def play(environment: dict[str, str], directory: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    arguments = [*TILLROLL, "play", "olist", str(directory), *options, "--json"]
    return subprocess.run(arguments, env=environment, capture_output=True, timeout=20 * HANGS, check=False)


def ask_the_api(environment: dict[str, str], data_dir: Path) -> None:
    """Every list of the API process answers who signed in, fresh."""
    run = read_run(data_dir)
    assert run is not None
    api = f"http://127.0.0.1:{run.settings['api_port']}"
    with httpx.Client(base_url=api, headers={"Tillroll-Merchant": "olist", "Prefer": "wait=20"}) as client:
        assert client.get("/v1/orders").status_code == 401
        client.headers["Authorization"] = f"Bearer {token_of_admin(environment, client)}"
        for path in (
            "orders",
            "stock",
            "payments",
            "shipments",
            "sales/days",
            "products",
            "operator/checkouts",
        ):
            answer = client.get(f"/v1/{path}")
            assert answer.status_code == 200, answer.text
            again = client.get(
                f"/v1/{path}", headers={"Tillroll-Min-Position": answer.headers["Tillroll-Position"]}
            )
            assert again.status_code == 200, again.text


def addresses_given(data_dir: Path) -> dict[str, set[str]]:
    """By process of ours: whose addresses of the database, and of NATS, its environment holds."""
    run = read_run(data_dir)
    assert run is not None
    found = {}
    for name in (*PROCESSES, *(f"world-{kind}" for kind in WORLDS)):
        environment = Path(f"/proc/{run.processes[name]['pid']}/environ").read_text().split("\0")
        variables = {each.partition("=")[0] for each in environment}
        found[name] = {
            each for each in ("database", "nats", *ROLES) if f"TILLROLL_{each.upper()}_URL" in variables
        }
    return found


def sent_from_and_with(data_dir: Path) -> tuple[set[str], set[str]]:
    """The warehouses from which units were planned, and the carriers that had parcels."""
    with psycopg.connect(owner_of_embedded(data_dir), autocommit=True) as connection:
        warehouses = connection.execute("SELECT DISTINCT warehouse FROM allocation_picks").fetchall()
        carriers = connection.execute("SELECT DISTINCT carrier FROM shipments").fetchall()
    return {each for (each,) in warehouses}, {each for (each,) in carriers if each}


def test_the_miniature_with_all_its_oddities_then_bad_input_then_a_rebuild(tmp_path: Path) -> None:
    with system(tmp_path) as environment:
        wanted: dict[str, set[str]] = {name: {*roles, "nats"} for name, roles in PROCESSES.items()}
        assert addresses_given(tmp_path) == {**wanted, **{f"world-{kind}": set() for kind in WORLDS}}
        first = play(environment, MINIATURE, "--oracles", str(MINIATURE / "oracles.json"))
        assert first.returncode == 0, first.stdout.decode()[-3000:] + first.stderr.decode()[-3000:]
        ask_the_api(environment, tmp_path)
        head = tillroll(environment, "status")[1]["head"]
        assert sent_from_and_with(tmp_path) == ({"main", "hub"}, {"swift", "post"})
        narrow = play(environment, MINIATURE, "--one-place")
        assert (narrow.returncode, b"over other warehouses" in narrow.stderr) == (2, True), narrow.stderr
        again = play(environment, MINIATURE, "--oracles", str(MINIATURE / "oracles.json"))
        assert again.returncode == 0, again.stderr.decode()[-3000:]
        assert tillroll(environment, "status")[1]["head"] == head, "played twice, it happened once"
        bad = tmp_path / "bad"
        shutil.copytree(MINIATURE, bad)
        orders = bad / "olist_orders_dataset.csv"
        orders.write_bytes(orders.read_bytes().replace(b"delivered", b"teleported", 1))
        refused = play(environment, bad)
        assert refused.returncode == 2
        assert b"olist_orders_dataset.csv:" in refused.stderr
        assert b"Traceback" not in refused.stderr
        assert tillroll(environment, "status")[1]["head"] == head, "nothing is half-written"
        other = subprocess.run(
            [*TILLROLL, "play", "synthetic", "--orders", "3"],
            env=environment,
            capture_output=True,
            timeout=HANGS,
            check=False,
        )
        assert (other.returncode, b"holds other trade" in other.stderr) == (2, True), other.stderr.decode()
        assert tillroll(environment, "status")[1]["head"] == head, "nothing of other trade is written"
        assert tillroll(environment, "parked") == (0, [])
        rebuilt = subprocess.run(
            [*TILLROLL, "rebuild", "orders", "--json"],
            env=environment,
            capture_output=True,
            timeout=HANGS,
            check=False,
        )
        assert rebuilt.returncode == 0, rebuilt.stderr.decode()[-3000:]
        assert [each["name"] for each in json.loads(rebuilt.stdout)] == ["orders"]
        code, verdict = tillroll(environment, "verify", "--books")
        assert (code, verdict["problems"]) == (0, [])
        for each in verdict["books"]:
            kept = ("captured_cents", "voided_cents", "expired_cents", "open_cents")
            assert each["authorized_cents"] == sum(each[name] for name in kept)
            lost = each["refunded_cents"] + each["disputed_cents"]
            assert each["paid_out_cents"] == each["captured_cents"] - lost
        assert verdict["stocks"] > 0


@pytest.mark.nightly
@pytest.mark.olist
@pytest.mark.skipif(not OLIST, reason="TILLROLL_OLIST_DIR is not set")
def test_the_real_data_to_the_cent(tmp_path: Path) -> None:
    with system(tmp_path) as environment:
        played = play(environment, Path(str(OLIST)), "--oracles", f"{OLIST}/oracles.json")
        found = json.loads(played.stdout)
        assert [each for each in found["oracles"] if not each["good"] and not each["reason"]] == []
        assert (played.returncode, found["checkouts"], found["merchant_orders"]) == (0, 17_176, 17_396)
        code, verdict = tillroll(environment, "verify", "--books")
        assert (code, verdict["problems"]) == (0, [])
        assert sum(each["open_cents"] for each in verdict["books"]) >= 0
        assert sum(each["payments"] for each in verdict["books"]) >= 17_396
