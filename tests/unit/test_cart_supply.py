"""Does a cart tell of units what becomes of them once they are ordered?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from domain.allocation.planning import plan_all, plan_backorder
from domain.allocation.rules import AllocationRules, AllocationTerms, PreferWarehouses, Site
from domain.cart.orders import CartLine
from domain.cart.supply import Supply, share, source_of
from domain.inventory import (
    STOCK,
    Backordered,
    ReceiveStock,
    ReserveStock,
    SetStockRules,
    StockReserved,
    StockRules,
)
from domain.inventory.promises import Promisable, promisable
from domain.inventory.stock_state import Stock

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
PLACE = {"sku": "A", "warehouse": "main"}
LINE = CartLine(1, "m1", "A", "", None, 2, 1000, "main", "caller")


def reserve(order_id: str, units: int, hours: int, now: datetime = NOON) -> ReserveStock:
    return ReserveStock(
        **PLACE, order_id=order_id, quantity=units, now=now, expires_at=now + timedelta(hours=hours)
    )


@st.composite
def stocks(draw: st.DrawFn) -> Stock:
    """With holds that lapse after an hour or two, and orders that wait."""
    stock = STOCK.initial
    rules = StockRules(
        safety_stock=draw(st.integers(0, 2)), backorder_limit=draw(st.integers(0, 6)), backorder_days=1
    )
    commands = [SetStockRules(**PLACE, rules=rules), ReceiveStock(**PLACE, quantity=draw(st.integers(1, 6)))]
    orders = draw(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), max_size=5))
    for command in (*commands, *(reserve(f"o{at}", *order) for at, order in enumerate(orders))):
        for event in STOCK.decide(command, stock):
            stock = STOCK.evolve(stock, event)
    return stock


@given(stock=stocks(), units=st.integers(1, 9), hours=st.integers(0, 3))
def test_what_may_be_promised_is_what_an_order_of_now_gets(stock: Stock, units: int, hours: int) -> None:
    now = NOON + timedelta(hours=hours)
    told = promisable(stock, now)
    last = STOCK.decide(reserve("new", units, 9, now), stock)[-1]
    assert isinstance(last, StockReserved) == (units <= told.free)
    assert isinstance(last, Backordered) == (told.free < units <= told.room)


places = st.builds(Promisable, free=st.integers(0, 3), room=st.integers(0, 6))


@given(stock=st.lists(places, min_size=1, max_size=4), units=st.integers(1, 9))
def test_what_will_wait_is_what_the_plan_of_the_order_waits_for(stock: list[Promisable], units: int) -> None:
    names = tuple(f"w{at}" for at in range(len(stock)))
    rules = AllocationRules(
        rules=(PreferWarehouses(kind="preferred", warehouses=names),), when_short="backorder"
    )
    terms = AllocationTerms(version=1, rules=rules, sites=tuple(Site(warehouse=name) for name in names))
    free = {("A", name): place.free for name, place in zip(names, stock, strict=True)}
    room = {("A", name): place.room for name, place in zip(names, stock, strict=True)}
    (supply,) = share([units], stock)
    at_once = plan_all({"A": units}, terms, "", free)
    plan = at_once or plan_backorder({"A": units}, terms, "", free, room)
    assert (units <= supply.available + supply.room) == (plan is not None)
    if plan:
        assert supply.waits == sum(part for place, part in plan.taken.items() if part > free[place])
    assert source_of(LINE, terms, "").warehouses == names


def test_the_first_lines_have_what_is_there_and_the_last_ones_wait() -> None:
    stock = [Promisable(free=3, room=0), Promisable(free=0, room=9)]
    assert share([2, 2, 4], stock) == [Supply(3, 9, 0), Supply(1, 9, 1), Supply(0, 8, 4)]


def test_who_comes_after_a_line_that_has_all_has_nothing() -> None:
    assert share([2, 2], [Promisable(free=2, room=9)], may_wait=False) == [Supply(2), Supply(0)]


def test_a_line_without_rules_comes_from_its_own_warehouse() -> None:
    source = source_of(LINE, None, "SP")
    assert (source.warehouses, source.may_wait) == (("main",), True)
