"""The rules of a merchant's warehouses, and of how it has orders allocated, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.allocation import (
    AllocationRules,
    AllocationTerms,
    FewestSplits,
    Nearest,
    PreferWarehouses,
    Site,
)
from domain.allocation.rules import WAREHOUSES_MAX, ranks_by_zip
from domain.warehouse.network import (
    NETWORK,
    AllocationRulesSet,
    ChangeWarehouse,
    CloseWarehouse,
    NetworkEvent,
    OpenWarehouse,
    RegisterWarehouse,
    RestoreAllocationRules,
    SetAllocationRules,
    WarehouseChanged,
    WarehouseClosed,
    WarehouseOpened,
    WarehouseRegistered,
)
from tests.specification import Specification

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
network = Specification(NETWORK)
MAIN = WarehouseRegistered(warehouse="main", state="SP", zip_prefix="01310")
NORTH = WarehouseRegistered(warehouse="north", state="RJ", zip_prefix="20000")
FEWEST = AllocationRules(rules=(FewestSplits(kind="fewest_splits"),))
NEAREST = AllocationRules(rules=(Nearest(kind="nearest"),), when_short="ship_available")
FIRST = AllocationRulesSet(version=1, rules=FEWEST, effective_from=NOW)


def prefer(*warehouses: str) -> AllocationRules:
    return AllocationRules(rules=(PreferWarehouses(kind="preferred", warehouses=warehouses),))


def test_a_warehouse_is_registered_once() -> None:
    command = RegisterWarehouse(**dict(MAIN))
    network.given().when(command).then(MAIN)
    network.given(MAIN).when(command).then_nothing()
    network.given(MAIN, WarehouseClosed(warehouse="main")).when(command).then_nothing()
    other = RegisterWarehouse(warehouse="main", state="RJ")
    assert "change it" in network.given(MAIN).when(other).then_refused("warehouse_unique")


def test_there_is_a_limit_of_warehouses() -> None:
    full = [WarehouseRegistered(warehouse=f"w{number}") for number in range(WAREHOUSES_MAX)]
    network.given(*full).when(RegisterWarehouse(warehouse="one more")).then_refused("warehouses_limit")


def test_a_change_leaves_open_what_is_open_and_closed_what_is_closed() -> None:
    changed = WarehouseChanged(warehouse="main", state="MG")
    closed = WarehouseClosed(warehouse="main")
    outcome = network.given(MAIN, closed).when(ChangeWarehouse(warehouse="main", state="MG"))
    outcome.then(changed)
    assert not outcome.state.places["main"].is_open
    network.given(MAIN, changed).when(ChangeWarehouse(warehouse="main", state="MG")).then_nothing()
    network.given().when(ChangeWarehouse(warehouse="main")).then_refused("warehouse_exists")


def test_a_warehouse_is_closed_and_opened() -> None:
    closed, opened = WarehouseClosed(warehouse="main", note="moving"), WarehouseOpened(warehouse="main")
    network.given(MAIN).when(CloseWarehouse(warehouse="main", note="moving")).then(closed)
    network.given(MAIN, closed).when(CloseWarehouse(warehouse="main")).then_nothing()
    network.given(MAIN, closed).when(OpenWarehouse(warehouse="main")).then(opened)
    network.given(MAIN).when(OpenWarehouse(warehouse="main")).then_nothing()
    network.given().when(OpenWarehouse(warehouse="main")).then_refused("warehouse_exists")


def test_the_last_open_warehouse_stays_open_while_orders_are_allocated_by_rules() -> None:
    given = network.given(MAIN, NORTH, FIRST, WarehouseClosed(warehouse="north"))
    assert "open another" in given.when(CloseWarehouse(warehouse="main")).then_refused("one_warehouse_open")
    none = AllocationRulesSet(version=2, rules=None, effective_from=NOW)
    network.given(MAIN, FIRST, none).when(CloseWarehouse(warehouse="main")).then(
        WarehouseClosed(warehouse="main")
    )


def test_rules_are_versions_and_undo_is_an_older_one_set_again() -> None:
    network.given(MAIN).when(SetAllocationRules(rules=FEWEST, now=NOW)).then(FIRST)
    second = AllocationRulesSet(version=2, rules=NEAREST, effective_from=NOW + HOUR, note="try")
    command = SetAllocationRules(rules=NEAREST, now=NOW, effective_from=NOW + HOUR, note="try")
    network.given(MAIN, FIRST).when(command).then(second)
    undo = RestoreAllocationRules(version=1, now=NOW + 2 * HOUR)
    third = AllocationRulesSet(version=3, rules=FEWEST, effective_from=NOW + 2 * HOUR, restores=1)
    outcome = network.given(MAIN, FIRST, second).when(undo)
    outcome.then(third)
    assert outcome.state.versions[1].rules == outcome.state.versions[3].rules
    network.given(MAIN, FIRST).when(RestoreAllocationRules(version=7, now=NOW)).then_refused("version_exists")


def test_the_same_rules_again_are_no_version() -> None:
    network.given(MAIN, FIRST).when(SetAllocationRules(rules=FEWEST, now=NOW)).then_nothing()


def test_the_version_that_counts_is_the_last_whose_time_has_come() -> None:
    later = AllocationRulesSet(version=2, rules=NEAREST, effective_from=NOW + HOUR)
    state = network.given(MAIN, FIRST, later).state
    assert [state.version_at(NOW + hours * HOUR) for hours in (-1, 0, 1)] == [0, 1, 2]
    assert state.terms_at(NOW - HOUR) is None
    terms = state.terms_at(NOW)
    assert terms == AllocationTerms(version=1, rules=FEWEST, sites=(Site(warehouse="main", state="SP"),))


@pytest.mark.parametrize(
    ("given", "command", "rule"),
    [
        ([], SetAllocationRules(rules=FEWEST, now=NOW), "one_warehouse_open"),
        (
            [MAIN],
            SetAllocationRules(rules=AllocationRules(rules=FEWEST.rules * 2), now=NOW),
            "rules_once_each",
        ),
        ([MAIN], SetAllocationRules(rules=prefer("main", "moon"), now=NOW), "prefer_registered_warehouses"),
        (
            [MAIN],
            SetAllocationRules(rules=FEWEST, now=NOW, effective_from=NOW - HOUR),
            "effective_from_now_on",
        ),
        (
            [MAIN, AllocationRulesSet(version=1, rules=FEWEST, effective_from=NOW + HOUR)],
            SetAllocationRules(rules=NEAREST, now=NOW),
            "versions_in_order",
        ),
    ],
)
def test_rules_that_can_not_be(given: list[NetworkEvent], command: SetAllocationRules, rule: str) -> None:
    network.given(*given).when(command).then_refused(rule)


def test_closed_warehouses_are_no_sites_and_the_nearest_by_zip_has_rank_0() -> None:
    west = WarehouseRegistered(warehouse="west", zip_prefix="01000")
    closed = WarehouseClosed(warehouse="west")
    both = network.given(MAIN, NORTH, west, FIRST).state.terms_at(NOW, "01311")
    assert both is not None
    assert {site.warehouse: site.rank for site in both.sites} == {"main": 0, "west": 1, "north": 2}
    open_ones = network.given(MAIN, NORTH, west, closed, FIRST).state.terms_at(NOW, "01311")
    assert open_ones is not None
    assert {site.warehouse for site in open_ones.sites} == {"main", "north"}


def test_without_a_zip_prefix_all_are_as_near() -> None:
    assert ranks_by_zip({"a": "01310", "b": ""}, "") == {"a": 0, "b": 0}
    assert ranks_by_zip({}, "01310") == {}
