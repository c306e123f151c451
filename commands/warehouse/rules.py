"""What may be asked of allocation rules from outside: to be set, and to be set as they were once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from commands.fields import Body, Moment, Text, Warehouse, whole
from commands.http import PROBLEMS, CommandRoute, Positioned, WantedCall, answers
from commands.warehouse.network import change_network
from domain.allocation.rules import (
    RULES_MAX,
    WAREHOUSES_MAX,
    AllocationRules,
    FewestSplits,
    KeepSafetyStock,
    Nearest,
    PreferWarehouses,
    Rule,
    WhenShort,
)
from domain.warehouse.network import RestoreAllocationRules, SetAllocationRules
from services.web.access import requires

router = APIRouter(
    prefix="/v1/allocation-rules", tags=["warehouses"], route_class=CommandRoute, responses=PROBLEMS
)


class PreferWarehousesBody(Body):
    """Units come from the first of these that has them; any other warehouse comes after them."""

    kind: Literal["preferred"]
    warehouses: Annotated[list[Warehouse], Field(min_length=1, max_length=WAREHOUSES_MAX)]

    def to_domain(self) -> Rule:
        return PreferWarehouses(kind=self.kind, warehouses=tuple(dict.fromkeys(self.warehouses)))


class FewestSplitsBody(Body):
    """From as few warehouses as can be."""

    kind: Literal["fewest_splits"]

    def to_domain(self) -> Rule:
        return FewestSplits(kind=self.kind)


class NearestBody(Body):
    """First from the state that the parcel goes to, and then by the zip prefix."""

    kind: Literal["nearest"]

    def to_domain(self) -> Rule:
        return Nearest(kind=self.kind)


class KeepSafetyStockBody(Body):
    """So many units of each SKU stay in each warehouse, as long as there is a plan without them."""

    kind: Literal["safety_stock"]
    units: Annotated[int, whole(1, 10**6)]

    def to_domain(self) -> Rule:
        return KeepSafetyStock(kind=self.kind, units=self.units)


RuleBody = Annotated[
    PreferWarehousesBody | FewestSplitsBody | NearestBody | KeepSafetyStockBody, Field(discriminator="kind")
]
_EXAMPLE: dict[str, Any] = {
    "rules": [
        {"kind": "fewest_splits"},
        {"kind": "nearest"},
        {"kind": "preferred", "warehouses": ["main", "north"]},
        {"kind": "safety_stock", "units": 2},
    ],
    "when_short": "all_or_nothing",
    "note": "after the move",
}


class SetAllocationRulesBody(Body):
    """Rules in their order: what one leaves open is for the next to decide."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    rules: Annotated[list[RuleBody], Field(max_length=RULES_MAX)] = Field(
        description="each kind once at most; none at all: orders are reserved where their lines say"
    )
    when_short: WhenShort = Field(
        "all_or_nothing",
        description="of an order of which not all is there: it is cancelled, cut to what is there, or waits"
        " in line where the stock's rules allow it",
    )
    effective_from: Moment | None = Field(None, description="left out: now")
    note: Text = ""

    def to_domain(self) -> AllocationRules | None:
        rules = tuple(rule.to_domain() for rule in self.rules)
        return AllocationRules(rules=rules, when_short=self.when_short) if rules else None


class RestoreAllocationRulesBody(Body):
    """Which version shall count again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 1, "note": "as before"}]})

    version: Annotated[int, whole(1, 10**9)]
    effective_from: Moment | None = Field(None, description="left out: now")
    note: Text = ""


@router.put(
    "",
    operation_id="set_allocation_rules",
    dependencies=[requires("warehouses:write")],
    summary="Set the rules of allocation",
    response_model=Positioned,
    responses=answers(200, "Orders are allocated by these from the time that was said"),
)
async def _set_allocation_rules(call: WantedCall, body: SetAllocationRulesBody) -> Response:
    """As a new version: orders keep the rules of when they were placed, and older versions stay to be read
    and set again.
    """
    await call.settings()
    command = SetAllocationRules(
        rules=body.to_domain(),
        now=call.parts.clock.now(),
        effective_from=body.effective_from,
        note=body.note,
    )
    return await call.carry_out(change_network, command, {})


@router.post(
    "/restore",
    operation_id="restore_allocation_rules",
    dependencies=[requires("warehouses:write")],
    summary="Set older rules of allocation again",
    response_model=Positioned,
    responses=answers(200, "They are set again, as a new version"),
)
async def _restore_allocation_rules(call: WantedCall, body: RestoreAllocationRulesBody) -> Response:
    """Undo: the rules of an older version, as a new one."""
    await call.settings()
    command = RestoreAllocationRules(now=call.parts.clock.now(), **dict(body))
    return await call.carry_out(change_network, command, {})
