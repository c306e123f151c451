"""The outside world that `tillroll up` plays: the shop has carriers and banks do what a day's trade would.

No part of the API: each of the worlds has a control of its own on loopback. A checkout that is staged happens
by its own clock, day by day, and only when it is said to.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.client.shop import MERCHANT

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def moment(day: int) -> str:
    return (BEGIN + timedelta(days=day)).isoformat()


def outside_name(kind: str, name: str) -> str:
    """What the outside calls a parcel or payment of ours."""
    return f"{kind}-{MERCHANT}.{name.replace('.', '%2E').replace('-', '%2D')}"


@dataclass(frozen=True)
class World:
    """The played carrier or payment provider at this address."""

    address: str

    def stage(self, checkout: str, scenarios: list[dict[str, Any]]) -> None:
        """Before the order is placed: what befalls its parcels or payments; it is day 0."""
        lines = "\n".join(json.dumps(each | {"checkout": checkout}) for each in scenarios)
        httpx.put(f"{self.address}/control/scenarios", content=lines).raise_for_status()
        self.at_day(checkout, 0)

    def at_day(self, checkout: str, day: int) -> None:
        """It becomes this day, and what is due happens."""
        body = {"clocks": {checkout: moment(day)}}
        httpx.post(f"{self.address}/control/clock", json=body).raise_for_status()


def parcel(shipment_id: str, delivered: int) -> dict[str, Any]:
    """Nobody comes for it before it is handed over; it is delivered on this day."""
    fact = {"type": "delivered", "told_at": moment(delivered), "happened_at": None}
    return {"shipment_id": outside_name("shipment", shipment_id), "facts": [fact]}


def disputed_payment(payment_id: str, end: str) -> dict[str, Any]:
    """Authorised at once, disputed on day 1, and on day 2 it ends with `dispute_won` or `dispute_lost`."""
    days = enumerate(("dispute_opened", end), 1)
    return {
        "payment_id": outside_name("payment", payment_id),
        "authorize": {"outcome": "authorized", "told_at": moment(0)},
        "later": [{"type": kind, "told_at": moment(day)} for day, kind in days],
    }
