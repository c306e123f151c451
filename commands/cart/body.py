"""What does a shopper, or a shop's program, send about a cart?"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StrictBool

from commands.fields import (
    LINE_UNITS_MAX,
    Body,
    Country,
    Id,
    PaymentName,
    Phone,
    Sku,
    Text,
    Warehouse,
    whole,
)
from commands.payment_method import EXAMPLE_METHOD, MethodBody, ReturnUrl
from domain.cart.commands import Payment
from domain.cart.events import UNNAMED, CartTerms, Contact, ShippingCharge, guest_of
from domain.cart.storefront import SERVICES_MAX, ShippingMethod, StorefrontSettings
from domain.money import MOST_CENTS, Currency
from domain.product import Channel

PAYMENTS_MAX, CHARGES_MAX, METHODS_MAX = 10, 100, 100
_Amount = Annotated[int, whole(0, MOST_CENTS)]
_Seconds = Annotated[int, whole(1, 366 * 86400)]
_Short = Annotated[Text, Field(max_length=200)]
Merchant = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[!-.0-~]+$")]


_SHOWN = "Zm9yIHlvdXIgZXllcyBvbmx5"


def _example(**fields: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [fields]})


class CheckoutTermsBody(Body):
    """How long a cart waits for its shopper, and a claim for its orders, in seconds."""

    abandon_after_s: _Seconds = CartTerms().abandon_after_s
    expire_after_s: _Seconds = CartTerms().expire_after_s
    claim_valid_s: Annotated[int, whole(1, 3600)] = CartTerms().claim_valid_s

    def to_domain(self) -> CartTerms:
        return CartTerms(**dict(self))


class StartCartBody(Body):
    """An empty cart."""

    model_config = _example(currency="BRL", customer="c-4711")

    currency: Currency
    channel: Channel | None = Field(
        None, description="where it is sold, for its prices; the storefront's own"
    )
    customer: Id | None = Field(
        None, description="whose cart it is: your id of the person; nobody's where it is missing"
    )


class ItemBody(Body):
    """Units of a product."""

    model_config = _example(sku="MUG-RED", quantity=2, unit_price_cents=4990)

    sku: Sku
    quantity: Annotated[int, whole(1, LINE_UNITS_MAX)] = 1
    merchant: Merchant | None = Field(None, description="who sells it, where that is another merchant")
    warehouse: Warehouse = UNNAMED
    name: Text = Field("", examples=["Mug, red"])
    category: Sku | None = Field(None, examples=["kitchen"])
    unit_price_cents: _Amount | None = Field(
        None,
        description="minor units of the cart's currency; the catalogue's price where it is missing. Only a"
        " shop's program may say one",
        examples=[4990],
    )


class QuantityBody(Body):
    """How many units there are to be; 0 takes the line out."""

    model_config = _example(quantity=3)

    quantity: Annotated[int, whole(0, LINE_UNITS_MAX)]


class ContactBody(Body):
    """Who buys, and where the parcel goes: personal, kept encrypted under a key that erasure destroys."""

    model_config = _example(
        customer_id="c-4711",
        email="ana@example.com",
        name="Ana Souza",
        street="Rua Augusta 1000",
        zip_prefix="01310",
        city="São Paulo",
        country="BR",
        ship_to_state="SP",
    )

    customer_id: Id | None = Field(
        None, description="your id of the customer; a guest has none, and is known by the e-mail address"
    )
    customer_unique_id: Id | None = None
    email: Annotated[str, Field(min_length=3, max_length=254, pattern=r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")]
    name: _Short = ""
    phone: Phone = ""
    street: _Short = Field("", description="and all that stands with it, in lines")
    zip_prefix: Annotated[Text, Field(max_length=20)] = ""
    city: _Short = ""
    country: Country = Field("", description="ISO 3166-1, two letters")
    ship_to_state: Annotated[Text, Field(max_length=100)] = Field(
        "", description="the region that the parcel goes to; not personal"
    )
    note: Text = Field("", description="what the buyer asks for; it is on the label")

    def to_domain(self) -> Contact:
        person = self.customer_id or guest_of(self.email)
        told = self.model_dump(include=set(Contact.model_fields))
        unique = self.customer_unique_id or person
        return Contact(**{**told, "customer_id": person, "customer_unique_id": unique})


class ChargeBody(Body):
    """What the shipping of one merchant's lines costs."""

    merchant: Merchant
    amount_cents: _Amount


