"""What may be asked of a cart, and what is said with it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AwareDatetime, Field, PositiveInt

from domain.allocation.rules import AllocationTerms
from domain.cart.events import (
    CHANNEL,
    UNNAMED,
    CartTerms,
    Channel,
    Contact,
    Id,
    PricedBy,
    ReleaseReason,
    ShippingCharge,
    Waits,
)
from domain.kernel import Command, Quantity, Value
from domain.money import Cents, Currency
from domain.order import Terms
from domain.personal import Customer, Personal


class Offer(Value):
    """What is true of a line now: its price (None: nobody but the storefront knows one), units for sale
    (`available`; None: not asked), and how many more may wait for goods to come (`room`).

    `waits`: of what the line can have, the units that will wait.
    """

    line: PositiveInt
    unit_price_cents: Cents | None = None
    available: int | None = None
    room: Annotated[int, Field(ge=0)] = 0
    waits: Annotated[int, Field(ge=0)] = 0
    on_sale: bool = True


class Buyer(Value):
    """Who buys at one of the cart's merchants, sealed for that merchant, and on which terms.

    `allocation`: by which rules the merchant chooses the warehouses of what is sent to them.
    """

    merchant: Id
    subject: Id
    customer: Personal[Customer]
    terms: Terms = Terms()
    allocation: AllocationTerms | None = None


class Payment(Value):
    """One payment towards the whole checkout; without an amount it pays what is left."""

    name: Annotated[str, Field(min_length=1, max_length=60)]
    method: Id
    amount_cents: Cents | None = None
    installments: Annotated[int, Field(ge=0)] = 1


class CartCommand(Command):
    cart_id: Id


class StartCheckout(CartCommand):
    creates = True
    merchant: Id
    currency: Currency
    channel: Channel = CHANNEL
    subject: str = ""
    token_digest: str = ""
    terms: CartTerms = CartTerms()


class AddItem(CartCommand):
    merchant: Id
    sku: Id
    name: str = ""
    category: str | None = None
    quantity: Quantity
    unit_price_cents: Cents
    warehouse: Id = UNNAMED
    priced_by: PricedBy = "caller"
    waits: Waits = None


class ChangeItemQuantity(CartCommand):
    """No units take the line out."""

    line: PositiveInt
    quantity: Annotated[int, Field(ge=0, le=10**9)]
    waits: Waits = None


class SetContact(CartCommand):
    subject: Id
    contact: Personal[Contact]
    ship_to_state: str = ""


class ChooseShipping(CartCommand):
    method: Id
    charges: tuple[ShippingCharge, ...]
    priced_by: PricedBy = "caller"


class AssignCart(CartCommand):
    subject: Id


class MergeCart(CartCommand):
    """`activity` is what the one who reads the cart's lines saw last: else lines would be lost."""

    into: Id
    activity: int


class ClaimCheckout(CartCommand):
    """Complete the checkout on what is true `now`. `seen_total_cents` is what the buyer saw, `accept` the
    token of the changes that they were told and take. `offers` and `charges` are what lines and shipping cost
    now, where that is known."""

    now: AwareDatetime
    seen_total_cents: Cents
    accept: str = ""
    offers: tuple[Offer, ...] = ()
    charges: tuple[ShippingCharge, ...] = ()
    buyers: tuple[Buyer, ...]
    payments: tuple[Payment, ...] = ()
    on_account: bool = False


class RequestCheckoutOrders(CartCommand):
    """The claim is past its time."""

    claim: PositiveInt


class RecordCheckoutOrder(CartCommand):
    """A fact: the order is there. With a `claim` it is refused where that is over."""

    merchant: Id
    order_id: Id
    total_cents: Cents
    claim: PositiveInt | None = None


class ReleaseCheckout(CartCommand):
    claim: PositiveInt
    reason: ReleaseReason


class AbandonCart(CartCommand):
    """`activity` is the last that was heard of."""

    activity: int


class ExpireCart(CartCommand):
    activity: int


CartCommands: TypeAlias = (
    StartCheckout
    | AddItem
    | ChangeItemQuantity
    | SetContact
    | ChooseShipping
    | AssignCart
    | MergeCart
    | ClaimCheckout
    | RequestCheckoutOrders
    | RecordCheckoutOrder
    | ReleaseCheckout
    | AbandonCart
    | ExpireCart
)
