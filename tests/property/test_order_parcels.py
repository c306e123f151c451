"""Does the money follow the goods, to the cent, whatever parcels leave, come back, are cut, changed or split?

All agents and aggregates in memory, with a provider and a carrier that do as they are asked, at any time. In
half of the runs agents are slow: people and carriers are faster than what follows from what they did. At the
end all that is to be sent is, and all that was asked for is answered: then what is kept is what was delivered
is worth, nothing is held, and each unit is where the parcels say.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.allocation import AllocationRules, AllocationTerms, PreferWarehouses, Site
from domain.carrier import (
    RecordCarrierShipment,
    RequestShipment,
    Scan,
    Shipment,
    ShipmentDispatched,
    ShipmentReturned,
    SplitParcel,
)
from domain.inventory import ReceiveStock
from domain.money import split_by_largest_remainder
from domain.order import (
    AddLine,
    Adjustment,
    CancelOrder,
    CancelOrderLines,
    ConfirmOrderEdit,
    HoldOrder,
    Line,
    LineQuantity,
    Order,
    OrderEdited,
    PlaceOrder,
    Portion,
    ProposeOrderEdit,
    ReleaseOrder,
    RemoveLine,
    SetQuantity,
    SetShipping,
    Terms,
    order_total,
)
from domain.payment import CaptureRequested, Payment, RefundRequested, VoidRequested
from domain.personal import Sealed
from domain.streams import payment_stream, pick_list_stream, shipment_stream, stock_stream, stream_parts
from domain.warehouse.pick_list import (
    HandOverPickList,
    PackOrder,
    PickLine,
    PickListHandedOver,
    PickUnits,
    ReleasePickList,
    StartPicking,
)
from tests.property.house import ORDER, Books, House

SKUS, WAREHOUSES = ("a", "b", "c"), ("north", "south")
PLACES = [(sku, warehouse) for sku in SKUS for warehouse in WAREHOUSES]
ON_HAND = 5
_PAYMENTS, _PARCELS, _LISTS = (
    each("m", "x").removesuffix("x") for each in (payment_stream, shipment_stream, pick_list_stream)
)


def rules_of(first: str) -> AllocationTerms:
    sites = tuple(Site(warehouse=each) for each in WAREHOUSES)
    rule = PreferWarehouses(kind="preferred", warehouses=(first,))
    return AllocationTerms(version=1, rules=AllocationRules(rules=(rule,)), sites=sites)


prices = st.sampled_from([0, 1, 100, 333])
quantities = st.integers(1, 4)


@st.composite
def order_lines(draw: st.DrawFn) -> tuple[Line, ...]:
    """Each product of a warehouse in one line, so that a parcel says which."""
    places = draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=4, unique=True))
    return tuple(
        Line(
            line=number,
            sku=sku,
            warehouse=warehouse,
            quantity=draw(quantities),
            unit_price_cents=draw(prices),
            unit_shipping_cents=draw(st.sampled_from([0, 0, 7])),
        )
        for number, (sku, warehouse) in enumerate(places, 1)
    )


changes = st.one_of(
    st.builds(SetQuantity, line=st.integers(1, 4), quantity=quantities),
    st.builds(RemoveLine, line=st.integers(1, 4)),
    st.builds(SetShipping, line=st.integers(1, 4), unit_shipping_cents=st.sampled_from([0, 30])),
)


class OrderParcels(RuleBasedStateMachine):
    @initialize(
        lines=order_lines(),
        adjustment=st.sampled_from([0, 0, 0, 5]),
        weights=st.lists(st.sampled_from([1, 2, 5]), min_size=1, max_size=3),
        by_rules=st.sampled_from(["", "", *WAREHOUSES]),
        slow=st.booleans(),
        far=st.sampled_from([0, 0, 1, 2]),
        in_parts=st.sampled_from([True, True, False]),
    )
    def begin(
        self,
        lines: tuple[Line, ...],
        adjustment: int,
        weights: list[int],
        by_rules: str,
        slow: bool,
        far: int,
        in_parts: bool,
    ) -> None:
        """Placed and authorised; in half some parcels have left too, so that what comes after is seen."""
        self.house, self.books, self.count = House(), dict[str, Books](), 0
        self.in_parts = in_parts
        self.sent, self.back = Counter[str](), Counter[str]()
        if by_rules:  # a product in one line, wherever it comes from
            lines = tuple({line.sku: line for line in lines}.values())
        for sku, warehouse in PLACES:
            receive = ReceiveStock(sku=sku, warehouse=warehouse, quantity=ON_HAND)
            self.house.send(stock_stream("m", sku, warehouse), receive)
        extra = (Adjustment(kind="surcharge", amount_cents=adjustment),) if adjustment else ()
        parts = split_by_largest_remainder(order_total(lines, extra), weights)
        self.house.send(
            ORDER,
            PlaceOrder(
                order_id="o1",
                checkout_id="c1",
                subject="s",
                customer=Sealed(sealed="…"),
                currency="BRL",
                lines=lines,
                adjustments=extra,
                portions=tuple(
                    Portion(payment_id=f"p{number}", method="card", amount_cents=cents)
                    for number, cents in enumerate(parts)
                ),
                terms=Terms(reservation_valid_s=10**6, authorization_valid_s=10**6),
                allocation=rules_of(by_rules) if by_rules else None,
            ),
        )
        self.exact, self.was_free = not adjustment, False
        self.provider_works()
        for _ in range(far):
            self.parcel_leaves(0)
            self.provider_works()
        self.house.slow = slow

    @property
    def order(self) -> Order:
        order: Order = self.house.state(ORDER)
        return order

    def named(self, prefix: str) -> dict[str, Any]:
        return {name: each for name, each in sorted(self.house.states.items()) if name.startswith(prefix)}

    def here(self) -> list[tuple[str, Shipment]]:
        """Parcels that have not left, and are wanted."""
        parcels = self.named(_PARCELS).items()
        return [(name, each) for name, each in parcels if not each.dispatched and each.void == "no"]

    @rule()
    def provider_works(self) -> None:
        """It does all that it was asked for."""
        for stream in self.named(_PAYMENTS):
            payment, books = (
                self.house.state(stream),
                self.books.setdefault(stream, Books(in_parts=self.in_parts)),
            )
            if payment.requested_cents and books.status == "pending" and not books.voided:
                books.status, books.authorized = "authorized", payment.requested_cents
            for event in [event for where, event in self.house.events if where == stream]:
                match event:
                    case CaptureRequested(capture_id=name, amount_cents=cents) if name not in books.captures:
                        books.capture(name, cents, last=name in payment.last_captures)
                    case RefundRequested(refund_id=name, amount_cents=cents) if name not in books.refunds:
                        assert cents <= books.taken, f"{cents} of {books.taken} are to be refunded"
                        books.refunds[name] = cents
                    case VoidRequested():
                        books.voided = True
            if payment.requested_cents:
                self.house.send(stream, books.letter(event.payment_id))  # type: ignore[attr-defined]

    @rule(which=st.integers(0, 2), share=st.sampled_from([1, 2]))
    def bank_takes_back(self, which: int, share: int) -> None:
        """All of what was taken, or half of it."""
        streams = sorted(self.books)
        stream = streams[which % len(streams)]
        books, payment = self.books[stream], self.house.state(stream)
        cents = payment.refundable_cents // share
        if cents > 0 and not any(status == "open" for _, status in books.disputes.values()):
            books.disputes[f"d{len(books.disputes)}"] = (cents, "open")
            self.tell(stream)

    @rule()
    def bank_gives_again(self) -> None:
        """All disputes are won."""
        for stream, books in self.books.items():
            if books.disputed:
                books.disputes = {name: (cents, "won") for name, (cents, _) in books.disputes.items()}
                self.tell(stream)

    def tell(self, stream: str) -> None:
        self.house.send(stream, self.books[stream].letter(stream_parts(stream)[-1]))

    @rule(which=st.integers(0, 9))
    def parcel_leaves(self, which: int) -> None:
        if (here := self.here()) and not self.order.holds:
            self.scan(here[which % len(here)][0], "collected")

    @rule(which=st.integers(0, 9), kind=st.sampled_from(["delivered", "delivered", "returned"]))
    def parcel_arrives(self, which: int, kind: Any) -> None:
        gone = [name for name, each in self.named(_PARCELS).items() if each.dispatched and not each.returned]
        if gone:
            self.scan(gone[which % len(gone)], kind)

    def scan(self, stream: str, kind: Any) -> None:
        parcel: Shipment = self.house.state(stream)
        units = {self.place(line): line.quantity for line in parcel.lines}
        if kind == "collected":
            self.sent.update(units)
        if kind == "returned":
            self.back.update(units)
        name = stream_parts(stream)[-1]
        scans = (Scan(scan_id=kind, type=kind),)
        command = RecordCarrierShipment(shipment_id=name, carrier="c", tracking_number=name, scans=scans)
        self.house.send(stream, command)

    def place(self, units: Any) -> str:
        return units.sku if self.order.allocated else f"{units.sku} {units.warehouse}"

    @rule(which=st.integers(0, 9))
    def person_splits(self, which: int) -> None:
        some = [(name, each) for name, each in self.here() if each.units > 1]
        if not some:
            return
        stream, parcel = some[which % len(some)]
        name, self.count = stream_parts(stream)[-1], self.count + 1
        lines = (parcel.lines[0].model_copy(update={"quantity": 1}),)
        request = RequestShipment(
            shipment_id=f"s{self.count}",
            order_id="o1",
            subject="s",
            recipient=parcel.recipient,
            ship_to_state="",
            units=1,
            lines=lines,
        )
        split = SplitParcel(shipment_id=name, into=f"s{self.count}", lines=lines)
        self.house.send_all([(stream, split), (shipment_stream("m", f"s{self.count}"), request)])

    @rule(which=st.integers(0, 9), late=st.booleans())
    def warehouse_hands_over(self, which: int, late: bool) -> None:
        """What a list of the agents has, or one by hand of what is in a parcel; half of them not yet."""
        lists = [name for name, each in self.named(_LISTS).items() if each.status != "handed_over"]
        if not lists and not self.order.allocated and (here := self.here()):
            self.by_hand(here[which % len(here)][1])
            lists = list(self.named(_LISTS))[-1:]
        for stream in lists[which % len(lists) :][:1] if lists else []:
            found, ids = self.house.state(stream), {"pick_list_id": stream_parts(stream)[-1]}
            self.house.send(stream, StartPicking(**ids))
            for line in found.lines.values():
                self.house.send(stream, PickUnits(**ids, line=line.line, picked=line.quantity))
            self.house.send(stream, PackOrder(**ids))
            if not late:
                self.house.send(stream, HandOverPickList(**ids))

    def by_hand(self, parcel: Shipment) -> None:
        self.count += 1
        name, lines = f"l{self.count}", self.order.lines.values()
        picked = {
            line.line: units
            for units in parcel.lines
            for line in lines
            if self.place(line) == self.place(units)
        }
        if picked:
            release = ReleasePickList(
                pick_list_id=name,
                order_id="o1",
                warehouse=parcel.lines[0].warehouse,
                lines=tuple(PickLine(line=n, sku=u.sku, quantity=u.quantity) for n, u in picked.items()),
            )
            self.house.send(pick_list_stream("m", name), release)

    @rule(line=st.integers(1, 4), quantity=st.integers(1, 3))
    def cut(self, line: int, quantity: int) -> None:
        self.count += 1
        cuts = (LineQuantity(line=line, quantity=quantity),)
        command = CancelOrderLines(order_id="o1", cancel_id=str(self.count), reason="staff", lines=cuts)
        self.house.send(ORDER, command)

    @rule(place=st.sampled_from(PLACES), quantity=quantities, cents=prices)
    def person_adds(self, place: tuple[str, str], quantity: int, cents: int) -> None:
        self.count += 1
        number = 10 + self.count
        names = {"line": number, "sku": place[0], "warehouse": place[1]}
        there = {self.place(line) for line in self.order.lines.values()}
        if there & {place[0], " ".join(place)}:
            return
        self.change([AddLine(line=Line(**names, quantity=quantity, unit_price_cents=cents))], True)

    @rule(wanted=st.lists(changes, min_size=1, max_size=2), confirmed=st.sampled_from([True, True, False]))
    def change(self, wanted: list[Any], confirmed: bool) -> None:
        self.count += 1
        ids = {"order_id": "o1", "change_set_id": f"e{self.count}"}
        until = self.house.now + timedelta(hours=2)
        propose = ProposeOrderEdit(**ids, changes=tuple(wanted), now=self.house.now, expires_at=until)
        self.house.send(ORDER, propose)
        if confirmed:
            self.house.send(ORDER, ConfirmOrderEdit(**ids, now=self.house.now))

    @rule(sure=st.sampled_from([False, False, False, True]))
    def person_cancels(self, sure: bool) -> None:
        if sure:
            self.house.send(ORDER, CancelOrder(order_id="o1", reason="customer"))

    @rule(events=st.integers(1, 5))
    def agents_go_on(self, events: int) -> None:
        self.house.go_on(events)

    @rule(hours=st.sampled_from([0.1, 3]))
    def time_passes(self, hours: float) -> None:
        self.house.wait(hours * 3600)

    @rule()
    def person_holds_or_releases(self) -> None:
        self.count += 1
        if holds := sorted(self.order.holds):
            self.house.send(ORDER, ReleaseOrder(order_id="o1", hold_id=holds[0]))
        else:
            self.house.send(ORDER, HoldOrder(order_id="o1", hold_id=f"h{self.count}", reason="staff"))

    @invariant()
    def money_is_never_more_than_it_may_be(self) -> None:
        for payment in self.named(_PAYMENTS).values() if hasattr(self, "house") else ():
            assert isinstance(payment, Payment)
            asked = sum(cents for cents, status in payment.captures.values() if status != "failed")
            assert asked <= (payment.authorized_cents or 0)
            given = sum(cents for cents, status in payment.refunds.values() if status != "failed")
            assert given <= payment.captured_cents
            assert not payment.open_kinds

    @invariant()
    def free_goods_are_noted(self) -> None:
        """As long as all are free, each is worth the same: what is given back by that stays so."""
        if hasattr(self, "house"):
            lines = self.order.lines.values()
            self.was_free |= not any(line.unit_price_cents + line.unit_shipping_cents for line in lines)

    @invariant()
    def each_unit_is_in_one_parcel(self) -> None:
        if not hasattr(self, "house") or self.order.status != "confirmed" or not self.named(_PARCELS):
            return
        if self.house.unheard or self.order.discrepancies:
            return
        packed, wanted = Counter[str](), Counter[str]()
        for parcel in self.named(_PARCELS).values():
            if parcel.void == "no" or parcel.dispatched:
                packed.update({self.place(line): line.quantity for line in parcel.lines})
        wanted.update({self.place(line): line.quantity for line in self.order.lines.values()})
        if self.order.holds:  # what needs a parcel of its own waits for the release
            assert packed <= wanted
        else:
            assert packed == wanted

    def all_is_done(self) -> None:
        self.house.slow, before = False, -1
        self.house.go_on()
        while before != len(self.house.events):
            before = len(self.house.events)
            while self.order.holds:
                self.person_holds_or_releases()
            self.provider_works()
            self.bank_gives_again()
            assert not (self.here() and self.order.status == "cancelled"), "a parcel is wanted of no order"
            for stream, _ in self.here():
                self.scan(stream, "collected")
            for stream, parcel in self.named(_PARCELS).items():
                if parcel.dispatched and not (parcel.delivered or parcel.returned):
                    self.scan(stream, "delivered")

    def teardown(self) -> None:
        if not hasattr(self, "house"):
            return
        self.all_is_done()
        self.house.wait(5 * 3600)
        self.all_is_done()
        order = self.order
        assert order.status in ("completed", "cancelled"), order
        assert order.discrepancies.keys() <= {"shipped_after_cancel", "shipped_while_held"}
        self.nobody_looks_for_what_has_left()
        if not order.allocated:
            self.what_left_is_booked_out()
        taken = sum(books.taken for books in self.books.values())
        assert [books.held for books in self.books.values()] == [0] * len(self.books)
        if order.status == "cancelled":
            assert taken == 0
        else:
            self.what_is_kept_is_what_was_delivered(taken)

    def nobody_looks_for_what_has_left(self) -> None:
        """No list is open of which all has left, and was on no other list."""
        left = Counter[tuple[str, str]]()
        for _, event in self.house.events:
            match event:
                case ShipmentDispatched(lines=lines):
                    left.update({(line.sku, line.warehouse): line.quantity for line in lines})
                case PickListHandedOver(lines=lines, warehouse=warehouse):
                    left.subtract({(line.sku, str(warehouse)): line.quantity for line in lines})
        for name, found in self.named(_LISTS).items():
            here = found.status not in ("handed_over", "cancelled")
            assert not here or any(
                line.quantity > left[line.sku, found.warehouse] for line in found.lines.values()
            ), name

    def what_left_is_booked_out(self) -> None:
        """By the parcels' word, or by the warehouse's where it gave away more than parcels tell of.

        Where more was wanted again after it had, nobody can say whether it gave that away: both are out.
        """
        left, back, handed = Counter[Any](), Counter[Any](), Counter[Any]()
        again = set[Any]()
        for _, event in self.house.events:
            match event:
                case ShipmentDispatched(lines=lines):
                    left.update({(line.sku, line.warehouse): line.quantity for line in lines})
                case ShipmentReturned(lines=lines):
                    back.update({(line.sku, line.warehouse): line.quantity for line in lines})
                case PickListHandedOver(lines=lines, warehouse=warehouse, inferred=False):
                    handed.update({(line.sku, warehouse): line.quantity for line in lines})
                case OrderEdited(units=units):
                    wanted = {(each.sku, each.warehouse) for each in units if each.change > 0}
                    again.update(place for place in wanted if handed[place])
        for sku, warehouse in PLACES:
            place, stock = (sku, warehouse), self.house.state(stock_stream("m", sku, warehouse))
            out, least = ON_HAND + back[place] - stock.on_hand, max(left[place], handed[place])
            assert out == least or (place in again and least < out <= left[place] + handed[place]), place
            assert stock.committed == 0

    def what_is_kept_is_what_was_delivered(self, taken: int) -> None:
        order, least, most = self.order, 0, 0
        for line in order.lines.values():
            unit, place = line.unit_price_cents + line.unit_shipping_cents, self.place(line)
            stayed = min(line.quantity, self.sent[place] - self.back[place])
            least += unit * (line.quantity - stayed)
            most += unit * min(line.quantity, self.back[place])
        # of units that left beside those that are wanted nobody can say which came back: a person must look
        assert least == most or order.discrepancies
        if self.exact:
            assert order.total_cents - most <= taken <= order.total_cents - least
        elif not self.was_free and (worth := order.total_cents - order.adjustment_cents):
            parts = [came * order.total_cents / worth for came in (most, least)]
            assert order.total_cents - parts[0] - 1 <= taken <= order.total_cents - parts[1] + 1


TestOrderParcels = OrderParcels.TestCase
