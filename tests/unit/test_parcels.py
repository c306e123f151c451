"""Parcels follow the plan, captures follow the parcels, the order counts its parcels: edge by edge."""

from __future__ import annotations

from typing import Any

import pytest

from domain.allocation import (
    AllocationPlanned,
    AllocationRevised,
    AllocationRules,
    AllocationTerms,
    FewestSplits,
    Pick,
    Site,
)
from domain.carrier import (
    SHIPMENT,
    ChangeParcel,
    ParcelLine,
    ParcelSplit,
    RequestLabelVoid,
    RequestShipment,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentReturned,
)
from domain.deadline import DeadlineReached
from domain.kernel import Command, Event
from domain.order import (
    CancelOrder,
    CancelOrderRest,
    CompleteOrder,
    Line,
    LineCut,
    OrderConfirmed,
    OrderEditConfirmed,
    OrderEditDeclined,
    OrderEdited,
    OrderHeld,
    OrderLinesCancelled,
    OrderParcelUnwanted,
    OrderPartShipped,
    OrderPaymentDropped,
    OrderPlaced,
    OrderReleased,
    OrderReserved,
    OrderShipped,
    ParcelUnits,
    PaymentChange,
    Portion,
    RecordDispatch,
    UnitsChange,
)
from domain.payment import (
    REVERSAL_PAUSES,
    AuthorizationExpired,
    DisputeWon,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentVoided,
    RefundFailed,
    RefundRequested,
    RequestCapture,
    RequestRefund,
    RequestReversal,
    RequestVoid,
    VoidFailed,
)
from domain.payment.events import AuthorizationRequested
from services.agents.agent import Agent
from services.agents.carrier import CARRIER_AGENT, ShippingProcess
from services.agents.order import ORDER_AGENT, OrderProcess
from services.agents.payment import PAYMENT_AGENT, PaymentProcess
from tests.specification import Specification
from tests.unit.test_agents import CANCELLED, NOW, fact, placed, react_to

shipment = Specification(SHIPMENT)


def line(number: int, warehouse: str, quantity: int = 2, cents: int = 500) -> Line:
    sku = f"sku{number}"
    return Line(line=number, sku=sku, warehouse=warehouse, quantity=quantity, unit_price_cents=cents)


def order(*lines: Line, payments: tuple[int, ...] = (2000,), allocated: bool = False) -> OrderPlaced:
    rules = AllocationRules(rules=(FewestSplits(kind="fewest_splits"),))
    terms = AllocationTerms(version=1, rules=rules, sites=(Site(warehouse="w0"), Site(warehouse="w1")))
    portions = tuple(
        Portion(payment_id=f"p{number}", method="card", amount_cents=cents)
        for number, cents in enumerate(payments)
    )
    fields = {"lines": lines, "portions": portions, "total_cents": sum(payments)}
    return placed().model_copy(update={**fields, "allocation": terms if allocated else None})


TWO = (line(1, "south"), line(2, "north"))
CONFIRMED, RESERVED = OrderConfirmed(order_id="o1"), OrderReserved(order_id="o1")


def units(number: int, warehouse: str, quantity: int = 2) -> ParcelLine:
    return ParcelLine(sku=f"sku{number}", warehouse=warehouse, quantity=quantity)


def sent(name: str, *lines: ParcelLine) -> ShipmentDispatched:
    total = sum(each.quantity for each in lines)
    return ShipmentDispatched(shipment_id=name, order_id="o1", units=total, lines=lines)


def back(name: str, *lines: ParcelLine) -> ShipmentReturned:
    total = sum(each.quantity for each in lines)
    return ShipmentReturned(shipment_id=name, order_id="o1", scan_id=name, units=total, lines=lines)


def delivered(name: str) -> ShipmentDelivered:
    return ShipmentDelivered(shipment_id=name, order_id="o1", scan_id=name)


