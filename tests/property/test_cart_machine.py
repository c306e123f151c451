"""Does a cart ever come to two orders at a merchant, or to one that nobody saw, whatever happens to it?

Orders are placed by whoever gets there: the shopper's own request, another's, the agents. The model is the
set of orders that were placed, as the order context keeps it: an id can be placed once.
"""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from domain.cart.cart import CART, Cart
from domain.cart.commands import (
    AbandonCart,
    AddItem,
    ChangeItemQuantity,
    ClaimCheckout,
    ExpireCart,
    Offer,
    Payment,
    RecordCheckoutOrder,
    ReleaseCheckout,
    RequestCheckoutOrders,
    SetContact,
    StartCheckout,
)
from domain.cart.events import (
    TOUCHES,
    CheckoutClaimed,
    CheckoutCompleted,
    CheckoutOrderPlanned,
    CheckoutOrderRequested,
)
from domain.cart.orders import Drift, changes_of, drift_token, line_drift, place_order_of
from domain.kernel import Refused
from domain.order import ORDER, Order, PlaceOrder
from domain.personal import Sealed
from tests.property.machine import AggregateMachine
from tests.strategies_cart import BUYERS, NOON, waits

SEALED = Sealed(sealed="bm9uY2U=")
PLACED = Order(status="placed")
merchants = st.sampled_from(["m1", "m2"])


