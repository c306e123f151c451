"""By which rules does a merchant choose the warehouses of an order? A warning: this is a storage format.

The rules are asked in their order: what one of them leaves open is for the next to decide. What tells them
apart (`kind`) has no default, as defaults are not stored.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PositiveInt

from domain.kernel import Value

Id = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0, le=10**9)]
WAREHOUSES_MAX, RULES_MAX = 50, 4


class PreferWarehouses(Value):
    """Units come from the first of these that has them; any other warehouse comes after them."""

    kind: Literal["preferred"]
    warehouses: Annotated[tuple[Id, ...], Field(min_length=1, max_length=WAREHOUSES_MAX)]


class FewestSplits(Value):
    """From as few warehouses as can be."""

    kind: Literal["fewest_splits"]


class Nearest(Value):
    """First from the buyer's own state, and there by the zip prefix."""

    kind: Literal["nearest"]


class KeepSafetyStock(Value):
    """`units` of a SKU stay in each warehouse as long as there is a plan without them."""

    kind: Literal["safety_stock"]
    units: Annotated[int, Field(gt=0, le=10**6)]


Rule: TypeAlias = Annotated[
    PreferWarehouses | FewestSplits | Nearest | KeepSafetyStock, Field(discriminator="kind")
]
WhenShort: TypeAlias = Literal["all_or_nothing", "ship_available", "backorder"]
"""What becomes of an order of which not all is there: it is cancelled; it is cut to what is there; or it
waits in line, in the first warehouse by the rules whose stock lets so many units more be waited for; it is
cancelled where none does."""


class AllocationRules(Value):
    """`rules` has each kind once at most."""

    rules: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=RULES_MAX)]
    when_short: WhenShort = "all_or_nothing"

    @property
    def kept(self) -> int:
        """Units of each SKU that stay in a warehouse, if that can be."""
        return next((rule.units for rule in self.rules if isinstance(rule, KeepSafetyStock)), 0)


class Site(Value):
    """An open warehouse, as it was when the order was placed.

    `rank` counts from 0 how near it is by the buyer's zip prefix, among the merchant's warehouses. It is
    found where the prefix may be seen: the prefix itself is personal, and does not stand here.
    """

    warehouse: Id
    state: str = ""
    rank: Count = 0


class AllocationTerms(Value):
    """The rules of one version, and the warehouses that they choose from: what an order is allocated by."""

    version: PositiveInt
    rules: AllocationRules
    sites: Annotated[tuple[Site, ...], Field(min_length=1, max_length=WAREHOUSES_MAX)]


def ranks_by_zip(zip_prefixes: dict[str, str], zip_prefix: str) -> dict[str, int]:
    """Warehouse -> its rank: the more digits its zip prefix shares with the buyer's, the nearer it is."""
    shared = {name: _shared(prefix, zip_prefix) for name, prefix in zip_prefixes.items()}
    order = sorted(set(shared.values()), reverse=True)
    return {name: order.index(digits) for name, digits in shared.items()}


def _shared(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