def cut(number: int, warehouse: str, less: int, left: int, *payments: PaymentChange) -> OrderLinesCancelled:
    sku, cents = f"sku{number}", 500 * less
    change = UnitsChange(sku=sku, warehouse=warehouse, quantity=left, change=-less)
    return OrderLinesCancelled(
        order_id="o1",
        cancel_id=f"c{number}",
        reason="customer",
        lines=(
            LineCut(line=number, sku=sku, warehouse=warehouse, quantity=less, left=left, amount_cents=cents),
        ),
        units=(change,),
        products=(),
        payments=payments,
        items_change_cents=-cents,
        shipping_change_cents=0,
        lines_change=0,
        adjustment_cents=0,
        change_cents=-cents,
        total_cents=0,
    )


def edited(new: Line, change: int, *payments: PaymentChange) -> OrderEdited:
    place = {"sku": new.sku, "warehouse": new.warehouse}
    return OrderEdited(
        order_id="o1",
        change_set_id="e1",
        currency="BRL",
        lines=(new,),
        units=(UnitsChange(**place, quantity=new.quantity, change=change),),
        payments=payments,
        items_change_cents=0,
        shipping_change_cents=0,
        lines_change=0,
        adjustment_cents=0,
        change_cents=0,
        total_cents=0,
    )


def pay(payment: str, cents: int, change: int) -> PaymentChange:
    return PaymentChange(payment_id=payment, method="card", amount_cents=cents, change_cents=change)


def told(agent: Agent, *events: Event) -> list[tuple[Any, ...]]:
    """The commands after the last event, in short."""
    return [_short(command) for command in react_to(agent, *events)[1]]


def _short(command: Command) -> tuple[Any, ...]:
    match command:
        case RequestShipment(shipment_id=name, lines=lines) | ChangeParcel(shipment_id=name, lines=lines):
            kind = "ask" if isinstance(command, RequestShipment) else "change"
            return (kind, name, *((each.sku, each.warehouse, each.quantity) for each in lines))
        case RequestLabelVoid(shipment_id=name):
            return ("void", name)
        case RequestCapture(payment_id=payment, capture_id=name, amount_cents=cents):
            return ("capture", payment, name.removeprefix(f"{payment}."), cents)
        case RequestRefund(payment_id=payment, amount_cents=cents):
            return ("refund", payment, cents)
        case RequestVoid(payment_id=payment):
            return ("let go", payment)
        case RequestReversal(payment_id=payment):
            return ("reverse", payment)
    return (type(command).__name__,)


def parcels(*events: Event) -> list[tuple[Any, ...]]:
    return told(CARRIER_AGENT, *events)


NORTH, SOUTH = ("sku2", "north", 2), ("sku1", "south", 2)


def test_one_parcel_for_each_warehouse_from_which_units_leave() -> None:
    assert parcels(order(*TWO), CONFIRMED) == [("ask", "o1", NORTH), ("ask", "o1.parcel-2", SOUTH)]
    together = order(line(1, "south"), line(2, "south"))
    assert parcels(together, CONFIRMED) == [("ask", "o1", ("sku1", "south", 2), ("sku2", "south", 2))]


def planned(*picks: tuple[int, str, int]) -> AllocationPlanned:
    chosen = [Pick(line=n, sku=f"sku{n}", warehouse=w, quantity=q) for n, w, q in picks]
    fields = {"attempt": 1, "settings_version": 1, "rule": "fewest_splits", "candidates": ()}
    return AllocationPlanned(order_id="o1", picks=tuple(chosen), **fields)


def test_an_allocated_orders_parcels_are_those_of_its_last_plan() -> None:
    heard = [order(line(1, "main", 3), allocated=True), planned((1, "w0", 3))]
    again = planned((1, "w0", 1), (1, "w1", 2))
    assert parcels(*heard, again, CONFIRMED) == [
        ("ask", "o1", ("sku1", "w0", 1)),
        ("ask", "o1.parcel-2", ("sku1", "w1", 2)),
    ]


def test_an_allocated_orders_parcels_follow_the_revisions_of_its_plan() -> None:
    heard = [order(line(1, "main", 3), allocated=True), planned((1, "w0", 1), (1, "w1", 2)), CONFIRMED]
    less = AllocationRevised(order_id="o1", cause="c1", picks=planned((1, "w0", 1), (1, "w1", 1)).picks)
    assert parcels(*heard, cut(1, "main", 1, 2)) == [], "from where is for the plan to say"
    assert parcels(*heard, cut(1, "main", 1, 2), less) == [("change", "o1.parcel-2", ("sku1", "w1", 1))]
    gone = AllocationRevised(order_id="o1", cause="c1", picks=planned((1, "w0", 1)).picks)
    assert parcels(*heard, cut(1, "main", 2, 1), gone) == [("void", "o1.parcel-2")]


