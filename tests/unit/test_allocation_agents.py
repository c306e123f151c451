"""What do agents make of an order that is allocated by rules? Each alone, and all in a small shop."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.aggregates import aggregate_of
from domain.allocation import (
    AllocationFailed,
    AllocationPlanned,
    AllocationRevised,
    AllocationRules,
    AllocationSettled,
    AllocationTerms,
    CancelAllocation,
    FewestSplits,
    Free,
    KeepSafetyStock,
    OrderSplit,
    Pick,
    PlanAllocation,
    SettleAllocation,
    Site,
    WantedLine,
)
from domain.allocation.rules import WhenShort
from domain.carrier import ParcelLine, ShipmentDispatched
from domain.inventory import (
    STOCK,
    ReceiveStock,
    RecordShortPick,
    ReleaseStock,
    ReserveStock,
    SetStockRules,
    Stock,
    StockReservationRefused,
    StockReserved,
    StockRules,
)
from domain.kernel import Event, Fact, Group, Refused
from domain.order import (
    CancelOrder,
    CancelOrderLines,
    Line,
    LineCut,
    LineQuantity,
    MarkReserved,
    OrderCancelled,
    OrderConfirmed,
    OrderEditConfirmed,
    OrderEdited,
    OrderHeld,
    OrderLinesCancelled,
    OrderPlaced,
    OrderReleased,
    OrderReserved,
    OrderShipped,
    PaymentChange,
    Portion,
    Terms,
    UnitsChange,
)
from domain.payment import PaymentAuthorized, PaymentCaptured, RequestCapture, RequestRefund
from domain.personal import Sealed
from domain.streams import order_stream, stock_stream
from domain.warehouse.pick_list import (
    CancelPickList,
    CutPickLine,
    HoldPickList,
    PickLine,
    PickListCancelled,
    PickListReleased,
    PickShorted,
    ReleasePickList,
    ResumePickList,
)
from services.agents.agent import Agent, order_key
from services.agents.allocation import ALLOCATION_AGENT
from services.agents.carrier import CARRIER_AGENT
from services.agents.inventory import INVENTORY_AGENT
from services.agents.order import ORDER_AGENT
from services.agents.payment import PAYMENT_AGENT
from services.agents.warehouse import WAREHOUSE_AGENT
from tests.unit.test_agents import NOW, react_to

FEWEST, KEEP = FewestSplits(kind="fewest_splits"), KeepSafetyStock(kind="safety_stock", units=1)


def terms(when_short: WhenShort = "all_or_nothing", *, sites: int = 2, keep: bool = False) -> AllocationTerms:
    rules = AllocationRules(rules=(FEWEST, KEEP) if keep else (FEWEST,), when_short=when_short)
    places = tuple(Site(warehouse=f"w{at}") for at in range(sites))
    return AllocationTerms(version=1, rules=rules, sites=places)


def placed(order_id: str = "o1", units: int = 2, allocation: AllocationTerms | None = None) -> OrderPlaced:
    return OrderPlaced(
        order_id=order_id,
        checkout_id="c1",
        subject="s1",
        customer=Sealed(sealed="…"),
        ship_to_state="SP",
        currency="BRL",
        lines=(Line(line=1, sku="A", quantity=units, unit_price_cents=500),),
        portions=(),
        on_account=True,
        total_cents=500 * units,
        terms=Terms(),
        allocation=allocation or terms(),
    )


ASKED = PlanAllocation(
    order_id="o1",
    attempt=1,
    terms=terms(),
    ship_to_state="SP",
    lines=(WantedLine(line=1, sku="A", quantity=2),),
)
PICKS = (
    Pick(line=1, sku="A", warehouse="w0", quantity=1),
    Pick(line=1, sku="A", warehouse="w1", quantity=1),
)
PLANNED = AllocationPlanned(
    order_id="o1", attempt=1, settings_version=1, rule="fewest_splits", kept=1, picks=PICKS, candidates=()
)
SHORT = PLANNED.model_copy(update={"picks": PICKS[:1], "short": (WantedLine(line=1, sku="A", quantity=1),)})
FAILED = AllocationFailed(order_id="o1", attempt=2, settings_version=1, reason="not_enough", candidates=())
CANCELLED = OrderCancelled(order_id="o1", reason="customer")
CONFIRMED = OrderConfirmed(order_id="o1")


def reserved(warehouse: str) -> StockReserved:
    return StockReserved(order_id="o1", sku="A", warehouse=warehouse, quantity=1, expires_at=NOW)


def refused(warehouse: str, available: int = 0) -> StockReservationRefused:
    return StockReservationRefused(order_id="o1", sku="A", warehouse=warehouse, wanted=1, available=available)


def commands_of(agent: Agent, *heard: Event) -> list[Any]:
    return react_to(agent, *heard)[1]


def test_an_order_is_planned_when_it_is_placed_and_no_other_is() -> None:
    assert commands_of(ALLOCATION_AGENT, placed()) == [ASKED]
    plain = placed().model_copy(update={"allocation": None})
    assert commands_of(ALLOCATION_AGENT, plain) == []
    assert len(commands_of(INVENTORY_AGENT, plain)) == 1
    assert commands_of(INVENTORY_AGENT, placed()) == [], "it is planned first"


def test_what_is_planned_is_reserved_all_or_nothing_without_waiting() -> None:
    commands = commands_of(INVENTORY_AGENT, placed(), PLANNED)
    assert [(c.warehouse, c.quantity, c.keep, c.waits) for c in commands] == [
        ("w0", 1, 1, False),
        ("w1", 1, 1, False),
    ]
    (group,) = INVENTORY_AGENT.react(
        INVENTORY_AGENT.react(INVENTORY_AGENT.initial, _fact(placed())).process, _fact(PLANNED, 2)
    ).commands
    assert len(group.targets) == 2
    assert commands_of(INVENTORY_AGENT, placed(), CANCELLED, PLANNED) == []


def _fact(event: Event, position: int = 1, causation: str = "") -> Fact:
    return Fact(position, "order-m.o1", 1, event, "m", "c1", causation, UUID(int=position), NOW, NOW)


def test_each_refused_plan_is_followed_by_one_that_knows_of_all_that_was_refused() -> None:
    plan_id = str(UUID(int=2))
    heard = [
        _fact(placed()),
        _fact(PLANNED, 2),
        _fact(refused("w0"), 3, plan_id),
        _fact(refused("w1", available=5), 4, plan_id),
        _fact(PLANNED.model_copy(update={"attempt": 2}), 5),
        _fact(refused("w1", available=3), 6, str(UUID(int=5))),
    ]
    process: Any = ALLOCATION_AGENT.initial
    asked = []
    for fact in heard:
        reaction = ALLOCATION_AGENT.react(process, fact)
        process = reaction.process
        asked += [t.command for group in reaction.commands for t in group.targets]
    told = [(each.attempt, {(f.warehouse, f.units) for f in each.known}) for each in asked]
    assert told == [(1, set()), (2, {("w0", 0)}), (3, {("w0", 0), ("w1", 3)})]


def test_a_plan_that_is_reserved_is_settled() -> None:
    heard = (placed(), PLANNED, reserved("w0"))
    assert commands_of(ALLOCATION_AGENT, *heard) == []
    settle = SettleAllocation(order_id="o1", attempt=1)
    assert commands_of(ALLOCATION_AGENT, *heard, reserved("w1")) == [settle]
    assert commands_of(ALLOCATION_AGENT, *heard, CANCELLED) == [CancelAllocation(order_id="o1")]
    assert commands_of(ALLOCATION_AGENT, *heard, CANCELLED, reserved("w1")) == []


def test_the_order_waits_for_the_plan_and_ends_where_there_is_none() -> None:
    assert commands_of(ORDER_AGENT, placed()) == []
    assert commands_of(ORDER_AGENT, placed(), PLANNED, refused("w0")) == []
    assert commands_of(ORDER_AGENT, placed(), PLANNED, reserved("w0")) == []
    mark = MarkReserved(order_id="o1")
    assert commands_of(ORDER_AGENT, placed(), PLANNED, reserved("w0"), reserved("w1")) == [mark]
    cancel = CancelOrder(order_id="o1", reason="stock")
    assert commands_of(ORDER_AGENT, placed(), PLANNED, FAILED) == [cancel]


def test_what_an_order_will_not_get_is_cut_off_it() -> None:
    """It says what there is, so that it takes no more where the buyer cuts the order at the same time."""
    short = {"lines": (LineQuantity(line=1, quantity=1),), "unfound": True, "had": {1: 1}, "skus": {1: "A"}}
    cut = CancelOrderLines(order_id="o1", cancel_id="allocation", reason="stock", **short)
    assert commands_of(ORDER_AGENT, placed(), SHORT, reserved("w0")) == [MarkReserved(order_id="o1"), cut]


PAID = placed().model_copy(
    update={"on_account": False, "portions": (Portion(payment_id="p1", method="card", amount_cents=1000),)}
)
LESS = PaymentChange(payment_id="p1", method="card", amount_cents=500, change_cents=-500)
CUT = OrderLinesCancelled(
    order_id="o1",
    cancel_id="allocation",
    reason="stock",
    lines=(LineCut(line=1, sku="A", warehouse="main", quantity=1, left=1, amount_cents=500),),
    units=(UnitsChange(sku="A", warehouse="main", quantity=1, change=-1),),
    products=(),
    payments=(LESS,),
    items_change_cents=-500,
    shipping_change_cents=0,
    lines_change=0,
    adjustment_cents=0,
    change_cents=-500,
    total_cents=500,
)


def test_units_are_reserved_where_they_will_be_shipped_from() -> None:
    """In the warehouses of the plan, which the parcels leave from as well, wherever their lines once said."""
    reserved_at = {c.warehouse for c in commands_of(INVENTORY_AGENT, placed(), PLANNED)}
    parcels = commands_of(CARRIER_AGENT, placed(), PLANNED, CONFIRMED)
    shipped_from = {line.warehouse for each in parcels for line in each.lines}
    assert reserved_at == shipped_from == {pick.warehouse for pick in PICKS}


def test_of_what_is_planned_nothing_is_let_go_for_a_cut() -> None:
    """The plan never had those units. Where there is no plan they are let go where their line says."""
    plain = placed().model_copy(update={"allocation": None})
    let_go = ReleaseStock(order_id="o1", sku="A", warehouse="main", quantity=1)
    assert commands_of(INVENTORY_AGENT, plain, CUT) == [let_go]
    process, commands, _ = react_to(INVENTORY_AGENT, placed(), SHORT, CUT)
    assert (commands, [(i.warehouse, i.quantity) for i in process.items]) == ([], [("w0", 1)])


HELD_MONEY = PaymentAuthorized(payment_id="p1", order_id="o1", amount_cents=1000, provider_reference="r")


def test_of_what_is_cut_no_money_is_kept() -> None:
    begun = (PAID, OrderReserved(order_id="o1"), HELD_MONEY)
    sent = OrderShipped(order_id="o1", shipment_id="o1")
    taken = PaymentCaptured(payment_id="p1", order_id="o1", capture_id="c1", amount_cents=1000)
    (capture,) = commands_of(PAYMENT_AGENT, *begun, CUT, sent)
    assert isinstance(capture, RequestCapture)
    assert capture.amount_cents == 500
    (refund,) = commands_of(PAYMENT_AGENT, *begun, sent, taken, CUT)
    assert isinstance(refund, RequestRefund)
    assert refund.amount_cents == 500
    assert commands_of(PAYMENT_AGENT, *begun, sent, CUT) == [], "it is about to be captured whole"
    (late,) = commands_of(PAYMENT_AGENT, *begun, sent, CUT, taken)
    assert isinstance(late, RequestRefund)
    assert late.amount_cents == 500


def test_what_is_authorised_for_a_change_is_captured_only_once_it_is_made() -> None:
    more = PaymentChange(payment_id="p2", method="card", amount_cents=300, change_cents=300)
    wanted = OrderEditConfirmed(order_id="o1", change_set_id="e1", currency="BRL", units=(), payments=(more,))
    begun = (PAID, OrderReserved(order_id="o1"), HELD_MONEY, wanted)
    sent = OrderShipped(order_id="o1", shipment_id="o1")
    assert [each.payment_id for each in commands_of(PAYMENT_AGENT, *begun)] == ["p2"]
    assert [each.payment_id for each in commands_of(PAYMENT_AGENT, *begun, sent)] == ["p1"]


HELD = OrderHeld(order_id="o1", hold_id="h1", reason="fraud")
LET_GO = OrderReleased(order_id="o1", hold_id="h1", reason="fraud", remaining=0)
IDS = [{"pick_list_id": "o1.1"}, {"pick_list_id": "o1.2"}]


def lists(*, held: bool = False) -> list[ReleasePickList]:
    line = (PickLine(line=1, sku="A", quantity=1),)
    return [
        ReleasePickList(**ids, order_id="o1", warehouse=warehouse, lines=line, held=held)
        for ids, warehouse in zip(IDS, ("w0", "w1"), strict=True)
    ]


@pytest.mark.parametrize(
    ("heard", "then"),
    [
        ([PLANNED], []),
        ([CONFIRMED], []),
        ([PLANNED, CONFIRMED], lists()),
        ([PLANNED, CONFIRMED, CONFIRMED], []),
        ([PLANNED, HELD, CONFIRMED], lists(held=True)),
        ([PLANNED, HELD, LET_GO, CONFIRMED], lists()),
        ([PLANNED, CONFIRMED, HELD], [HoldPickList(**ids) for ids in IDS]),
        ([PLANNED, CONFIRMED, HELD, LET_GO], [ResumePickList(**ids) for ids in IDS]),
        ([PLANNED, CONFIRMED, CANCELLED], [CancelPickList(**ids, reason="order_cancelled") for ids in IDS]),
        ([PLANNED, CANCELLED], []),
    ],
)
def test_pick_lists_follow_the_order(heard: list[Event], then: list[Any]) -> None:
    assert commands_of(WAREHOUSE_AGENT, *heard) == then


BY_HAND = PickListReleased(
    pick_list_id="mine", order_id="o1", warehouse="w9", lines=(PickLine(line=1, sku="A", quantity=3),)
)
MINE = {"pick_list_id": "mine"}
AGAIN = BY_HAND.model_copy(update={"pick_list_id": "again"})
NO_MORE = PickListCancelled(**MINE, order_id="o1", reason="staff")
NOT_FOUND = PickShorted(**MINE, order_id="o1", warehouse="w9", line=1, sku="A", quantity=1, reason="missing")


def left(quantity: int, cancel_id: str = "c1") -> OrderLinesCancelled:
    line = LineCut(line=1, sku="A", warehouse="w9", quantity=1, left=quantity, amount_cents=0)
    return CUT.model_copy(update={"cancel_id": cancel_id, "lines": (line,)})


@pytest.mark.parametrize(
    ("heard", "then"),
    [
        ([BY_HAND], []),
        ([BY_HAND, HELD], [HoldPickList(**MINE)]),
        ([HELD, BY_HAND], [HoldPickList(**MINE)]),
        ([BY_HAND, HELD, LET_GO], [ResumePickList(**MINE)]),
        ([BY_HAND, CANCELLED], [CancelPickList(**MINE, reason="order_cancelled")]),
        ([CANCELLED, BY_HAND], [CancelPickList(**MINE, reason="order_cancelled")]),
        ([BY_HAND, left(2)], [CutPickLine(**MINE, cause="c1", line=1, quantity=1, left=2)]),
        ([BY_HAND, left(2), left(1, "c2")], [CutPickLine(**MINE, cause="c2", line=1, quantity=1, left=1)]),
        ([BY_HAND, left(3)], []),
        ([BY_HAND, NOT_FOUND, left(2)], []),  # the unit that is called off is the one that was not found
        (
            [BY_HAND, NO_MORE, AGAIN, left(2)],
            [CutPickLine(pick_list_id="again", cause="c1", line=1, quantity=1, left=2)],
        ),
        ([BY_HAND, NO_MORE, HELD], []),
        ([BY_HAND, BY_HAND, HELD], [HoldPickList(**MINE)]),
    ],
)
def test_a_list_by_hand_stops_with_its_order(heard: list[Event], then: list[Any]) -> None:
    assert commands_of(WAREHOUSE_AGENT, *heard) == then


def test_a_list_by_hand_follows_a_change_of_its_order() -> None:
    line = Line(line=1, sku="A", warehouse="w9", quantity=1, unit_price_cents=500)
    names = {"order_id": "o1", "change_set_id": "e1", "currency": "BRL"}
    sums = dict.fromkeys(
        ("items_change_cents", "shipping_change_cents", "adjustment_cents", "change_cents", "total_cents"), 0
    )
    fewer = OrderEdited(**names, lines=(line,), lines_change=0, **sums)
    removed = OrderEdited(**names, removed=(1,), lines_change=-1, **sums)
    cut = CutPickLine(**MINE, cause="e1", line=1, quantity=2, left=1)
    assert commands_of(WAREHOUSE_AGENT, BY_HAND, fewer) == [cut]
    gone = cut.model_copy(update={"quantity": 3, "left": 0})
    assert commands_of(WAREHOUSE_AGENT, BY_HAND, removed) == [gone]


SHORTED = PickShorted(
    pick_list_id="o1.1",
    order_id="o1",
    warehouse="w0",
    line=1,
    sku="A",
    quantity=1,
    reason="damaged",
    note="wet",
)
RECORD = RecordShortPick(order_id="o1", sku="A", warehouse="w0", quantity=1, reason="damaged", note="wet")
PICKED_SHORT = (placed(), PLANNED, CONFIRMED, SHORTED)
SHORT_ID = f"short-{UUID(int=len(PICKED_SHORT))}"


def test_a_short_pick_is_known_to_the_stock_once_the_plan_says_so_and_not_booked_out() -> None:
    assert commands_of(INVENTORY_AGENT, *PICKED_SHORT) == []
    short = (pick for pick in PICKS if pick.warehouse == "w0")
    left = tuple(pick for pick in PICKS if pick.warehouse == "w1")
    revised = AllocationRevised(order_id="o1", cause=SHORT_ID, picks=left, short=tuple(short))
    process, commands, _ = react_to(INVENTORY_AGENT, *PICKED_SHORT, revised)
    assert commands == [RECORD]
    assert [item.warehouse for item in process.items] == ["w1"]


def test_what_was_not_found_after_it_was_let_go_is_no_short_pick_of_the_stock() -> None:
    """Nothing of the plan is short: whoever has the units now will miss them."""
    revised = AllocationRevised(order_id="o1", cause=SHORT_ID, picks=PICKS)
    process, commands, _ = react_to(INVENTORY_AGENT, *PICKED_SHORT, revised)
    assert (commands, process.shorts) == ([], ())
    assert [item.warehouse for item in process.items] == ["w0", "w1"]


def test_what_was_not_found_is_no_stock_that_a_cancellation_lets_go() -> None:
    """The plan is over, too, and says no more which units they were."""
    place = {"order_id": "o1", "sku": "A"}
    assert commands_of(INVENTORY_AGENT, *PICKED_SHORT, CANCELLED) == [
        RECORD,
        ReleaseStock(**place, warehouse="w0"),
        ReleaseStock(**place, warehouse="w1"),
    ]


def test_a_parcel_takes_no_unit_that_was_not_found_before_the_plan_says_so() -> None:
    lines = tuple(
        ParcelLine(sku=pick.sku, warehouse=pick.warehouse, quantity=pick.quantity) for pick in PICKS
    )
    away = ShipmentDispatched(shipment_id="o1", order_id="o1", lines=lines)
    assert [each.warehouse for each in commands_of(INVENTORY_AGENT, *PICKED_SHORT, away)] == ["w1"]


# all of them together


@dataclass
class Shop:
    """Streams, and agents that hear of them one fact at a time, each at its own pace."""

    choose: Callable[[int], int]
    streams: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    log: list[Fact] = field(default_factory=list)
    ears: dict[str, deque[Fact]] = field(default_factory=lambda: defaultdict(deque))
    processes: dict[tuple[str, str], Any] = field(default_factory=dict)
    agents: tuple[Agent, ...] = (ORDER_AGENT, INVENTORY_AGENT, ALLOCATION_AGENT, WAREHOUSE_AGENT)

    def append(self, stream: str, events: Iterable[Event], causation: str = "") -> None:
        for event in events:
            position = len(self.log) + 1
            self.streams[stream].append(event)
            version = len(self.streams[stream])
            fact = Fact(position, stream, version, event, "m", "c1", causation, UUID(int=position), NOW, NOW)
            self.log.append(fact)
            for agent in self.agents:
                if type(event) in agent.interests:
                    self.ears[agent.name].append(fact)

    def carry_out(self, group: Group, causation: str = "") -> None:
        """All or nothing; what says no stands instead of the others."""
        decided: dict[str, list[Event]] = {}
        for target in group.targets:
            decider = aggregate_of(target.stream)
            before = decided.setdefault(target.stream, [])
            state = decider.fold([*self.streams[target.stream], *before])
            try:
                before.extend(decider.decide(target.command, state))
            except Refused:
                return
        said_no = {s: [e for e in events if e.refusal] for s, events in decided.items()}
        kept = {s: events for s, events in said_no.items() if events} or decided
        for stream, events in kept.items():
            self.append(stream, events, causation)

    def run(self, most: int = 10**6) -> None:
        """Until all is heard, or `most` facts more are."""
        while most and (waiting := [agent for agent in self.agents if self.ears[agent.name]]):
            most -= 1
            agent = waiting[self.choose(len(waiting))]
            fact = self.ears[agent.name].popleft()
            key = (agent.name, order_key(fact))
            reaction = agent.react(self.processes.get(key, agent.initial), fact)
            self.processes[key] = reaction.process
            for group in reaction.commands:
                assert all(agent.owns(target.stream) for target in group.targets)
                self.carry_out(group, fact.event_id)

    def stock(self, warehouse: str, sku: str = "A") -> Stock:
        return STOCK.fold(self.streams[stock_stream("m", sku, warehouse)])  # type: ignore[arg-type]

    def receive(self, warehouse: str, quantity: int, rules: StockRules | None = None) -> None:
        stream = stock_stream("m", "A", warehouse)
        place = {"sku": "A", "warehouse": warehouse}
        if quantity:
            self.append(stream, STOCK.decide(ReceiveStock(**place, quantity=quantity), Stock()))
        if rules:
            self.append(stream, STOCK.decide(SetStockRules(**place, rules=rules), Stock()))

    def told(self, kind: type[Event]) -> list[Any]:
        return [fact.event for fact in self.log if isinstance(fact.event, kind)]

    def place(self, order: OrderPlaced) -> None:
        self.append(order_stream("m", order.order_id), [order])


def a_shop(*stock: int, seed: int = 0, rules: StockRules | None = None) -> Shop:
    shop = Shop(random.Random(seed).randrange)
    for at, quantity in enumerate(stock):
        shop.receive(f"w{at}", quantity, rules)
    return shop


@pytest.mark.parametrize("seed", range(30))
def test_two_buyers_one_last_unit_split_over_two_warehouses(seed: int) -> None:
    """Each wants two units, and one lies here, the other there: exactly one of them gets both."""
    shop = a_shop(1, 1, seed=seed)
    shop.place(placed("o1"))
    shop.place(placed("o2"))
    shop.run()
    (settled,), (failed,) = shop.told(AllocationSettled), shop.told(AllocationFailed)
    assert {settled.order_id, failed.order_id} == {"o1", "o2"}
    assert shop.told(OrderSplit) == [OrderSplit(order_id=settled.order_id, warehouses=("w0", "w1"))]
    assert [each.order_id for each in shop.told(OrderCancelled)] == [failed.order_id]
    assert [shop.stock(w).held.keys() for w in ("w0", "w1")] == [{settled.order_id}] * 2


def test_ship_what_you_have_cuts_the_order_to_it() -> None:
    shop = a_shop(1, 2)
    shop.place(placed("o1", 5, terms("ship_available")))
    shop.run()
    (settled,) = shop.told(AllocationSettled)
    assert settled.warehouses == ("w0", "w1")
    assert shop.told(OrderCancelled) == shop.told(AllocationFailed) == []
    order = aggregate_of("order-m.o1").fold(shop.streams["order-m.o1"])
    assert (order.units_left, order.status) == (3, "confirmed") or order.status == "reserved"


def test_what_is_not_there_is_waited_for_where_the_stock_allows_it() -> None:
    rules = StockRules(backorder_limit=10, backorder_days=7)
    shop = a_shop(1, 1, rules=rules)
    shop.place(placed("o1", 4, terms("backorder")))
    shop.run()
    assert shop.told(AllocationSettled) == shop.told(AllocationFailed) == []
    (waits,) = shop.stock("w0").waiting
    assert waits.quantity == 3
    stream = stock_stream("m", "A", "w0")
    receive = ReceiveStock(sku="A", warehouse="w0", quantity=5)
    shop.append(stream, STOCK.decide(receive, shop.stock("w0")))
    shop.run()
    assert [each.order_id for each in shop.told(AllocationSettled)] == ["o1"]


def test_it_waits_where_it_may_though_others_come_first_by_the_rules() -> None:
    shop = a_shop(1, 0, 0)
    shop.receive("w2", 0, StockRules(backorder_limit=4, backorder_days=7))
    shop.place(placed("o1", 4, terms("backorder", sites=3)))
    shop.place(placed("o2", 2, terms("backorder", sites=3)))
    shop.run()
    (failed,) = shop.told(AllocationFailed)  # for both there is no room
    assert failed.reason == "not_enough"
    (waits,) = shop.stock("w2").waiting
    assert waits.order_id != failed.order_id
    assert [shop.stock(f"w{at}").waiting for at in range(2)] == [(), ()]


def test_nobody_waits_in_one_warehouse_for_what_is_in_another() -> None:
    shop = a_shop(0, 5, rules=StockRules(backorder_limit=10, backorder_days=7))
    shop.place(placed("o1", 2))
    shop.run()
    assert [each.warehouses for each in shop.told(AllocationSettled)] == [("w1",)]
    assert shop.stock("w0").waiting == ()


def test_safety_stock_is_given_only_where_there_is_no_other_way() -> None:
    shop = a_shop(2, 3)
    shop.place(placed("o1", 2, terms(keep=True)))
    shop.run()
    assert [each.warehouses for each in shop.told(AllocationSettled)] == [("w1",)]
    shop.place(placed("o2", 3, terms(keep=True)))
    shop.run()
    assert [each.warehouses for each in shop.told(AllocationSettled)][1] == ("w0", "w1")


@given(
    stock=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    orders=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from(["all_or_nothing", "ship_available"]), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_any_number_of_buyers_at_any_pace(
    stock: list[int], orders: list[tuple[int, WhenShort, bool]], seed: int
) -> None:
    """No unit is promised twice, every order comes to an end, and none fails for what is left over."""
    shop = a_shop(*stock, seed=seed)
    for at, (units, when_short, keep) in enumerate(orders):
        shop.place(placed(f"o{at}", units, terms(when_short, sites=len(stock), keep=keep)))
    shop.run()
    ended = [each.order_id for kind in (AllocationSettled, AllocationFailed) for each in shop.told(kind)]
    assert sorted(ended) == [f"o{at}" for at in range(len(orders))]
    held: dict[str, int] = defaultdict(int)
    for at, there in enumerate(stock):
        left = shop.stock(f"w{at}")
        assert left.on_hand == there
        assert sum(each.quantity for each in left.held.values()) <= there
        for order_id, each in left.held.items():
            held[order_id] += each.quantity
    wanted = {f"o{at}": units for at, (units, _, _) in enumerate(orders)}
    for event in shop.told(AllocationFailed):
        assert held[event.order_id] == 0
        assert event.reason == "not_enough"
    for event in shop.told(AllocationSettled):
        short = sum(each.quantity for each in _last_plan(shop, event.order_id).short)
        assert held[event.order_id] == wanted[event.order_id] - short
    if not shop.told(AllocationSettled):
        assert min(wanted.values()) > sum(stock), "somebody gets it"


def _last_plan(shop: Shop, order_id: str) -> AllocationPlanned:
    plans: list[AllocationPlanned] = shop.told(AllocationPlanned)
    return [each for each in plans if each.order_id == order_id][-1]


def test_what_is_reserved_by_the_rules_leaves_what_is_kept() -> None:
    """The stock itself sees to it, in the decision that promises the units."""
    stock = STOCK.fold(STOCK.decide(ReceiveStock(sku="A", warehouse="w0", quantity=3), Stock()))
    ask = ReserveStock(
        order_id="o1", sku="A", warehouse="w0", quantity=2, now=NOW, expires_at=NOW, keep=2, waits=False
    )
    (no,) = STOCK.decide(ask, stock)
    assert isinstance(no, StockReservationRefused)
    assert no.available == 3, "what is there, not what may be had"
    (yes,) = STOCK.decide(ask.model_copy(update={"keep": 1}), stock)
    assert isinstance(yes, StockReserved)
    assert Free(sku="A", warehouse="w0", units=no.available)
