"""What is an order made of: its lines, what it is paid by, and on which terms."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field, PositiveInt

from domain.kernel import Quantity, Value
from domain.money import MOST_CENTS, Cents

Id = Annotated[str, Field(min_length=1, max_length=200)]
CancelReason: TypeAlias = Literal[
    "customer", "declined", "fraud", "stock", "staff", "expired", "returned", "other"
]


DiscrepancyKind: TypeAlias = Literal[
    "shipped_after_cancel",
    "shipped_while_held",
    "shipped_though_missing",
    "not_captured",
    "not_refunded",
    "not_voided",
    "not_shippable",
]
Channel = Annotated[str, Field(max_length=200)]
"""Where an order was placed: a shop, a market place; empty where nobody said."""


MethodName = Annotated[str, Field(max_length=200)]
"""The way of shipping that was paid for, by the merchant's storefront; empty where nobody said."""


class Line(Value):
    """Equal units of one product; what may change later (name, price, category) is snapshotted here."""

    line: PositiveInt
    sku: Id
    name: str = ""
    category: str | None = None
    quantity: Quantity
    unit_price_cents: Cents
    unit_shipping_cents: Cents = 0
    warehouse: Id = "main"
    ship_by: AwareDatetime | None = None

    @property
    def total_cents(self) -> int:
        return self.quantity * (self.unit_price_cents + self.unit_shipping_cents)


class Adjustment(Value):
    """What makes the books add up where paid differs from due: a surcharge adds, a shortfall takes off."""

    kind: Literal["surcharge", "shortfall"]
    amount_cents: Annotated[int, Field(gt=0, le=MOST_CENTS)]

    @property
    def signed_cents(self) -> int:
        return self.amount_cents if self.kind == "surcharge" else -self.amount_cents


class Portion(Value):
    """One payment towards the order: a card, a voucher, a bank slip."""

    payment_id: Id
    method: Id
    amount_cents: Cents
    installments: Annotated[int, Field(ge=0)] = 1
    sequence: PositiveInt = 1


Validity = Annotated[int, Field(gt=0, le=10 * 366 * 86400)]
"""Seconds; at most ten years, so that a time and its validity are always a date."""


class Terms(Value):
    """How long what is held for the order stays held, as its merchant's settings were when it was placed."""

    reservation_valid_s: Validity = 3600
    authorization_valid_s: Validity = 5 * 86400


HoldReason: TypeAlias = Literal["fraud", "address", "payment", "staff", "other", "stock"]
"""Why an order may not be fulfilled for now."""

DeclineReason: TypeAlias = Literal[
    "customer", "staff", "expired", "superseded", "stock", "declined", "shipped"
]
"""Why a change set came to nothing; the last three are found out after it was confirmed."""

DropReason: TypeAlias = Literal["declined", "expired", "voided", "not_captured"]
"""Why nothing comes of a payment."""

Tag = Annotated[str, Field(min_length=1, max_length=50)]
Signed = Annotated[int, Field(ge=-MOST_CENTS, le=MOST_CENTS)]
"""Minor units that come or go."""


class NoteText(Value):
    """What somebody of the merchant's wrote about an order: it may well be about a person."""

    text: Annotated[str, Field(min_length=1, max_length=2000)]


class UnitsChange(Value):
    """Units of one product in one warehouse: how many the order wants now, sent or not, and what changed."""

    sku: Id
    warehouse: Id
    quantity: Annotated[int, Field(ge=0)]
    change: int


class ProductChange(Value):
    """What of a product is sold more, or less, than before: units, and minor units of the currency."""

    sku: Id
    category: str | None = None
    units_change: int
    items_change_cents: Signed
    shipping_change_cents: Signed


class PaymentChange(Value):
    """What one payment is to bring from now on, in minor units, and what changed; a new one may be named."""

    payment_id: Id
    method: Id
    amount_cents: Cents
    change_cents: Signed


class LineQuantity(Value):
    """So many units of a line."""

    line: PositiveInt
    quantity: Quantity


class LineCut(Value):
    """Units taken off a line, those that are left, and what the former cost with their shipping."""

    line: PositiveInt
    sku: Id
    warehouse: Id
    quantity: Quantity
    left: Annotated[int, Field(ge=0)]
    amount_cents: Cents


class ParcelUnits(Value):
    """Units of one product from one warehouse in a parcel."""

    sku: Id
    warehouse: Id
    quantity: Quantity


class AddLine(Value):
    kind: Literal["add"] = "add"
    line: Line


class SetQuantity(Value):
    kind: Literal["quantity"] = "quantity"
    line: PositiveInt
    quantity: Quantity


class RemoveLine(Value):
    kind: Literal["remove"] = "remove"
    line: PositiveInt


class SetShipping(Value):
    """Another price of shipping for each unit of a line."""

    kind: Literal["shipping"] = "shipping"
    line: PositiveInt
    unit_shipping_cents: Cents


Change: TypeAlias = Annotated[AddLine | SetQuantity | RemoveLine | SetShipping, Field(discriminator="kind")]