def test_what_the_plan_lacks_is_in_no_parcel() -> None:
    short = cut(1, "w0", 1, 1).model_copy(update={"cancel_id": "allocation"})
    heard = [order(line(1, "w0", 2), allocated=True), planned((1, "w0", 1)), short, CONFIRMED]
    assert parcels(*heard) == [("ask", "o1", ("sku1", "w0", 1))]


def test_a_part_cancel_changes_the_parcel_of_its_warehouse_only() -> None:
    asked = (order(*TWO), CONFIRMED)
    assert parcels(*asked, cut(1, "south", 1, 1)) == [("change", "o1.parcel-2", ("sku1", "south", 1))]
    assert parcels(order(*TWO), cut(1, "south", 1, 1), CONFIRMED)[1] == (
        "ask",
        "o1.parcel-2",
        ("sku1", "south", 1),
    )


def test_a_parcel_that_is_left_empty_has_its_label_voided() -> None:
    assert parcels(order(*TWO), CONFIRMED, cut(1, "south", 2, 0)) == [("void", "o1.parcel-2")]
    assert parcels(order(*TWO), CONFIRMED, cut(1, "south", 2, 0), CANCELLED) == [("void", "o1")]


def test_new_units_go_with_the_open_parcel_of_their_warehouse_or_in_one_of_their_own() -> None:
    more = edited(line(3, "north", 1), 1)
    asked = (order(*TWO), CONFIRMED)
    assert parcels(*asked, more) == [("change", "o1", NORTH, ("sku3", "north", 1))]
    gone = sent("o1", units(2, "north"))
    assert parcels(*asked, gone, more) == [("ask", "o1.parcel-3", ("sku3", "north", 1))]
    elsewhere = edited(line(3, "west", 1), 1)
    assert parcels(*asked, elsewhere) == [("ask", "o1.parcel-3", ("sku3", "west", 1))]


def test_a_change_that_comes_too_late_for_the_parcel_goes_in_another() -> None:
    """It was asked of the parcel, which had left by then."""
    asked = (order(*TWO), CONFIRMED, edited(line(2, "north", 3), 1))
    assert parcels(*asked, sent("o1", units(2, "north"))) == [("ask", "o1.parcel-3", ("sku2", "north", 1))]


def test_a_unit_that_left_though_it_was_called_off_is_not_one_that_is_wanted_later() -> None:
    """Of what is in a parcel the order counts what was wanted when it left."""
    asked = (order(*TWO), CONFIRMED, cut(2, "north", 1, 1), sent("o1", units(2, "north")))
    counted = OrderPartShipped(order_id="o1", shipment_id="o1", units=(ParcelUnits(**PLACE_2, quantity=1),))
    more = edited(line(2, "north", 2), 1)
    assert parcels(*asked, counted, more) == [("ask", "o1.parcel-3", ("sku2", "north", 1))]


def test_a_parcel_of_which_nothing_was_wanted_holds_nothing_that_is_wanted_later() -> None:
    asked = (order(*TWO), CONFIRMED, cut(2, "north", 2, 0), sent("o1", units(2, "north")))
    unwanted = OrderParcelUnwanted(order_id="o1", shipment_id="o1")
    more = edited(line(2, "north", 2), 2)
    assert parcels(*asked, unwanted) == []
    assert parcels(*asked, unwanted, more) == [("ask", "o1.parcel-3", ("sku2", "north", 2))]


PLACE_2 = {"sku": "sku2", "warehouse": "north"}


def test_a_new_parcel_waits_for_the_release_of_a_hold() -> None:
    held = OrderHeld(order_id="o1", hold_id="h1", reason="fraud")
    released = OrderReleased(order_id="o1", hold_id="h1", reason="fraud", remaining=0)
    heard = (order(*TWO), CONFIRMED, held, edited(line(3, "west", 1), 1))
    assert parcels(*heard) == []
    free = [("ReleaseParcel",), ("ReleaseParcel",)]
    assert parcels(*heard, released) == [*free, ("ask", "o1.parcel-3", ("sku3", "west", 1))]


