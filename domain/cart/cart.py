"""A cart and its checkout: what somebody wants to buy, of one merchant or several, until orders come of it.

States: open, completing (claimed for a while), completed, abandoned, expired, merged. A claim holds the
orders whole, so whoever finds it can finish it, and there is one order a merchant whoever does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import reduce
from typing import Literal, TypeAlias

from domain.cart.commands import (
    AbandonCart,
    AddItem,
    AssignCart,
    CartCommands,
    ChangeItemQuantity,
    ChooseShipping,
    ClaimCheckout,
    ExpireCart,
    MergeCart,
    RecordCheckoutOrder,
    ReleaseCheckout,
    RequestCheckoutOrders,
    SetContact,
    StartCheckout,
)
from domain.cart.events import (
    CartAbandoned,
    CartAssigned,
    CartEvents,
    CartExpired,
    CartMerged,
    CartResumed,
    CartTerms,
    CheckoutClaimed,
    CheckoutCompleted,
    CheckoutOrderPlanned,
    CheckoutOrderRecorded,
    CheckoutOrderRequested,
    CheckoutReleased,
    CheckoutStarted,
    Contact,
    ContactSet,
    DriftAccepted,
    ItemAdded,
    ItemQuantityChanged,
    ItemRemoved,
    LineChange,
    PricedBy,
    ShippingCharge,
    ShippingChosen,
)
from domain.cart.orders import (
    CartLine,
    Drift,
    Planning,
    changes_of,
    checkout_id_of,
    drift_token,
    line_drift,
    merchants_of,
    order_number,
    shipping_drift,
    total_of,
)
from domain.kernel import Decider, Refused
from domain.money import MOST_CENTS
from domain.personal import Erased, Sealed

Status: TypeAlias = Literal["none", "open", "completing", "completed", "abandoned", "expired", "merged"]
LINES_MAX, UNITS_MAX, CHANGES_MAX = 100, 1_000_000, 1_000


@dataclass(frozen=True, slots=True)
class Claim:
    """Who completes the checkout holds it until `expires_at`; its orders are whole."""

    number: int
    expires_at: datetime
    orders: tuple[CheckoutOrderPlanned, ...] = ()


@dataclass(frozen=True, slots=True)
class Cart:
    """`planned`: the merchants of whom a claim had an order; `recorded`: whose order is there. `activity`
    counts what its shopper did; `claims`, how often it was claimed.
    """

    status: Status = "none"
    merchant: str = ""
    currency: str = ""
    channel: str = ""
    subject: str = ""
    token_digest: str = ""
    terms: CartTerms = field(default_factory=CartTerms)
    lines: tuple[CartLine, ...] = ()
    last_line: int = 0
    method: str = ""
    charges: tuple[ShippingCharge, ...] = ()
    shipping_priced_by: PricedBy = "caller"
    contact: Contact | Sealed | Erased | None = None
    contact_subject: str = ""
    ship_to_state: str = ""
    claims: int = 0
    claim: Claim | None = None
    planned: frozenset[str] = frozenset()
    recorded: frozenset[str] = frozenset()
    activity: int = 0

    @property
    def unplaced(self) -> tuple[CheckoutOrderPlanned, ...]:
        """The orders of the claim that are not known to be there."""
        orders = self.claim.orders if self.claim else ()
        return tuple(order for order in orders if order.merchant not in self.recorded)

    @property
    def total_cents(self) -> int:
        return total_of(self.lines, self.charges)

    def line(self, number: int) -> CartLine | None:
        return next((line for line in self.lines if line.line == number), None)


def drift(command: ClaimCheckout, cart: Cart) -> tuple[Drift, ...]:
    """What the buyer is to be told before it costs anything: what they saw, and what is true."""
    seen, total = command.seen_total_cents, cart.total_cents
    return (
        *([Drift(0, "total", seen, total)] if seen != total else []),
        *shipping_drift(cart.charges, command.charges),
        *line_drift(cart.lines, command.offers),
    )


def _check_open(command: CartCommands, cart: Cart) -> None:
    match cart.status:
        case "open" | "abandoned":
            if cart.activity >= CHANGES_MAX and not isinstance(command, ClaimCheckout | MergeCart):
                raise Refused(
                    "cart_changes_within_limit", f"a cart takes {CHANGES_MAX} changes; start another one"
                )
        case "completing":
            raise Refused(
                "cart_open", "the cart's checkout is being completed; it takes no changes meanwhile"
            )
        case status:
            raise Refused("cart_open", f"the cart is {status}; start another one")


def _within_limits(lines: tuple[CartLine, ...], charges: Iterable[ShippingCharge]) -> None:
    if len(lines) > LINES_MAX:
        raise Refused("cart_lines_within_limit", f"a cart holds at most {LINES_MAX} lines")
    if any(line.quantity > UNITS_MAX for line in lines):
        raise Refused("cart_units_within_limit", f"a line holds at most {UNITS_MAX} units")
    if (total := total_of(lines, charges)) > MOST_CENTS:
        raise Refused("total_within_limit", f"the cart's total is {total} cents; at most {MOST_CENTS} may be")


def _with_item(cart: Cart, added: ItemAdded) -> tuple[CartLine, ...]:
    """Its lines with the item; more of a line that is there, at the price of now."""
    fields = {name: getattr(added, name) for name in CartLine.__dataclass_fields__}
    known = cart.line(added.line)
    if known is None:
        return (*cart.lines, CartLine(**fields))
    more = CartLine(**{**fields, "quantity": known.quantity + added.quantity})
    return tuple(more if line is known else line for line in cart.lines)


def _with_changes(cart: Cart, changes: Iterable[LineChange]) -> tuple[CartLine, ...]:
    changed = {each.line: each for each in changes}
    lines = (
        replace(line, unit_price_cents=new.unit_price_cents, quantity=new.quantity, waits=new.waits)
        if (new := changed.get(line.line))
        else line
        for line in cart.lines
    )
    return tuple(line for line in lines if line.quantity)


def _add(command: AddItem, cart: Cart) -> tuple[CartEvents, ...]:
    place = command.merchant, command.sku, command.warehouse
    known = next((line.line for line in cart.lines if line.place == place), cart.last_line + 1)
    added = ItemAdded(line=known, **dict(command))
    _within_limits(_with_item(cart, added), cart.charges)
    return (added,)


def lines_after(command: AddItem | ChangeItemQuantity, cart: Cart) -> tuple[tuple[CartLine, ...], int]:
    """The lines as the command would leave them, and which of them it is of; 0 where it would do nothing."""
    try:
        events = decide(command, cart)
    except Refused:
        return cart.lines, 0
    numbers = [each.line for each in events if isinstance(each, ItemAdded | ItemQuantityChanged)]
    return reduce(evolve, events, cart).lines, next(iter(numbers), 0)


def _change_quantity(command: ChangeItemQuantity, cart: Cart) -> tuple[CartEvents, ...]:
    line = cart.line(command.line)
    if line is None:
        if not command.quantity:
            return ()  # it was taken out before
        raise Refused("line_exists", f"the cart has no line {command.line}")
    if not command.quantity:
        return (ItemRemoved(cart_id=command.cart_id, line=command.line),)
    change = LineChange(line=line.line, unit_price_cents=line.unit_price_cents, quantity=command.quantity)
    _within_limits(_with_changes(cart, (change,)), cart.charges)
    changed = ItemQuantityChanged(**dict(command))
    return () if line.quantity == command.quantity else (changed,)


def _choose_shipping(command: ChooseShipping, cart: Cart) -> tuple[CartEvents, ...]:
    if len({each.merchant for each in command.charges}) < len(command.charges):
        raise Refused("one_charge_a_merchant", "two shipping charges name the same merchant")
    _within_limits(cart.lines, command.charges)
    chosen = ShippingChosen(**dict(command))
    before = cart.method, cart.charges, cart.shipping_priced_by
    same = before == (chosen.method, chosen.charges, chosen.priced_by)
    return () if same else (chosen,)


def _assign(command: AssignCart, cart: Cart) -> tuple[CartEvents, ...]:
    if cart.subject == command.subject:
        return ()
    if cart.subject:
        raise Refused("cart_of_a_guest", "the cart is somebody's already")
    return (CartAssigned(**dict(command)),)


def _merge(command: MergeCart, cart: Cart) -> tuple[CartEvents, ...]:
    if cart.subject:
        raise Refused("cart_of_a_guest", "only a guest's cart can be merged into another")
    if cart.activity != command.activity:
        raise Refused("cart_as_seen", "the cart was changed meanwhile; merge it again")
    return (CartMerged(cart_id=command.cart_id, into=command.into),)


def _told(differs: Iterable[Drift]) -> str:
    def told(each: Drift) -> str:
        where = f"line {each.line}: " if each.line else ""
        unit = "units" if each.kind in ("stock", "waits", "gone") else "cents"
        waits = f", of which {each.waits} will wait" if each.waits and each.kind == "stock" else ""
        return f"{where}{each.kind} was {each.was} {unit}, is {each.now}{waits}"

    return "; ".join(map(told, differs))


def _claim(command: ClaimCheckout, cart: Cart) -> tuple[CartEvents, ...]:
    """Claim the cart and plan its orders, on what is true now; told and refused where the buyer saw else."""
    if not cart.lines:
        raise Refused("cart_has_lines", "the cart is empty; add an item first")
    differs = drift(command, cart)
    accepted: tuple[CartEvents, ...] = ()
    if differs and command.accept != drift_token(differs):
        again = " since it was accepted" if command.accept else ""
        raise Refused(
            "as_seen", f"not as it was seen{again}: {_told(differs)}; accept it, or change the cart"
        )
    changes = changes_of(cart.lines, differs)
    charges = tuple(each for each in command.charges if shipping_drift(cart.charges, [each]))
    if changes or charges:
        drift_accepted = DriftAccepted(cart_id=command.cart_id, changes=changes, charges=charges)
        accepted = (drift_accepted,)
        cart = _touched(cart, drift_accepted)
    if not cart.lines:
        raise Refused("cart_has_lines", "nothing of what is in the cart can be had any more")
    return (*accepted, *_claimed(command, cart))


def _claimed(command: ClaimCheckout, cart: Cart) -> tuple[CartEvents, ...]:
    if cart.contact is None:
        raise Refused("contact_known", "nobody said who buys; set the cart's contact first")
    merchants, charged = set(merchants_of(cart.lines)), {each.merchant for each in cart.charges}
    if cart.method and not merchants <= charged:
        missing = ", ".join(sorted(merchants - charged))
        raise Refused("shipping_of_all_lines", f"choose shipping again: it lacks that of merchant {missing}")
    _within_limits(cart.lines, cart.charges)
    planning = Planning(
        cart_id=command.cart_id,
        claim=cart.claims + 1,
        checkout_id=checkout_id_of(cart.merchant, command.cart_id),
        currency=cart.currency,
        channel=cart.channel,
        shipping_method=cart.method,
        ship_to_state=cart.ship_to_state,
        lines=cart.lines,
        charges=cart.charges,
        buyers={buyer.merchant: buyer for buyer in command.buyers},
        payments=command.payments,
        on_account=command.on_account,
    )
    orders = planning.orders()
    claimed = CheckoutClaimed(
        cart_id=command.cart_id,
        claim=planning.claim,
        expires_at=command.now + timedelta(seconds=cart.terms.claim_valid_s),
        total_cents=cart.total_cents,
        orders_count=len(orders),
    )
    return (claimed, *orders)


def _record(command: RecordCheckoutOrder, cart: Cart) -> tuple[CartEvents, ...]:
    """Take down that an order is there; with the last one the checkout is complete."""
    recorded = CheckoutOrderRecorded(
        cart_id=command.cart_id,
        merchant=command.merchant,
        order_id=command.order_id,
        total_cents=command.total_cents,
    )
    number = order_number(checkout_id_of(cart.merchant, command.cart_id), command.merchant)
    if command.order_id != number or command.merchant not in cart.planned:
        return ()  # somebody's order that only says that it is of this cart
    if command.claim and (cart.claim is None or cart.claim.number != command.claim):
        raise Refused("claim_current", "the claim is over: another one, or none, holds the cart")
    if command.merchant in cart.recorded:
        return ()
    if cart.status == "completed":
        return (recorded,)
    if cart.claim is None:
        # an order of a claim that was released for dead: it is there, and so the cart has had its order
        total = command.total_cents
        return (recorded, CheckoutCompleted(cart_id=command.cart_id, total_cents=total, orders_count=1))
    cart = replace(cart, recorded=cart.recorded | {command.merchant})
    return (recorded,) if cart.unplaced else (recorded, _completed(command.cart_id, cart))


def _completed(cart_id: str, cart: Cart) -> CheckoutCompleted:
    assert cart.claim is not None
    placed = [order.total_cents for order in cart.claim.orders if order.merchant in cart.recorded]
    return CheckoutCompleted(
        cart_id=cart_id,
        total_cents=sum(placed),
        orders_count=len(placed),
        missing_count=len(cart.unplaced),
    )


def _of_claim(command: RequestCheckoutOrders | ReleaseCheckout, cart: Cart) -> tuple[CartEvents, ...]:
    if cart.status != "completing" or cart.claim is None or cart.claim.number != command.claim:
        return ()  # it was finished or released before
    if isinstance(command, RequestCheckoutOrders):
        return tuple(CheckoutOrderRequested(**dict(order)) for order in cart.unplaced)
    if cart.recorded:
        # some orders stand, others can't be had: it ends here, and is told
        return (_completed(command.cart_id, cart),)
    return (CheckoutReleased(**dict(command)),)


def _abandon(command: AbandonCart, cart: Cart) -> tuple[CartEvents, ...]:
    known = cart.contact if isinstance(cart.contact, Contact | Sealed) else Erased()
    return (
        CartAbandoned(
            cart_id=command.cart_id,
            subject=cart.contact_subject or cart.subject,
            contact=known,
            currency=cart.currency,
            lines_count=len(cart.lines),
            total_cents=cart.total_cents,
        ),
    )


def decide(command: CartCommands, cart: Cart) -> tuple[CartEvents, ...]:
    if isinstance(command, StartCheckout):
        if cart.status != "none":
            raise Refused("cart_id_unique", f"cart {command.cart_id} was started before")
        return (CheckoutStarted(**dict(command)),)
    if isinstance(command, RecordCheckoutOrder):
        return _record(command, cart)
    if cart.status == "none":
        raise Refused("cart_exists", f"there is no cart {command.cart_id}")
    match command:
        case RequestCheckoutOrders() | ReleaseCheckout():
            return _of_claim(command, cart)
        case AbandonCart(activity=activity):
            idle = (cart.status, cart.activity) == ("open", activity)
            return _abandon(command, cart) if idle and cart.lines else ()
        case ExpireCart(activity=activity):
            ended = cart.status not in ("open", "abandoned") or cart.activity != activity
            return () if ended else (CartExpired(cart_id=command.cart_id),)
        case ClaimCheckout() if cart.status in ("completing", "completed"):
            return ()  # pressed before: whoever asks finishes what was begun
    _check_open(command, cart)
    events = _of_shopper(command, cart)
    resumed = (CartResumed(cart_id=command.cart_id),) if cart.status == "abandoned" and events else ()
    return (*resumed, *events)


def _of_shopper(command: CartCommands, cart: Cart) -> tuple[CartEvents, ...]:
    match command:
        case AddItem():
            return _add(command, cart)
        case ChangeItemQuantity():
            return _change_quantity(command, cart)
        case SetContact():
            if cart.subject and cart.subject != command.subject:
                raise Refused("contact_of_the_owner", "the cart is somebody's: send its own customer's id")
            said = command.subject, command.contact, command.ship_to_state
            same = said == (cart.contact_subject, cart.contact, cart.ship_to_state)
            return () if same else (ContactSet(**dict(command)),)
        case ChooseShipping():
            return _choose_shipping(command, cart)
        case AssignCart():
            return _assign(command, cart)
        case MergeCart():
            return _merge(command, cart)
        case ClaimCheckout():
            return _claim(command, cart)
    raise AssertionError(f"{type(command).__name__} is nothing that a shopper asks for")


def evolve(cart: Cart, event: CartEvents) -> Cart:
    match event:
        case CheckoutOrderPlanned():
            claim = replace(cart.claim, orders=(*cart.claim.orders, event)) if cart.claim else None
            return replace(cart, claim=claim, planned=cart.planned | {event.merchant})
        case CheckoutOrderRecorded(merchant=merchant):
            return replace(cart, recorded=cart.recorded | {merchant})
        case CheckoutClaimed(claim=number, expires_at=expires_at):
            return replace(cart, status="completing", claims=number, claim=Claim(number, expires_at))
        case CheckoutCompleted():
            return replace(cart, status="completed")
        case CheckoutReleased():
            return replace(cart, status="open", claim=None)
        case CheckoutOrderRequested():
            return cart
        case CartAbandoned():
            return replace(cart, status="abandoned")
        case CartExpired():
            return replace(cart, status="expired", token_digest="")
        case _:
            return replace(_touched(cart, event), activity=cart.activity + 1)


def _touched(cart: Cart, event: CartEvents) -> Cart:
    """After something that its shopper did."""
    match event:
        case CheckoutStarted(merchant=merchant, currency=currency, subject=subject, terms=terms):
            return Cart("open", merchant, currency, event.channel, subject, event.token_digest, terms)
        case ItemAdded(line=line):
            return replace(cart, lines=_with_item(cart, event), last_line=max(line, cart.last_line))
        case ItemQuantityChanged(line=number, quantity=quantity, waits=waits):
            lines = (
                replace(e, quantity=quantity, waits=waits) if e.line == number else e for e in cart.lines
            )
            return replace(cart, lines=tuple(lines))
        case ItemRemoved(line=number):
            return replace(cart, lines=tuple(line for line in cart.lines if line.line != number))
        case ContactSet(subject=subject, contact=contact, ship_to_state=state):
            return replace(cart, contact=contact, contact_subject=subject, ship_to_state=state)
        case ShippingChosen(method=method, charges=charges, priced_by=priced_by):
            return replace(cart, method=method, charges=charges, shipping_priced_by=priced_by)
        case CartAssigned(subject=subject):
            # what the guest said of themselves is another subject's: the person says it anew
            cart = replace(cart, contact=None, contact_subject="", ship_to_state="")
            return replace(cart, subject=subject, token_digest="")
        case CartMerged():
            return replace(cart, status="merged", token_digest="")
        case DriftAccepted(changes=changes, charges=charges):
            new = {each.merchant: each for each in charges}
            charged = tuple(new.get(each.merchant, each) for each in cart.charges)
            return replace(cart, lines=_with_changes(cart, changes), charges=charged)
        case CartResumed():
            return replace(cart, status="open")
    raise AssertionError(f"{type(event).__name__} is nothing that a shopper did")


CART: Decider[CartCommands, CartEvents, Cart] = Decider(
    "cart",
    decide,
    evolve,
    Cart(),
    events=CartEvents.__args__,
    commands=CartCommands.__args__,
    parts=("merchant", "cart_id"),
)
