"""What happens to a cart. A warning: this is the storage format.

All lines, prices and orders of a cart are of one currency, in its minor units.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field, PositiveInt

from domain.allocation.rules import AllocationTerms
from domain.kernel import Event, Quantity, Value
from domain.money import Cents, Currency
from domain.order import Line, MethodName, Portion, Terms
from domain.personal import Customer, Erased, Personal

Id = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=1000)]
Seconds = Annotated[int, Field(gt=0, le=10 * 366 * 86400)]
Channel = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]
CHANNEL = "web"
"""Where a storefront sells, unless it says so."""
UNNAMED = "main"
"""The warehouse of a line that names none, where no rules choose."""
PricedBy: TypeAlias = Literal["settings", "caller"]
"""The merchant's own prices, or whoever was trusted to say them: a storefront's program."""
Waits: TypeAlias = Annotated[int, Field(ge=0)] | None
"""Units of a line that will wait for goods to come, as it was shown; None where nobody knows."""
ReleaseReason: TypeAlias = Literal["order_refused", "unfinished"]


class CartTerms(Value):
    """How long a cart waits for its shopper, and a claim for its orders, in seconds."""

    abandon_after_s: Seconds = 4 * 3600
    expire_after_s: Seconds = 30 * 86400
    claim_valid_s: Seconds = 60


class Contact(Value):
    """Who buys, how to reach them, where the parcel goes, and what they ask for. All of it is personal."""

    customer_id: Id
    customer_unique_id: Id
    email: Text = ""
    name: Text = ""
    phone: Text = ""
    street: Text = ""
    zip_prefix: Text = ""
    city: Text = ""
    country: Text = ""
    note: Text = ""

    def customer(self) -> Customer:
        """What an order keeps of it."""
        return Customer(**dict(self))


def guest_of(email: str) -> str:
    """Who somebody without an account is: the one who reads the mail of this address."""
    return f"guest:{email.strip().casefold()}"


class ShippingCharge(Value):
    """What the shipping of one merchant's lines costs."""

    merchant: Id
    amount_cents: Cents


class LineChange(Value):
    """What a line is from now on; no units: it is gone. `waits`: units that its buyer was told
    will wait."""

    line: PositiveInt
    unit_price_cents: Cents
    quantity: Annotated[int, Field(ge=0, le=10**9)]
    waits: Waits = None


class CartEvent(Event):
    cart_id: Id


class CheckoutStarted(CartEvent):
    """`subject` is whose cart it is; empty for a guest's, which the token of this SHA-256 opens."""

    merchant: Id
    currency: Currency
    channel: Channel = CHANNEL
    subject: str = ""
    token_digest: str = ""
    terms: CartTerms = CartTerms()


class ItemAdded(CartEvent):
    """Of a line that is there already, it adds to that, at the price of now. `waits` is of all its units."""

    schema_version = 2

    line: PositiveInt
    merchant: Id
    sku: Id
    name: str = ""
    category: str | None = None
    quantity: Quantity
    unit_price_cents: Cents
    warehouse: Id = UNNAMED
    priced_by: PricedBy = "caller"
    waits: Waits = None


class ItemQuantityChanged(CartEvent):
    schema_version = 2

    line: PositiveInt
    quantity: Quantity
    waits: Waits = None


class ItemRemoved(CartEvent):
    line: PositiveInt


class ContactSet(CartEvent):
    schema_version = 2

    subject: Id
    contact: Personal[Contact]
    ship_to_state: str = ""


class ShippingChosen(CartEvent):
    method: Id
    charges: tuple[ShippingCharge, ...]
    priced_by: PricedBy = "caller"


class CartAssigned(CartEvent):
    """A guest's cart is this person's from now on; its token opens nothing any more."""

    subject: Id


class CartMerged(CartEvent):
    """Its lines went into another cart; this one is over."""

    into: Id


class DriftAccepted(CartEvent):
    """The buyer was told what is not any more as it was seen, and takes it as it is."""

    schema_version = 2

    changes: tuple[LineChange, ...] = ()
    charges: tuple[ShippingCharge, ...] = ()


class CheckoutClaimed(CartEvent):
    """Its orders are being placed. Whoever finds the claim after `expires_at` finishes or releases it."""

    claim: PositiveInt
    expires_at: AwareDatetime
    total_cents: Cents
    orders_count: PositiveInt


class _CheckoutOrder(CartEvent):
    """`allocation`: by which rules its warehouses are chosen; None where its lines name them. `channel`:
    where the cart was filled; empty in events of before, which did not say. `shipping_method`: as it was
    chosen, if it was.
    """

    schema_version = 5

    claim: PositiveInt
    merchant: Id
    order_id: Id
    checkout_id: Id
    channel: Annotated[str, Field(max_length=60)] = ""
    shipping_method: MethodName = ""
    subject: Id
    customer: Personal[Customer]
    ship_to_state: str = ""
    currency: Currency
    lines: tuple[Line, ...]
    portions: tuple[Portion, ...] = ()
    on_account: bool = False
    total_cents: Cents
    terms: Terms
    allocation: AllocationTerms | None = None


class CheckoutOrderPlanned(_CheckoutOrder):
    """One merchant's order of the claim, whole: nothing is left to decide when it is placed."""


class CheckoutOrderRequested(_CheckoutOrder):
    """It was planned, and not placed in time: whoever owns orders places it."""


class CheckoutOrderRecorded(CartEvent):
    merchant: Id
    order_id: Id
    total_cents: Cents


class CheckoutCompleted(CartEvent):
    """`missing_count`: orders of other merchants that could not be placed; a person must look."""

    total_cents: Cents
    orders_count: PositiveInt
    missing_count: Annotated[int, Field(ge=0)] = 0


class CheckoutReleased(CartEvent):
    """No order came of the claim: the cart is open again."""

    claim: PositiveInt
    reason: ReleaseReason


class CartAbandoned(CartEvent):
    """Nobody touched it for a while. `subject` and `contact` tell whom to remind, where that is known."""

    schema_version = 2

    subject: str = ""
    contact: Personal[Contact] = Erased()
    currency: Currency
    lines_count: int
    total_cents: Cents


class CartResumed(CartEvent):
    pass


class CartExpired(CartEvent):
    pass


CartEvents: TypeAlias = (
    CheckoutStarted
    | ItemAdded
    | ItemQuantityChanged
    | ItemRemoved
    | ContactSet
    | ShippingChosen
    | CartAssigned
    | CartMerged
    | DriftAccepted
    | CheckoutClaimed
    | CheckoutOrderPlanned
    | CheckoutOrderRequested
    | CheckoutOrderRecorded
    | CheckoutCompleted
    | CheckoutReleased
    | CartAbandoned
    | CartResumed
    | CartExpired
)

TOUCHES: tuple[type[CartEvent], ...] = (
    CheckoutStarted,
    ItemAdded,
    ItemQuantityChanged,
    ItemRemoved,
    ContactSet,
    ShippingChosen,
    CartAssigned,
    CartMerged,
    DriftAccepted,
    CartResumed,
)
"""What a shopper does: each counts as one activity, and the cart waits anew."""
