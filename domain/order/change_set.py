"""How is a placed order changed? By a change set: proposed, its money looked at, confirmed or declined."""

from __future__ import annotations

from collections.abc import Mapping

from domain.kernel import Refused
from domain.money import MOST_CENTS
from domain.order.cancelling import edit_over
from domain.order.changing import (
    items_cents,
    less_money,
    more_money,
    products_changed,
    shipping_cents,
    units_changed,
)
from domain.order.commands import ApplyOrderEdit, ConfirmOrderEdit, DeclineOrderEdit, ProposeOrderEdit
from domain.order.events import (
    OrderAddressChanged,
    OrderAddressProposed,
    OrderEditConfirmed,
    OrderEdited,
    OrderEditProposed,
    OrderEvent,
    OrderShipped,
)
from domain.order.state import Order, edited
from domain.order.values import AddLine, Change, Line, RemoveLine, SetQuantity, SetShipping

LINES_MAX = 1000
Editing = ProposeOrderEdit | ConfirmOrderEdit | DeclineOrderEdit | ApplyOrderEdit


def edit(command: Editing, order: Order) -> tuple[OrderEvent, ...]:
    match command:
        case ProposeOrderEdit():
            return _propose(command, order)
        case ConfirmOrderEdit():
            return _confirm(command, order)
        case DeclineOrderEdit():
            return _decline(command, order)
        case ApplyOrderEdit():
            return _apply(command, order)


def _check_open(command: ProposeOrderEdit, order: Order) -> None:
    if order.status != "confirmed":
        raise Refused(
            "edit_confirmed",
            f"the order is {order.status}; only a confirmed one that is not shipped can be changed",
        )
    if order.proposal:
        raise Refused(
            "one_change_set",
            f"change set {order.proposal.edit.change_set_id} is open; confirm or decline it first",
        )
    if command.expires_at <= command.now:
        raise Refused("expires_later", "a change set must expire later than now")


def _propose(command: ProposeOrderEdit, order: Order) -> tuple[OrderEvent, ...]:
    known = order.proposal is not None and order.proposal.edit.change_set_id == command.change_set_id
    if known or command.change_set_id in order.change_sets:
        return ()
    _check_open(command, order)
    after = dict(order.lines)
    for change in command.changes:
        _make(change, after, order)
    if command.customer is not None and order.dispatched:
        raise Refused(
            "readdress_before_shipping",
            "a parcel of the order is on its way: what is not shipped can go to another address by an order"
            " of its own",
        )
    if after == order.lines and command.customer is None:
        raise Refused("edit_changes_something", "the order would stay as it is; say what is to be changed")
    if not after and order.lines:
        raise Refused("order_has_lines", "no line would be left; cancel the order instead")
    if len(after) > LINES_MAX:
        raise Refused("lines_within_limit", f"the order would have {len(after)} lines; at most {LINES_MAX}")
    return (_previewed(command, order, after), *_address(command))


def _make(change: Change, after: dict[int, Line], order: Order) -> None:
    """One change, on what those before it have made of the lines."""
    if isinstance(change, AddLine):
        if change.line.line in {**order.lines, **after}:
            raise Refused("lines_unique", f"the order has a line {change.line.line}; take another number")
        after[change.line.line] = change.line
        return
    line = after.get(change.line)
    if line is None:
        raise Refused("line_exists", f"the order has no line {change.line}")
    sent = order.sent.get(change.line, 0)
    match change:
        case RemoveLine() if not sent:
            del after[change.line]
        case SetQuantity(quantity=quantity) if quantity >= sent:
            after[change.line] = line.model_copy(update={"quantity": quantity})
        case SetShipping(unit_shipping_cents=cents):
            after[change.line] = line.model_copy(update={"unit_shipping_cents": cents})
        case _:
            raise Refused(
                "keep_what_is_shipped", f"{sent} units of line {change.line} are shipped: keep them"
            )


def _previewed(command: ProposeOrderEdit, order: Order, after: Mapping[int, Line]) -> OrderEditProposed:
    total = sum(line.total_cents for line in after.values()) + order.adjustment_cents
    if total < 0:
        raise Refused("total_not_negative", f"the order's total would be {total} cents")
    if total > MOST_CENTS:
        raise Refused("total_within_limit", f"the order's total would be {total} cents; at most {MOST_CENTS}")
    change = total - order.total_cents
    payment_id = f"{command.order_id}.{command.change_set_id}"
    more = change > 0
    return OrderEditProposed(
        order_id=command.order_id,
        change_set_id=command.change_set_id,
        note=command.note,
        lines=tuple(line for number, line in sorted(after.items()) if order.lines.get(number) != line),
        removed=tuple(sorted(order.lines.keys() - after.keys())),
        units=units_changed(order, after),
        products=products_changed(order, after),
        payments=more_money(order, change, payment_id, command.method)
        if more
        else less_money(order, -change),
        items_change_cents=items_cents(after.values()) - items_cents(order.lines.values()),
        shipping_change_cents=shipping_cents(after.values()) - shipping_cents(order.lines.values()),
        lines_change=len(after) - len(order.lines),
        adjustment_cents=order.adjustment_cents,
        change_cents=change,
        total_cents=total,
        expires_at=command.expires_at,
    )


