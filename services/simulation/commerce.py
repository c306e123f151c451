"""What must be true of carts, change sets, parcels and books, whatever went wrong? By the events alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator

from domain.carrier import (
    CarrierChosen,
    LabelRefused,
    LabelVoidRequested,
    RebookingRequested,
    ShipmentDispatched,
    ShipmentHandedOver,
    ShipmentManifested,
)
from domain.carrier.manifest import ManifestClosed
from domain.cart.events import (
    CheckoutClaimed,
    CheckoutCompleted,
    CheckoutOrderRecorded,
    CheckoutReleased,
)
from domain.cart.orders import cart_of_checkout
from domain.inventory import StockShipped
from domain.order import OrderEdited, OrderPlaced
from domain.payment import CaptureRequested
from domain.streams import cart_stream, order_stream, shipment_stream, stream_parts
from services.agents.reactions import Key
from services.books import Books
from services.books.order import Seen
from services.simulation.invariants import ENDED, History
from services.simulation.ordered import Place, ordered
from services.simulation.plan import Plan


def books_balance(history: History, parked: Collection[Key]) -> Iterator[str]:
    """Authorised = captured + voided + expired + open; no more is given back, or taken by the bank, than was
    captured; of what is over nothing is held, and of what was cancelled nothing kept; stock adds up
    everywhere: as `tillroll verify --books` has it. Agents are stuck with the keys that are `parked`."""
    books, seen = Books(), Seen(parked={key for _, key in parked})
    books.take(history.facts)
    yield from (f"the books do not balance: {fault}" for fault in books.faults(seen))


def one_order_a_checkout(history: History) -> Iterator[str]:
    """However often somebody presses, a cart is claimed by one at a time, and makes one order a merchant."""
    claimed: Counter[str] = Counter()
    placed = Counter(
        (fact.merchant, event.checkout_id)
        for fact in history.facts
        if isinstance(event := fact.event, OrderPlaced) and cart_of_checkout(event.checkout_id)
    )
    yield from (f"{times} orders came of {checkout}" for (_, checkout), times in placed.items() if times > 1)
    for fact in history.facts:
        match fact.event:
            case CheckoutClaimed():
                claimed[fact.stream] += 1
                if claimed[fact.stream] > 1:
                    yield f"position {fact.position}: {fact.stream} is claimed while it is"
            case CheckoutReleased():
                claimed[fact.stream] -= 1


def checkouts_end(history: History, plan: Plan) -> Iterator[str]:
    """A cart that was claimed makes all its orders, and tells of them and their total; no other makes any.

    Where a claim, or an order of it, was given up for dead, it ends with those that were there by then.
    """
    totals: Counter[str] = Counter()
    dead: set[str] = set()
    told: dict[str, set[str]] = defaultdict(set)
    completed: dict[str, int] = {}
    for fact in history.facts:
        match fact.event:
            case OrderPlaced(checkout_id=checkout, total_cents=cents) if cart := cart_of_checkout(checkout):
                totals[cart_stream(*cart)] += cents
            case CheckoutOrderRecorded(order_id=order_id):
                told[fact.stream].add(order_id)
            case CheckoutReleased():
                dead.add(fact.stream)
            case CheckoutCompleted(total_cents=cents, missing_count=missing):
                completed[fact.stream] = cents
                dead.update([fact.stream] * bool(missing))
    for order in plan.orders:
        if order.cart:
            stream = cart_stream(order.cart.merchant, order.cart.cart_id)
            if order.is_placed != (order.order_id in told[stream]):
                yield f"{stream} tells of {sorted(told[stream])}: {order.cart.fate}, with {order.order_id}"
            some = stream in dead and 0 < completed.get(stream, 0) <= totals[stream]
            if order.is_placed and completed.get(stream) != totals[stream] and not some:
                yield f"{stream} ends with {completed.get(stream)} cents of {totals[stream]}"


def change_sets_are_not_charged(history: History) -> Iterator[str]:
    """Money that was authorised for a change set is taken once that has come true, or never."""
    asked = {
        (merchant, payment): order_id
        for (merchant, order_id), order in ordered(history.facts).items()
        for payment in order.asked
    }
    true: set[tuple[str, str]] = set()
    for fact in history.facts:
        match fact.event:
            case OrderEdited(payments=payments):
                true.update((fact.merchant, each.payment_id) for each in payments)
            case CaptureRequested(payment_id=payment):
                if (fact.merchant, payment) in asked.keys() - true:
                    yield f"position {fact.position}: {payment} is taken for what was not changed"


def what_is_ordered_is_sent(history: History, plan: Plan) -> Iterator[str]:
    """Of an order that is completed all units that are wanted left, from where the plan has them, and in its
    parcels: more only where it was cut when they were on their way."""
    sent: dict[tuple[str, str], Counter[Place]] = defaultdict(Counter)
    packed: dict[tuple[str, str], Counter[Place]] = defaultdict(Counter)
    for fact in history.facts:
        match fact.event:
            case StockShipped(order_id=order_id) as event:
                sent[fact.merchant, order_id][event.sku, event.warehouse] += event.quantity
            case ShipmentDispatched(order_id=order_id, lines=lines):
                for line in lines:
                    packed[fact.merchant, order_id][line.sku, line.warehouse] += line.quantity
    wanted = ordered(history.facts)
    for order in plan.orders:
        key = order.merchant, order.order_id
        state = history.states.get(order_stream(*key))
        if state is None or state.status != "completed":
            continue
        for place in sorted({*wanted[key].units, *sent[key]}):
            units, left, ever = wanted[key].units[place], sent[key][place], wanted[key].ever[place]
            if not (left == units or (left > units and left in ever)):
                yield f"{order.order_id} is completed: {left} of {units} units of {place} left"
        if missing := wanted[key].units - packed[key]:
            yield f"{order.order_id} is completed: {dict(missing)} were in no parcel"


def pick_lists_end(history: History, plan: Plan) -> Iterator[str]:
    """With their order: nobody looks for what a carrier has, or nobody wants."""
    orders = {order_stream(order.merchant, order.order_id) for order in plan.orders}
    for name, found in history.of("picklist"):
        stream = order_stream(stream_parts(name)[0], found.order_id)
        ended = stream in orders and history.states[stream].status in ENDED
        if ended and found.status not in ("handed_over", "cancelled"):
            yield f"{name} is {found.status}, and its order is over"


def labels_stand_in_one_manifest(history: History) -> Iterator[str]:
    """A parcel that is booked anew may stand in another one with its new label."""
    bookings: Counter[str] = Counter()
    listed: Counter[tuple[str, int]] = Counter()
    manifests: Counter[tuple[str, int]] = Counter()
    for fact in history.facts:
        match fact.event:
            case RebookingRequested():
                bookings[fact.stream] += 1
            case ManifestClosed(shipments=shipments):
                streams = [shipment_stream(fact.merchant, each) for each in shipments]
                manifests.update((each, bookings[each]) for each in streams)
            case ShipmentManifested():
                listed[fact.stream, bookings[fact.stream]] += 1
    yield from (f"{stream} is listed {times} times" for (stream, _), times in listed.items() if times > 1)
    yield from (
        f"{stream} stands in {times} manifests" for (stream, _), times in manifests.items() if times > 1
    )


def parcels_are_handed_over_once(history: History) -> Iterator[str]:
    """And not after the label was asked back."""
    handed: Counter[str] = Counter()
    asked_back: set[str] = set()
    for fact in history.facts:
        match fact.event:
            case LabelVoidRequested() if fact.event.booking == _booking(history, fact.stream):
                asked_back.add(fact.stream)
            case ShipmentDispatched():
                asked_back.discard(fact.stream)  # too late
            case ShipmentHandedOver():
                handed[fact.stream] += 1
                if fact.stream in asked_back:
                    yield f"position {fact.position}: {fact.stream} is handed over without a label"
    yield from (f"{stream} is handed over {times} times" for stream, times in handed.items() if times > 1)


def parcels_find_a_carrier(history: History) -> Iterator[str]:
    """There is one that takes any. Once one was chosen, another goes instead, while the parcel is wanted."""
    wanted: set[str] = set()
    for fact in history.facts:
        match fact.event:
            case CarrierChosen():
                wanted.add(fact.stream)
            case LabelVoidRequested() | RebookingRequested():
                wanted.discard(fact.stream)
            case LabelRefused() if fact.stream in wanted:
                yield f"position {fact.position}: {fact.stream} goes with nobody"


def _booking(history: History, stream: str) -> int:
    """The last one of the parcel."""
    state = history.states[stream]
    booking: int = state.booking
    return booking
