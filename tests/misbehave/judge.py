"""What must hold of orders, money and parcels, however provider and carrier have misbehaved?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from domain.streams import stream_parts
from tests.misbehave.books import Books, Outside


def problems_of(books: Books, outside: Outside) -> list[str]:
    return [*_stuck(books), *_money(books, outside), *_parcels(books, outside)]


def _stuck(books: Books) -> Iterator[str]:
    yield from (f"{order_id} is stuck" for order_id in books.waiting())


def _money(books: Books, outside: Outside) -> Iterator[str]:
    """Nothing is charged twice; what is not sold is not paid, or held; both books say the same."""
    for order_id, order in books.orders.items():
        for stream in order.payments:
            ours, theirs = books.captured[stream], outside.of(stream).captured
            if ours != theirs:
                yield f"{stream}: captured {ours} by our books, {theirs} by the provider's"
            ours, theirs = books.refunded[stream], outside.of(stream).refunded
            if ours != theirs:
                yield f"{stream}: refunded {ours} by our books, {theirs} by the provider's"
        accounts = [outside.of(stream) for stream in order.payments]
        captured = sum(each.captured for each in accounts)
        kept = captured - sum(each.refunded for each in accounts)
        if captured > order.total_cents:
            yield f"{order_id} of {order.total_cents} cents is charged {captured}"
        back = sum(each.disputed for each in accounts)
        if order.ended.startswith("cancelled") and kept > back and not order.discrepancies:
            yield f"{order_id} is {order.ended}, and {kept} cents of it are kept"
        held = sum(each.held for each in accounts)
        if order.ended and held and not order.discrepancies:
            yield f"{order_id} is {order.ended}, and {held} cents of it are held"
        if order.ended == "completed" and captured != order.total_cents:
            yield f"{order_id} of {order.total_cents} cents is completed with {captured} captured"


def _parcels(books: Books, outside: Outside) -> Iterator[str]:
    """A carrier takes a parcel once, and no more of them than an order has."""
    collected = outside.collected()
    yield from (f"{parcel} was collected {n} times" for parcel, n in collected.items() if n > 1)
    by_order: Counter[str] = Counter()
    for parcel in collected:
        by_order[stream_parts(parcel)[1].partition(".")[0]] += 1
    for order_id, order in books.orders.items():
        if order.ended == "completed" and not by_order[order_id]:
            yield f"{order_id} is completed, and no carrier has had it"
        if order.ended.startswith("cancelled") and by_order[order_id] and not order.discrepancies:
            yield f"{order_id} is {order.ended}, and a carrier has it"
    for each in outside.shipments:
        if (
            each["status"] == "label_bought"
            and (name := stream_parts(each["shipment_id"])[1]) not in books.refused
        ):
            yield f"{name}: a label of {each['carrier']} was paid for nothing"
