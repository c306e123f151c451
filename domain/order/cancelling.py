"""May an order, or a part of it, be cancelled? Only what is not shipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from domain.kernel import Refused
from domain.order.changing import (
    adjustment_left,
    items_cents,
    less_money,
    products_changed,
    shipping_cents,
    units_changed,
)
from domain.order.commands import CancelOrder, CancelOrderLines, CancelOrderRest
from domain.order.discrepancies import is_told
from domain.order.events import (
    OrderCancelled,
    OrderDiscrepancyOpened,
    OrderEditDeclined,
    OrderEvent,
    OrderLinesCancelled,
    OrderShipped,
)
from domain.order.state import UNSHIPPED, Order
from domain.order.values import DeclineReason, Line, LineCut, LineQuantity

Goods = tuple[str, str]
"""SKU, and the warehouse that it must come from, if any."""
ALLOCATION_CUT = "allocation"
"""The `cancel_id` by which an order that is allocated by rules loses the units that its first plan lacks."""


def edit_over(order_id: str, order: Order, reason: DeclineReason) -> tuple[OrderEvent, ...]:
    """The end of the change set that is open, if there is one."""
    if order.proposal is None:
        return ()
    edit, confirmed = order.proposal.edit, order.proposal.confirmed
    return (
        OrderEditDeclined(
            order_id=order_id,
            change_set_id=edit.change_set_id,
            reason=reason,
            confirmed=confirmed,
            units=edit.units if confirmed else (),
            payments=edit.payments if confirmed else (),
        ),
    )


def cancel(command: CancelOrder, order: Order) -> tuple[OrderEvent, ...]:
    returned = command.reason == "returned"
    match order.status:
        case "cancelled":
            return ()
        case "placed" | "reserved" | "confirmed" if not order.dispatched:
            pass
        case "placed" | "reserved" | "confirmed":
            raise Refused(
                "cancel_before_shipping",
                f"a parcel of the order is shipped; the {order.units_left} units that are not can be"
                " cancelled by their lines",
            )
        case "shipped" | "completed" if returned:
            pass
        case "shipped":
            raise Refused(
                "cancel_before_shipping", "the order is shipped; it can only come back through the carrier"
            )
        case _:
            raise Refused("cancel_before_shipping", f"the order is {order.status}; it can't be cancelled")
    cancelled = OrderCancelled(order_id=command.order_id, reason=command.reason, note=command.note)
    return (*edit_over(command.order_id, order, "superseded"), cancelled)


def cancel_lines(command: CancelOrderLines, order: Order) -> tuple[OrderEvent, ...]:
    if command.cancel_id in order.cancels:
        return ()
    if command.unfound:
        told, command = command.lines, _as_far_as_left(command, order)
        if not command.lines:
            return _sent_anyway(command, told, order)
    _check(command, order)
    cuts = tuple(_cut(each, order) for each in command.lines)
    if sum(cut.quantity for cut in cuts) == order.units_left and not order.dispatched:
        return cancel(CancelOrder(order_id=command.order_id, reason=command.reason, note=command.note), order)
    return _cut_off(command, order, cuts)


def _sent_anyway(
    command: CancelOrderLines, told: Sequence[LineQuantity], order: Order
) -> tuple[OrderEvent, ...]:
    """Of a line that is told to be nowhere more has left than there was: parcel or picker is wrong. Where an
    order is allocated by rules, others come instead of what was not found, and its plan knows."""

    def there(line: int) -> int:
        return order.lines[line].quantity + order.called_off.get(line, 0)

    sent = not order.allocated and any(
        order.sent.get(each.line, 0) + each.quantity > there(each.line)
        for each in told
        if order.sent.get(each.line)
    )
    if not sent or is_told("shipped_though_missing", command.cancel_id, order):
        return ()
    ids = {"order_id": command.order_id, "fact": command.cancel_id}
    return (OrderDiscrepancyOpened(**ids, kind="shipped_though_missing"),)


def cancel_rest(command: CancelOrderRest, order: Order) -> tuple[OrderEvent, ...]:
    """What agents ask for when it turns out that the rest can't be had: a change under way is over, too."""
    if order.status not in UNSHIPPED or command.cancel_id in order.cancels:
        return ()
    if not order.dispatched:
        return cancel(CancelOrder(order_id=command.order_id, reason=command.reason, note=command.note), order)
    left = [
        LineQuantity(line=each, quantity=units) for each in order.lines if (units := order.left(each)) > 0
    ]
    rest = CancelOrderLines(**dict(command), lines=tuple(left))
    return _cut_off(rest, order, tuple(_cut(each, order) for each in left))


def _cut_off(command: CancelOrderLines, order: Order, cuts: tuple[LineCut, ...]) -> tuple[OrderEvent, ...]:
    events = (*edit_over(command.order_id, order, "superseded"), _cancelled(command, order, cuts))
    if sum(cut.quantity for cut in cuts) == order.units_left:
        return (*events, OrderShipped(order_id=command.order_id))  # nothing is left to be sent
    return events


