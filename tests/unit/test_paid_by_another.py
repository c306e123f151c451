"""What if a payment brings less than it was to, another is added, or a card is captured once only?

All agents in memory, to the end.
"""

from __future__ import annotations

from domain.carrier import RecordCarrierShipment, Scan
from domain.inventory import ReceiveStock
from domain.order import (
    AddOrderPayment,
    CancelOrderLines,
    ConfirmOrderEdit,
    Line,
    LineQuantity,
    Order,
    PlaceOrder,
    Portion,
    ProposeOrderEdit,
    SetShipping,
    Terms,
)
from domain.payment import (
    CaptureRequested,
    CustomerAction,
    Movement,
    Payment,
    RecordProviderPayment,
    RefundRequested,
    RequestAuthorization,
    VoidRequested,
)
from domain.personal import Sealed
from domain.streams import payment_stream, shipment_stream, stock_stream
from tests.property.house import ORDER, START, House

ONE = (Line(line=1, sku="a", quantity=1, unit_price_cents=1000),)
TWO = tuple(
    Line(line=number, sku="a", warehouse=warehouse, quantity=1, unit_price_cents=500)
    for number, warehouse in enumerate(("main", "north"), 1)
)


def placed(lines: tuple[Line, ...] = ONE, method: str = "card") -> House:
    """Of 1,000 cents, by the one payment `card`."""
    house = House()
    for line in lines:
        receive = ReceiveStock(sku=line.sku, warehouse=line.warehouse, quantity=9)
        house.send(stock_stream("m", line.sku, line.warehouse), receive)
    place = PlaceOrder(
        order_id="o1",
        checkout_id="c1",
        subject="s",
        customer=Sealed(sealed="…"),
        currency="BRL",
        lines=lines,
        portions=(Portion(payment_id="card", method=method, amount_cents=1000),),
        terms=Terms(reservation_valid_s=10**6, authorization_valid_s=10**6),
    )
    house.send(ORDER, place)
    return house


def told(house: House, payment: str, *captures: Movement, cents: int = 1000, **more: object) -> None:
    """The provider's whole account of it."""
    account = {"status": "authorized", "amount_cents": cents, **more}
    told = RecordProviderPayment(payment_id=payment, provider_reference="pi", captures=captures, **account)
    house.send(payment_stream("m", payment), told)


def capture(reference: str, cents: int, *, good: bool = True) -> Movement:
    return Movement(reference=reference, amount_cents=cents, succeeded=good)


def scanned(house: House, parcel: str, *kinds: str) -> None:
    scans = tuple(Scan(scan_id=kind, type=kind) for kind in kinds)
    command = RecordCarrierShipment(shipment_id=parcel, carrier="c", tracking_number=parcel, scans=scans)
    house.send(shipment_stream("m", parcel), command)


def added(house: House, payment: str, cents: int) -> None:
    ids = {"payment_id": payment, "order_id": "o1", "amount_cents": cents, "method": "card"}
    ask = RequestAuthorization(**ids, currency="BRL")
    house.send_all([(ORDER, AddOrderPayment(**ids)), (payment_stream("m", payment), ask)])


def asked(house: House, kind: type[CaptureRequested | RefundRequested]) -> list[tuple[str, int]]:
    return [(each.payment_id, each.amount_cents) for _, each in house.events if isinstance(each, kind)]


def order(house: House) -> Order:
    state: Order = house.state(ORDER)
    return state


def payment(house: House, name: str) -> Payment:
    state: Payment = house.state(payment_stream("m", name))
    return state


def test_what_was_not_captured_is_taken_once_of_the_payment_that_comes_instead() -> None:
    house = placed()
    told(house, "card")
    scanned(house, "o1", "collected", "delivered")
    told(house, "card", capture("card.capture", 1000, good=False))
    assert payment(house, "card").void == "requested", "it is let go"
    added(house, "second", 1000)
    told(house, "second")
    assert asked(house, CaptureRequested) == [("card", 1000), ("second", 1000)]
    told(house, "second", capture("second.capture", 1000))
    assert order(house).status == "completed"


def test_what_is_captured_after_all_is_given_back_where_another_pays() -> None:
    house = placed()
    told(house, "card")
    scanned(house, "o1", "collected", "delivered")
    told(house, "card", capture("card.capture", 1000, good=False))
    added(house, "second", 1000)
    told(house, "card", capture("card.capture", 1000))
    assert asked(house, RefundRequested) == [("card", 1000)]
    assert order(house).status == "shipped", "what goes back pays for nothing"


