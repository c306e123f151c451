"""Agents as pure functions: given what was heard, when a fact comes, then these commands."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from domain.carrier import (
    HoldParcel,
    LabelRefused,
    ParcelLine,
    ReaddressParcel,
    ReleaseParcel,
    RequestLabelVoid,
    RequestShipment,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentReturned,
)
from domain.deadline import DeadlineReached
from domain.inventory import (
    AllocateMoreStock,
    AllocateStock,
    Backordered,
    BackorderFilled,
    ExpireReservation,
    ReleaseStock,
    RenewReservation,
    ReservationExpired,
    ReserveStock,
    ReturnStock,
    ShipStock,
    StockAllocated,
    StockAllocationRefused,
    StockReservationRefused,
    StockReserved,
)
from domain.kernel import Command, Event, Fact
from domain.order import (
    ApplyOrderEdit,
    CancelOrder,
    CompleteOrder,
    ConfirmOrder,
    DeclineOrderEdit,
    DropOrderPayment,
    Line,
    LineCut,
    MarkReserved,
    OpenOrderDiscrepancy,
    OrderAddressChanged,
    OrderCancelled,
    OrderConfirmed,
    OrderEditConfirmed,
    OrderEditDeclined,
    OrderHeld,
    OrderLinesCancelled,
    OrderPlaced,
    OrderReleased,
    OrderReserved,
    OrderShipped,
    Portion,
    RecordDispatch,
    ResolveOrderDiscrepancy,
    Terms,
    UnitsChange,
)
from domain.payment import (
    REVERSAL_PAUSES,
    AuthorizationExpired,
    CaptureFailed,
    DisputeLost,
    ExpireAuthorization,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RequestAuthorization,
    RequestCapture,
    RequestReversal,
    VoidFailed,
)
from domain.personal import Sealed
from domain.streams import order_stream
from services.agents.agent import Agent
from services.agents.carrier import CARRIER_AGENT
from services.agents.inventory import INVENTORY_AGENT
from services.agents.order import ORDER_AGENT
from services.agents.payment import PAYMENT_AGENT
from services.agents.reactions import told

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AGENTS = (ORDER_AGENT, INVENTORY_AGENT, PAYMENT_AGENT, CARRIER_AGENT)


def placed(*, payments: int = 1, lines: int = 1, on_account: bool = False) -> OrderPlaced:
    return OrderPlaced(
        order_id="o1",
        checkout_id="c1",
        subject="s1",
        customer=Sealed(sealed="…"),
        ship_to_state="SP",
        currency="BRL",
        lines=tuple(Line(line=n + 1, sku=f"sku{n}", quantity=2, unit_price_cents=500) for n in range(lines)),
        portions=tuple(
            Portion(payment_id=f"p{n}", method="card", amount_cents=1000) for n in range(payments)
        ),
        on_account=on_account,
        total_cents=1000,
        terms=Terms(reservation_valid_s=60, authorization_valid_s=120),
        imported=True,
    )


def fact(event: Event, position: int = 1) -> Fact:
    return Fact(position, "order-m.o1", 1, event, "m", "c1", "", UUID(int=position), NOW, NOW)


def react_to(agent: Agent, *events: Event) -> tuple[Any, list[Command], list[tuple[str, datetime | None]]]:
    """The process, the commands and the deadlines after the last event; the others were before."""
    process: Any = agent.initial
    commands: Iterable[Command] = ()
    deadlines: list[tuple[str, datetime | None]] = []
    for position, event in enumerate(events, 1):
        reaction = agent.react(process, fact(event, position))
        process = reaction.process
        commands = [t.command for group in reaction.commands for t in group.targets]
        deadlines = [(each.name, each.due_at) for each in reaction.deadlines]
    return process, list(commands), deadlines


RESERVED = StockReserved(order_id="o1", sku="sku0", warehouse="main", quantity=2, expires_at=NOW)
AUTHORIZED = PaymentAuthorized(payment_id="p0", order_id="o1", amount_cents=1000, provider_reference="r")
CAPTURED = PaymentCaptured(payment_id="p0", order_id="o1", capture_id="p0.capture", amount_cents=1000)
REFUNDED = PaymentRefunded(payment_id="p0", order_id="o1", refund_id="p0.refund", amount_cents=1000)
NOT_SHIPPABLE = LabelRefused(shipment_id="o1", order_id="o1", reason="address_unknown")
DISPATCHED = ShipmentDispatched(shipment_id="o1", order_id="o1")
SHIPPED = OrderShipped(order_id="o1", shipment_id="o1")
DELIVERED = ShipmentDelivered(shipment_id="o1", order_id="o1", scan_id="1")
RETURNED = ShipmentReturned(shipment_id="o1", order_id="o1", scan_id="2")
HELD = OrderHeld(order_id="o1", hold_id="h1", reason="fraud")
LET_GO = OrderReleased(order_id="o1", hold_id="h1", reason="fraud", remaining=0)
CANCELLED = OrderCancelled(order_id="o1", reason="customer")
NOT_CAPTURED = CaptureFailed(payment_id="p0", order_id="o1", capture_id="p0.capture", reason="expired")
NOT_REFUNDED = RefundFailed(payment_id="p0", order_id="o1", refund_id="p0.refund", reason="closed")
AUTHORIZED_TOO = PaymentAuthorized(payment_id="p1", order_id="o1", amount_cents=1000, provider_reference="r")
VOIDED = PaymentVoided(payment_id="p0", order_id="o1", amount_cents=1000)
NOT_VOIDED = VoidFailed(payment_id="p0", order_id="o1", reason="no")
RUN_OUT = AuthorizationExpired(payment_id="p0", order_id="o1", amount_cents=1000)


def part(event: Any, cents: int) -> Any:
    return event.model_copy(update={"amount_cents": cents})


def against(kind: Any, about: str, position: int) -> OpenOrderDiscrepancy:
    """Opened by what was heard at that position."""
    return OpenOrderDiscrepancy(order_id="o1", kind=kind, about=about, fact=str(UUID(int=position)))


NOTHING_CAME = DropOrderPayment(order_id="o1", payment_id="p0", reason="not_captured")
CAME_BACK = CancelOrder(order_id="o1", reason="returned")
PLACE: dict[str, Any] = {"order_id": "o1", "sku": "sku0", "warehouse": "main"}


@pytest.mark.parametrize(
    ("heard", "then"),
    [
        ([placed()], []),
        ([placed(lines=0)], [MarkReserved(order_id="o1")]),
        ([placed(), RESERVED], [MarkReserved(order_id="o1")]),
        ([placed(lines=2), RESERVED], []),
        ([placed(payments=0, on_account=True), OrderReserved(order_id="o1")], [ConfirmOrder(order_id="o1")]),
        ([placed(), RESERVED, AUTHORIZED], [ConfirmOrder(order_id="o1")]),
        ([placed(payments=2), RESERVED, AUTHORIZED], []),
        ([placed(), RESERVED, AUTHORIZED, AUTHORIZED], []),
        (
            [placed(), PaymentDeclined(payment_id="p0", order_id="o1", reason="no funds")],
            [CancelOrder(order_id="o1", reason="declined", note="no funds")],
        ),
        (
            [placed(), StockReservationRefused(**PLACE, wanted=2, available=1)],
            [CancelOrder(order_id="o1", reason="stock")],
        ),
        (
            [placed(), StockAllocationRefused(**PLACE, wanted=2, available=1)],
            [CancelOrder(order_id="o1", reason="stock")],
        ),
        (
            [placed(), RESERVED, ReservationExpired(**PLACE, quantity=2)],
            [CancelOrder(order_id="o1", reason="expired")],
        ),
        ([placed(), OrderConfirmed(order_id="o1"), ReservationExpired(**PLACE, quantity=2)], []),
        (
            [placed(), AuthorizationExpired(payment_id="p0", order_id="o1", amount_cents=1000)],
            [CancelOrder(order_id="o1", reason="expired")],
        ),
        ([placed(), DISPATCHED], [RecordDispatch(order_id="o1")]),
        ([placed(), DISPATCHED, DELIVERED], []),
        ([placed(), DISPATCHED, CAPTURED, DELIVERED], [CompleteOrder(order_id="o1")]),
        ([placed(), DISPATCHED, DELIVERED, CAPTURED], [CompleteOrder(order_id="o1")]),
        ([placed(), DISPATCHED, CAPTURED, RETURNED], []),
        (
            [placed(), DISPATCHED, CAPTURED, RETURNED, REFUNDED],
            [CAME_BACK],
        ),
        ([DELIVERED], []),
        ([placed(), AUTHORIZED, DISPATCHED, NOT_CAPTURED], [against("not_captured", "p0", 4), NOTHING_CAME]),
        ([placed(), AUTHORIZED, DISPATCHED, NOT_CAPTURED, DELIVERED], []),
        (
            [placed(), DISPATCHED, CAPTURED, RETURNED, NOT_REFUNDED],
            [against("not_refunded", "p0", 5)],
        ),
        # what will be captured is waited for, what never is is not
        ([placed(), AUTHORIZED, DISPATCHED, RETURNED], []),
        ([placed(), DISPATCHED, RETURNED], [CAME_BACK]),
        ([placed(), AUTHORIZED, DISPATCHED, NOT_CAPTURED, RETURNED], [CAME_BACK]),
        (
            [placed(), AUTHORIZED, DISPATCHED, RETURNED, NOT_CAPTURED],
            [against("not_captured", "p0", 5), CAME_BACK],
        ),
        ([placed(payments=2), AUTHORIZED, AUTHORIZED_TOO, DISPATCHED, NOT_CAPTURED, RETURNED], []),
        ([placed(), AUTHORIZED, DISPATCHED, NOT_CAPTURED, CAPTURED, RETURNED], []),
        ([placed(), AUTHORIZED, DISPATCHED, NOT_CAPTURED, CAPTURED, RETURNED, REFUNDED], [CAME_BACK]),
        # less than was asked for is no payment, more is enough
        (
            [placed(), RESERVED, part(AUTHORIZED, 1)],
            [CancelOrder(order_id="o1", reason="declined", note="1 of 1000 cents were authorised")],
        ),
        ([placed(), RESERVED, part(AUTHORIZED, 5000)], [ConfirmOrder(order_id="o1")]),
        # in parts it is paid with the last part, and back with the last part
        ([placed(), AUTHORIZED, DISPATCHED, part(CAPTURED, 400), DELIVERED], []),
        (
            [placed(), AUTHORIZED, DISPATCHED, part(CAPTURED, 400), DELIVERED, part(CAPTURED, 600)],
            [CompleteOrder(order_id="o1")],
        ),
        ([placed(), AUTHORIZED, DISPATCHED, CAPTURED, part(REFUNDED, 100), RETURNED], []),
        (
            [placed(), AUTHORIZED, DISPATCHED, CAPTURED, part(REFUNDED, 100), RETURNED, part(REFUNDED, 900)],
            [CAME_BACK],
        ),
        # what the provider voids by itself is not paid for any more; what we asked for is no news
        (
            [placed(), AUTHORIZED, OrderConfirmed(order_id="o1"), VOIDED],
            [CancelOrder(order_id="o1", reason="declined", note="the payment was voided at the provider")],
        ),
        ([placed(), AUTHORIZED, CANCELLED, VOIDED], []),
        ([placed(), AUTHORIZED, DISPATCHED, VOIDED], []),
        ([placed(), AUTHORIZED, DISPATCHED, RETURNED, VOIDED], [CAME_BACK]),
        (
            [placed(), AUTHORIZED, CANCELLED, NOT_VOIDED],
            [against("not_voided", "p0", 4)],
        ),
        # what the provider holds still is told, whatever our books make of it; what it took or let go is not
        ([placed(), AUTHORIZED, RUN_OUT, CANCELLED, NOT_VOIDED], [against("not_voided", "p0", 5)]),
        (
            [placed(), AUTHORIZED, DISPATCHED, part(CAPTURED, 400), NOT_VOIDED],
            [against("not_voided", "p0", 5)],
        ),
        (
            [placed(), AUTHORIZED, DISPATCHED, NOT_CAPTURED, NOT_VOIDED],
            [against("not_voided", "p0", 5)],
        ),
        ([placed(), AUTHORIZED, DISPATCHED, part(CAPTURED, 400), part(CAPTURED, 600), NOT_VOIDED], []),
        ([placed(), AUTHORIZED, DISPATCHED, CANCELLED, CAPTURED, NOT_VOIDED], []),
        ([placed(), AUTHORIZED, CANCELLED, VOIDED, NOT_VOIDED], []),
        ([placed(), VOIDED, AUTHORIZED, NOT_VOIDED], [against("not_voided", "p0", 4)]),
        (
            [placed(), OrderConfirmed(order_id="o1"), NOT_SHIPPABLE],
            [against("not_shippable", "o1", 3)],
        ),
    ],
)
def test_the_order_agent(heard: list[Event], then: list[Command]) -> None:
    assert react_to(ORDER_AGENT, *heard)[1] == then


BACK_AGAIN = REFUNDED.model_copy(update={"refund_id": "p0.refund.2"})
NOT_REFUNDED_2 = NOT_REFUNDED.model_copy(update={"refund_id": "p0.refund.2"})
LOST = DisputeLost(payment_id="p0", order_id="o1", dispute_id="d", amount_cents=1000)
NOT_VOIDED_TOO = NOT_VOIDED.model_copy(update={"payment_id": "p1"})
VOIDED_TOO = VOIDED.model_copy(update={"payment_id": "p1"})


@pytest.mark.parametrize(
    ("money", "mended"),
    [
        ([NOT_VOIDED, VOIDED], "not_voided"),
        ([NOT_VOIDED, NOT_VOIDED, VOIDED], "not_voided"),
        ([RUN_OUT, NOT_VOIDED, part(VOIDED, 0)], "not_voided"),
        ([NOT_VOIDED, CAPTURED], "not_voided"),  # nothing of it is held any more
        ([NOT_VOIDED, part(CAPTURED, 400)], ""),
        ([NOT_VOIDED, RUN_OUT], ""),  # by our books alone
        ([VOIDED], ""),
        ([NOT_VOIDED, VOIDED, VOIDED], ""),
        ([AUTHORIZED_TOO, NOT_VOIDED, NOT_VOIDED_TOO, VOIDED], "not_voided"),  # the other one is held still
        ([AUTHORIZED_TOO, NOT_VOIDED, NOT_VOIDED_TOO, VOIDED, VOIDED_TOO], "not_voided"),
        ([CAPTURED, NOT_REFUNDED, BACK_AGAIN], "not_refunded"),
        ([CAPTURED, NOT_REFUNDED, REFUNDED], "not_refunded"),
        ([CAPTURED, NOT_REFUNDED, part(REFUNDED, 400)], "not_refunded"),  # that very refund
        ([CAPTURED, NOT_REFUNDED, part(BACK_AGAIN, 400)], ""),
        ([CAPTURED, NOT_REFUNDED, part(BACK_AGAIN, 400), part(BACK_AGAIN, 600)], "not_refunded"),
        ([CAPTURED, NOT_REFUNDED, NOT_REFUNDED_2, part(REFUNDED, 400)], ""),
        ([CAPTURED, NOT_REFUNDED, LOST], "not_refunded"),
        ([CAPTURED, BACK_AGAIN], ""),
        ([NOT_REFUNDED], ""),
    ],
)
def test_what_comes_right_later_is_resolved(money: list[Event], mended: str) -> None:
    _, commands, _ = react_to(ORDER_AGENT, placed(payments=2), AUTHORIZED, CANCELLED, *money)
    resolved = [(each.kind, each.about) for each in commands if isinstance(each, ResolveOrderDiscrepancy)]
    assert resolved == ([(mended, money[-1].payment_id)] if mended else [])  # type: ignore[attr-defined]


@pytest.mark.parametrize("earlier", [[], [NOT_REFUNDED]])
def test_a_refund_that_fails_as_a_bank_has_given_all_back_is_owed_to_nobody(earlier: list[Event]) -> None:
    heard = [placed(payments=2), AUTHORIZED, CAPTURED, CANCELLED, *earlier, LOST, NOT_REFUNDED]
    _, commands, _ = react_to(ORDER_AGENT, *heard)
    assert [each for each in commands if isinstance(each, OpenOrderDiscrepancy)] == []


def test_stock_of_one_order_is_reserved_all_or_none() -> None:
    reaction = INVENTORY_AGENT.react(INVENTORY_AGENT.initial, fact(placed(lines=2)))
    (group,) = reaction.commands
    assert [type(target.command) for target in group.targets] == [ReserveStock, ReserveStock]


def test_a_reservation_has_a_deadline_until_it_is_confirmed_or_cancelled() -> None:
    expires_at = NOW + timedelta(seconds=60)
    assert react_to(INVENTORY_AGENT, placed())[2] == [("reservation", expires_at)]
    assert react_to(INVENTORY_AGENT, placed(), OrderConfirmed(order_id="o1"))[2] == [("reservation", None)]
    assert react_to(INVENTORY_AGENT, placed(), CANCELLED)[2] == [("reservation", None)]


REACHED = DeadlineReached(agent="inventory", key=order_stream("m", "o1"), name="reservation", due_at=NOW)
WAITS = Backordered(
    order_id="o1", sku="sku0", warehouse="main", quantity=2, expires_at=NOW + timedelta(days=1)
)
FILLED = BackorderFilled(
    order_id="o1", sku="sku0", warehouse="main", quantity=2, held=2, expires_at=NOW + timedelta(days=1)
)


def test_what_was_waited_for_is_held_until_the_order_is_to_be_confirmed() -> None:
    _, commands, deadlines = react_to(INVENTORY_AGENT, placed(), WAITS, FILLED)
    until = NOW + timedelta(seconds=60)
    assert commands == [RenewReservation(**PLACE, expires_at=until)]
    assert deadlines == [("reservation", until)]


CALLED_OFF = OrderLinesCancelled(
    order_id="o1",
    cancel_id="c1",
    reason="customer",
    lines=(LineCut(line=1, sku="sku0", warehouse="main", quantity=2, left=0, amount_cents=1000),),
    units=(UnitsChange(sku="sku0", warehouse="main", quantity=0, change=-2),),
    products=(),
    payments=(),
    items_change_cents=-1000,
    shipping_change_cents=0,
    lines_change=-1,
    adjustment_cents=0,
    change_cents=-1000,
    total_cents=1000,
)


def test_what_is_called_off_is_waited_for_no_more() -> None:
    """The rest of the order goes on: it is reserved, and held until the order is to be confirmed."""
    until, rest = NOW + timedelta(seconds=60), {**PLACE, "sku": "sku1"}
    let_go = ReleaseStock(**PLACE, quantity=2)
    _, commands, deadlines = react_to(INVENTORY_AGENT, placed(lines=2), WAITS, CALLED_OFF)
    assert commands == [let_go, RenewReservation(**rest, expires_at=until)]
    assert deadlines == [("reservation", until)]
    assert react_to(INVENTORY_AGENT, placed(lines=2), CALLED_OFF)[1:] == ([let_go], [])
    assert react_to(INVENTORY_AGENT, placed(lines=2), CALLED_OFF, WAITS)[1:] == ([], [])
    reserved = StockReserved(**rest, quantity=2, expires_at=until)
    mark = [MarkReserved(order_id="o1")]
    assert react_to(ORDER_AGENT, placed(lines=2), reserved, CALLED_OFF)[1] == mark
    assert react_to(ORDER_AGENT, placed(lines=2), CALLED_OFF)[1] == []
    assert react_to(ORDER_AGENT, placed(lines=2), CALLED_OFF, reserved)[1] == mark


@pytest.mark.parametrize("late", [(WAITS,), (WAITS, FILLED)])
def test_of_a_cancelled_order_nothing_is_waited_for(late: tuple[Event, ...]) -> None:
    """Its stock was asked for before, and comes to wait after: the release that follows lets it go."""
    assert react_to(INVENTORY_AGENT, placed(), CANCELLED, *late)[1:] == ([], [])


def test_an_order_that_came_back_is_over_once_the_bank_has_given_its_money_back() -> None:
    """Its customer has disputed it: nothing is left that we could refund."""
    ids = {"payment_id": "p0", "order_id": "o1", "dispute_id": "d1", "amount_cents": 1000}
    before = (placed(), AUTHORIZED, OrderConfirmed(order_id="o1"), DISPATCHED, SHIPPED, CAPTURED)
    over = [CancelOrder(order_id="o1", reason="returned")]
    assert react_to(ORDER_AGENT, *before, RETURNED, DisputeLost(**ids))[1] == over
    assert react_to(ORDER_AGENT, *before, DisputeLost(**ids), RETURNED)[1] == over


MORE = OrderEditConfirmed(
    order_id="o1",
    change_set_id="e1",
    currency="BRL",
    units=(UnitsChange(sku="sku0", warehouse="main", quantity=3, change=1),),
)


MORE_STOCK = AllocateMoreStock(**PLACE, quantity=1, now=NOW)
NO_MORE = OrderEditDeclined(order_id="o1", change_set_id="e1", reason="expired")


def test_what_a_change_set_wants_is_committed_beside_what_is_held_whatever_that_is() -> None:
    """Two units may have left with a parcel, which nobody knew who confirmed it."""
    lines = (ParcelLine(sku="sku0", warehouse="main", quantity=2),)
    left = DISPATCHED.model_copy(update={"units": 2, "lines": lines})
    before = (placed(), OrderConfirmed(order_id="o1"))
    assert react_to(INVENTORY_AGENT, *before, MORE)[1] == [MORE_STOCK.model_copy(update={"beside": 2})]
    assert react_to(INVENTORY_AGENT, *before, left, MORE)[1] == [MORE_STOCK]


def test_what_stock_commits_to_a_change_set_that_came_to_nothing_is_let_go_whatever_was_asked_since() -> None:
    process: Any = INVENTORY_AGENT.initial
    heard = (placed(), OrderConfirmed(order_id="o1"), MORE, NO_MORE, MORE)
    for position, event in enumerate(heard, 1):
        process = INVENTORY_AGENT.react(process, fact(event, position)).process
    done = fact(StockAllocated(**PLACE, quantity=3), 6)
    first, second = (done._replace(causation=str(UUID(int=position))) for position in (3, 5))
    reaction = INVENTORY_AGENT.react(process, second)
    assert reaction.commands == ()
    reaction = INVENTORY_AGENT.react(reaction.process, first)
    let_go = [each.command for group in reaction.commands for each in group.targets]
    assert let_go == [ReleaseStock(**PLACE, quantity=1)]
    assert INVENTORY_AGENT.react(reaction.process, first).commands == ()


@pytest.mark.parametrize("units", [1, 3])
def test_a_change_set_hears_what_stock_says_to_it_whatever_else_is_held(units: int) -> None:
    process = react_to(ORDER_AGENT, placed(), OrderConfirmed(order_id="o1"), MORE)[0]
    place = {"order_id": "o1", "sku": "sku0", "warehouse": "main"}
    allocated = StockAllocated(**place, quantity=units)
    refused = StockAllocationRefused(**place, wanted=units, available=0)

    def heard(event: Event, causation: str) -> list[Command]:
        reaction = ORDER_AGENT.react(process, fact(event, 4)._replace(causation=causation))
        return [target.command for group in reaction.commands for target in group.targets]

    ours, ids = fact(MORE, 3).event_id, {"order_id": "o1", "change_set_id": "e1"}
    assert heard(allocated, ours) == [ApplyOrderEdit(**ids)]
    assert heard(refused, ours) == [DeclineOrderEdit(**ids, reason="stock")]
    assert heard(allocated, "another") == []


def test_no_deadline_is_asked_for_that_was_reached_before() -> None:
    """The clock of who filled it is behind: a moment that is over would never be told again."""
    reached = REACHED.model_copy(update={"due_at": NOW + timedelta(minutes=30)})
    _, _, deadlines = react_to(INVENTORY_AGENT, placed(), reached, WAITS, FILLED)
    assert deadlines == [("reservation", NOW + timedelta(minutes=31))]


@pytest.mark.parametrize(
    ("heard", "then"),
    [
        ([placed(), OrderConfirmed(order_id="o1")], [AllocateStock(**PLACE, quantity=2, now=NOW)]),
        ([placed(), CANCELLED], [ReleaseStock(**PLACE)]),
        ([placed(), REACHED], [ExpireReservation(**PLACE)]),
        ([placed(), OrderConfirmed(order_id="o1"), REACHED], []),
        ([placed(), DISPATCHED], [ShipStock(**PLACE, quantity=2)]),
        ([placed(), DISPATCHED, RETURNED], [ReturnStock(**PLACE, quantity=2)]),
        ([CANCELLED], []),
    ],
)
def test_the_inventory_agent(heard: list[Event], then: list[Command]) -> None:
    assert react_to(INVENTORY_AGENT, *heard)[1] == then


AUTHORIZE = RequestAuthorization(
    payment_id="p0", order_id="o1", amount_cents=1000, currency="BRL", method="card"
)
CAPTURE = RequestCapture(payment_id="p0", capture_id="p0.capture", amount_cents=1000, rest=True, last=True)
REVERSE = RequestReversal(payment_id="p0")
LAPSED = DeadlineReached(agent="payment", key=order_stream("m", "o1"), name="authorization p0", due_at=NOW)


@pytest.mark.parametrize(
    ("heard", "then"),
    [
        ([placed()], []),
        ([placed(), OrderReserved(order_id="o1")], [AUTHORIZE]),
        ([placed(), OrderReserved(order_id="o1"), OrderReserved(order_id="o1")], []),
        ([placed(), OrderReserved(order_id="o1"), AUTHORIZED, SHIPPED], [CAPTURE]),
        ([placed(), OrderReserved(order_id="o1"), AUTHORIZED, SHIPPED, SHIPPED], []),
        ([placed(), OrderReserved(order_id="o1"), CANCELLED], [REVERSE]),
        ([placed(), CANCELLED], []),
        ([placed(), OrderReserved(order_id="o1"), CANCELLED, AUTHORIZED], [REVERSE]),
        (
            [placed(), OrderReserved(order_id="o1"), AUTHORIZED, LAPSED],
            [ExpireAuthorization(payment_id="p0")],
        ),
        ([placed(), OrderReserved(order_id="o1"), SHIPPED, AUTHORIZED], [CAPTURE]),
        ([placed(), OrderReserved(order_id="o1"), AUTHORIZED, SHIPPED, CAPTURED, RETURNED], [REVERSE]),
        ([placed(), OrderReserved(order_id="o1"), AUTHORIZED, SHIPPED, RETURNED, CAPTURED], [REVERSE]),
        ([placed(), OrderReserved(order_id="o1"), AUTHORIZED, SHIPPED, CAPTURED, RETURNED, CANCELLED], []),
    ],
)
def test_the_payment_agent(heard: list[Event], then: list[Command]) -> None:
    assert react_to(PAYMENT_AGENT, *heard)[1] == then


@pytest.mark.parametrize("told", list(permutations([SHIPPED, CANCELLED, CAPTURED])))
def test_a_cancellation_that_races_with_the_capture_gives_the_money_back(told: tuple[Event, ...]) -> None:
    heard = [placed(), OrderReserved(order_id="o1"), AUTHORIZED]
    given = [react_to(PAYMENT_AGENT, *heard, *told[: n + 1])[1] for n in range(len(told))]
    both_known = max(told.index(CANCELLED), told.index(CAPTURED))
    assert given[both_known] == [REVERSE]
    assert REVERSE not in given[0] or told[0] is CANCELLED


@pytest.mark.parametrize("late", [CAPTURED, NOT_CAPTURED, AUTHORIZED])
@pytest.mark.parametrize("ended", [(CANCELLED,), (SHIPPED, RETURNED), (SHIPPED, CANCELLED)])
def test_what_is_told_late_is_reversed_too(ended: tuple[Event, ...], late: Event) -> None:
    heard = [placed(), OrderReserved(order_id="o1"), *ended]
    assert react_to(PAYMENT_AGENT, *heard, late)[1] == [REVERSE]


@pytest.mark.parametrize("failed", [NOT_REFUNDED, NOT_VOIDED])
def test_what_was_not_given_back_is_asked_for_again_ever_later_and_not_for_ever(failed: Event) -> None:
    heard: list[Event] = [placed(), OrderReserved(order_id="o1"), AUTHORIZED, CANCELLED]
    for pause in REVERSAL_PAUSES:
        heard.append(failed)
        assert react_to(PAYMENT_AGENT, *heard)[1:] == ([], [("reversal p0", NOW + pause)])
        heard.append(DeadlineReached(agent="payment", key="k", name="reversal p0", due_at=NOW + pause))
        assert react_to(PAYMENT_AGENT, *heard)[1] == [REVERSE]
    assert react_to(PAYMENT_AGENT, *heard, failed)[1:] == ([], [])


def test_an_authorisation_has_a_deadline_until_it_is_captured() -> None:
    heard = [placed(), OrderReserved(order_id="o1"), AUTHORIZED]
    assert react_to(PAYMENT_AGENT, *heard)[2] == [("authorization p0", NOW + timedelta(seconds=120))]
    assert react_to(PAYMENT_AGENT, *heard, SHIPPED)[2] == [("authorization p0", None)]


LABEL = RequestShipment(
    shipment_id="o1",
    order_id="o1",
    subject="s1",
    recipient=Sealed(sealed="…"),
    ship_to_state="SP",
    units=2,
    lines=(ParcelLine(sku="sku0", warehouse="main", quantity=2),),
)


TO = {"subject": "s1", "recipient": Sealed(sealed="elsewhere"), "ship_to_state": "RJ"}
MOVE = ReaddressParcel(shipment_id="o1", **TO)
ELSEWHERE = OrderAddressChanged(
    order_id="o1",
    change_set_id="e1",
    subject="s1",
    customer=Sealed(sealed="elsewhere"),
    ship_to_state="RJ",
)


@pytest.mark.parametrize(
    ("heard", "then"),
    [
        ([placed(), OrderConfirmed(order_id="o1")], [LABEL]),
        ([placed(), OrderConfirmed(order_id="o1"), OrderConfirmed(order_id="o1")], []),
        ([placed(lines=0), OrderConfirmed(order_id="o1")], []),
        ([placed(), CANCELLED], []),
        ([placed(), OrderConfirmed(order_id="o1"), CANCELLED], [RequestLabelVoid(shipment_id="o1")]),
        ([placed(), OrderConfirmed(order_id="o1"), DISPATCHED, CANCELLED], []),
        ([placed(), HELD, OrderConfirmed(order_id="o1")], []),
        ([placed(), HELD, OrderConfirmed(order_id="o1"), LET_GO], [LABEL]),
        ([placed(), OrderConfirmed(order_id="o1"), HELD], [HoldParcel(shipment_id="o1")]),
        ([placed(), OrderConfirmed(order_id="o1"), HELD, LET_GO], [ReleaseParcel(shipment_id="o1")]),
        ([placed(), OrderConfirmed(order_id="o1"), DISPATCHED, HELD], []),
        ([placed(), OrderConfirmed(order_id="o1"), ELSEWHERE], [MOVE]),
        ([placed(), OrderConfirmed(order_id="o1"), DISPATCHED, ELSEWHERE], []),
        ([placed(), ELSEWHERE, OrderConfirmed(order_id="o1")], [LABEL.model_copy(update=TO)]),
        ([placed(), HELD, OrderConfirmed(order_id="o1"), CANCELLED, LET_GO], []),
        (
            [placed().model_copy(update={"shipping_method": "express"}), OrderConfirmed(order_id="o1")],
            [LABEL.model_copy(update={"shipping_method": "express"})],
        ),
    ],
)
def test_the_shipping_agent(heard: list[Event], then: list[Command]) -> None:
    assert react_to(CARRIER_AGENT, *heard)[1] == then


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
def test_an_agent_commands_its_own_context_only(agent: Agent) -> None:
    everything = (placed(), RESERVED, OrderReserved(order_id="o1"), AUTHORIZED, OrderConfirmed(order_id="o1"),
                  DISPATCHED, SHIPPED, CAPTURED, DELIVERED, RETURNED, REFUNDED, CANCELLED)  # fmt: skip
    process: Any = agent.initial
    for position, event in enumerate(everything, 1):
        reaction = agent.react(process, fact(event, position))
        process = reaction.process
        assert all(agent.owns(target.stream) for group in reaction.commands for target in group.targets)


def test_what_is_kept_of_an_error_can_be_stored() -> None:
    kept = told(ValueError("a\0b" + "x" * 10_000))
    assert kept.startswith("ValueError: a\ufffdbx")
    assert len(kept) == 500
