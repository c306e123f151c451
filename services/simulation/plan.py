"""What trade does a simulation see? Orders, when they come, what becomes of them outside: by the seed.

A plan is a list, so that a failing one can be made shorter.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Literal, TypeAlias

from domain.kernel import Value

SKUS = 4
UNITS_AN_ORDER = 1.1
"""Units on hand at the start for each order: not enough for all."""
GOODS: tuple[Literal["purchase", "transfer", "stocktake"], ...] = ("purchase", "transfer", "stocktake")
DELIVERIES = 9
"""Of each product, while trade goes on: they and the orders are after the same streams."""
ARRIVAL_SECONDS = 0.05
LOOKED_INTO_EVERY = 9
"""Orders."""
SHORT_RATE, REFUSAL_RATE = 0.25, 0.25
PaymentFate: TypeAlias = Literal["at_once", "declined", "late", "late_declined", "never"]
ParcelFate: TypeAlias = Literal["delivered", "told", "returned", "exception", "never"]
Change: TypeAlias = Literal["captures", "refunds", "void"]
SHORT_SECONDS, LONG_SECONDS = (15, 30), (300, 600)
"""For how long stock and money are held: so short that deadlines come while there are faults, or beyond them,
so that most orders are paid and sent whatever goes wrong."""
ALWAYS = 99
"""Times."""


class PlannedRefusal(Value):
    """The provider refuses this, so many times, of each payment of the order."""

    change: Change
    times: int


class PlannedLine(Value):
    sku: str
    quantity: int
    unit_price_cents: int


class PlannedOrder(Value):
    """`at_s` and what ends in `after_s` in seconds of simulated time; the fates and refusals are the
    outside's.

    `valid_s`: for how long its stock is held until it is paid for, and its money until it is sent. `early`:
    a webhook of its first payment comes before anybody has asked for that. `looked_into_after_s`: when staff
    holds it, until it has written and tagged what it found.
    """

    order_id: str
    merchant: str
    at_s: float
    lines: tuple[PlannedLine, ...]
    parts: tuple[int, ...]
    payment_fate: PaymentFate
    parcel_fate: ParcelFate
    told_after_s: float
    cancel_after_s: float | None = None
    twice: bool = False
    valid_s: tuple[int, int] = SHORT_SECONDS
    refusal: PlannedRefusal | None = None
    early: bool = False
    prepare_after_s: float | None = None
    looked_into_after_s: float | None = None

    @property
    def total_cents(self) -> int:
        return sum(line.quantity * line.unit_price_cents for line in self.lines)

    @property
    def keeps_money(self) -> bool:
        """The provider will not give it back, however often it is asked."""
        return bool(self.refusal and self.refusal.change != "captures" and self.refusal.times == ALWAYS)


class PlannedDelivery(Value):
    """Goods that come in; `reference` is unique."""

    reference: str
    merchant: str
    at_s: float
    sku: str
    quantity: int


class PlannedGoods(Value):
    """What staff does with the goods of a product beside receiving deliveries; `name` is unique.

    backorders: from now on orders may wait for it. purchase: `quantity` are ordered; half come, then the rest
    and `odd` more, of which one is damaged, and written off. transfer: `quantity` go north, `odd` of them are
    lost on the way.
    stocktake: `odd` fewer are counted than the books say, while trade goes on.
    """

    name: str
    kind: Literal["backorders", "purchase", "transfer", "stocktake"]
    merchant: str
    at_s: float
    sku: str
    quantity: int = 0
    odd: int = 0


class Plan(Value):
    deliveries: tuple[PlannedDelivery, ...]
    orders: tuple[PlannedOrder, ...]
    goods: tuple[PlannedGoods, ...] = ()


def plan_of(random: Random, orders: int) -> Plan:
    """So many orders of two merchants; few units of few products, so that buyers meet."""
    planned = tuple(_order(random, number) for number in range(1, orders + 1))
    deliveries = tuple(_deliveries(random, orders))
    return Plan(deliveries=deliveries, orders=planned, goods=tuple(_goods(random, orders)))


def _goods(random: Random, orders: int) -> Iterator[PlannedGoods]:
    """Of half of the products orders may wait for more; of each something is bought, moved and counted."""
    end_s = orders * ARRIVAL_SECONDS
    for merchant in ("m1", "m2"):
        for sku in range(1, SKUS + 1):
            of = {"merchant": merchant, "sku": f"sku{sku}"}
            if sku % 2:
                yield PlannedGoods(name=f"wait-{merchant}-{sku}", kind="backorders", at_s=0.0, **of)
            for kind in GOODS:
                yield PlannedGoods(
                    name=f"{kind}-{merchant}-{sku}",
                    kind=kind,
                    at_s=random.uniform(0.0, end_s),
                    quantity=random.randint(2, 6),
                    odd=random.choice((0, 1, 2)),
                    **of,
                )


def _deliveries(random: Random, orders: int) -> list[PlannedDelivery]:
    each = max(1, round(orders * UNITS_AN_ORDER / (2 * SKUS * DELIVERIES / 3)))
    end_s = orders * ARRIVAL_SECONDS
    return [
        PlannedDelivery(
            reference=f"{merchant}-{sku}-{number}",
            merchant=merchant,
            at_s=0.0 if number == 0 else random.uniform(0.0, end_s),
            sku=f"sku{sku}",
            quantity=each,
        )
        for merchant in ("m1", "m2")
        for sku in range(1, SKUS + 1)
        for number in range(DELIVERIES)
    ]


def _order(random: Random, number: int) -> PlannedOrder:
    chosen = random.sample(range(1, SKUS + 1), random.choice((1, 1, 1, 2, 3)))
    lines = tuple(
        PlannedLine(
            sku=f"sku{sku}",
            quantity=random.choice((1, 1, 2, 3)),
            unit_price_cents=random.randrange(100, 9_000),
        )
        for sku in sorted(chosen)
    )
    total = sum(line.quantity * line.unit_price_cents for line in lines)
    payment_fates: tuple[PaymentFate, ...] = ("at_once", "late", "late_declined", "never", "declined")
    parcel_fates: tuple[ParcelFate, ...] = ("delivered", "told", "returned", "exception", "never")
    parcel_fate = random.choices(parcel_fates, (8, 4, 3, 2, 1))[0]
    return PlannedOrder(
        order_id=f"o{number}",
        merchant=random.choice(("m1", "m1", "m2")),
        at_s=number * ARRIVAL_SECONDS * random.uniform(0.5, 1.5),
        lines=lines,
        parts=_parts(random, total),
        payment_fate=random.choices(payment_fates, (10, 3, 1, 1, 1))[0],
        parcel_fate=parcel_fate,
        told_after_s=random.uniform(0.0, 8.0),
        cancel_after_s=random.uniform(0.0, 10.0) if random.random() < 0.2 else None,
        twice=random.random() < 0.1,
        valid_s=SHORT_SECONDS if random.random() < SHORT_RATE else LONG_SECONDS,
        refusal=_refusal(random, parcel_fate),
        early=random.random() < 0.1,
        prepare_after_s=random.uniform(0.0, 8.0) if random.random() < 0.2 else None,
        looked_into_after_s=random.uniform(0.0, 4.0) if number % LOOKED_INTO_EVERY == 0 else None,
    )


def _refusal(random: Random, fate: ParcelFate) -> PlannedRefusal | None:
    if random.random() > REFUSAL_RATE:
        return None
    change: Change = "refunds" if fate == "returned" else random.choice(("captures", "void", "void"))
    return PlannedRefusal(change=change, times=random.choice((1, 1, 2, ALWAYS)))


def _parts(random: Random, total: int) -> tuple[int, ...]:
    """How it is paid: by one payment, or by two."""
    if random.random() < 0.75:
        return (total,)
    first = random.randrange(1, total)
    return (first, total - first)
