"""A shop that trades over HTTP at an even pace: it places orders, calls some off, books parcels anew."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

SKUS, UNITS = 40, 1_000_000
WAREHOUSES = {"main": ("SP", "04000"), "north": ("RJ", "20000")}
STATES = ("SP", "RJ", "MG", "RS")
CALLED_OFF, IN_TWO_PAYMENTS = 0.05, 0.2
RULES = {"rules": [{"kind": "nearest"}, {"kind": "fewest_splits"}]}


@dataclass
class Shop:
    """By its API key. `problems` are answers that it did not expect."""

    api: httpx.AsyncClient
    seed: int
    problems: list[str] = field(default_factory=list)
    _beside: set[asyncio.Task[None]] = field(default_factory=set)

    async def set_up(self) -> None:
        """Two warehouses with plenty of all, rules, and two carriers that charge by zone."""
        for name, (state, zip_prefix) in WAREHOUSES.items():
            await self._do(
                "POST", "/v1/warehouses", {"warehouse": name, "state": state, "zip_prefix": zip_prefix}
            )
        await self._do("PUT", "/v1/allocation-rules", RULES)
        for carrier, (near, far) in {"swift": (900, 3500), "post": (1300, 2000)}.items():
            await self._do("PUT", f"/v1/carriers/{carrier}", {"name": carrier})
            await self._do("POST", f"/v1/carriers/{carrier}/rate-cards", _card(near, far))
        for number in range(SKUS):
            for warehouse in WAREHOUSES:
                there = {"sku": f"SKU-{number}", "warehouse": warehouse, "quantity": UNITS}
                await self._do("POST", "/v1/stock/receive", there)

    async def trade(self, orders: int, per_second: float, done: Callable[[], None]) -> None:
        """Place so many orders, each at its time or later."""
        loop, chance = asyncio.get_running_loop(), random.Random(self.seed)
        started = loop.time()
        for number in range(orders):
            await asyncio.sleep(max(0.0, started + number / per_second - loop.time()))
            await self._do("POST", "/v1/orders", _an_order(f"o{number}", chance), key=f"o{number}")
            if chance.random() < CALLED_OFF:
                self._later(self._call_off(f"o{number}", chance.uniform(0, 4)))
            done()
        await asyncio.gather(*self._beside)

    async def refund(self, payment_id: str, cents: int) -> None:
        """Twice by the same name: it is given back once."""
        body = {"amount_cents": cents, "refund_id": f"goodwill-{payment_id}"}
        for _ in range(2):
            await self._do("POST", f"/v1/payments/{payment_id}/refund", body, allowed=(409,))

    async def book_anew(self, parcel: str) -> None:
        await self._do("POST", f"/v1/shipments/{parcel}/rebook", {}, allowed=(409,))

    async def _call_off(self, order_id: str, seconds: float) -> None:
        """Too late is a refusal, and no problem."""
        await asyncio.sleep(seconds)
        await self._do("POST", f"/v1/orders/{order_id}/cancel", {"reason": "customer"}, allowed=(409,))

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _do(
        self, method: str, path: str, body: Any, *, key: str = "", allowed: tuple[int, ...] = ()
    ) -> None:
        headers = {"Idempotency-Key": key} if key else {}
        answer = await self.api.request(method, path, json=body, headers=headers)
        if not answer.is_success and answer.status_code not in allowed:
            self.problems.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")


def _card(near: int, far: int) -> dict[str, Any]:
    zones = [{"zone": "near", "regions": ["SP"]}, {"zone": "far", "regions": ["*"]}]
    bands = [
        {"zone": "near", "up_to_g": 50_000, "cents": near},
        {"zone": "far", "up_to_g": 50_000, "cents": far},
    ]
    service = {"service": "parcel", "days": 5, "zones": zones, "bands": bands}
    return {"expected_version": 0, "currency": "BRL", "services": [service]}


def _an_order(order_id: str, chance: random.Random) -> dict[str, Any]:
    """One or two lines, by one payment or two; its amount is one that the provider declines now and then."""
    skus = chance.sample(range(SKUS), chance.choice((1, 1, 1, 2)))
    lines = [
        {
            "sku": f"SKU-{sku}",
            "quantity": chance.randint(1, 3),
            "unit_price_cents": chance.randint(500, 20_000),
        }
        for sku in skus
    ]
    total = sum(line["quantity"] * line["unit_price_cents"] for line in lines)
    parts = [total] if chance.random() > IN_TWO_PAYMENTS else [total - total // 3, total // 3]
    payments = [
        {"payment_id": f"p{at}", "method": "credit_card", "amount_cents": cents}
        for at, cents in enumerate(parts)
    ]
    return {
        "order_id": order_id,
        "customer": {
            "customer_id": f"c{chance.randrange(3_000)}",
            "zip_prefix": "01310",
            "city": "São Paulo",
        },
        "ship_to_state": chance.choice(STATES),
        "currency": "BRL",
        "lines": lines,
        "payments": payments,
    }