def split(name: str, into: str, *lines: ParcelLine) -> ParcelSplit:
    return ParcelSplit(shipment_id=name, order_id="o1", into=into, lines=lines, units_left=1)


def test_a_parcel_that_a_person_split_is_counted() -> None:
    heard = (order(line(1, "main", 3)), CONFIRMED, split("o1", "by hand", units(1, "main", 1)))
    assert (
        parcels(*heard, cut(1, "main", 2, 1))
        == [("void", "by hand"), ("change", "o1", ("sku1", "main", 1))][::-1]
    )


def test_a_part_cancel_that_crosses_with_a_split_is_asked_again() -> None:
    """The split came first, so that the parcel was then said to hold what is in the other one."""
    heard = (order(line(1, "main", 3)), CONFIRMED, cut(1, "main", 1, 2))
    again = [("change", "o1", ("sku1", "main", 1))]
    assert parcels(*heard, split("o1", "by hand", units(1, "main", 1))) == again


def test_a_parcel_that_was_split_off_while_the_order_was_cancelled_is_called_off_too() -> None:
    by_hand = split("o1", "by hand", units(1, "main", 1))
    assert parcels(order(line(1, "main", 3)), CONFIRMED, CANCELLED, by_hand) == [("void", "by hand")]


def test_a_person_who_took_the_name_of_the_next_parcel_moves_it_on() -> None:
    heard = (order(*TWO), CONFIRMED, split("o1", "o1.parcel-2", units(2, "north", 1)))
    assert ("ask", "o1.parcel-3", SOUTH) in parcels(*heard)


def test_a_name_that_is_taken_is_refused() -> None:
    ask = react_to(CARRIER_AGENT, order(*TWO), CONFIRMED)[1][0]
    assert isinstance(ask, RequestShipment)
    (asked,) = SHIPMENT.decide(ask, SHIPMENT.initial)
    shipment.given(asked).when(ask).then_nothing()
    shipment.given(asked).when(ask.model_copy(update={"lines": ()})).then_refused("shipment_new")
    shipment.given(asked).when(ask.model_copy(update={"order_id": "o2"})).then_refused("shipment_new")


# ---- the order


A_NORTH, A_SOUTH = units(2, "north"), units(1, "south")
SENT_1, SENT_2 = sent("o1", A_NORTH), sent("o1.parcel-2", A_SOUTH)
PART_1 = OrderPartShipped(
    order_id="o1", shipment_id="o1", units=(ParcelUnits(sku="sku2", warehouse="north", quantity=2),)
)
SHIPPED = OrderShipped(order_id="o1", shipment_id="o1.parcel-2")
CALLED_OFF = OrderShipped(order_id="o1")
PAID = PaymentCaptured(payment_id="p0", order_id="o1", capture_id="p0.capture", amount_cents=2000)
DONE = [CompleteOrder(order_id="o1")]


def test_the_order_is_told_which_units_left() -> None:
    where = ParcelUnits(sku="sku2", warehouse="north", quantity=2)
    record = RecordDispatch(order_id="o1", shipment_id="o1", units=(where,))
    assert react_to(ORDER_AGENT, order(*TWO), SENT_1)[1] == [record]


def test_an_order_completes_with_the_last_of_its_parcels() -> None:
    heard = (order(*TWO), SENT_1, PART_1, PAID, delivered("o1"))
    assert react_to(ORDER_AGENT, *heard)[1] == [], "the other is still to be sent"
    assert react_to(ORDER_AGENT, *heard, SENT_2, SHIPPED)[1] == []
    assert react_to(ORDER_AGENT, *heard, SENT_2, SHIPPED, delivered("o1.parcel-2"))[1] == DONE
    assert react_to(ORDER_AGENT, *heard, SENT_2, delivered("o1.parcel-2"), SHIPPED)[1] == DONE
    assert react_to(ORDER_AGENT, *heard, CALLED_OFF)[1] == DONE, "the rest was called off"


