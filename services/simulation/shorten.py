"""What is the shortest history that still goes wrong? Orders, deliveries, offers and goods are left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from services.simulation.plan import Plan

T = TypeVar("T")
TRIES_MAX = 150


def shortened(plan: Plan, fails: Callable[[Plan], bool], tries: int = TRIES_MAX) -> Plan:
    """The smallest plan found for which `fails` still holds; `plan` itself fails.

    Halves are left out first, then ever smaller parts (delta debugging: Zeller and Hildebrandt, 2002). With
    each part the whole schedule changes, so a smaller plan may go well by chance: what is found is short, not
    the shortest that there is.
    """
    left = [tries]

    def still_fails(smaller: Plan) -> bool:
        left[0] -= 1
        return left[0] >= 0 and fails(smaller)

    orders = _minimized(plan.orders, lambda kept: still_fails(plan.model_copy(update={"orders": kept})))
    plan = plan.model_copy(update={"orders": orders})
    deliveries = _minimized(
        plan.deliveries, lambda kept: still_fails(plan.model_copy(update={"deliveries": kept}))
    )
    plan = plan.model_copy(update={"deliveries": deliveries})
    for name in ("manifests", "offers", "pauses", "invoices"):
        without = plan.model_copy(update={name: ()})
        if getattr(plan, name) and still_fails(without):
            plan = without
    if plan.goods and still_fails(plan.model_copy(update={"goods": ()})):
        return plan.model_copy(update={"goods": ()})
    goods = _minimized(plan.goods, lambda kept: still_fails(plan.model_copy(update={"goods": kept})))
    return plan.model_copy(update={"goods": goods})


def _minimized(items: Sequence[T], fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    kept, parts = tuple(items), 2
    while len(kept) > 1 and parts <= len(kept):
        size = -(-len(kept) // parts)
        for start in range(0, len(kept), size):
            rest = kept[:start] + kept[start + size :]
            if rest and fails(rest):
                kept, parts = rest, max(2, parts - 1)
                break
        else:
            parts = len(kept) + 1 if parts == len(kept) else min(len(kept), parts * 2)
    return kept
