"""What must be true of every history, whatever went wrong on the way? Each check says what is wrong.

No oversell, money conserved, no command lost or done twice, what is derived equals the fold of the log, every
order ends: see `docs/architecture.md`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.aggregates import aggregate_of
from domain.allocation import AllocationPlanned
from domain.carrier import ShipmentDispatched
from domain.deadline import DeadlineReached
from domain.inventory import (
    Backordered,
    Stock,
    StockCountSettled,
    StockReceived,
    StockReserved,
    StockReturned,
    StockShipped,
)
from domain.kernel import Fact
from domain.order import Order, OrderPlaced
from domain.payment import PaymentVoided
from domain.streams import order_stream, payment_stream, stream_parts
from eventstore.codec import decode
from eventstore.leaf import leaf_hash_of
from eventstore.log import StoredEvent
from eventstore.memory import MemoryLog
from services.agents.agent import Agent, order_key
from services.agents.reactions import Key, encode_groups
from services.simulation.ordered import Ordered, Place, ordered, units_of
from services.simulation.plan import Plan, PlannedOrder
from services.simulation.shop import Answered
from services.simulation.tables import Tables
from services.worlds.carrier import Shipments
from services.worlds.payment_state import Payment, Payments

ENDED = ("cancelled", "completed")
OWED = ("not_refunded", "not_voided")


@dataclass(slots=True)
class History:
    """A log, folded: what all checks look at."""

    events: Sequence[StoredEvent]
    facts: list[Fact] = field(init=False)
    states: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.facts = [decode(event) for event in self.events]
        self.states = {}
        for fact in self.facts:
            aggregate = aggregate_of(fact.stream)
            state = self.states.get(fact.stream, aggregate.initial)
            self.states[fact.stream] = aggregate.evolve(state, fact.event)

    def of(self, category: str) -> Iterator[tuple[str, Any]]:
        return ((name, state) for name, state in self.states.items() if name.startswith(f"{category}-"))


def log_is_whole(history: History) -> Iterator[str]:
    """Positions 1..n, versions 1..n in each stream, hashes that recompute, ids that are unique."""
    versions: Counter[str] = Counter()
    for number, event in enumerate(history.events, 1):
        versions[event.stream] += 1
        if event.position != number:
            yield f"position {event.position} stands where {number} should"
        if event.version != versions[event.stream]:
            yield f"{event.stream} has version {event.version} where {versions[event.stream]} should be"
        if leaf_hash_of(event) != event.leaf_hash:
            yield f"the hash of position {event.position} does not match"
    if len({event.event_id for event in history.events}) != len(history.events):
        yield "two events have the same id"


def stock_is_never_oversold(history: History) -> Iterator[str]:
    """At each step: what is promised is there, but for what left without having been promised, or was not
    there when it was counted; and nobody waits for what is there."""
    stocks: dict[str, Stock] = {}
    uncommitted: Counter[str] = Counter()
    for fact in history.facts:
        if fact.category != "stock":
            continue
        stock = aggregate_of(fact.stream).evolve(stocks.get(fact.stream, Stock()), fact.event)
        stocks[fact.stream] = stock
        if isinstance(fact.event, StockShipped):
            uncommitted[fact.stream] += fact.event.uncommitted
        if isinstance(fact.event, StockCountSettled):
            uncommitted[fact.stream] += max(0, -fact.event.difference)
        if stock.on_shelf + uncommitted[fact.stream] < 0:
            yield f"position {fact.position}: {fact.stream} has promised {-stock.on_shelf} units too many"
        if stock.on_hand != stock.available + stock.committed + stock.unavailable:
            yield f"position {fact.position}: {fact.stream} has units that lie nowhere"
        if stock.committed != sum(held.quantity for _, held in stock.held.items()):
            yield f"position {fact.position}: what {fact.stream} holds does not add up"


def stock_moves_once(history: History) -> Iterator[str]:
    """What is in each parcel leaves once, and comes back at most once."""
    moves = Counter(
        (type(fact.event).__name__, fact.stream, fact.causation)
        for fact in history.facts
        if isinstance(fact.event, StockShipped | StockReturned)
    )
    yield from (f"{what} {times} times: {key}" for (what, *key), times in moves.items() if times > 1)


def promises_are_whole(history: History) -> Iterator[str]:
    """Stock for an order is reserved, or waited for, in all places that it or its plan names, or in none."""
    causes: dict[str, set[Place]] = {}
    reserved: dict[tuple[str, str], set[Place]] = defaultdict(set)
    for fact in history.facts:
        match fact.event:
            case OrderPlaced(lines=lines):
                causes[fact.event_id] = set(units_of(lines))
            case AllocationPlanned(picks=picks):
                causes[fact.event_id] = set(units_of(picks))
            case StockReserved() | Backordered() as event:
                reserved[fact.causation, event.order_id].add((event.sku, event.warehouse))
    for (cause, order_id), places in reserved.items():
        if places != causes.get(cause):
            yield f"{order_id} has stock reserved in {len(places)} of {len(causes.get(cause, ()))} places"


def deliveries_count_once(history: History, plan: Plan) -> Iterator[str]:
    received = Counter(
        (fact.merchant, fact.event.reference)
        for fact in history.facts
        if isinstance(fact.event, StockReceived)
    )
    for delivery in plan.deliveries:
        times = received[delivery.merchant, delivery.reference]
        if times != 1:
            yield f"delivery {delivery.reference} was received {times} times"


def orders_are_as_planned(history: History, plan: Plan) -> Iterator[str]:
    """Each was placed once, as it was sent: lines and payments add up to its total."""
    placed = defaultdict(list)
    for fact in history.facts:
        if isinstance(fact.event, OrderPlaced):
            placed[fact.merchant, fact.event.order_id].append(fact.event)
    for order in plan.orders:
        events = placed[order.merchant, order.order_id]
        if len(events) != order.is_placed:
            yield f"{order.order_id} was placed {len(events)} times"
        if len(events) != 1:
            continue
        paid = sum(portion.amount_cents for portion in events[0].portions)
        total = events[0].total_cents
        shown = bool(order.cart and order.cart.shopping)  # to its customer, whatever was planned
        if total != paid or not (shown or total == order.total_cents):
            yield f"{order.order_id} is of {total} cents, paid {paid}, not {order.total_cents}"


def answers_are_kept(history: History, answered: Answered) -> Iterator[str]:
    """What was answered is in the log, where the answer said."""
    for name, done in answered.done.items():
        for number, event in enumerate(reversed(done.events)):
            position = done.position - number
            stored = history.facts[position - 1].event if position <= len(history.facts) else None
            if stored is None or type(stored) is not type(event):
                yield f"{name} was answered with position {position}, where {stored!r} stands"


def tenants_are_apart(history: History) -> Iterator[str]:
    for fact in history.facts:
        if fact.category in ("cart", "order", "payment", "picklist", "shipment", "stock"):
            merchant = stream_parts(fact.stream)[0]
            if merchant != fact.merchant:
                yield f"position {fact.position}: {fact.stream} has an event of {fact.merchant}"


def orders_end(history: History, plan: Plan) -> Iterator[str]:
    """At rest every order is completed or cancelled; of a cancelled one no stock is held."""
    holders: dict[tuple[str, str], str] = {}
    for name, stock in history.of("stock"):
        merchant = stream_parts(name)[0]
        holders.update(((merchant, order), name) for order, _ in stock.held.items())
        holders.update(((merchant, each.order_id), name) for each in stock.waiting)
    for order in plan.orders:
        state: Order = history.states.get(order_stream(order.merchant, order.order_id), Order())
        if order.is_placed and state.status not in ENDED and not stays_open(order, state):
            yield f"{order.order_id} is {state.status}, and at rest"
        held = holders.get((order.merchant, order.order_id))
        if state.status in ENDED and held:
            yield f"{order.order_id} is {state.status}, but {held} holds stock for it"


def stays_open(order: PlannedOrder, state: Order) -> bool:
    """For a person to look at: its money stays where it is, or nobody tells of its parcel."""
    lost = order.parcel_fate == "never" and state.dispatched
    disputed = order.is_disputed and "not_refunded" in state.discrepancies
    return order.keeps_money or lost or disputed or "not_captured" in state.discrepancies


def money_is_conserved(history: History, plan: Plan, payments: Payments) -> Iterator[str]:
    """What we think of each payment is what the provider did; what ended was paid, or given back."""
    unknown = {  # a void that no provider tells of: it knew of no such payment
        fact.stream
        for fact in history.facts
        if isinstance(fact.event, PaymentVoided) and fact.event.happened_at is None
    }
    for stream, ours in history.of("payment"):
        theirs = payments.payments.get(stream)
        real = (theirs.captured_cents, theirs.refunded_cents, theirs.disputed_cents) if theirs else (0, 0, 0)
        books = ours.captured_cents, ours.refunded_cents, ours.disputed_cents
        if books != real:
            yield f"{stream}: captured, refunded, disputed are {books} by our books, {real} by the provider's"
        if ours.captured_cents > (ours.authorized_cents or 0) or ours.refunded_cents > ours.captured_cents:
            yield f"{stream}: refunded <= captured <= authorised does not hold: {ours}"
        if stream in unknown and theirs and theirs.status == "pending":
            continue  # it came to know of it after the void; should it hold something, that is voided anew
        if theirs and theirs.status != "declined" and bool(theirs.voided_at) != (ours.void == "done"):
            yield f"{stream}: voided by {'the provider' if theirs.voided_at else 'us'} alone"
    wanted = ordered(history.facts)
    for order in plan.orders:
        known = wanted.get((order.merchant, order.order_id))
        state: Order = history.states.get(order_stream(order.merchant, order.order_id), Order())
        if known and state.status in ENDED and not stays_open(order, state):
            yield from _order_is_paid(order, state.status, known, payments)


def _order_is_paid(order: PlannedOrder, status: str, wanted: Ordered, payments: Payments) -> Iterator[str]:
    """As much as was ordered in the end, but for what came back, and not a cent for what a change set had
    asked for in vain."""
    paid = disputed = 0
    if status == "completed" and sum(wanted.due.values()) != wanted.total_cents:
        yield f"{order.order_id} is of {wanted.total_cents} cents, and {wanted.due} are due"
    for payment_id in sorted({*wanted.due, *wanted.asked}):
        theirs = payments.payments.get(payment_stream(order.merchant, payment_id))
        kept = theirs.captured_cents - theirs.refunded_cents if theirs else 0
        if theirs and status == "cancelled":
            kept -= theirs.disputed_cents
        due = wanted.due.get(payment_id, 0) if status == "completed" else 0
        held = bool(theirs and theirs.status == "authorized" and not theirs.voided_at and _is_open(theirs))
        paid += kept
        disputed += theirs.disputed_cents if theirs else 0
        taken_back = theirs is not None and 0 < kept <= theirs.disputed_cents  # by a bank: no refund is left
        if held or not (kept == due or (wanted.came_back and 0 <= kept < due) or (taken_back and kept > due)):
            yield f"{order.order_id} is {status}: {kept} of {due} cents of {payment_id} are kept ({held=})"
    if status == "completed" and wanted.came_back and not 0 < paid < wanted.total_cents + disputed:
        yield f"{order.order_id} is completed, some came back: {paid} of {wanted.total_cents} cents are kept"


def _is_open(payment: Payment) -> bool:
    """Something could still be captured of it."""
    return payment.captured_cents < payment.request.amount_cents


def parcels_agree(history: History, shipments: Shipments) -> Iterator[str]:
    """Each scan that the carrier told is in the log, once; a late one never undoes a delivery."""
    scans: dict[str, list[str]] = {}
    for theirs in shipments.shipments.values():
        scans.setdefault(theirs.request.shipment_id, []).extend(scan.scan_id for scan in theirs.scans)
    for stream, told in scans.items():
        ours = history.states.get(stream)
        known = sorted(ours.scans) if ours is not None else []
        if sorted(told) != known:
            yield f"{stream}: the carrier told {sorted(told)}, we know {known}"


def nothing_is_shipped_twice(history: History, shipments: Shipments) -> Iterator[str]:
    """A parcel is dispatched once, and has one label that was not given back, whatever became of bookings."""
    sent = Counter(fact.stream for fact in history.facts if isinstance(fact.event, ShipmentDispatched))
    yield from (f"{stream} was dispatched {times} times" for stream, times in sent.items() if times > 1)
    labels = Counter(
        theirs.request.shipment_id for theirs in shipments.shipments.values() if theirs.status != "voided"
    )
    yield from (f"{stream} has {count} labels" for stream, count in labels.items() if count > 1)
    for theirs in shipments.shipments.values():
        collected = [scan for scan in theirs.scans if scan.type == "collected"]
        bears = shipments.bears(theirs.request.shipment_id)
        if collected and bears is not theirs:
            yield f"{theirs.request.label} was collected, and the parcel bears another label"


def agents_equal_the_fold(
    history: History, agents: Sequence[Agent], tables: Tables, spoilt: Collection[Key]
) -> Iterator[str]:
    """Each agent took each fact of each key once and in order: its state and what it decided say so."""
    processes: dict[tuple[str, str], Any] = {}
    deadlines: dict[tuple[str, str, str], Any] = {}
    for fact in history.facts:
        for agent in agents:
            key = order_key(fact) if concerns(agent, fact) else None
            if key is None or (agent.name, key) in spoilt:
                continue
            reaction = agent.react(processes.get((agent.name, key), agent.initial), fact)
            processes[agent.name, key] = reaction.process
            recorded = tables.reactions.get((agent.name, fact.position))
            commands = encode_groups(reaction.commands) if reaction.commands else None
            if (recorded.commands if recorded else None) != commands:
                yield f"{agent.name} at {fact.position} recorded something else than its rules say"
            for each in reaction.deadlines:
                deadlines[agent.name, each.key, each.name] = (each.due_at, fact.event_id)
    for who, process in processes.items():
        kept = tables.processes.get(who)
        known = _initial(agents, who[0]) if kept is None else type(process).model_validate_json(kept)
        if known != process:
            yield f"the process of {who} is {known!r}, but the fold of the log is {process!r}"
    reached = {
        (event.agent, event.key, event.name, event.due_at, event.asked_by)
        for fact in history.facts
        if isinstance(event := fact.event, DeadlineReached)
    }
    waited = {
        key for key, asked in deadlines.items() if asked[0] is not None and (*key, *asked) not in reached
    }
    standing = {row for row in tables.deadlines.rows if row[:2] not in spoilt}
    for wanted in sorted(waited ^ standing):
        yield f"deadline {wanted} {'is lost' if wanted in waited else 'stands, and nobody waits for it'}"


def _initial(agents: Sequence[Agent], name: str) -> Any:
    return next(agent.initial for agent in agents if agent.name == name)


def concerns(agent: Agent, fact: Fact) -> bool:
    """A deadline is for the agent that asked for it."""
    mine = fact.category != "deadline" or fact.event.agent == agent.name  # type: ignore[attr-defined]
    return mine and type(fact.event) in agent.interests


def nothing_is_left(
    log: MemoryLog, tables: Tables, outstanding: Mapping[str, int], horizon: datetime
) -> Iterator[str]:
    """At rest every follower is at the head, and nothing is open, unmatched or untold.

    A webhook of what does not exist waits for it; one that is put off beyond `horizon` is left alone.
    """
    head = len(log.events)
    for (name, _), place in tables.checkpoints.rows.items():
        if place.position != head or place.done != head:
            yield f"{name} stands at {place.position} (done {place.done}) of {head}"
    yield from (f"call {key} is open" for key in tables.calls.rows)
    for webhook, row in tables.inbox.rows.items():
        if not row.matched and row.next_at < horizon and log.last_of(row.stream):
            yield f"webhook {webhook} is not matched"
    yield from (f"{name} has {count} webhooks outstanding" for name, count in outstanding.items() if count)
