"""What is a simulation's trade made of? Orders, when they come, what becomes of them outside.

A plan is a list, so that a failing one can be made shorter; `draw.py` makes one of a seed.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from domain.carrier.choice import Preference
from domain.cart.orders import checkout_id_of
from domain.kernel import Value

EditPaid: TypeAlias = Literal["at_once", "declined", "late", "never"]
PaymentFate: TypeAlias = Literal["at_once", "declined", "late", "late_declined", "never"]
ParcelFate: TypeAlias = Literal["delivered", "told", "returned", "exception", "never"]
Change: TypeAlias = Literal["captures", "refunds", "void"]
Bank: TypeAlias = Literal["quiet", "asks", "asks_in_vain", "lapses", "disputes_won", "disputes_lost"]
"""What the bank does about the first payment beside that: it asks its customer before it lets the money go,
lets it lapse, or takes it back and then decides."""
CartFate: TypeAlias = Literal["pressed", "pressed_twice", "left", "abandoned"]
"""How the checkout of a cart is completed: by its shopper; or, once it is claimed, by nobody but the agents;
or not at all."""
OfferKind: TypeAlias = Literal[
    "now", "later", "withdrawn", "described", "unpublished", "archived", "removed", "shipping"
]
ALWAYS = 99
"""Times."""
BY_RULES = "m2"
"""The merchant whose orders are allocated by rules, for most of the time."""
EDIT = "e1"
"""The change set of an order."""


class PlannedRefusal(Value):
    """The provider refuses this, so many times, of each payment of the order."""

    change: Change
    times: int


class PlannedLine(Value):
    sku: str
    quantity: int
    unit_price_cents: int


class PlannedOffer(Value):
    """What staff does with what is for sale; `name` is unique. A price is set `now`, for `later`, which comes
    `in_s` seconds after, or so and then withdrawn; a product is described anew, or not sold for a while. Of
    shipping the price changes for all."""

    name: str
    kind: OfferKind
    merchant: str
    at_s: float
    sku: str = ""
    price_cents: int = 0
    in_s: float = 0.0


class PlannedShopping(Value):
    """A shopper who pays what merchants ask, and thinks for `thinks_s` before he presses. Told that something
    is not any more as he saw it, he `accepts` it as it is, or goes. If he `wavers`, he puts in one thing that
    he takes out again; if it `ships`, he chooses how. `meanwhile` staff sets prices, counted from when the
    cart is filled."""

    thinks_s: float
    meanwhile: tuple[PlannedOffer, ...] = ()
    accepts: bool = True
    wavers: bool = False
    ships: bool = False


class PlannedCart(Value):
    """The cart that an order comes of; one of `merchant`, with lines of one or two. Without `shopping` a
    shop's program fills it, at the prices of the plan."""

    cart_id: str
    merchant: str
    fate: CartFate = "pressed"
    shopping: PlannedShopping | None = None


class PlannedEdit(Value):
    """What the customer wants else, once the order is confirmed: `line` beside its lines, or so many units
    `more` of its first one (below 0: fewer), or a dearer way of shipping that, or another address.

    The change set is confirmed, declined, or left alone until it expires; `paid`: what becomes of the money
    that it may need: `late` is once the parcels have left.
    """

    after_s: float
    fate: Literal["confirmed", "declined", "left"] = "confirmed"
    paid: EditPaid = "at_once"
    more: int = 0
    shipping_cents: int = 0
    line: PlannedLine | None = None


class PlannedHandling(Value):
    """What staff does with the first parcel of an order: a unit of it goes in a parcel of its own, or its
    label is given back and the parcel booked anew."""

    kind: Literal["split", "rebooked"]
    after_s: float