def test_some_delivered_and_some_came_back_completes_with_the_rest() -> None:
    heard = (order(*TWO), SENT_1, PART_1, SENT_2, SHIPPED, PAID, back("o1.parcel-2", A_SOUTH))
    assert react_to(ORDER_AGENT, *heard)[1] == []
    assert react_to(ORDER_AGENT, *heard, delivered("o1"))[1] == DONE


def test_what_came_back_of_the_order_ends_it_whatever_was_sent_beside_it() -> None:
    """The second parcel left with what was called off: it is none of the order's."""
    heard = (order(*TWO), SENT_1, SENT_2, SHIPPED.model_copy(update={"shipment_id": "o1"}))
    over = (*heard, back("o1", A_NORTH), PaymentVoided(payment_id="p0", order_id="o1", amount_cents=2000))
    assert react_to(ORDER_AGENT, *over)[1] == [CancelOrder(order_id="o1", reason="returned")]


def test_all_came_back_is_a_returned_order() -> None:
    given = PAID.model_copy(update={"amount_cents": 2000})
    heard = (
        order(*TWO),
        SENT_1,
        PART_1,
        SENT_2,
        SHIPPED,
        given,
        back("o1.parcel-2", A_SOUTH),
        back("o1", A_NORTH),
    )
    assert react_to(ORDER_AGENT, *heard)[1] == [], "its money is not back yet"


def test_an_authorisation_that_lapses_between_parcels_calls_off_the_rest() -> None:
    lapsed = AuthorizationExpired(payment_id="p0", order_id="o1", amount_cents=1000)
    part = PAID.model_copy(update={"amount_cents": 1000})
    rest = CancelOrderRest(order_id="o1", cancel_id="p0.expired", reason="expired")
    assert react_to(ORDER_AGENT, order(*TWO), SENT_1, part, lapsed)[1] == [rest]
    assert react_to(ORDER_AGENT, order(*TWO), SENT_1, PAID, lapsed)[1] == [], "it has brought all it should"
    assert react_to(ORDER_AGENT, order(*TWO), SENT_1, part, SENT_2, SHIPPED, lapsed)[1] == []


# ---- the money: it follows what the order says has left


def left(name: str, *lines: ParcelLine) -> OrderPartShipped:
    wanted = tuple(ParcelUnits(**dict(each)) for each in lines)
    return OrderPartShipped(order_id="o1", shipment_id=name, units=wanted)


def last(name: str = "") -> OrderShipped:
    return OrderShipped(order_id="o1", shipment_id=name)


LEFT_1, LAST_2, CALLED_OFF = left("o1", A_NORTH), last("o1.parcel-2"), last()
BACK_1, BACK_2 = back("o1", A_NORTH), back("o1.parcel-2", A_SOUTH)


def authorized(payment: str, cents: int) -> PaymentAuthorized:
    ids = {"payment_id": payment, "order_id": "o1"}
    return PaymentAuthorized(**ids, amount_cents=cents, provider_reference="r")


def captured(payment: str, number: int, cents: int) -> PaymentCaptured:
    name = f"{payment}.capture" + (f".{number}" if number > 1 else "")
    return PaymentCaptured(payment_id=payment, order_id="o1", capture_id=name, amount_cents=cents)


def money(*events: Event) -> list[tuple[Any, ...]]:
    return told(PAYMENT_AGENT, *events)


def begun(*lines: Line, payments: tuple[int, ...] = (2000,)) -> tuple[Event, ...]:
    yes = (authorized(f"p{number}", cents) for number, cents in enumerate(payments))
    return (order(*lines, payments=payments), RESERVED, *yes)


def test_each_parcel_captures_its_share_and_the_last_one_the_rest() -> None:
    thirds = (line(1, "a", 1, 1), line(2, "b", 1, 1), line(3, "c", 1, 1))
    heard = begun(*thirds, payments=(1000,))
    one, two = left("o1", units(1, "a", 1)), left("o1.parcel-2", units(2, "b", 1))
    assert money(*heard, one) == [("capture", "p0", "capture", 333)]
    assert money(*heard, one, two) == [("capture", "p0", "capture.2", 333)]
    assert money(*heard, one, two, last("o1.parcel-3")) == [("capture", "p0", "capture.3", 334)]