class ShippingBody(Body):
    """The way of shipping; the merchants' own prices for it, unless a shop's program says others."""

    model_config = _example(method="standard")

    method: Id
    charges: list[ChargeBody] | None = Field(None, max_length=CHARGES_MAX)

    def to_domain(self) -> tuple[ShippingCharge, ...]:
        return tuple(ShippingCharge(**dict(each)) for each in self.charges or ())


class CheckoutPaymentBody(Body):
    """One payment towards the whole checkout; each merchant's order has its part of it."""

    payment_id: PaymentName | None = Field(
        None, description="your name for it; its place in the list if none"
    )
    method: Annotated[Text, Field(min_length=1, max_length=100)] = Field(examples=["credit_card"])
    amount_cents: _Amount | None = Field(None, description="one may have none: it pays what is left")
    installments: Annotated[int, whole(0, 1000)] = 1

    def to_domain(self, place: int) -> Payment:
        return Payment(
            name=self.payment_id or str(place),
            method=self.method,
            amount_cents=self.amount_cents,
            installments=self.installments,
        )


class CartMethodBody(MethodBody):
    """What the provider gave for the card that the buyer has entered."""

    model_config = _example(token=EXAMPLE_METHOD, last4="4242", return_url="https://shop.example.com/thanks")

    return_url: ReturnUrl = Field(
        description="where the bank sends the buyer back to, once it has heard from them"
    )


class CompleteBody(Body):
    """The press of "place order": what the buyer saw, and how it is paid."""

    model_config = _example(total_cents=9980, payments=[{"method": "credit_card"}])

    total_cents: _Amount = Field(description="the total that the buyer saw")
    accept: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]*$")] = Field(
        "", description="`accept` of the refusal `as_seen`: what it told is taken as it is"
    )
    payments: list[CheckoutPaymentBody] = Field(default=[], max_length=PAYMENTS_MAX)
    on_account: StrictBool = Field(default=False, description="it is paid later, outside: no payments")


class TokenBody(Body):
    """A guest's cart, and the token that opens it."""

    model_config = _example(cart_id="0190c3f2-a1b4-7c55-b1d2-6d2f6e1c0a11", token=_SHOWN)

    cart_id: Id
    token: Annotated[str, Field(min_length=1, max_length=200)]


class AssignBody(Body):
    """Whose the guest's cart is from now on."""

    model_config = _example(token=_SHOWN, customer="c-4711")

    token: Annotated[str, Field(min_length=1, max_length=200)]
    customer: Id | None = Field(None, description="your id of the person; who asks, if it is a customer")


class ShippingServiceBody(Body):
    """What a carrier offers, by the names of its rate card."""

    carrier: Id
    service: Annotated[Text, Field(min_length=1, max_length=200)]


class ShippingMethodBody(Body):
    """A way of shipping, and what it costs an order in that currency."""

    method: Id
    name: _Short = ""
    currency: Currency
    amount_cents: _Amount
    services: list[ShippingServiceBody] = Field(
        default=[],
        max_length=SERVICES_MAX,
        description="those that fulfil it: others carry its parcels only where none of these takes one. With"
        " none, the rule of the merchant's carriers chooses among all",
    )

    def to_domain(self) -> ShippingMethod:
        return ShippingMethod.model_validate(self.model_dump())


class StorefrontBody(Body):
    """How shoppers are let in; what is missing is as it is for a merchant who set nothing."""

    model_config = _example(
        guests=True,
        shipping=[
            {"method": "standard", "name": "3 to 5 days", "currency": "BRL", "amount_cents": 1300},
            {
                "method": "express",
                "name": "tomorrow",
                "currency": "BRL",
                "amount_cents": 2900,
                "services": [{"carrier": "swift", "service": "express"}],
            },
        ],
    )

    channel: Channel = StorefrontSettings().channel
    guests: StrictBool = Field(default=False, description="whether who is not signed in may start a cart")
    terms: CheckoutTermsBody = CheckoutTermsBody()
    shipping: list[ShippingMethodBody] = Field(default=[], max_length=METHODS_MAX)

    def to_domain(self) -> StorefrontSettings:
        return StorefrontSettings(
            channel=self.channel,
            guests=self.guests,
            terms=self.terms.to_domain(),
            shipping=tuple(each.to_domain() for each in self.shipping),
        )
