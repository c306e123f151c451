"""Is what a completed order keeps of its payments what it is worth? Beside `services/books.py`, from the log.

Each payment may balance by itself, and the order be paid twice all the same. So of all payments of a
completed order together: what was captured, less what was asked to be given back and what a bank took back,
is no more than its total; and all of it was captured, unless goods came back. Where the log has a discrepancy
of the order, or of one of its payments, that is counted there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from domain.carrier import ShipmentReturned
from domain.kernel import Event
from domain.order import (
    OrderCompleted,
    OrderDiscrepancyOpened,
    OrderEdited,
    OrderLinesCancelled,
    OrderPlaced,
)
from domain.payment import AuthorizationRequested, PaymentCaptured, RefundFailed, RefundRequested
from domain.streams import order_stream, stream_parts


@dataclass(slots=True)
class _Order:
    total_cents: int = 0
    on_account: bool = False
    completed: bool = False
    contradicted: bool = False
    returned: bool = False
    payments: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Taken:
    captured_cents: int = 0
    refunds: dict[str, int] = field(default_factory=dict)


class OrderBooks:
    """`take` every fact of orders, payments and parcels, in order, then ask for `faults`."""

    def __init__(self) -> None:
        self._orders: dict[str, _Order] = {}
        self._taken: dict[str, _Taken] = {}

    def take(self, stream: str, event: Event) -> None:
        match event:
            case OrderPlaced():
                self._orders[stream] = _Order(event.total_cents, event.on_account)
            case OrderLinesCancelled(total_cents=cents) | OrderEdited(total_cents=cents):
                self._of(stream).total_cents = cents
            case OrderCompleted():
                self._of(stream).completed = True
            case OrderDiscrepancyOpened():
                self._of(stream).contradicted = True
            case ShipmentReturned(order_id=order_id):
                self._of(_order(stream, order_id)).returned = True
            case AuthorizationRequested(order_id=order_id):
                self._of(_order(stream, order_id)).payments.add(stream)
            case PaymentCaptured(amount_cents=cents):
                self._taken.setdefault(stream, _Taken()).captured_cents += cents
            case RefundRequested(refund_id=name, amount_cents=cents):
                self._taken.setdefault(stream, _Taken()).refunds[name] = cents
            case RefundFailed(refund_id=name):
                self._taken.setdefault(stream, _Taken()).refunds.pop(name, None)

    def faults(self, contradicted: set[str], disputed: dict[str, int]) -> Iterator[str]:
        """Of orders of which no payment is `contradicted`; `disputed` are cents by payment."""
        for stream, order in self._orders.items():
            if order.completed and not (
                order.on_account or order.contradicted or order.payments & contradicted
            ):
                yield from (f"{stream}: {fault}" for fault in self._faults(order, disputed))

    def _faults(self, order: _Order, disputed: dict[str, int]) -> Iterator[str]:
        taken = [self._taken[name] for name in sorted(order.payments) if name in self._taken]
        captured = sum(each.captured_cents for each in taken)
        back = sum(sum(each.refunds.values()) for each in taken)
        back += sum(disputed.get(name, 0) for name in order.payments)
        if captured - back > order.total_cents:
            yield f"it keeps {captured - back} cents of its payments, and comes to {order.total_cents}"
        if captured < order.total_cents and not order.returned:
            yield f"it is completed, and {captured} of {order.total_cents} cents were captured"

    def _of(self, stream: str) -> _Order:
        return self._orders.setdefault(stream, _Order())


def _order(stream: str, order_id: str) -> str:
    return order_stream(stream_parts(stream)[0], order_id)
