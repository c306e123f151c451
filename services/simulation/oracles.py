"""What must be true of a history if no fold of ours is believed? Sums and orders of its events alone.

The states that other checks look at are made by the code that is on trial: a fold that forgets something is
wrong there and in the check alike.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from domain.allocation import SENT_ANYWAY, SHORT_PICK, AllocationRevised
from domain.carrier import ShipmentDelivered, ShipmentDispatched, ShipmentRequested
from domain.cart.orders import cart_of_checkout
from domain.deadline import DeadlineReached
from domain.inventory import (
    BackorderCancelled,
    Backordered,
    BackorderFilled,
    ExpectedStockArrived,
    ExpectedStockCancelled,
    ReservationExpired,
    StockAdjusted,
    StockAllocated,
    StockAllocationRefused,
    StockCountSettled,
    StockExpected,
    StockMoved,
    StockPickedShort,
    StockReceived,
    StockReleased,
    StockReserved,
    StockReturned,
    StockSent,
    StockShipped,
    StockWrittenOff,
)
from domain.kernel import Event
from domain.order import (
    OrderCancelled,
    OrderConfirmed,
    OrderEdited,
    OrderHeld,
    OrderLinesCancelled,
    OrderReleased,
    OrderShipped,
)
from domain.payment import (
    AuthorizationExpired,
    CaptureFailed,
    CaptureRequested,
    PaymentDeclined,
    RefundFailed,
    VoidRequested,
)
from services.agents.agent import belonging
from services.simulation.invariants import History
from services.simulation.ordered import ordered
from services.simulation.plan import Plan
from services.worlds.carrier import Shipments
from services.worlds.payment_state import Payments

_OF_ORDERS = (
    StockReserved | BackorderFilled | StockAllocated | StockPickedShort | StockShipped | StockReturned
)
_QUANTITIES = "on hand, committed, in quality control, damaged, incoming"


@dataclass(slots=True)
class _Shelf:
    """One stock, by what came and what went."""

    on_hand: int = 0
    in_control: int = 0
    damaged: int = 0
    incoming: int = 0
    line: list[tuple[str, int]] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)

    def note(self, event: Event) -> None:
        match event:
            case StockReceived(quantity=quantity) | StockAdjusted(delta=quantity):
                self.on_hand += quantity
            case StockReturned(quantity=quantity):
                self.on_hand += quantity
                self.in_control += quantity
            case StockShipped(order_id=order, quantity=quantity, uncommitted=uncommitted):
                self.on_hand -= quantity
                self.held[order] -= quantity - uncommitted
            case StockReserved(order_id=order, quantity=quantity):
                self.held[order] = quantity
            case StockAllocated(order_id=order, quantity=quantity):
                self.held[order] = quantity
            case ReservationExpired(order_id=order, quantity=quantity):
                self.held[order] -= quantity
            case StockReleased(order_id=order, quantity=quantity):
                self.held[order] -= quantity
            case StockPickedShort(order_id=order, quantity=quantity, reason=reason):
                self.held[order] -= quantity
                self.on_hand -= quantity * (reason == "missing")
                self.damaged += quantity * (reason == "damaged")
            case _:
                self.note_kept(event)

    def note_kept(self, event: Event) -> None:
        """What is of no order, or only of one that waits."""
        match event:
            case StockMoved(quantity=quantity, source=source, target=target):
                self.in_control += quantity * ((target == "quality_control") - (source == "quality_control"))
                self.damaged += quantity * ((target == "damaged") - (source == "damaged"))
            case StockSent(quantity=quantity):
                self.on_hand -= quantity
            case StockWrittenOff(quantity=quantity):
                self.on_hand -= quantity
                self.damaged -= quantity
            case StockCountSettled(difference=difference):
                self.on_hand += difference
            case StockExpected(quantity=quantity):
                self.incoming += quantity
            case ExpectedStockArrived(quantity=quantity) | ExpectedStockCancelled(quantity=quantity):
                self.incoming -= quantity
            case Backordered(order_id=order, quantity=quantity):
                self.line.append((order, quantity))
            case BackorderFilled(order_id=order, quantity=quantity):
                assert self.line.pop(0) == (order, quantity), f"{order} is served before who came first"
                self.held[order] += quantity
            case BackorderCancelled(order_id=order, quantity=quantity):
                left = ((who, units - quantity if who == order else units) for who, units in self.line)
                self.line = [(who, units) for who, units in left if units]


def stock_adds_up(history: History) -> Iterator[str]:
    """on hand = available + committed + unavailable: what is there is what came, less what left."""
    shelves: dict[str, _Shelf] = defaultdict(_Shelf)
    for fact in history.facts:
        shelves[fact.stream].note(fact.event)
    for stream, state in history.of("stock"):
        shelf = shelves[stream]
        ours = state.on_hand, state.committed, state.quality_control, state.damaged, state.incoming
        real = shelf.on_hand, shelf.held.total(), shelf.in_control, shelf.damaged, shelf.incoming
        if ours != real:
            yield f"{stream} thinks {_QUANTITIES} are {ours}, and they are {real}"
        if [(each.order_id, each.quantity) for each in state.waiting] != shelf.line:
            yield f"{stream} thinks that {state.waiting} wait, and it is {shelf.line}"


def goods_are_accounted_for(history: History, plan: Plan) -> Iterator[str]:
    """What was bought came once, over or short; what was sent arrived, or was lost; each says its sum."""
    units: Counter[tuple[str, str, str]] = Counter()
    for fact in history.facts:
        match fact.event:
            case StockReceived(reference=reference, quantity=quantity):
                units[fact.merchant, "came", reference.partition(" ")[0]] += quantity
            case StockSent(reference=reference, quantity=quantity):
                units[fact.merchant, "sent", reference] += quantity
            case StockExpected(reference=reference, quantity=quantity):
                units[fact.merchant, "expected", reference] += quantity
            case ExpectedStockArrived(reference=reference, quantity=quantity):
                units[fact.merchant, "arrived", reference] += quantity
            case ExpectedStockCancelled(reference=reference, quantity=quantity):
                units[fact.merchant, "lost", reference] += quantity
    for goods in plan.goods:
        of = {what: units[goods.merchant, what, goods.name] for what in ("came", "sent", "arrived", "lost")}
        sent, lost = (goods.quantity, min(goods.odd, goods.quantity)) if of["sent"] else (0, 0)
        right = {
            "purchase": {
                "came": goods.quantity + goods.odd,
                "sent": 0,
                "arrived": goods.quantity,
                "lost": 0,
            },
            "transfer": {"came": sent - lost, "sent": sent, "arrived": sent - lost, "lost": lost},
        }.get(goods.kind, dict.fromkeys(of, 0))
        if goods.called_off:
            right = dict.fromkeys(of, 0) | ({"lost": goods.quantity} if goods.kind == "purchase" else {})
        if of != right:
            yield f"of {goods.name} {of} units are told, where it should be {right}"


def promises_are_of_all(history: History) -> Iterator[str]:
    """As many units are reserved and committed as are ordered at some time, and no more are sent, in one
    parcel or several; no more come back than were sent."""
    wanted = ordered(history.facts)
    gone: Counter[tuple[str, str]] = Counter()
    left: Counter[tuple[str, str]] = Counter()
    short: Counter[tuple[str, str]] = Counter()
    for fact in history.facts:
        if not isinstance(fact.event, _OF_ORDERS):
            continue
        order, units = fact.event.order_id, fact.event.quantity
        known = wanted[fact.merchant, order].ever[fact.event.sku, fact.event.warehouse]
        sent = gone[fact.stream, order]
        match fact.event:
            case StockShipped():
                right = sent + units <= max(known, default=0)
                gone[fact.stream, order] += units
                left[fact.stream, order] += units
            case StockReturned():
                right = units <= sent
                gone[fact.stream, order] -= units
            case StockPickedShort():
                short[fact.stream, order] += units
                right = short[fact.stream, order] <= max(known, default=0)
            case StockAllocated():  # of what a change set wants, beside what has left and what was not found
                missing = (0, short[fact.stream, order])
                beside = (0, left[fact.stream, order])
                right = any(units + away + lost in known for away in beside for lost in missing)
            case _:
                right = units in known
        if not right:
            name = f"position {fact.position}: {type(fact.event).__name__}"
            yield f"{name} is of {units} units of {order}, where {sorted(known)} were ordered and {sent} sent"


def goods_leave_for_a_reason(history: History) -> Iterator[str]:
    """What is sent is held for its order, unless the carrier took it though it was called off, or refused.
    What a picker did not find, the carrier did not take; if it did, what came instead of it is called off."""
    excused: set[tuple[str, str]] = set()
    cut: Counter[tuple[str, str]] = Counter()
    for fact in history.facts:
        match fact.event:
            case OrderCancelled(order_id=order) | StockAllocationRefused(order_id=order):
                excused.add((fact.merchant, order))
            case OrderLinesCancelled(order_id=order, cancel_id=why, lines=lines):
                lines = () if why.startswith(SHORT_PICK) else lines
                cut[fact.merchant, order] += sum(each.quantity for each in lines)
            case AllocationRevised(order_id=order, cause=why, removed=removed) if why.startswith(SENT_ANYWAY):
                cut[fact.merchant, order] += sum(pick.quantity for pick in removed)
            case OrderEdited(order_id=order, products=products):
                cut[fact.merchant, order] += sum(max(0, -each.units_change) for each in products)
            case StockShipped(order_id=order, uncommitted=uncommitted) if uncommitted:
                cut[fact.merchant, order] -= uncommitted
                if cut[fact.merchant, order] < 0 and (fact.merchant, order) not in excused:
                    yield f"position {fact.position}: {uncommitted} units for {order} were held for nobody"


def what_is_sent_is_not_cancelled(history: History) -> Iterator[str]:
    """Only what came back; and nobody's money is taken before his parcel is on its way."""
    shipped: set[tuple[str, str]] = set()
    dispatched: set[tuple[str, str]] = set()
    for fact in history.facts:
        match fact.event:
            case ShipmentDispatched(order_id=order):
                dispatched.add((fact.merchant, order))
            case OrderShipped(order_id=order):
                shipped.add((fact.merchant, order))
            case OrderCancelled(order_id=order, reason=reason) if reason != "returned":
                if (fact.merchant, order) in shipped:
                    yield f"position {fact.position}: {order} is cancelled for {reason}, and was shipped"
            case CaptureRequested(order_id=order) if (fact.merchant, order) not in dispatched:
                yield f"position {fact.position}: money of {order} is taken before it is sent"


