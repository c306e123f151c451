"""Which carts are there, how far is each, and until when does it wait for its shopper?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.cart.events import (
    TOUCHES,
    CartAbandoned,
    CartAssigned,
    CartExpired,
    CartMerged,
    CartResumed,
    CheckoutClaimed,
    CheckoutCompleted,
    CheckoutReleased,
    CheckoutStarted,
)
from domain.kernel import Fact
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class CartRow:
    """A cart as it is started."""

    merchant: str
    cart_id: str
    subject: str
    currency: str
    channel: str
    started_at: datetime
    expire_after_s: int


@dataclass(slots=True)
class CartMove:
    """What is known of a cart from now on (None: as it was). A total is what was told of it last."""

    merchant: str
    cart_id: str
    status: str | None = None
    subject: str | None = None
    total_cents: int | None = None
    orders_count: int | None = None
    missing_count: int | None = None
    touched_at: datetime | None = None
    abandoned_at: datetime | None = None
    completed_at: datetime | None = None
    expired_at: datetime | None = None


def _move(move: CartMove, event: Any, fact: Fact) -> None:
    match event:
        case CheckoutClaimed(total_cents=cents):
            move.status, move.total_cents = "completing", cents
        case CheckoutCompleted(total_cents=cents, orders_count=orders, missing_count=missing):
            move.status, move.total_cents, move.completed_at = "completed", cents, fact.occurred_at
            move.orders_count, move.missing_count = orders, missing
        case CartAbandoned(total_cents=cents):
            move.status, move.total_cents, move.abandoned_at = "abandoned", cents, fact.occurred_at
        case CheckoutReleased() | CartResumed():
            move.status = "open"
        case CartExpired():
            move.status, move.expired_at = "expired", fact.occurred_at
        case CartMerged():
            move.status = "merged"
        case CartAssigned(subject=subject):
            move.subject = subject
    if isinstance(event, TOUCHES):
        move.touched_at = fact.occurred_at


def project(facts: Sequence[Fact]) -> Rows:
    started: list[CartRow] = []
    moved: dict[tuple[str, str], CartMove] = {}
    for fact in facts:
        event: Any = fact.event
        key = fact.merchant, event.cart_id
        if isinstance(event, CheckoutStarted):
            row = CartRow(
                *key,
                event.subject,
                event.currency,
                event.channel,
                fact.occurred_at,
                event.terms.expire_after_s,
            )
            started.append(row)
        _move(moved.setdefault(key, CartMove(*key)), event, fact)
    return {"start_carts": started, "move_carts": list(moved.values())}


CARTS = ReadModel(
    "carts",
    ("carts",),
    (*TOUCHES, CheckoutClaimed, CheckoutCompleted, CheckoutReleased, CartAbandoned, CartExpired),
    project,
)
