"""What a cart comes to: its total, what of it is not any more as it was seen, and the orders it makes.

One order for each merchant, whose ids are made of the cart's: so one cart never makes two orders at a
merchant. Shipping and payments are split so that the parts always add up to the cent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal, TypeAlias

from domain.cart.commands import Buyer, Offer, Payment
from domain.cart.events import CheckoutOrderPlanned, CheckoutOrderRequested, LineChange, ShippingCharge
from domain.kernel import Refused
from domain.money import split_by_largest_remainder
from domain.order import Line, PlaceOrder, Portion

DriftKind: TypeAlias = Literal["price", "stock", "waits", "gone", "shipping", "total"]
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_NUMBER_LENGTH, _GROUP = 16, 4
CHECKOUT = "cart~"
_CHANGED = {"price": "unit_price_cents", "waits": "waits"}
"""Which field of a line is as it was not, where it is not its units."""


@dataclass(frozen=True, slots=True)
class CartLine:
    """Equal units of one product, at the price that the buyer saw; `waits`: units that they saw will
    wait, None where nobody knows."""

    line: int
    merchant: str
    sku: str
    name: str
    category: str | None
    quantity: int
    unit_price_cents: int
    warehouse: str
    priced_by: str
    waits: int | None = None

    @property
    def place(self) -> tuple[str, str, str]:
        return self.merchant, self.sku, self.warehouse

    @property
    def total_cents(self) -> int:
        return self.quantity * self.unit_price_cents


@dataclass(frozen=True, slots=True)
class Drift:
    """What is not as it was seen, in cents or units: a line's price, its units or those that wait, the
    shipping of a merchant, or the total of the cart; `line` is 0 where it is of no line. Of its units `now`,
    so many `waits` for goods."""

    line: int
    kind: DriftKind
    was: int
    now: int
    merchant: str = ""
    waits: int = 0


def checkout_id_of(merchant: str, cart_id: str) -> str:
    """What the orders of a cart share; it names the cart, wherever the order is."""
    return f"{CHECKOUT}{cart_id}~{merchant}"


def cart_of_checkout(checkout_id: str) -> tuple[str, str] | None:
    """Merchant and cart id of a checkout that is a cart's."""
    cart_id, _, merchant = checkout_id.removeprefix(CHECKOUT).partition("~")
    return (merchant, cart_id) if checkout_id.startswith(CHECKOUT) and cart_id and merchant else None


def order_number(checkout_id: str, merchant: str) -> str:
    """The id of a cart's order at a merchant: 80 bits in Crockford's base 32, such as `7H3K-00QM-V9XR-21AB`.

    Always the same for the same cart, so that it can be placed once, by whomever and however often.
    """
    number = int.from_bytes(sha256(f"{checkout_id}\0{merchant}".encode()).digest())
    letters = "".join(_CROCKFORD[number >> 5 * place & 31] for place in range(_NUMBER_LENGTH))
    return "-".join(letters[start : start + _GROUP] for start in range(0, _NUMBER_LENGTH, _GROUP))


def merchants_of(lines: Iterable[CartLine]) -> list[str]:
    return sorted({line.merchant for line in lines})


def total_of(lines: Sequence[CartLine], charges: Iterable[ShippingCharge]) -> int:
    """Minor units: lines, and the shipping of those merchants of whom there are lines."""
    present = set(merchants_of(lines))
    shipping = sum(each.amount_cents for each in charges if each.merchant in present)
    return sum(line.total_cents for line in lines) + shipping


def shipping_drift(was: Iterable[ShippingCharge], now: Iterable[ShippingCharge]) -> list[Drift]:
    """Of those merchants whose shipping has a price of its own now."""
    seen = {each.merchant: each.amount_cents for each in was}
    return [
        Drift(0, "shipping", seen[each.merchant], each.amount_cents, each.merchant)
        for each in now
        if seen.get(each.merchant, each.amount_cents) != each.amount_cents
    ]


def line_drift(lines: Iterable[CartLine], offers: Iterable[Offer]) -> list[Drift]:
    known = {offer.line: offer for offer in offers}
    found: list[Drift] = []
    for line in lines:
        offer = known.get(line.line, Offer(line=line.line))
        if not offer.on_sale:
            found.append(Drift(line.line, "gone", line.quantity, 0))
            continue
        if offer.unit_price_cents not in (None, line.unit_price_cents):
            assert offer.unit_price_cents is not None
            found.append(Drift(line.line, "price", line.unit_price_cents, offer.unit_price_cents))
        if offer.available is not None:
            had = units_to_be_had(line.quantity, offer.available, offer.room)
            if had < line.quantity:
                found.append(Drift(line.line, "stock", line.quantity, had, waits=offer.waits))
            elif line.waits is not None and offer.waits > line.waits:
                found.append(Drift(line.line, "waits", line.waits, offer.waits, waits=offer.waits))
    return found


def units_to_be_had(wanted: int, available: int, room: int) -> int:
    """Of the units that are wanted: all, where so many may be had or waited for; else what is there; where
    nothing is, as many as may wait."""
    available = max(0, available)
    return wanted if wanted <= available + room else available or room


def drift_token(drift: Sequence[Drift]) -> str:
    """What a buyer who was told exactly this hands back to take it; empty where nothing differs."""
    if not drift:
        return ""
    told = json.dumps(
        [[each.line, each.kind, each.was, each.now, each.merchant, each.waits] for each in drift]
    )
    return sha256(told.encode()).hexdigest()[:16]