def test_a_payment_that_brought_a_part_leaves_room_for_another() -> None:
    house = placed(TWO)
    told(house, "card")
    scanned(house, "o1", "collected", "delivered")
    first = capture("card.capture", 500)
    told(house, "card", first)
    scanned(house, "o1.parcel-2", "collected", "delivered")
    told(house, "card", first, capture("card.capture.2", 500, good=False))
    assert order(house).status == "shipped"
    added(house, "second", 500)
    told(house, "second", cents=500)
    told(house, "second", capture("second.capture", 500), cents=500)
    assert order(house).status == "completed"
    assert (payment(house, "card").captured_cents, payment(house, "second").captured_cents) == (500, 500)


def test_an_order_that_another_payment_paid_completes_though_it_was_cut() -> None:
    house = placed(TWO)
    told(house, "card")
    scanned(house, "o1", "collected", "delivered")
    told(house, "card", capture("card.capture", 500, good=False))
    added(house, "second", 1000)
    told(house, "second")
    told(house, "second", capture("second.capture", 500))
    cut = CancelOrderLines(
        order_id="o1", cancel_id="q", reason="customer", lines=(LineQuantity(line=2, quantity=1),)
    )
    house.send(ORDER, cut)
    assert (order(house).status, order(house).total_cents) == ("completed", 500)


def test_what_is_called_off_before_it_was_authorised_holds_nothing_up() -> None:
    gift = Line(line=2, sku="b", quantity=1, unit_price_cents=0)
    house = placed((*ONE, gift))
    cut = CancelOrderLines(
        order_id="o1", cancel_id="q", reason="customer", lines=(LineQuantity(line=1, quantity=1),)
    )
    house.send(ORDER, cut)
    told(house, "card", status="pending", cents=0, voided=True)
    assert order(house).status == "confirmed"


def dearer(house: House) -> None:
    ids = {"order_id": "o1", "change_set_id": "e1"}
    change = SetShipping(line=1, unit_shipping_cents=90)
    until = START.replace(year=START.year + 1)
    house.send(ORDER, ProposeOrderEdit(**ids, changes=(change,), now=START, expires_at=until))
    house.send(ORDER, ConfirmOrderEdit(**ids, now=START))


def test_a_dearer_change_set_of_a_stored_method_is_charged_to_its_customer() -> None:
    house = placed(method="stored:visa")
    told(house, "card")
    dearer(house)
    (asked_for,) = [each for where, each in house.events if where == payment_stream("m", "o1.e1")]
    assert (asked_for.method, asked_for.subject) == ("stored:visa", "s")  # type: ignore[attr-defined]


def test_a_change_set_whose_customer_never_acts_is_over() -> None:
    house = placed()
    told(house, "card")
    dearer(house)
    acts = CustomerAction(action_id="a1", status="required")
    told(house, "o1.e1", status="pending", cents=0, action=acts)
    house.wait(2 * 3600)
    told(house, "o1.e1", status="pending", cents=0, action=acts, voided=True)
    assert (order(house).proposal, order(house).change_sets) == (None, {"e1": "declined"})


def test_a_card_that_is_captured_once_brings_all_with_the_first_parcel() -> None:
    house = placed(TWO)
    told(house, "card", in_parts=False)
    scanned(house, "o1", "collected", "delivered")
    taken = capture("card.capture", 1000)
    told(house, "card", taken, in_parts=False)
    scanned(house, "o1.parcel-2", "collected", "delivered")
    assert asked(house, CaptureRequested) == [("card", 1000)]
    assert order(house).status == "completed"


def test_what_a_card_brought_at_once_goes_back_for_what_is_cut_later() -> None:
    house = placed(TWO)
    told(house, "card", in_parts=False)
    scanned(house, "o1", "collected", "delivered")
    told(house, "card", capture("card.capture", 1000), in_parts=False)
    house.send(
        ORDER,
        CancelOrderLines(
            order_id="o1", cancel_id="x", lines=(LineQuantity(line=2, quantity=1),), reason="stock"
        ),
    )
    assert asked(house, RefundRequested) == [("card", 500)]


def test_with_the_last_of_the_goods_goes_what_is_held_beyond_their_price() -> None:
    house = placed(TWO)
    told(house, "card")
    house.send(
        ORDER,
        CancelOrderLines(
            order_id="o1", cancel_id="x", lines=(LineQuantity(line=2, quantity=1),), reason="stock"
        ),
    )
    scanned(house, "o1", "collected", "delivered")
    (asked_for,) = [event for _, event in house.events if isinstance(event, CaptureRequested)]
    assert (asked_for.amount_cents, asked_for.last) == (500, True)
    told(house, "card", capture("card.capture", 500), voided=True)
    assert (order(house).status, payment(house, "card").voided_cents) == ("completed", 500)
    assert not any(isinstance(event, VoidRequested) for _, event in house.events)
