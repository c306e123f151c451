"""Trade in which nothing goes straight, on the whole system: does it all happen, do the books balance?"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from domain.order import CancelOrder
from services.embedded import owner_of_embedded
from services.play.incidents import INCIDENTS, MERCHANT, incident_plans
from tests.integration.system import TILLROLL, system, tillroll
from tests.patience import HANGS

ORDERS = 60
BEFELL = {
    "split shipments": "ParcelSplit OrderSplit",
    "part captures": "PaymentCaptured",
    "edits": "OrderEdited",
    "part cancels": "OrderLinesCancelled",
    "refunds": "PaymentRefunded",
    "cancels": "PaymentVoided",
    "disputes": "DisputeOpened DisputeWon DisputeLost",
    "back-orders": "Backordered BackorderFilled",
    "lapsed authorisations": "AuthorizationExpired",
}

pytestmark = pytest.mark.slow


def counted(data_dir: Path, query: str) -> list[tuple[str, int]]:
    with psycopg.connect(owner_of_embedded(data_dir), autocommit=True) as connection:
        return list(connection.execute(query.encode(), [MERCHANT]))  # type: ignore[arg-type]


def test_all_incidents_happen_and_the_books_balance(tmp_path: Path) -> None:
    assert len(INCIDENTS) <= ORDERS
    with system(tmp_path) as environment:
        played = subprocess.run(
            [*TILLROLL, "play", "incidents", "--orders", str(ORDERS), "--json"],
            env=environment,
            capture_output=True,
            timeout=HANGS,
            check=False,
        )
        found = json.loads(played.stdout)
        assert (played.returncode, found["refused"], found["checkouts"]) == (0, [], ORDERS)
        types = "SELECT type, count(*) FROM events WHERE merchant = %s GROUP BY type"
        happened = Counter(dict(counted(tmp_path, types)))
        for what, names in BEFELL.items():
            assert any(happened[name] for name in names.split()), f"no {what}: {happened}"
        parts = (
            "SELECT stream, count(*) FROM events WHERE merchant = %s AND type = 'PaymentCaptured' GROUP BY 1"
        )
        assert max(n for _, n in counted(tmp_path, parts)) > 1, "no payment was captured in parts"
        ended = "SELECT status, count(*) FROM orders WHERE merchant = %s GROUP BY status"
        statuses = dict(counted(tmp_path, ended))
        assert statuses.keys() == {"completed", "cancelled"}, statuses
        steps = [step for plan in incident_plans(ORDERS, 1, str) for step in plan.steps]
        asked = sum(isinstance(getattr(step.action, "command", None), CancelOrder) for step in steps)
        assert asked > 1
        assert statuses["cancelled"] == happened["AuthorizationExpired"] + asked, "nothing else is called off"
        code, verdict = tillroll(environment, "verify", "--books")
        assert (code, verdict["problems"]) == (0, [])
        (books,) = [each for each in verdict["books"] if each["merchant"] == MERCHANT]
        kept = ("captured_cents", "voided_cents", "expired_cents", "open_cents")
        assert books["authorized_cents"] == sum(books[name] for name in kept)
        lost = books["refunded_cents"] + books["disputed_cents"]
        assert books["paid_out_cents"] == books["captured_cents"] - lost > 0
        assert books["disputed_cents"] > 0
        assert books["refunded_cents"] > 500, "what was captured of an order that is called off, too"
        assert tillroll(environment, "parked") == (0, [])