class CartMachine(AggregateMachine):
    decider = CART
    state: Cart

    def __init__(self) -> None:
        super().__init__()
        self.now = NOON
        self.placed: dict[tuple[str, str], PlaceOrder] = {}
        self.prices: dict[int, int] = {}
        self.waiting: dict[int, int] = {}
        """Units of a line that would wait."""
        self.accepted_cents = -1
        self.known: list[CheckoutOrderPlanned | CheckoutOrderRequested] = []
        """What somebody, who may have slept since, means to place."""

    @initialize()
    def begin(self) -> None:
        self.send(StartCheckout(cart_id="k1", merchant="m1", currency="BRL", token_digest="d"))
        self.send(SetContact(cart_id="k1", subject="p1", contact=SEALED))
        self.add("m1", "A-1", 2, 100, waits=0)

    @rule(merchant=merchants, sku=st.sampled_from(["A-1", "B.2"]), quantity=st.integers(1, 3),
          cents=st.sampled_from([0, 99, 100]), waits=waits)  # fmt: skip
    def add(self, merchant: str, sku: str, quantity: int, cents: int, waits: int | None = None) -> None:
        before = self.state
        what = {"merchant": merchant, "sku": sku, "quantity": quantity, "unit_price_cents": cents}
        came = self.send(AddItem(cart_id="k1", **what, waits=waits))
        if before.status in ("open", "abandoned"):
            assert came[-1] == "ItemAdded"
        else:
            assert came == "cart_open"

    @rule(line=st.integers(1, 3), quantity=st.integers(0, 3), waits=waits)
    def change(self, line: int, quantity: int, waits: int | None) -> None:
        self.send(ChangeItemQuantity(cart_id="k1", line=line, quantity=quantity, waits=waits))

    @rule(line=st.integers(1, 3), cents=st.sampled_from([99, 100, 101]))
    def the_shop_sets_a_price(self, line: int, cents: int) -> None:
        self.prices[line] = cents

    @rule(line=st.integers(1, 3), units=st.integers(0, 2))
    def goods_run_short(self, line: int, units: int) -> None:
        self.waiting[line] = units

    @rule(accepts=st.booleans(), stale=st.booleans())
    def press(self, accepts: bool, stale: bool) -> None:
        before, seen = self.state, self.state.total_cents + (1 if stale else 0)
        offers = tuple(
            Offer(
                line=line,
                unit_price_cents=self.prices.get(line),
                available=99,
                waits=self.waiting.get(line, 0),
            )
            for line in sorted({*self.prices, *self.waiting})
        )
        differs = line_drift(before.lines, offers)
        token = drift_token(differs) if accepts and not stale else ""
        came = self.send(
            ClaimCheckout(
                cart_id="k1", now=self.now, seen_total_cents=seen, accept=token, offers=offers,
                buyers=BUYERS, payments=(Payment(name="card", method="card"),),
            )
        )  # fmt: skip
        if before.status in ("completing", "completed"):
            assert came == []
        elif before.status == "expired":
            assert came == "cart_open"
        elif not before.lines:
            assert came == "cart_has_lines"
        elif stale or (differs and not accepts):
            assert came == "as_seen"
        else:
            self.claimed(before, tuple(differs))

    def claimed(self, before: Cart, differs: tuple[Drift, ...]) -> None:
        """What was accepted is what is planned, to the cent."""
        changed = {each.line: each for each in changes_of(before.lines, differs)}
        for line in self.state.lines:
            knew = next(each.waits for each in before.lines if each.line == line.line)
            assert knew is None or self.waiting.get(line.line, 0) <= (line.waits or 0)
        wanted = {
            (line.merchant, line.sku): line.quantity
            * (changed[line.line].unit_price_cents if line.line in changed else line.unit_price_cents)
            for line in before.lines
        }
        orders = self.state.claim.orders if self.state.claim else ()
        planned: dict[tuple[str, str], int] = {}
        for order in orders:
            assert sum(each.amount_cents for each in order.portions) == order.total_cents
            for line in order.lines:
                key = order.merchant, line.sku
                planned[key] = planned.get(key, 0) + line.total_cents
        assert planned == wanted
        self.accepted_cents = sum(wanted.values())
        self.known.extend(orders)

    @precondition(lambda self: self.known)
    @rule(which=st.integers(0, 9), claimed=st.booleans())
    def somebody_places(self, which: int, claimed: bool) -> None:
        """As a request does: for the cart's own merchant in one append with the cart's word, else before it.
        Whoever was asked by the agents does not look at the claim."""
        order = self.known[which % len(self.known)]
        by_request = claimed and order.merchant == "m1"
        record = self.record_of(order, order.claim if by_request else None)
        place, key = place_order_of(order), (order.merchant, order.order_id)
        try:
            if by_request:
                CART.decide(record, self.state)
            ORDER.decide(place, PLACED if key in self.placed else Order())
        except Refused:
            return
        self.placed[key] = place
        self.send(record)

    @rule()
    def the_agent_hears_of_orders(self) -> None:
        for (merchant, order_id), place in self.placed.items():
            total = sum(line.total_cents for line in place.lines)
            self.send(
                RecordCheckoutOrder(cart_id="k1", merchant=merchant, order_id=order_id, total_cents=total)
            )
            assert merchant in self.state.recorded

    def record_of(
        self, order: CheckoutOrderPlanned | CheckoutOrderRequested, claim: int | None
    ) -> RecordCheckoutOrder:
        return RecordCheckoutOrder(
            cart_id="k1", merchant=order.merchant, order_id=order.order_id,
            total_cents=order.total_cents, claim=claim,
        )  # fmt: skip

    @precondition(lambda self: self.state.claims)
    @rule()
    def the_claim_runs_out(self) -> None:
        self.now += timedelta(minutes=1)
        count = len(self.stream)
        self.send(RequestCheckoutOrders(cart_id="k1", claim=self.state.claims))
        self.known.extend(e for e in self.stream[count:] if isinstance(e, CheckoutOrderRequested))

    @precondition(lambda self: self.state.claims)
    @rule()
    def the_claim_is_given_up(self) -> None:
        self.send(ReleaseCheckout(cart_id="k1", claim=self.state.claims, reason="unfinished"))
        assert self.state.status != "completing"

    @rule(late=st.booleans())
    def nobody_comes(self, late: bool) -> None:
        activity = self.state.activity
        self.send((ExpireCart if late else AbandonCart)(cart_id="k1", activity=activity))

    @invariant()
    def there_is_one_order_a_merchant(self) -> None:
        merchants = [merchant for merchant, _ in self.placed]
        assert len(set(merchants)) == len(merchants)

    @invariant()
    def a_completed_cart_has_orders_and_completes_once(self) -> None:
        completed = [event for event in self.stream if isinstance(event, CheckoutCompleted)]
        assert len(completed) <= 1
        assert (self.state.status == "completed") == bool(completed)
        if completed:
            assert {m for m, _ in self.placed} >= self.state.recorded != frozenset()

    @invariant()
    def a_claim_is_of_what_its_orders_come_to(self) -> None:
        for number, event in enumerate(self.stream):
            if isinstance(event, CheckoutClaimed):
                orders = self.stream[number + 1 : number + 1 + event.orders_count]
                assert sum(order.total_cents for order in orders) == event.total_cents  # type: ignore[attr-defined]

    @invariant()
    def activity_is_counted_as_the_agent_does(self) -> None:
        assert self.state.activity == sum(isinstance(event, TOUCHES) for event in self.stream)


TestCart = CartMachine.TestCase
