"""Lives of warehouses, allocations and pick lists, as their own deciders tell them, to fill read models."""

from __future__ import annotations

from collections.abc import Sequence

from domain.aggregates import AnyDecider
from domain.allocation import (
    ALLOCATION,
    AllocationRules,
    AllocationTerms,
    FewestSplits,
    Free,
    KeepSafetyStock,
    PlanAllocation,
    SettleAllocation,
    Site,
    WantedLine,
)
from domain.kernel import Command, Event
from domain.streams import allocation_stream, pick_list_stream, warehouses_stream
from domain.warehouse.network import NETWORK, RegisterWarehouse, RestoreAllocationRules, SetAllocationRules
from domain.warehouse.pick_list import (
    PICK_LIST,
    CancelPickList,
    PackOrder,
    PickLine,
    PickUnits,
    ReleasePickList,
    ShortPick,
    StartPicking,
)
from tests.integration.projections_trade import START, Step

RULES = AllocationRules(
    rules=(FewestSplits(kind="fewest_splits"), KeepSafetyStock(kind="safety_stock", units=2)),
    when_short="ship_available",
)
LINES = (WantedLine(line=1, sku="A", quantity=4), WantedLine(line=2, sku="B", quantity=1))


def told(decider: AnyDecider, stream: str, commands: Sequence[Command]) -> list[Step]:
    events: list[Event] = []
    for command in commands:
        events += decider.decide(command, decider.fold(events))
    return [(stream, event) for event in events]


def _network(merchant: str, note: str) -> list[Step]:
    commands = (
        RegisterWarehouse(warehouse="main", name=note, state="SP", zip_prefix="013"),
        RegisterWarehouse(warehouse="north", name=note, state="RJ"),
        SetAllocationRules(rules=RULES, now=START, note=note),
        SetAllocationRules(rules=None, now=START, note=note),
        RestoreAllocationRules(version=1, now=START),
    )
    return told(NETWORK, warehouses_stream(merchant), commands)


def _allocations(merchant: str, order_id: str) -> list[Step]:
    """The second plan is short of a unit and over both warehouses; another order's keeps safety stock."""
    terms = AllocationTerms(
        version=3, rules=RULES, sites=(Site(warehouse="main"), Site(warehouse="north", rank=1))
    )
    known = (Free(sku="A", warehouse="main", units=2), Free(sku="A", warehouse="north", units=1))
    first = PlanAllocation(order_id=order_id, attempt=1, terms=terms, lines=LINES)
    second = first.model_copy(update={"attempt": 2, "known": known})
    other = first.model_copy(update={"order_id": f"{order_id}-kept"})
    return [
        *told(
            ALLOCATION,
            allocation_stream(merchant, order_id),
            (first, second, SettleAllocation(order_id=order_id, attempt=2)),
        ),
        *told(ALLOCATION, allocation_stream(merchant, other.order_id), (other,)),
    ]


def _picking(merchant: str, order_id: str) -> list[Step]:
    ids = {"pick_list_id": f"{order_id}.1"}
    lines = (PickLine(line=1, sku="A", quantity=2), PickLine(line=2, sku="B", quantity=1))
    commands = (
        ReleasePickList(**ids, order_id=order_id, warehouse="main", lines=lines),
        StartPicking(**ids),
        PickUnits(**ids, line=1, picked=2),
        ShortPick(**ids, line=2, short=1),
        PackOrder(**ids, packages=1),
        CancelPickList(**ids),
    )
    return told(PICK_LIST, pick_list_stream(merchant, ids["pick_list_id"]), commands)


def warehousing(merchant: str, order_id: str = "allocated", note: str = "") -> list[Step]:
    """Moves each number of the read models of warehouse and allocation; `note` is what is said of it."""
    return [*_network(merchant, note), *_allocations(merchant, order_id), *_picking(merchant, order_id)]
