"""Is an order's money right once all is at rest, whatever the provider and the carrier do, and when?

Four agents and their deciders, run together in memory, against a provider that is honest about its books
and awkward in everything else: it authorises other amounts, captures in parts, fails, voids by itself.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.carrier import RecordCarrierShipment, Scan, ScanType, Shipment
from domain.inventory import ReceiveStock
from domain.order import CancelOrder, Line, Order, PlaceOrder, Portion, Terms
from domain.payment import (
    CaptureRequested,
    Payment,
    RefundRequested,
    VoidFailed,
    VoidRequested,
)
from domain.personal import Sealed
from domain.streams import payment_stream, shipment_stream, stock_stream
from tests.property.house import ORDER, Books, House

DUE = {"p0": 600, "p1": 400}
PATIENCE = 2
"""How often the provider will not give money back that it could: less often than it is asked."""
PARCEL = shipment_stream("m", "o1")


payments = st.sampled_from(sorted(DUE))


class OrderMoney(RuleBasedStateMachine):
    @initialize(expires=st.sampled_from([3600, 10**6]), far=st.sampled_from([0, 1, 1, 2, 3, 3]))
    def begin(self, expires: int, far: int) -> None:
        """Placed; mostly authorised too, and with the carrier, so that what comes after is seen often."""
        self.place(expires)
        for payment in sorted(DUE)[:far]:
            self.provider_decides(payment, None, True)
        if far == 3:
            self.carrier_scans("collected")

    def place(self, expires: int) -> None:
        self.house = House()
        self.books = {payment: Books() for payment in DUE}
        self.house.send(stock_stream("m", "a", "main"), ReceiveStock(sku="a", warehouse="main", quantity=1))
        line = Line(line=1, sku="a", quantity=1, unit_price_cents=1000)
        portions = tuple(Portion(payment_id=p, method="card", amount_cents=c) for p, c in DUE.items())
        command = PlaceOrder(
            order_id="o1",
            checkout_id="c1",
            subject="s",
            customer=Sealed(sealed="…"),
            currency="BRL",
            lines=(line,),
            portions=portions,
            terms=Terms(reservation_valid_s=1800, authorization_valid_s=expires),
        )
        self.house.send(ORDER, command)

    @property
    def order(self) -> Order:
        order: Order = self.house.state(ORDER)
        return order

    def payment(self, payment: str) -> Payment:
        state: Payment = self.house.state(payment_stream("m", payment))
        return state

    def asked(self, payment: str, kind: type[Any]) -> list[Any]:
        stream = payment_stream("m", payment)
        return [event for where, event in self.house.events if where == stream and isinstance(event, kind)]

    def tell(self, payment: str) -> None:
        stream = payment_stream("m", payment)
        if stream in self.house.states:
            self.house.send(stream, self.books[payment].letter(payment))

    @rule(payment=payments, cents=st.sampled_from([None, None, None, 1, 5000, 0]), told=st.booleans())
    def provider_decides(self, payment: str, cents: int | None, told: bool) -> None:
        books = self.books[payment]
        if books.status == "pending" and not books.voided and self.payment(payment).requested_cents:
            books.status = "declined" if cents == 0 else "authorized"
            books.authorized = 0 if cents == 0 else cents or DUE[payment]
            if told:
                self.tell(payment)

    @rule(payment=payments, yes=st.sampled_from([True, True, False]), parts=st.integers(1, 2))
    def provider_captures(self, payment: str, yes: bool, parts: int) -> None:
        """Our capture, as we asked, not at all, or in two movements, of which one has a name of its own."""
        books = self.books[payment]
        for event in self.asked(payment, CaptureRequested):
            reference, cents = event.capture_id, event.amount_cents
            if reference in books.captures or reference in books.failed_captures:
                continue
            if not yes or books.voided or cents > books.authorized:
                books.failed_captures.add(reference)
            elif parts == 1:
                books.captures[reference] = cents
            else:
                books.captures |= {reference: cents // 2, f"{reference}.rest": cents - cents // 2}
            self.tell(payment)

    @rule(payment=payments, yes=st.sampled_from([True, True, False]))
    def provider_refunds(self, payment: str, yes: bool) -> None:
        books = self.books[payment]
        for event in self.asked(payment, RefundRequested):
            reference, cents = event.refund_id, event.amount_cents
            if reference in books.refunds or reference in books.failed_refunds:
                continue
            if cents <= books.taken and (yes or len(books.failed_refunds) == PATIENCE):
                books.refunds[reference] = cents
            else:
                books.failed_refunds.add(reference)
            self.tell(payment)

    @rule(payment=payments, yes=st.sampled_from([True, True, True, False]))
    def provider_voids(self, payment: str, yes: bool) -> None:
        books = self.books[payment]
        if self.asked(payment, VoidRequested) and not books.voided and books.status != "declined":
            if books.held and (yes or books.void_refusals == PATIENCE):
                books.voided = True  # what a capture left is let go as well
            else:
                books.void_refused = "no"
                books.void_refusals += 1
            failed = len(self.asked(payment, VoidFailed))
            self.tell(payment)
            books.void_refused = ""
            if books.held and len(self.asked(payment, VoidFailed)) > failed:
                assert "not_voided" in self.order.discrepancies

    @rule(payment=payments, what=st.sampled_from(["goodwill", "goodwill", "", "void"]))
    def provider_acts_by_itself(self, payment: str, what: str) -> None:
        books = self.books[payment]
        if what == "goodwill" and books.taken >= 100:
            books.refunds.setdefault("goodwill", 100)
        if what == "void" and books.authorized and not books.captures:
            books.voided = True
        self.tell(payment)

    @precondition(lambda self: PARCEL in self.house.states)
    @rule(scan=st.sampled_from(["collected", "delivered", "delivered", "returned"]))
    def carrier_scans(self, scan: ScanType) -> None:
        shipment: Shipment = self.house.state(PARCEL)
        if shipment.void != "done" and not (scan == "delivered" and shipment.returned):
            scans = (Scan(scan_id=scan, type=scan),)
            command = RecordCarrierShipment(shipment_id="o1", carrier="c", tracking_number="t", scans=scans)
            self.house.send(PARCEL, command)

    @precondition(lambda self: PARCEL in self.house.states)
    @rule(really=st.sampled_from([False, False, False, True]))
    def carrier_refuses(self, really: bool) -> None:
        if not really:
            return
        command = RecordCarrierShipment(
            shipment_id="o1", carrier="", tracking_number="", booking_refused="address_unknown"
        )
        self.house.send(PARCEL, command)

    @rule(really=st.sampled_from([False, False, False, True]))
    def customer_cancels(self, really: bool) -> None:
        if really:
            self.house.send(ORDER, CancelOrder(order_id="o1", reason="customer"))

    @rule(hours=st.sampled_from([0.01, 0.01, 0.01, 0.6, 2, 30]))
    def time_passes(self, hours: float) -> None:
        self.house.wait(hours * 3600)

    @invariant()
    def stock_is_never_promised_twice(self) -> None:
        if hasattr(self, "house"):
            stock = self.house.state(stock_stream("m", "a", "main"))
            assert 0 <= stock.available <= stock.on_hand <= 1

    def all_is_answered(self) -> None:
        before = -1
        while before != len(self.house.events):
            before = len(self.house.events)
            for payment in sorted(DUE):
                self.provider_decides(payment, None, True)
                self.provider_captures(payment, True, 1)
                self.provider_refunds(payment, True)
                self.provider_voids(payment, True)
                self.tell(payment)

    def teardown(self) -> None:
        """Everything that was asked for is answered, with a yes; then the books must be right."""
        if not hasattr(self, "house"):
            return
        self.all_is_answered()
        self.house.wait(60 * 86400)
        self.all_is_answered()
        order, parcel = self.order, self.house.state(PARCEL)
        for payment, books in self.books.items():
            if order.status == "cancelled":
                assert (payment, books.taken, books.held) == (payment, 0, 0)
                assert not order.discrepancies.keys() & {"not_refunded", "not_voided"}
            if order.status == "completed":
                assert sum(books.captures.values()) >= DUE[payment]
            if order.status == "shipped":
                assert books.authorized >= DUE[payment] or not self.payment(payment).requested_cents
        if parcel.returned:
            assert order.status == "cancelled"
        elif parcel.delivered and order.status != "cancelled":
            assert order.status == "completed" or "not_captured" in order.discrepancies


TestOrderMoney = OrderMoney.TestCase
