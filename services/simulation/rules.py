"""By which rules are a merchant's orders allocated in a simulation? By ever other ones, each a version."""

from __future__ import annotations

from collections.abc import Iterator

from domain.allocation.rules import (
    AllocationRules,
    AllocationTerms,
    FewestSplits,
    KeepSafetyStock,
    Nearest,
    PreferWarehouses,
)
from domain.kernel import Group, Target
from domain.streams import warehouses_stream
from domain.warehouse.network import (
    RegisterWarehouse,
    RestoreAllocationRules,
    SetAllocationRules,
)
from services.simulation.acts import Act
from services.simulation.node import Node

SITES = {"main": ("SP", "01000"), "north": ("PA", "66000")}
_RULES = (
    AllocationRules(rules=(FewestSplits(kind="fewest_splits"),), when_short="all_or_nothing"),
    AllocationRules(
        rules=(PreferWarehouses(kind="preferred", warehouses=("north",)),), when_short="ship_available"
    ),
    AllocationRules(
        rules=(Nearest(kind="nearest"), KeepSafetyStock(kind="safety_stock", units=1)), when_short="backorder"
    ),
)


def acts_of(merchant: str, every_s: float) -> Iterator[Act]:
    """Its warehouses, then one version after the other; in between its lines say themselves from where, and
    in the end it is as in the beginning."""
    stream = warehouses_stream(merchant)

    async def register(_: Node) -> Group:
        places = (
            RegisterWarehouse(warehouse=name, state=state, zip_prefix=prefix)
            for name, (state, prefix) in SITES.items()
        )
        return Group(tuple(Target(stream, place) for place in places))

    def setting(rules: AllocationRules | None) -> Act:
        async def change(node: Node) -> Group:
            return Group((Target(stream, SetAllocationRules(rules=rules, now=node.clock.now())),))

        name = rules.when_short if rules else "by no rules"
        return Act(every_s, f"allocate {name} at", change)

    async def restore(node: Node) -> Group:
        return Group((Target(stream, RestoreAllocationRules(version=1, now=node.clock.now())),))

    yield Act(0.0, "warehouses of", register)
    first, *others = _RULES
    yield setting(first)._replace(after_s=0.0)
    for rules in (*others, None):
        yield setting(rules)
    yield Act(every_s, "allocate as before at", restore)


async def terms_at(node: Node, merchant: str, zip_prefix: str) -> AllocationTerms | None:
    """As whoever places an order asks for them."""
    (network,) = await node.executor.states.load([warehouses_stream(merchant)])
    terms: AllocationTerms | None = network.state.terms_at(node.clock.now(), zip_prefix)
    return terms
