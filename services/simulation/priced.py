"""What must be true of prices, and of who buys at them? By the events, and by what customers were shown."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeAlias

from domain.cart.commands import ClaimCheckout
from domain.cart.events import CheckoutClaimed, DriftAccepted, ItemAdded
from domain.cart.orders import checkout_id_of
from domain.deadline import DeadlineReached
from domain.kernel import Fact
from domain.order import OrderPlaced
from domain.product import PriceApplied, PriceSet, PriceWithdrawn
from domain.streams import stream_parts
from services.agents.reactions import Key
from services.simulation.invariants import History
from services.simulation.plan import Plan, PlannedOrder
from services.simulation.shop import Answered
from services.simulation.shopping import Mind

Minds: TypeAlias = Mapping[str, Sequence[Mind]]
Price: TypeAlias = tuple[str, str, str, str]
"""Merchant, SKU, channel and currency that it is of."""


class Point(NamedTuple):
    """From `valid_from` on a unit costs `cents`: so it is said `since` a position `until` it is withdrawn."""

    valid_from: datetime
    cents: int
    since: int
    until: float = float("inf")


def as_it_went(history: History, plan: Plan, minds: Minds) -> Plan:
    """With only those orders of shoppers that somebody has pressed for, as far as he knew."""
    claimed = claimers(history, minds)

    def went(order: PlannedOrder) -> PlannedOrder:
        cart = order.cart
        wanted = {merchant for mind in claimed[order.checkout] for merchant in mind.merchants}
        if cart is None or cart.shopping is None or order.merchant in wanted:
            return order
        return order.model_copy(update={"cart": cart.model_copy(update={"fate": "abandoned"})})

    return plan.model_copy(update={"orders": tuple(map(went, plan.orders))})


def claimers(history: History, minds: Minds) -> dict[str, list[Mind]]:
    """By checkout: what they had in mind who claimed it, or if nothing of what they were told was so any
    more, what they had before that."""
    found: dict[str, list[Mind]] = defaultdict(list)
    accepted: set[tuple[str, str]] = set()
    for fact in history.facts:
        if isinstance(fact.event, DriftAccepted):
            accepted.add((fact.stream, fact.causation))
        if isinstance(fact.event, CheckoutClaimed):
            checkout = checkout_id_of(*stream_parts(fact.stream))
            press = fact.causation.removesuffix(f" {fact.event.cart_id}")
            took = 0 if (fact.stream, fact.causation) in accepted else -1
            pages = minds.get(checkout, ())
            found[checkout] += [page.pressed[press][took] for page in pages if press in page.pressed]
    return found


def orders_are_as_shown(history: History, minds: Minds) -> Iterator[str]:
    """No order of a cart is of other units, or at another price, than its customer was shown, or was told of
    and took."""
    claimed = claimers(history, minds)
    for fact in history.facts:
        match fact.event:
            case OrderPlaced(checkout_id=checkout) as event if checkout in minds:
                units: Counter[tuple[str, int]] = Counter()
                for line in event.lines:
                    units[line.sku, line.unit_price_cents] += line.quantity
                ordered = units, event.total_cents
                shown = [_shown(mind, fact.merchant) for mind in claimed[checkout]]
                if ordered not in shown:
                    yield f"{event.order_id} is of {ordered}, and its customer was shown {shown}"


def _shown(mind: Mind, merchant: str) -> tuple[Counter[tuple[str, int]], int]:
    units: Counter[tuple[str, int]] = Counter()
    for line in mind.lines.values():
        if line.merchant == merchant:
            units[line.sku, line.unit_price_cents] += line.quantity
    return units, mind.total_of(merchant)


def prices_told_hold(history: History, answered: Answered) -> Iterator[str]:
    """What a customer who presses is told that a product costs, it costs then: by what was set and not
    withdrawn, when he is told."""
    points = points_of(history)
    items = {
        (fact.stream, fact.event.line): fact.event
        for fact in history.facts
        if isinstance(fact.event, ItemAdded)
    }
    for name, sent in answered.sent.items():
        for stream, claim in ((each.stream, each.command) for each in sent.group.targets):
            if not isinstance(claim, ClaimCheckout):
                continue
            for offer in claim.offers:
                item = items.get((stream, offer.line))
                if item is None or offer.unit_price_cents is None:
                    continue
                known = points[item.merchant, item.sku, "web", "BRL"]
                moments = {sent.head, answered.done[name].position, *(at for p in known for at in p[2:])}
                right = {
                    _price_at(known, position, claim.now)
                    for position in moments
                    if sent.head <= position <= answered.done[name].position
                }
                if offer.unit_price_cents not in right:
                    yield f"{name}: {item.sku} is told to cost {offer.unit_price_cents} cents, not {right}"


def points_of(history: History) -> defaultdict[Price, list[Point]]:
    found: defaultdict[Price, list[Point]] = defaultdict(list)
    for fact in history.facts:
        match fact.event:
            case PriceSet(valid_from=valid_from, price_cents=cents):
                found[_price(fact)].append(Point(valid_from, cents, fact.position))
            case PriceWithdrawn(valid_from=valid_from):
                found[_price(fact)] = [
                    each._replace(until=fact.position) if each.valid_from == valid_from else each
                    for each in found[_price(fact)]
                ]
    return found


def _price(fact: Fact) -> Price:
    event = fact.event
    assert isinstance(event, PriceSet | PriceWithdrawn | PriceApplied)
    return fact.merchant, event.sku, event.channel, event.currency


def _price_at(points: Sequence[Point], position: float, now: datetime) -> int | None:
    held = [each for each in points if each.since <= position < each.until and each.valid_from <= now]
    return max(held, key=lambda each: (each.valid_from, each.since)).cents if held else None


def prices_are_applied_at_their_time(history: History, stuck: Collection[Key]) -> Iterator[str]:
    """A price that was set for later is said to hold once its time has come, and not again, unless it was
    withdrawn, or another held by then. Nobody says it of products that the product agent is stuck with."""
    points = points_of(history)
    waiting: dict[tuple[Price, datetime], Fact] = {}
    said: dict[Price, datetime] = {}
    reached: dict[str, datetime] = {}
    for fact in history.facts:
        match fact.event:
            case PriceSet(valid_from=valid_from, set_at=set_at):
                if valid_from > set_at:
                    waiting[_price(fact), valid_from] = fact
                else:
                    said[_price(fact)] = valid_from
            case PriceApplied(valid_from=valid_from) as event:
                due_at = reached.get(fact.causation)
                yield from _wrong_in(fact, event, points[_price(fact)], said.get(_price(fact)), due_at)
                said[_price(fact)] = valid_from
                waiting.pop((_price(fact), valid_from), None)
            case DeadlineReached(due_at=due_at):
                reached[fact.event_id] = due_at
    for (price, valid_from), fact in waiting.items():
        later = any(each.valid_from > valid_from for each in points[price])
        gone = any(each.valid_from == valid_from and each.until < float("inf") for each in points[price])
        if not (later or gone or ("product", fact.stream) in stuck):
            yield f"position {fact.position}: nobody says that the price of {price[1]} holds"


def _wrong_in(
    fact: Fact, said: PriceApplied, points: Sequence[Point], before: datetime | None, due_at: datetime | None
) -> Iterator[str]:
    """`before`: since when the price holds that was said to hold last."""
    name, valid_from = f"position {fact.position}: the price of {said.sku}", said.valid_from
    if (valid_from, said.price_cents) not in {(each.valid_from, each.cents) for each in points}:
        yield f"{name} is said to be {said.price_cents} cents, which nobody has set"
    if before is not None and before >= valid_from:
        yield f"{name} is said to hold from {valid_from}, as it was, or another, before"
    if due_at is None or due_at < valid_from:
        yield f"{name} holds before {valid_from}"
