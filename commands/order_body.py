"""What does a merchant send to place or cancel an order?"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StrictBool

from commands.fields import (
    LINE_UNITS_MAX,
    Body,
    Country,
    Id,
    MethodName,
    Moment,
    PaymentName,
    Phone,
    Sku,
    Text,
    Warehouse,
    whole,
)
from domain.allocation import AllocationTerms
from domain.money import MOST_CENTS, Currency
from domain.order import Adjustment, Line, PlaceOrder, Portion, Terms
from domain.personal import Customer, Personal

LINES_MAX, PAYMENTS_MAX, ADJUSTMENTS_MAX = 1000, 50, 50
_Amount = Annotated[int, whole(0, MOST_CENTS)]
_Short = Annotated[Text, Field(max_length=200)]
_EMAIL_OR_NONE = r"^([^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+)?$"
_PLACE_EXAMPLE: dict[str, Any] = {
    "order_id": "1001",
    "checkout_id": "checkout-77",
    "customer": {
        "customer_id": "c-4711",
        "name": "Ana Souza",
        "street": "Rua Augusta 1000\napto 21",
        "zip_prefix": "01310",
        "city": "São Paulo",
        "country": "BR",
        "phone": "+55 11 91234-5678",
        "email": "ana@example.com",
        "note": "ring twice",
    },
    "channel": "shop",
    "shipping_method": "express",
    "ship_to_state": "SP",
    "currency": "BRL",
    "lines": [
        {
            "sku": "MUG-RED",
            "name": "Mug, red",
            "category": "kitchen",
            "quantity": 2,
            "unit_price_cents": 4990,
            "unit_shipping_cents": 1300,
        }
    ],
    "payments": [
        {"payment_id": "card", "method": "credit_card", "amount_cents": 10000, "installments": 3},
        {"payment_id": "voucher", "method": "voucher", "amount_cents": 2580},
    ],
    "estimated_delivery_at": "2026-05-20T00:00:00Z",
}


class CustomerBody(Body):
    """Who buys, and where the parcel goes: personal, kept encrypted under a key that erasure destroys."""

    customer_id: Id = Field(description="your id of the customer", examples=["c-4711"])
    customer_unique_id: Id | None = Field(
        None, description="the person, where `customer_id` differs from order to order"
    )
    zip_prefix: Annotated[Text, Field(max_length=20)] = Field(examples=["01310"])
    city: _Short = Field(examples=["São Paulo"])
    name: _Short = Field("", description="of who gets the parcel", examples=["Ana Souza"])
    street: _Short = Field(
        "", description="and all that stands with it, in lines", examples=["Rua Augusta 1000\napto 21"]
    )
    country: Country = Field("", description="ISO 3166-1, two letters", examples=["BR"])
    phone: Phone = Field("", examples=["+55 11 91234-5678"])
    email: Annotated[str, Field(max_length=254, pattern=_EMAIL_OR_NONE)] = Field(
        "", examples=["ana@example.com"]
    )
    note: Text = Field(
        "", description="what is asked of who brings it; it is on the label", examples=["ring twice"]
    )

    @property
    def person(self) -> str:
        return self.customer_unique_id or self.customer_id

    def to_domain(self) -> Customer:
        told = self.model_dump(include=set(Customer.model_fields))
        return Customer(**{**told, "customer_unique_id": self.person})


class LineBody(Body):
    """Equal units of one product, with its name, category and price as they are now."""

    line: Annotated[int, whole(1, 100_000)] | None = Field(
        None, description="its number; its place in the list if it has none"
    )
    sku: Sku = Field(examples=["MUG-RED"])
    name: Text = Field("", examples=["Mug, red"])
    category: Sku | None = Field(None, examples=["kitchen"])
    quantity: Annotated[int, whole(1, LINE_UNITS_MAX)] = Field(examples=[2])
    unit_price_cents: _Amount = Field(description="minor units of `currency`", examples=[4990])
    unit_shipping_cents: _Amount = Field(0, description="minor units of `currency`", examples=[1300])
    warehouse: Warehouse = Field(
        "main",
        description="where it is reserved and shipped from, unless the merchant has rules of allocation",
    )
    ship_by: Moment | None = Field(None, description="when it must be with the carrier")

    def to_domain(self, place: int) -> Line:
        return Line(**{**dict(self), "line": self.line or place})


class AdjustmentBody(Body):
    """What makes the books add up where what is paid differs from what is due."""

    kind: Literal["surcharge", "shortfall"] = Field(
        description="a surcharge is paid on top, a shortfall is let go"
    )
    amount_cents: Annotated[int, whole(1, MOST_CENTS)]


class PaymentBody(Body):
    """One payment towards the order."""

    payment_id: PaymentName | None = Field(
        None,
        description="your name for it among the order's payments; it is known as `ORDER.NAME` from then on."
        " Its place in the list if it has none",
        examples=["card"],
    )
    method: Annotated[Text, Field(min_length=1, max_length=100)] = Field(examples=["credit_card"])
    amount_cents: _Amount = Field(description="minor units of `currency`", examples=[10000])
    installments: Annotated[int, whole(0, 1000)] = 1

    def to_domain(self, order_id: str, place: int) -> Portion:
        return Portion(
            payment_id=f"{order_id}.{self.payment_id or place}",
            method=self.method,
            amount_cents=self.amount_cents,
            installments=self.installments,
            sequence=place,
        )


def _within_limit(lines: list[LineBody]) -> list[LineBody]:
    """The answer holds the total before the order's rules are asked: it must be one that JSON can hold."""
    total = sum(line.quantity * (line.unit_price_cents + line.unit_shipping_cents) for line in lines)
    if total > MOST_CENTS:
        raise ValueError(f"together they come to {total} cents; at most {MOST_CENTS} may be")
    return lines


