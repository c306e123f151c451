"""Does a log come back from its back-up in a new epoch, while NATS still holds the old one's events?"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.demo_people import let_people_in
from services.embedded import NatsServer
from services.embedded.copies import put_copy
from services.gateways.payment_calls import search_path
from services.runfile import read_run
from services.settings import Settings
from tests.integration.api_client import an_order, problem
from tests.integration.system import TILLROLL, system, tillroll, wait
from tests.patience import HANGS

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Shop:
    """A running system, and a merchant's way into it."""

    environment: dict[str, str]
    client: httpx.Client
    payment_url: str
    data_dir: Path

    def place(self, order_id: str) -> str:
        """The position of an order with a payment; sent again, it is the same request."""
        body = an_order(order_id=order_id)
        answer = self.client.post("/v1/orders", json=body, headers={"Idempotency-Key": order_id})
        assert answer.status_code < 300, answer.text
        return str(answer.headers["Tillroll-Position"])

    def order(self, order_id: str) -> dict[str, Any]:
        answer = self.client.get(f"/v1/orders/{order_id}")
        return answer.json() if answer.status_code == 200 else {"status": answer.status_code}

    def until(self, order_id: str, *statuses: str) -> None:
        wait(lambda: self.order(order_id)["status"] in statuses)

    def reference(self, order_id: str) -> str:
        """How the provider calls the payment of an order."""
        key = (self.data_dir / "secrets/payment_api.key").read_text().strip()
        url = self.payment_url + search_path(f"payment-demo.{order_id}%2Ecard")
        answer = httpx.get(url, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200, answer.text
        (found,) = answer.json()["data"]
        return str(found["id"])

    def published(self) -> bool:
        code, status = tillroll(self.environment, "status")
        return code == 0 and all(each["behind"] == 0 for each in status["followers"])


@contextmanager
def shop(data_dir: Path) -> Iterator[Shop]:
    with system(data_dir) as environment:
        run = read_run(data_dir)
        assert run
        known = asyncio.run(let_people_in(Settings.load(data_dir=data_dir)))
        headers = {"Authorization": f"Bearer {known['DEMO_KEY']}"}
        url = f"http://127.0.0.1:{run.settings['api_port']}"
        with httpx.Client(base_url=url, headers=headers, timeout=HANGS) as client:
            yield Shop(environment, client, known["PAYMENT"], data_dir)


def run(data_dir: Path, environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [*TILLROLL, *arguments], env=environment, capture_output=True, timeout=HANGS, check=False
    )
    return done.returncode, done.stdout.decode() + done.stderr.decode()


async def streams_in(data_dir: Path) -> list[str]:
    """What NATS holds, while nothing else runs."""
    import nats

    server = NatsServer(data_dir)
    client = await nats.connect(await server.start())
    try:
        return [str(each.config.name) for each in await client.jetstream().streams_info()]
    finally:
        await client.close()
        await server.stop()


def test_a_log_that_is_restored_twice_begins_a_new_epoch_each_time(tmp_path: Path) -> None:
    data_dir, copy = tmp_path / "var", tmp_path / "copy"
    data_dir.mkdir()
    with shop(data_dir) as before:
        goods = {"sku": "A-1", "quantity": 40}
        assert before.client.post("/v1/stock/receive", json=goods).status_code == 200
        kept = before.place("o1")
        before.until("o1", "confirmed", "preparing", "shipped", "completed")
        code, said = run(data_dir, before.environment, "backup", str(copy))
        assert code == 0, said
        lost = before.place("o2")
        before.until("o2", "completed")  # so that the carrier has told all that it has to tell of it
        reference = before.reference("o2")
        wait(before.published)
        environment = before.environment
        assert "stop it first" in run(data_dir, environment, "restore", str(copy))[1]
    assert "move it away first" in run(data_dir, environment, "restore", str(copy))[1]

    shutil.rmtree(data_dir / "postgres")  # it is lost
    asyncio.run(put_copy(copy, data_dir))  # and what somebody put there says nothing of an epoch
    code, said = run(data_dir, environment, "up")
    assert code == 2, said
    assert "restored from a back-up" in said
    assert "tillroll migrate --new-epoch" in said
    code, first = tillroll(environment, "migrate", "--new-epoch")
    assert code == 0
    assert first["epoch"] > 1
    with shop(data_dir) as after:
        check_that_trade_goes_on(data_dir, after, "o3", (kept, lost), reference)

    shutil.rmtree(data_dir / "postgres")  # again, and the same back-up is put there by its command
    code, said = run(data_dir, environment, "restore", str(copy))
    assert code == 0, said
    with shop(data_dir) as again:
        name = again.client.get("/health").json()["log"]["name"]
        assert int(name.rpartition(".")[2]) > first["epoch"]
        check_that_trade_goes_on(data_dir, again, "o4", (kept, lost), reference)
    (stream,) = (each for each in asyncio.run(streams_in(data_dir)) if each.startswith("TILLROLL_"))
    assert stream == f"TILLROLL_{name.replace('.', '_')}", "those of the epochs before are gone"


def check_that_trade_goes_on(
    data_dir: Path, shop: Shop, new: str, tokens: tuple[str, ...], reference: str
) -> None:
    """What the back-up has is there. What it has not is gone; sent again, it is done, and charged, once."""
    for token in tokens:
        answer = shop.client.get("/v1/orders", headers={"Tillroll-Min-Position": token})
        problem(answer, 400, "foreign-position")
    assert shop.order("o1")["status"] != 404
    assert shop.order("o2")["status"] == 404
    shop.place("o2")
    shop.place(new)
    shop.until(new, "completed")
    wait(lambda: bool(shop.order("o2").get("shipments")))
    wait(shop.published)
    assert shop.order("o2")["status"] != "completed", "the carrier has told of it, and won't again"
    code, said = run(data_dir, shop.environment, "reconcile")
    assert code == 0, said
    assert "carrier: asked 3, news of" in said
    for order_id in ("o1", "o2"):
        shop.until(order_id, "completed")
    assert shop.reference("o2") == reference, "the provider knows the payment, and takes it for the same"
    assert shop.order("o2")["captured_cents"] == 6290
    code, verdict = tillroll(shop.environment, "verify")
    assert code == 0, verdict
