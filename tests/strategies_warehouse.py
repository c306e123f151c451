"""Commands of warehouses, pick lists and allocations, for any run of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.allocation import (
    AllocationRules,
    AllocationTerms,
    CancelAllocation,
    DropAllocationChange,
    FewestSplits,
    Free,
    KeepSafetyStock,
    Nearest,
    Pick,
    PlanAllocation,
    PlanAllocationChange,
    PreferWarehouses,
    RemoveShortPick,
    ReviseAllocation,
    SettleAllocation,
    SettleAllocationChange,
    Site,
    WantedLine,
)
from domain.kernel import Command
from domain.warehouse.network import (
    ChangeWarehouse,
    CloseWarehouse,
    OpenWarehouse,
    RegisterWarehouse,
    RestoreAllocationRules,
    SetAllocationRules,
)
from domain.warehouse.pick_list import (
    CancelPickList,
    ConcludePickList,
    CutPickLine,
    HandOverPickList,
    HoldPickList,
    PackOrder,
    PickLine,
    PickUnits,
    ReleasePickList,
    ResumePickList,
    ShortPick,
    StagePickList,
    StartPicking,
)

START = datetime(2018, 3, 1, tzinfo=UTC)
moments = st.integers(0, 3).map(lambda hours: START + timedelta(hours=hours))
WAREHOUSES = ["main", "north", "south", "west"]
SKUS = ["A-1", "B.2"]
states = st.sampled_from(["", "RJ", "SP"])
warehouses = st.sampled_from(WAREHOUSES)
some_warehouses = st.lists(warehouses, min_size=1, max_size=3, unique=True).map(tuple)

each_rule: SearchStrategy[Any] = st.one_of(
    st.builds(PreferWarehouses, kind=st.just("preferred"), warehouses=some_warehouses),
    st.just(FewestSplits(kind="fewest_splits")),
    st.just(Nearest(kind="nearest")),
    st.builds(KeepSafetyStock, kind=st.just("safety_stock"), units=st.integers(1, 3)),
)
rules = st.builds(
    AllocationRules,
    rules=st.lists(each_rule, min_size=1, max_size=4, unique_by=lambda rule: rule.kind).map(tuple),
    when_short=st.sampled_from(["all_or_nothing", "ship_available", "backorder"]),
)
sites = st.lists(
    st.builds(Site, warehouse=warehouses, state=states, rank=st.integers(0, 2)),
    min_size=1,
    max_size=4,
    unique_by=lambda site: site.warehouse,
).map(tuple)
allocation_terms = st.builds(AllocationTerms, version=st.integers(1, 3), rules=rules, sites=sites)
wanted_lines = st.lists(
    st.builds(WantedLine, line=st.integers(1, 4), sku=st.sampled_from(SKUS), quantity=st.integers(1, 4)),
    min_size=1,
    max_size=3,
    unique_by=lambda line: line.line,
).map(tuple)
known_units = st.lists(
    st.builds(Free, sku=st.sampled_from(SKUS), warehouse=warehouses, units=st.integers(0, 5)),
    max_size=8,
    unique_by=lambda free: (free.sku, free.warehouse),
).map(tuple)

_pick_list: dict[str, Any] = {"pick_list_id": st.just("o1.1")}
_fields: dict[str, Any] = {
    "warehouse": st.sampled_from(WAREHOUSES[:2]),
    "name": st.sampled_from(["", "North"]),
    "state": states,
}
LINES = (PickLine(line=1, sku="A-1", quantity=3), PickLine(line=2, sku="B.2", quantity=1))
_versioned: dict[str, Any] = {"now": moments, "effective_from": st.none() | moments}

_changes = st.sampled_from(["e1", "e2", "short-1"])
_plan: dict[str, Any] = {
    "order_id": st.just("o1"),
    "attempt": st.integers(1, 4),
    "terms": allocation_terms,
    "ship_to_state": states,
    "lines": wanted_lines,
    "known": known_units,
}
COMMANDS: dict[type[Command], SearchStrategy[Any]] = {
    RegisterWarehouse: st.builds(RegisterWarehouse, **_fields),
    ChangeWarehouse: st.builds(ChangeWarehouse, **_fields),
    CloseWarehouse: st.builds(CloseWarehouse, warehouse=warehouses),
    OpenWarehouse: st.builds(OpenWarehouse, warehouse=warehouses),
    SetAllocationRules: st.builds(SetAllocationRules, rules=st.none() | rules, **_versioned),
    RestoreAllocationRules: st.builds(RestoreAllocationRules, version=st.integers(1, 4), **_versioned),
    ReleasePickList: st.builds(
        ReleasePickList,
        **_pick_list,
        order_id=st.just("o1"),
        warehouse=st.just("main"),
        lines=st.sampled_from([LINES, LINES[:1]]),
        held=st.booleans(),
    ),
    StartPicking: st.builds(StartPicking, **_pick_list),
    PickUnits: st.builds(PickUnits, **_pick_list, line=st.integers(1, 3), picked=st.integers(1, 4)),
    ShortPick: st.builds(
        ShortPick,
        **_pick_list,
        line=st.integers(1, 3),
        short=st.integers(1, 3),
        reason=st.sampled_from(["missing", "damaged"]),
    ),
    PackOrder: st.builds(PackOrder, **_pick_list, packages=st.integers(1, 2)),
    StagePickList: st.builds(StagePickList, **_pick_list, location=st.sampled_from(["", "dock 2"])),
    HandOverPickList: st.builds(HandOverPickList, **_pick_list),
    ConcludePickList: st.builds(ConcludePickList, **_pick_list, shipment_id=st.just("p1")),
    HoldPickList: st.builds(HoldPickList, **_pick_list),
    ResumePickList: st.builds(ResumePickList, **_pick_list),
    CancelPickList: st.builds(
        CancelPickList, **_pick_list, reason=st.sampled_from(["order_cancelled", "staff"])
    ),
    CutPickLine: st.builds(
        CutPickLine,
        **_pick_list,
        cause=st.sampled_from(["c1", "c2"]),
        line=st.integers(1, 3),
        quantity=st.integers(1, 4),
    ),
    PlanAllocation: st.builds(PlanAllocation, **_plan),
    PlanAllocationChange: st.builds(PlanAllocationChange, **_plan, change_id=_changes),
    SettleAllocationChange: st.builds(
        SettleAllocationChange,
        order_id=st.just("o1"),
        change_id=_changes,
        attempt=st.integers(1, 2),
        revise=st.booleans(),
    ),
    DropAllocationChange: st.builds(DropAllocationChange, order_id=st.just("o1"), change_id=_changes),
    ReviseAllocation: st.builds(
        ReviseAllocation, order_id=st.just("o1"), cause=_changes, lines=wanted_lines, sent=known_units
    ),
    RemoveShortPick: st.builds(
        RemoveShortPick,
        order_id=st.just("o1"),
        short_id=st.sampled_from(["short-1", "short-2"]),
        pick=st.builds(
            Pick,
            line=st.integers(1, 2),
            sku=st.sampled_from(SKUS),
            warehouse=warehouses,
            quantity=st.integers(1, 2),
        ),
    ),
    SettleAllocation: st.builds(SettleAllocation, order_id=st.just("o1"), attempt=st.integers(1, 3)),
    CancelAllocation: st.builds(CancelAllocation, order_id=st.just("o1")),
}
OPENINGS: dict[str, tuple[Command, ...]] = {
    "warehouses": (
        RegisterWarehouse(warehouse="main", state="SP", zip_prefix="013"),
        RegisterWarehouse(warehouse="north", state="RJ"),
    ),
    "picklist": (
        ReleasePickList(pick_list_id="o1.1", order_id="o1", warehouse="main", lines=LINES),
        StartPicking(pick_list_id="o1.1"),
    ),
}