def what_is_held_is_not_sent(history: History) -> Iterator[str]:
    """No parcel is asked for while a hold stands that stood when the order was confirmed."""
    holds: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    stood: dict[tuple[str, str], set[str]] = {}
    for fact in history.facts:
        match fact.event:
            case OrderHeld(order_id=order, hold_id=hold):
                holds[fact.merchant, order].add(hold)
            case OrderReleased(order_id=order, hold_id=hold):
                holds[fact.merchant, order].discard(hold)
            case OrderConfirmed(order_id=order):
                stood[fact.merchant, order] = set(holds[fact.merchant, order])
            case ShipmentRequested(order_id=order):
                if standing := holds[fact.merchant, order] & stood.get((fact.merchant, order), set()):
                    yield f"position {fact.position}: {order} is to be sent, and {sorted(standing)} holds it"


def deliveries_stand(history: History, shipments: Shipments) -> Iterator[str]:
    """What the carrier has delivered is delivered, whatever it tells late; and that is told once."""
    told = Counter(fact.stream for fact in history.facts if isinstance(fact.event, ShipmentDelivered))
    yield from (f"{stream} was delivered {times} times" for stream, times in told.items() if times > 1)
    delivered_by: dict[str, bool] = {}
    for theirs in shipments.shipments.values():
        stream = theirs.request.shipment_id
        delivered = any(scan.type == "delivered" for scan in theirs.scans)
        delivered_by[stream] = delivered_by.get(stream, False) or delivered
    for stream, delivered in delivered_by.items():
        ours = history.states.get(stream)
        if ours is not None and ours.delivered != delivered:
            yield f"{stream} is {'delivered, and' if delivered else 'not delivered, but'} we think otherwise"