class PlannedOrder(Value):
    """`at_s` and what ends in `after_s` in seconds of simulated time; the fates, `bank` and refusals are the
    outside's.

    `valid_s`: for how long its stock is held until it is paid for, and its money until it is sent. `early`:
    a webhook of its first payment comes before anybody has asked for that. `cut_after_s`: when a unit of its
    last line is called off. `looked_into_after_s`: when staff holds it, until it has written and tagged what
    it found. `picked_after_s`: after so many seconds, each time, staff looks for its pick list; of the first
    line of that `short_units` are not found, where the merchant has no rules on a list made by hand.
    """

    order_id: str
    merchant: str
    at_s: float
    lines: tuple[PlannedLine, ...]
    parts: tuple[int, ...]
    payment_fate: PaymentFate
    parcel_fate: ParcelFate
    told_after_s: float
    cancel_after_s: float | None = None
    twice: bool = False
    valid_s: tuple[int, int] = (15, 30)
    refusal: PlannedRefusal | None = None
    early: bool = False
    prepare_after_s: float | None = None
    looked_into_after_s: float | None = None
    bank: Bank = "quiet"
    cart: PlannedCart | None = None
    cut_after_s: float | None = None
    edit: PlannedEdit | None = None
    picked_after_s: float | None = None
    short_units: int = 0
    handling: PlannedHandling | None = None

    @property
    def is_placed(self) -> bool:
        return self.cart is None or self.cart.fate != "abandoned"

    @property
    def checkout(self) -> str:
        """What all belongs to that comes of it."""
        if self.cart:
            return checkout_id_of(self.cart.merchant, self.cart.cart_id)
        return f"checkout-{self.order_id}"

    @property
    def payment_ids(self) -> list[str]:
        """Of those that it is placed with."""
        return [f"{self.order_id}.{number}" for number in range(1, len(self.parts) + 1)]

    @property
    def edit_payment_id(self) -> str:
        """Of what its change set may cost."""
        return f"{self.order_id}.{EDIT}"

    @property
    def units(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def total_cents(self) -> int:
        return sum(line.quantity * line.unit_price_cents for line in self.lines)

    @property
    def is_disputed(self) -> bool:
        """Once it is paid."""
        return self.bank in ("disputes_won", "disputes_lost")

    @property
    def keeps_money(self) -> bool:
        """The provider will not give it back, however often it is asked."""
        return bool(self.refusal and self.refusal.change != "captures" and self.refusal.times == ALWAYS)


class PlannedDelivery(Value):
    """Goods that come in; `reference` is unique."""

    reference: str
    merchant: str
    at_s: float
    sku: str
    quantity: int
    warehouse: str = "main"


class PlannedGoods(Value):
    """What staff does with the goods of a product beside receiving deliveries; `name` is unique.

    backorders: from now on orders may wait for it. purchase: `quantity` are ordered; half come, then the rest
    and `odd` more, of which one is damaged, and written off. transfer: `quantity` go north, `odd` of them are
    lost on the way.
    stocktake: `odd` fewer are counted than the books say, while trade goes on.
    `called_off`: what is begun is cancelled before anything has come, is sent, or is settled.
    """

    name: str
    kind: Literal["backorders", "purchase", "transfer", "stocktake"]
    merchant: str
    at_s: float
    sku: str
    quantity: int = 0
    odd: int = 0
    called_off: bool = False


class PlannedPause(Value):
    """A merchant's warehouse is closed, or its carrier suspended, `after_s` seconds after the one before of
    that kind came back, and for `for_s`. Meanwhile carriers come to be chosen as it `prefer`s."""

    name: str
    kind: Literal["warehouse", "carrier"]
    merchant: str
    what: str
    after_s: float
    for_s: float
    prefer: Preference = "cost"


class PlannedManifest(Value):
    """Staff lists parcels for the carrier that has most of them, and hands them over; `name` is unique.

    `one_is_cancelled` meanwhile: the order of the first that is listed.
    """

    name: str
    merchant: str
    look_after_s: float
    handed_over_after_s: float
    one_is_cancelled: bool = False


class PlannedInvoice(Value):
    """A carrier's invoice of the parcels that have its label by then, in one line each: every third is dearer
    than it was quoted, and one more is of no parcel of ours. Staff settles the first that does not fit. A
    later one of the same carrier has the same parcels once more."""

    name: str
    merchant: str
    carrier: str
    look_after_s: float


class Plan(Value):
    """`rules_change_every_s`: by which the orders of one merchant are allocated, several times."""

    deliveries: tuple[PlannedDelivery, ...]
    orders: tuple[PlannedOrder, ...]
    goods: tuple[PlannedGoods, ...] = ()
    manifests: tuple[PlannedManifest, ...] = ()
    offers: tuple[PlannedOffer, ...] = ()
    pauses: tuple[PlannedPause, ...] = ()
    invoices: tuple[PlannedInvoice, ...] = ()
    rules_change_every_s: float = 0.0