def test_several_payments_share_each_parcel_to_the_cent() -> None:
    heard = begun(*TWO, payments=(1999, 1))
    assert money(*heard, LEFT_1) == [("capture", "p0", "capture", 1000)]
    rest = [("capture", "p0", "capture.2", 999), ("capture", "p1", "capture", 1)]
    assert money(*heard, LEFT_1, LAST_2) == rest


def test_a_parcel_of_no_worth_captures_nothing() -> None:
    free = begun(line(1, "south", cents=0), line(2, "north"), payments=(1000,))
    assert money(*free, left("o1.parcel-2", A_SOUTH)) == []
    assert money(*free, left("o1.parcel-2", A_SOUTH), last("o1")) == [("capture", "p0", "capture", 1000)]
    assert money(*free, LEFT_1) == [("capture", "p0", "capture", 1000)]
    assert money(*free, LEFT_1, LAST_2) == []


def test_a_payment_of_nothing_is_captured_with_the_last_parcel() -> None:
    """So that it is over, as the others are."""
    heard = begun(*TWO, payments=(2000, 0))
    assert money(*heard, LEFT_1) == [("capture", "p0", "capture", 1000)]
    last_ones = [("capture", "p0", "capture.2", 1000), ("capture", "p1", "capture", 0)]
    assert money(*heard, LEFT_1, LAST_2) == last_ones
    called_off = cut(1, "south", 2, 0, pay("p0", 1000, -1000), pay("p1", 0, -5))
    assert money(*begun(*TWO, payments=(2000, 5)), called_off)[0] == ("reverse", "p1")


def test_where_all_is_free_its_shipping_is_taken_by_units() -> None:
    gifts = begun(line(1, "south", 3, 0), line(2, "north", 1, 0), payments=(400,))
    assert money(*gifts, left("o1", units(2, "north", 1))) == [("capture", "p0", "capture", 100)]


def test_a_part_cancel_between_parcels_leaves_less_to_be_captured() -> None:
    heard = (*begun(*TWO), LEFT_1, captured("p0", 1, 1000))
    less = cut(1, "south", 1, 1, pay("p0", 1500, -500))
    assert money(*heard, less) == []
    assert money(*heard, less, LAST_2) == [("capture", "p0", "capture.2", 500)]


def test_what_will_never_be_captured_is_let_go_when_the_last_unit_has_left_or_is_cut() -> None:
    heard = (*begun(*TWO), LEFT_1, captured("p0", 1, 1000))
    rest = cut(1, "south", 2, 0, pay("p0", 1000, -1000))
    assert money(*heard, rest) == []
    assert money(*heard, rest, CALLED_OFF) == [("let go", "p0")]
    less = cut(1, "south", 1, 1, pay("p0", 1500, -500))
    assert money(*heard, less, LAST_2, captured("p0", 2, 500)) == [("let go", "p0")]
    assert money(*heard, LAST_2, captured("p0", 2, 1000)) == [], "all of it is taken"


def test_what_the_provider_would_not_let_go_is_asked_for_again() -> None:
    rest = cut(1, "south", 2, 0, pay("p0", 1000, -1000))
    heard = (*begun(*TWO), LEFT_1, captured("p0", 1, 1000), rest, CALLED_OFF)
    failed = VoidFailed(payment_id="p0", order_id="o1", reason="no")
    assert react_to(PAYMENT_AGENT, *heard, failed)[2] == [("reversal p0", NOW + REVERSAL_PAUSES[0])]
    again = DeadlineReached(agent="payment", key="k", name="reversal p0", due_at=NOW)
    assert money(*heard, failed, again) == [("let go", "p0")]


def test_what_lapsed_and_the_provider_would_not_let_go_is_asked_for_again() -> None:
    lapsed = DeadlineReached(agent="payment", key="k", name="authorization p0", due_at=NOW)
    failed = VoidFailed(payment_id="p0", order_id="o1", reason="no")
    again = DeadlineReached(agent="payment", key="k", name="reversal p0", due_at=NOW)
    heard = (*begun(*TWO), LEFT_1, captured("p0", 1, 1000), lapsed)
    rest = cut(1, "south", 2, 0, pay("p0", 1000, -1000))
    assert money(*heard, failed, rest, CALLED_OFF) == [("let go", "p0")]
    assert money(*heard, rest, CALLED_OFF, failed, again) == [("let go", "p0")]