def deadlines_are_not_early(history: History, set_back_s: float) -> Iterator[str]:
    """None comes before it is due, on the clock of whoever says so; that one was set back by so much."""
    for fact in history.facts:
        if isinstance(fact.event, DeadlineReached):
            early = fact.event.due_at - fact.occurred_at
            if early > timedelta(seconds=set_back_s):
                yield f"position {fact.position}: deadline {fact.event.name} came early, by {early}"


def causes_are_named(history: History) -> Iterator[str]:
    """What an agent or the scheduler does follows from a fact of the same checkout, and the same merchant,
    unless that is a cart's, which may be of several."""
    known: dict[str, tuple[str, str]] = {}
    for fact in history.facts:
        follows = fact.actor == "scheduler" or fact.actor.startswith("agent:")
        merchant, checkout = known.get(fact.causation, ("", ""))
        ours = merchant == fact.merchant or cart_of_checkout(checkout)
        if follows and not (ours and checkout == fact.correlation):
            yield f"position {fact.position} of {fact.actor} follows from {fact.causation!r}: not so"
        known[fact.event_id] = fact.merchant, belonging(fact)[0]


def failures_have_a_reason(history: History, plan: Plan, payments: Payments) -> Iterator[str]:
    """Money is not taken, or not given back, only where the provider was to refuse that, or it was let go, or
    the bank had taken it back."""
    disputed = {stream for stream, theirs in payments.payments.items() if theirs.disputes}
    refusals = {
        (order.merchant, payment_id): order.refusal.change
        for order in plan.orders
        if order.refusal
        for payment_id in order.payment_ids
    }
    let_go = {stream for stream, theirs in payments.payments.items() if theirs.lapsed}
    for fact in history.facts:
        match fact.event:
            case VoidRequested() | AuthorizationExpired() | PaymentDeclined():
                let_go.add(fact.stream)
            case CaptureFailed(payment_id=payment, reason=reason) if fact.stream not in let_go:
                if refusals.get((fact.merchant, payment)) != "captures":
                    yield f"position {fact.position}: {payment} is not captured, for no reason but {reason!r}"
            case RefundFailed(payment_id=payment, reason=reason) if fact.stream not in disputed:
                if refusals.get((fact.merchant, payment)) != "refunds":
                    yield f"position {fact.position}: {payment} is not refunded, for no reason but {reason!r}"
