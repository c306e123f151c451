"""Do an order, its plan, its stock and its pick lists agree at rest, whatever becomes of it, and when?"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.allocation.rules import WhenShort
from domain.inventory import ReceiveStock
from domain.order import ConfirmOrderEdit, DeclineOrderEdit
from domain.streams import order_stream, stock_stream
from tests.unit.test_agents import NOW
from tests.unit.test_allocation_agents import Shop, a_shop, placed
from tests.unit.test_allocation_changes import (
    Step,
    all_agree,
    ask_of,
    change_of,
    order_of,
    played,
    propose,
    step,
)

EXAMPLES = 10 * settings().max_examples
"""They are quick, and what goes wrong needs several things at once."""

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("cut"), st.integers(1, 2), st.integers(1, 3)),
        st.tuples(st.just("edit"), st.integers(1, 2), st.integers(0, 4)),
        st.tuples(st.just("cut both"), st.just(0), st.just(0)),
        st.tuples(st.just("edit both"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("short"), st.integers(1, 4), st.integers(1, 2)),
        st.tuples(st.just("short line"), st.integers(1, 2), st.integers(1, 2)),
        st.tuples(st.just("pick"), st.integers(1, 2), st.integers(1, 2)),
        st.tuples(st.just("receive"), st.integers(0, 2), st.integers(1, 2)),
        st.tuples(st.just("release"), st.just(0), st.just(0)),
        st.tuples(st.just("cancel"), st.just(0), st.just(0)),
        st.tuples(st.just("run"), st.just(0), st.integers(1, 12)),
        st.tuples(st.just("rest"), st.just(0), st.just(0)),
    ),
    max_size=10,
)


@given(
    stock=st.lists(st.integers(0, 3), min_size=1, max_size=3),
    units=st.integers(1, 4),
    when_short=st.sampled_from(["all_or_nothing", "ship_available"]),
    second=st.integers(0, 2),
    steps=STEPS,
    seed=st.integers(0, 2**16),
    settled=st.booleans(),
)
@settings(max_examples=EXAMPLES)
def test_order_plan_stock_and_pick_lists_agree_whatever_becomes_of_the_order(
    stock: list[int],
    units: int,
    when_short: WhenShort,
    second: int,
    steps: list[tuple[str, int, int]],
    seed: int,
    settled: bool,
) -> None:
    shop = played(stock, units, when_short, seed, *steps, settled=settled, second=second)
    all_agree(shop)
    for number in range(len(stock)):
        assert shop.stock(f"w{number}").available >= 0


PLAIN = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.integers(1, 2), st.integers(0, 4)),
        st.tuples(st.just("decline"), st.just(0), st.just(0)),
        st.tuples(st.just("cut"), st.integers(1, 2), st.integers(1, 2)),
        st.tuples(st.just("receive"), st.just(0), st.integers(1, 2)),
        st.tuples(st.just("run"), st.just(0), st.integers(1, 9)),
        st.tuples(st.just("rest"), st.just(0), st.just(0)),
    ),
    max_size=10,
)
ORDER = order_stream("m", "o1")
PLACE = {"sku": "A", "warehouse": "main"}


def unplanned(shop: Shop, name: str, which: int, units: int, number: int) -> None:
    """As `step`, of an order that says itself where its units come from."""
    order, change = order_of(shop), {"order_id": "o1", "change_set_id": f"e{number}"}
    match name:
        case "edit":
            changes = change_of(order, which, units)
            if ask_of(shop, ORDER, propose(changes, change_set_id=f"e{number}")):
                ask_of(shop, ORDER, ConfirmOrderEdit(**change, now=NOW))
        case "decline" if order.proposal:
            change["change_set_id"] = order.proposal.edit.change_set_id
            ask_of(shop, ORDER, DeclineOrderEdit(**change, reason="expired"))
        case "receive":
            ask_of(shop, stock_stream("m", **PLACE), ReceiveStock(**PLACE, quantity=units))
        case "cut" | "run" | "rest":
            step(shop, name, which, units, number)


@given(
    stock=st.integers(1, 5),
    units=st.integers(1, 3),
    steps=PLAIN,
    seed=st.integers(0, 2**16),
    settled=st.booleans(),
)
@settings(max_examples=EXAMPLES)
def test_stock_holds_what_its_order_wants_and_no_change_set_stands_still(
    stock: int, units: int, steps: list[Step], seed: int, settled: bool
) -> None:
    shop = a_shop(seed=seed)
    shop.receive("main", stock)
    shop.place(placed("o1", units).model_copy(update={"allocation": None}))
    if settled:
        shop.run()
    for number, (name, which, some) in enumerate(steps):
        unplanned(shop, name, which, some, number)
    shop.run()
    order = order_of(shop)
    wanted = 0 if order.status == "cancelled" else sum(line.quantity for line in order.lines.values())
    held = shop.stock("main").held.get("o1")
    assert (held.quantity if held else 0) == wanted
    assert order.proposal is None or not order.proposal.confirmed