def test_a_deadline_that_comes_while_a_capture_is_under_way_lapses_nothing() -> None:
    """What the capture leaves is let go once nothing more will be taken of it."""
    lapsed = DeadlineReached(agent="payment", key="k", name="authorization p0", due_at=NOW)
    heard = (*begun(*TWO), LEFT_1, lapsed, captured("p0", 1, 1000))
    rest = cut(1, "south", 2, 0, pay("p0", 1000, -1000))
    assert money(*heard, rest, CALLED_OFF) == [("let go", "p0")]


def test_a_dropped_payment_that_was_disputed_is_given_back_once_that_is_won() -> None:
    gone = OrderPaymentDropped(order_id="o1", payment_id="p0", reason="not_captured")
    won = DisputeWon(payment_id="p0", order_id="o1", dispute_id="d1", amount_cents=1000)
    assert money(*begun(*TWO), LEFT_1, gone, captured("p0", 1, 1000), won) == [("reverse", "p0")]


def test_what_is_cut_after_it_was_captured_is_refunded() -> None:
    """Another payment is captured in its stead: each brings what the order says."""
    heard = (*begun(*TWO, payments=(1000, 1000)), LEFT_1, captured("p0", 1, 500), captured("p1", 1, 500))
    rest = cut(1, "south", 2, 0, pay("p0", 400, -600), pay("p1", 600, -400))
    assert money(*heard, rest) == [("refund", "p0", 100)]
    assert money(*heard, rest, CALLED_OFF) == [("capture", "p1", "capture.2", 100), ("let go", "p0")]


def test_what_came_back_is_given_back_its_share() -> None:
    heard = (*begun(*TWO), LEFT_1, captured("p0", 1, 1000), LAST_2)
    assert money(*heard, BACK_1) == [("refund", "p0", 1000)]
    late = (*begun(*TWO), LEFT_1, LAST_2, BACK_1)
    assert money(*late) == [], "it is about to be captured"
    assert money(*late, captured("p0", 1, 1000)) == [("refund", "p0", 1000)]
    assert money(*heard, captured("p0", 2, 1000), BACK_1, BACK_2) == [("reverse", "p0")]


def test_what_came_back_while_it_was_disputed_is_given_back_once_the_dispute_is_won() -> None:
    """Until then nothing of it could be; where it is lost the bank has given it back."""
    won = DisputeWon(payment_id="p0", order_id="o1", dispute_id="d1", amount_cents=2000)
    heard = (*begun(*TWO), LEFT_1, captured("p0", 1, 1000), LAST_2, captured("p0", 2, 1000))
    assert money(*heard, won) == []
    assert money(*heard, BACK_1, BACK_2, won) == [("reverse", "p0")]


def test_a_part_that_came_back_while_it_was_disputed_is_given_back_once_the_dispute_is_won() -> None:
    """It is asked for by the same name, so that what was granted after all is not given twice."""
    won = DisputeWon(payment_id="p0", order_id="o1", dispute_id="d1", amount_cents=2000)
    heard = (*begun(*TWO), LEFT_1, captured("p0", 1, 1000), LAST_2, captured("p0", 2, 1000), BACK_1)
    (asked,) = react_to(PAYMENT_AGENT, *heard)[1]
    assert react_to(PAYMENT_AGENT, *heard, won)[1] == [asked]
    assert isinstance(asked, RequestRefund)
    ids = {"payment_id": "p0", "order_id": "o1", "refund_id": asked.refund_id}
    assert money(*heard, RefundRequested(**ids, amount_cents=1000), won) == []
    assert money(*heard, RefundRequested(**ids, amount_cents=300), won) == [("refund", "p0", 700)]
    some = (*heard, RefundRequested(**ids, amount_cents=300), won)
    assert react_to(PAYMENT_AGENT, *some, won)[1] == react_to(PAYMENT_AGENT, *some)[1], "by the same name"