def _address(command: ProposeOrderEdit) -> tuple[OrderEvent, ...]:
    if command.customer is None:
        return ()
    return (
        OrderAddressProposed(
            order_id=command.order_id,
            change_set_id=command.change_set_id,
            subject=command.subject,
            customer=command.customer,
            ship_to_state=command.ship_to_state,
        ),
    )


def _confirm(command: ConfirmOrderEdit, order: Order) -> tuple[OrderEvent, ...]:
    ended = order.change_sets.get(command.change_set_id)
    if ended == "applied":
        return ()
    if ended:
        raise Refused("change_set_open", f"change set {command.change_set_id} was declined ({ended})")
    proposal = order.proposal
    if proposal is None or proposal.edit.change_set_id != command.change_set_id:
        raise Refused("change_set_exists", f"the order has no change set {command.change_set_id}")
    if proposal.confirmed:
        return ()  # it is being carried out
    if command.now >= proposal.edit.expires_at:
        raise Refused(
            "change_set_open",
            f"change set {command.change_set_id} expired at {proposal.edit.expires_at.isoformat()};"
            " propose it again",
        )
    if proposal.address and order.dispatched:
        raise Refused(
            "readdress_before_shipping", "a parcel of the order is on its way by now: decline the change set"
        )
    if _cuts_what_is_sent(proposal.edit, order):
        raise Refused(
            "keep_what_is_shipped",
            f"units that change set {command.change_set_id} takes out are on their way by now: decline it",
        )
    units = tuple(each for each in proposal.edit.units if each.change > 0)
    payments = tuple(each for each in proposal.edit.payments if each.change_cents > 0)
    confirmed = OrderEditConfirmed(
        order_id=command.order_id,
        change_set_id=command.change_set_id,
        currency=order.currency,
        units=units,
        payments=payments,
    )
    return (confirmed,) if units or payments else (confirmed, *_edited(command.order_id, order))


def _cuts_what_is_sent(proposed: OrderEditProposed, order: Order) -> bool:
    """Parcels leave while a change set is looked at."""
    cut = any(order.sent.get(line.line, 0) > line.quantity for line in proposed.lines)
    return cut or not order.sent.keys().isdisjoint(proposed.removed)


def _edited(order_id: str, order: Order) -> tuple[OrderEvent, ...]:
    """The change set that is open, come true."""
    assert order.proposal
    proposed, address = order.proposal.edit, order.proposal.address
    said = OrderEdited.model_fields.keys() & OrderEditProposed.model_fields.keys()
    fields = {name: getattr(proposed, name) for name in said}
    changed = (OrderAddressChanged(**dict(address)),) if address else ()
    applied = (OrderEdited(**fields, currency=order.currency), *changed)
    after = edited(order, proposed.lines, proposed.removed)
    if order.dispatched and all(order.sent.get(number, 0) >= line.quantity for number, line in after.items()):
        return (*applied, OrderShipped(order_id=order_id))  # nothing is left to be sent
    return applied


def _apply(command: ApplyOrderEdit, order: Order) -> tuple[OrderEvent, ...]:
    proposal = order.proposal
    if proposal is None or not proposal.confirmed or proposal.edit.change_set_id != command.change_set_id:
        return ()  # applied, or declined, before
    overtaken = bool(proposal.address and order.dispatched) or _cuts_what_is_sent(proposal.edit, order)
    if order.status != "confirmed" or overtaken:
        return edit_over(command.order_id, order, "shipped")
    return _edited(command.order_id, order)


def _decline(command: DeclineOrderEdit, order: Order) -> tuple[OrderEvent, ...]:
    if command.change_set_id in order.change_sets:
        ended = order.change_sets[command.change_set_id]
        if ended == "applied" and command.reason in ("customer", "staff"):
            raise Refused("change_set_open", f"change set {command.change_set_id} is applied already")
        return ()
    proposal = order.proposal
    if proposal is None or proposal.edit.change_set_id != command.change_set_id:
        raise Refused("change_set_exists", f"the order has no change set {command.change_set_id}")
    if proposal.confirmed and command.reason in ("customer", "staff"):
        raise Refused(
            "change_set_open", f"change set {command.change_set_id} is confirmed, and being carried out"
        )
    (declined,) = edit_over(command.order_id, order, command.reason)
    return (declined.model_copy(update={"note": command.note}),)
