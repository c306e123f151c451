"""What belongs together across merchants? Each checkout with its orders: for the operator only.

A checkout's row is derived anew from its orders (`checkout_orders`) whenever one of them moves: so it is
whole whatever the order in which they move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.erasure import SubjectErased
from domain.kernel import Fact
from domain.order import OrderPlaced
from projections.order.orders import MOVES, erased, placed, progress
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class Touched:
    """An order that moved; or, of an erased subject, all that it has."""

    merchant: str | None
    order_id: str | None
    subject: str | None = None


def project(facts: Sequence[Fact]) -> Rows:
    orders, moved, gone = placed(facts), progress(facts), erased(facts)
    touched = dict.fromkeys((row.merchant, row.order_id) for row in orders)
    touched.update(dict.fromkeys((row.merchant, row.order_id) for row in moved))
    return {
        "place_checkout_orders": orders,
        "move_checkout_orders": moved,
        "erase_checkout_orders": gone,
        "derive_checkouts": [
            *(Touched(*key) for key in touched),
            *(Touched(None, None, each.subject) for each in gone),
        ],
    }


CHECKOUTS = ReadModel(
    name="checkouts",
    tables=("checkouts", "checkout_orders"),
    events=(OrderPlaced, SubjectErased, *MOVES),
    project=project,
    version=3,
    shared_rows=True,
    personal={
        "checkouts": ("customer_id", "customer_unique_id"),
        "checkout_orders": ("customer_id", "customer_unique_id"),
    },
)