class PlaceOrderBody(Body):
    """An order, as it was bought."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PLACE_EXAMPLE]})

    order_id: Id | None = Field(None, description="your id for it, unique with you; made up if missing")
    checkout_id: Id | None = Field(
        None, description="what orders that were bought together share; made up if missing"
    )
    customer: CustomerBody
    channel: Annotated[Text, Field(max_length=100)] = Field(
        "", description="where it was bought: a shop, a market place", examples=["shop"]
    )
    shipping_method: MethodName = Field(
        "",
        description="the way of shipping that was paid for: a parcel goes by the services that the storefront"
        " names for it, where it names any",
        examples=["express"],
    )
    ship_to_state: Annotated[Text, Field(max_length=100)] = Field(
        "", description="the region that the parcel goes to; not personal", examples=["SP"]
    )
    currency: Currency = Field(description="ISO 4217")
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=LINES_MAX), AfterValidator(_within_limit)]
    adjustments: list[AdjustmentBody] = Field(default=[], max_length=ADJUSTMENTS_MAX)
    payments: list[PaymentBody] = Field(default=[], max_length=PAYMENTS_MAX)
    on_account: StrictBool = Field(default=False, description="it is paid later, outside: no payments")
    estimated_delivery_at: Moment | None = Field(None, description="what the customer was told")

    def to_command(
        self,
        order_id: str,
        checkout_id: str,
        subject: str,
        customer: Personal[Customer],
        terms: Terms,
        allocation: AllocationTerms | None,
    ) -> PlaceOrder:
        return PlaceOrder(
            order_id=order_id,
            checkout_id=checkout_id,
            subject=subject,
            customer=customer,
            channel=self.channel,
            shipping_method=self.shipping_method,
            ship_to_state=self.ship_to_state,
            currency=self.currency,
            lines=tuple(line.to_domain(place) for place, line in enumerate(self.lines, 1)),
            adjustments=tuple(
                Adjustment(kind=each.kind, amount_cents=each.amount_cents) for each in self.adjustments
            ),
            portions=tuple(each.to_domain(order_id, place) for place, each in enumerate(self.payments, 1)),
            on_account=self.on_account,
            estimated_delivery_at=self.estimated_delivery_at,
            terms=terms,
            allocation=allocation,
        )


class CancelOrderBody(Body):
    """Why an order is cancelled."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "customer", "note": "changed her mind"}]}
    )

    reason: Literal["customer", "declined", "fraud", "stock", "staff", "expired", "other"]
    note: Text = ""