def changes_of(lines: Sequence[CartLine], drift: Sequence[Drift]) -> tuple[LineChange, ...]:
    """The lines as they are once the drift is accepted."""
    changes = {
        line.line: {
            "line": line.line,
            "unit_price_cents": line.unit_price_cents,
            "quantity": line.quantity,
            "waits": line.waits,
        }
        for line in lines
    }
    touched: dict[int, None] = {}
    for each in drift:
        if each.line:
            touched[each.line] = None
            changes[each.line][_CHANGED.get(each.kind, "quantity")] = each.now
            if each.kind == "stock":
                changes[each.line]["waits"] = each.waits
    return tuple(LineChange(**changes[line]) for line in touched)


def lines_of_order(lines: Sequence[CartLine], shipping_cents: int) -> tuple[Line, ...]:
    """The order's lines. Shipping goes to single units by largest remainder, by what they cost: where the
    units of a line get unequal shares, which differ by one cent, it makes two lines."""
    shares = split_by_largest_remainder(shipping_cents, [line.total_cents for line in lines])
    parts = []
    for line, share in zip(lines, shares, strict=True):
        each, more = divmod(share, line.quantity)
        parts += [(line, units, cents) for units, cents in ((more, each + 1), (line.quantity - more, each))]
    return tuple(
        Line(
            line=number,
            sku=line.sku,
            name=line.name,
            category=line.category,
            quantity=units,
            unit_price_cents=line.unit_price_cents,
            unit_shipping_cents=cents,
            warehouse=line.warehouse,
        )
        for number, (line, units, cents) in enumerate(((p for p in parts if p[1])), 1)
    )


def divide_payments(payments: Sequence[int], totals: Sequence[int]) -> list[tuple[int, ...]]:
    """Of each payment the part for each order: parts add up to the payments, and to the orders' totals.

    `payments` and `totals` must have the same sum. Each order takes of what is left in proportion.
    """
    left, divided = list(payments), []
    for total in totals:
        parts = split_by_largest_remainder(total, left) if left else ()
        left = [have - part for have, part in zip(left, parts, strict=True)]
        divided.append(parts)
    return divided


def amounts_of(payments: Sequence[Payment], total_cents: int) -> list[int]:
    """What each pays; one without an amount pays what is left. Refused where they don't come to the total."""
    fixed = sum(each.amount_cents or 0 for each in payments)
    open_ended = [each for each in payments if each.amount_cents is None]
    if len(open_ended) > 1:
        raise Refused("one_pays_the_rest", "only one payment may have no amount: it pays what is left")
    if fixed > total_cents or (fixed < total_cents and not open_ended):
        raise Refused(
            "paid_equals_total", f"payments are {fixed} cents but the cart's total is {total_cents} cents"
        )
    rest = total_cents - fixed
    return [rest if each.amount_cents is None else each.amount_cents for each in payments]


@dataclass(frozen=True, slots=True)
class Planning:
    """All that the orders of a claim are made of."""

    cart_id: str
    claim: int
    checkout_id: str
    currency: str
    channel: str
    shipping_method: str
    ship_to_state: str
    lines: Sequence[CartLine]
    charges: Sequence[ShippingCharge]
    buyers: Mapping[str, Buyer]
    payments: Sequence[Payment]
    on_account: bool

    def orders(self) -> tuple[CheckoutOrderPlanned, ...]:
        """Raises Refused where payments, buyers or shipping don't fit the cart."""
        merchants = merchants_of(self.lines)
        total = total_of(self.lines, self.charges)
        if self.on_account and self.payments:
            raise Refused(
                "paid_or_on_account", "a checkout on account has no payments; drop one or the other"
            )
        amounts = [] if self.on_account else amounts_of(self.payments, total)
        lines = [self._lines(merchant) for merchant in merchants]
        totals = [sum(line.total_cents for line in each) for each in lines]
        parts = divide_payments(amounts, totals)
        return tuple(map(self._order, merchants, lines, totals, parts))

    def _lines(self, merchant: str) -> tuple[Line, ...]:
        shipping = sum(each.amount_cents for each in self.charges if each.merchant == merchant)
        return lines_of_order([line for line in self.lines if line.merchant == merchant], shipping)

    def _order(
        self, merchant: str, lines: tuple[Line, ...], total: int, parts: Sequence[int]
    ) -> CheckoutOrderPlanned:
        buyer = self.buyers.get(merchant)
        if buyer is None:
            raise Refused("buyer_known", f"nobody said who buys at merchant {merchant}")
        order_id = order_number(self.checkout_id, merchant)
        return CheckoutOrderPlanned(
            cart_id=self.cart_id,
            claim=self.claim,
            merchant=merchant,
            order_id=order_id,
            checkout_id=self.checkout_id,
            channel=self.channel,
            shipping_method=self.shipping_method,
            subject=buyer.subject,
            customer=buyer.customer,
            ship_to_state=self.ship_to_state,
            currency=self.currency,
            lines=lines,
            portions=tuple(
                Portion(
                    payment_id=f"{order_id}.{payment.name}",
                    method=payment.method,
                    amount_cents=part,
                    installments=payment.installments,
                    sequence=place,
                )
                for place, (payment, part) in enumerate(zip(self.payments, parts, strict=True), 1)
            ),
            on_account=self.on_account,
            total_cents=total,
            terms=buyer.terms,
            allocation=buyer.allocation,
        )


def place_order_of(order: CheckoutOrderPlanned | CheckoutOrderRequested) -> PlaceOrder:
    """The command that places it: the same whoever sends it."""
    return PlaceOrder(
        order_id=order.order_id,
        checkout_id=order.checkout_id,
        channel=order.channel,
        shipping_method=order.shipping_method,
        subject=order.subject,
        customer=order.customer,
        ship_to_state=order.ship_to_state,
        currency=order.currency,
        lines=order.lines,
        portions=order.portions,
        on_account=order.on_account,
        terms=order.terms,
        allocation=order.allocation,
    )