def _as_far_as_left(command: CancelOrderLines, order: Order) -> CancelOrderLines:
    """Nothing where the order is shipped, or over: then nobody misses them any more."""
    goods = _goods(command, order)
    lacks, cut = _lacks(command, order, goods), Counter[int]()
    for told in command.lines if order.status in UNSHIPPED else ():
        units = told.quantity
        for number, beyond in _where(told.line, command, order, goods):
            part = min(units, beyond - cut[number], order.left(number) - cut[number])
            if told.line in command.skus:
                part = min(part, lacks[goods[number]])
            cut[number] += max(0, part)
            units -= max(0, part)
            lacks[goods[number]] -= max(0, part)
    lines = tuple(LineQuantity(line=number, quantity=some) for number, some in sorted(cut.items()) if some)
    return command.model_copy(update={"lines": lines})


def _where(
    told: int, command: CancelOrderLines, order: Order, goods: Mapping[int, Goods]
) -> Iterator[tuple[int, int]]:
    """Lines that may lack what is told of one, and how many units each wants beyond those that can be had for
    it: the line itself, then others of the product, the last one first. Then any of them in full: what could
    be had for it may have left as another's.
    """
    known = told in command.skus
    others = [line for line in sorted(order.lines, reverse=True) if known and goods[line] == goods.get(told)]
    for line in dict.fromkeys((told, *others)):
        if line in order.lines:
            yield line, order.lines[line].quantity - command.had.get(line, 0)
    for line in others:
        yield line, order.lines[line].quantity


def _goods(command: CancelOrderLines, order: Order) -> dict[int, Goods]:
    """By line, also of lines that are cut off by now: a unit of a product does for another, in any warehouse
    where a plan says which, and else in its own."""
    lines = {
        number: (line.sku, "" if order.allocated else line.warehouse) for number, line in order.lines.items()
    }
    warehouse = "" if order.allocated else command.warehouse or ""
    return {**{number: (sku, warehouse) for number, sku in command.skus.items()}, **lines}


def _lacks(command: CancelOrderLines, order: Order, goods: Mapping[int, Goods]) -> Counter[Goods]:
    """Units of each that the order wants beyond those that can be had."""
    lacks = Counter[Goods]()
    for number, line in order.lines.items():
        lacks[goods[number]] += line.quantity
    for number, units in command.had.items():
        if number in goods:
            lacks[goods[number]] -= units
    return lacks


def _check(command: CancelOrderLines, order: Order) -> None:
    if order.status not in UNSHIPPED:
        raise Refused(
            "cancel_before_shipping",
            f"the order is {order.status}; only what is not shipped can be cancelled",
        )
    if order.proposal and order.proposal.confirmed and not command.unfound:
        raise Refused(
            "edit_not_under_way",
            f"change set {order.proposal.edit.change_set_id} is being carried out; ask again once it is",
        )
    if not command.lines:
        raise Refused("cancel_something", "no line is named; say which units are to be cancelled")
    if len({each.line for each in command.lines}) != len(command.lines):
        raise Refused("lines_unique", "a line is named twice; say its units once")


def _cut(wanted: LineQuantity, order: Order) -> LineCut:
    line = order.lines.get(wanted.line)
    if line is None:
        raise Refused("line_exists", f"the order has no line {wanted.line}")
    left = order.left(wanted.line)
    if wanted.quantity > left:
        raise Refused(
            "cancel_before_shipping",
            f"line {wanted.line} has {left} units that are not shipped; at most those can be cancelled",
        )
    return LineCut(
        line=wanted.line,
        sku=line.sku,
        warehouse=line.warehouse,
        quantity=wanted.quantity,
        left=line.quantity - wanted.quantity,
        amount_cents=wanted.quantity * (line.unit_price_cents + line.unit_shipping_cents),
    )


def _cancelled(command: CancelOrderLines, order: Order, cuts: tuple[LineCut, ...]) -> OrderLinesCancelled:
    after: dict[int, Line] = dict(order.lines)
    for cut in cuts:
        if cut.left:
            after[cut.line] = after[cut.line].model_copy(update={"quantity": cut.left})
        else:
            del after[cut.line]
    adjustment = adjustment_left(order, after)
    total = sum(line.total_cents for line in after.values()) + adjustment
    change = total - order.total_cents
    return OrderLinesCancelled(
        order_id=command.order_id,
        cancel_id=command.cancel_id,
        reason=command.reason,
        note=command.note,
        lines=cuts,
        units=units_changed(order, after),
        products=products_changed(order, after),
        payments=less_money(order, -change),
        items_change_cents=items_cents(after.values()) - items_cents(order.lines.values()),
        shipping_change_cents=shipping_cents(after.values()) - shipping_cents(order.lines.values()),
        lines_change=len(after) - len(order.lines),
        adjustment_cents=adjustment,
        change_cents=change,
        total_cents=total,
    )