def test_what_came_back_is_asked_for_again_where_the_provider_failed() -> None:
    heard = (*begun(*TWO), LEFT_1, captured("p0", 1, 1000), LAST_2, BACK_1)
    (asked,) = react_to(PAYMENT_AGENT, *heard)[1]
    assert isinstance(asked, RequestRefund)
    failed = RefundFailed(payment_id="p0", order_id="o1", refund_id=asked.refund_id, reason="no")
    again = DeadlineReached(agent="payment", key="k", name="reversal p0", due_at=NOW)
    assert money(*heard, failed, again) == [("refund", "p0", 1000)]


def test_a_return_that_is_told_before_the_order_says_that_it_left() -> None:
    assert money(*begun(*TWO), BACK_1) == []
    heard = (*begun(*TWO), BACK_1, LEFT_1)
    assert money(*heard) == [("capture", "p0", "capture", 1000)]
    assert money(*heard, captured("p0", 1, 1000)) == [("refund", "p0", 1000)]
    assert money(*begun(line(1, "south")), BACK_1, last("o1")) == [("reverse", "p0")]


def test_what_was_sent_is_back_and_the_rest_is_called_off() -> None:
    heard = (*begun(*TWO), LEFT_1, captured("p0", 1, 1000), BACK_1)
    rest = cut(1, "south", 2, 0, pay("p0", 1000, -1000))
    assert money(*heard, rest, CALLED_OFF) == [("reverse", "p0")]


MORE = pay("p1", 300, 300)
WANTED = OrderEditConfirmed(order_id="o1", change_set_id="e1", currency="BRL", units=(), payments=(MORE,))
ASKED = AuthorizationRequested(
    payment_id="p1", order_id="o1", amount_cents=300, currency="BRL", method="card"
)


@pytest.mark.parametrize("parcels_left", [(LEFT_1,), (LEFT_1, LAST_2), (last("o1"),)])
def test_no_money_of_a_change_set_that_is_not_applied_is_taken(parcels_left: tuple[Event, ...]) -> None:
    heard = (*begun(*TWO), WANTED, ASKED, authorized("p1", 300))
    assert {payment for _, payment, *_ in money(*heard, *parcels_left)} == {"p0"}
    applied = edited(line(3, "west", 1, 300), 1, MORE)
    assert {payment for _, payment, *_ in money(*heard, applied, *parcels_left)} == {"p0", "p1"}


def test_no_money_of_a_change_set_that_came_to_nothing_is_taken() -> None:
    """Also where that is told before its authorisation is."""
    over = OrderEditDeclined(
        order_id="o1", change_set_id="e1", reason="stock", confirmed=True, payments=(MORE,)
    )
    heard = (*begun(*TWO), WANTED, over, ASKED, authorized("p1", 300), LEFT_1, LAST_2)
    assert money(*heard) == [("capture", "p0", "capture.2", 1000)]


def test_processes_of_before_go_on() -> None:
    """As they were kept while an order left in one parcel, and all was captured with it."""
    money = PaymentProcess.model_validate(
        {
            "order_id": "o1",
            "portions": [{"payment_id": "p0", "method": "card", "amount_cents": 900}],
            "dispatched": True,
            "captured": [],
            "to_refund": {"p0": 100},
        }
    )
    reaction = PAYMENT_AGENT.react(money, fact(captured("p0", 1, 1000)))
    assert [_short(target.command) for group in reaction.commands for target in group.targets] == [
        ("refund", "p0", 100)
    ]
    gone = OrderProcess.model_validate(
        {"order_id": "o1", "dispatched": True, "delivered": False, "returned": False}
    )
    reached = ORDER_AGENT.react(gone, fact(delivered("o1")))
    assert [target.command for group in reached.commands for target in group.targets] == DONE
    kept = {"order_id": "o1", "units": 2, "requested": True, "confirmed": True}
    lines = [{"sku": "sku1", "warehouse": "south", "quantity": 2}]
    parcel = ShippingProcess.model_validate({**kept, "lines": lines, "parcels": {"o1": {}}})
    changed = CARRIER_AGENT.react(parcel, fact(cut(1, "south", 1, 1)))
    assert [_short(target.command) for group in changed.commands for target in group.targets] == [
        ("change", "o1", ("sku1", "south", 1))
    ]
