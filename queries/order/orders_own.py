"""What does a customer see of its own order? Not how the merchant works on it, nor what it thinks of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from queries.carrier.tracking import Tracked
from queries.dependencies import Rows
from queries.models import Answer, Cents

TOLD = frozenset(
    {
        "OrderPlaced",
        "OrderReserved",
        "OrderConfirmed",
        "OrderShipped",
        "OrderCancelled",
        "OrderCompleted",
        "PaymentAuthorized",
        "PaymentDeclined",
        "PaymentCaptured",
        "PaymentVoided",
        "PaymentRefunded",
        "AuthorizationExpired",
        "ShipmentDispatched",
        "ShipmentScanned",
        "ShipmentDelivered",
        "ShipmentReturned",
    }
)
"""What of the timeline a customer is told; the rest is the merchant's own affair."""


class OwnOrder(Answer):
    """An order, for the person who bought it."""

    order_id: str = Field(examples=["o1"])
    checkout_id: str
    shipping_method: str = Field(
        description="the way of shipping that was paid for; empty where nobody said", examples=["express"]
    )
    status: str = Field(examples=["completed"])
    payment_status: str = Field(examples=["captured"])
    fulfilment_status: str = Field(examples=["delivered"])
    cancel_reason: str | None = Field(examples=["customer"])
    currency: str = Field(examples=["BRL"])
    lines_count: int
    units_count: int
    items_cents: Cents
    shipping_cents: Cents
    adjustment_cents: Cents = Field(description="surcharges less shortfalls; may be negative")
    total_cents: Cents = Field(examples=[2300])
    captured_cents: Cents
    refunded_cents: Cents
    ship_to_name: str | None
    ship_to_street: str | None = Field(description="in lines")
    ship_to_zip_prefix: str | None
    ship_to_city: str | None
    ship_to_country: str | None = Field(description="ISO 3166-1, two letters", examples=["BR"])
    ship_to_phone: str | None
    ship_to_email: str | None
    ship_to_note: str | None = Field(description="what is asked of who brings it")
    ship_to_state: str
    placed_at: datetime
    dispatched_at: datetime | None
    delivered_at: datetime | None
    cancelled_at: datetime | None
    completed_at: datetime | None
    estimated_delivery_at: datetime | None


class OwnLine(Answer):
    line: int
    sku: str
    name: str
    quantity: int
    currency: str
    unit_price_cents: Cents
    unit_shipping_cents: Cents


class OwnPayment(Answer):
    payment_id: str
    status: str = Field(examples=["captured"])
    method: str = Field(examples=["credit_card"])
    installments: int
    currency: str
    amount_cents: Cents
    captured_cents: Cents
    refunded_cents: Cents
    action: Literal["required", "completed", "failed", "expired"] | None = Field(
        description="what the bank wants of the buyer before it authorises (3-D Secure)"
    )
    action_url: str | None = Field(description="where the buyer does it, while it is required")


class OwnParcelLine(Answer):
    sku: str = Field(examples=["MUG-RED"])
    name: str = Field(examples=["Mug"])
    quantity: int


class OwnShipment(Tracked):
    shipment_id: str
    status: str = Field(examples=["delivered"])
    tracking_status: str | None = Field(description="the carrier's last word", examples=["in_transit"])
    units_count: int = Field(description="of the order that are in it", examples=[2])
    lines: list[OwnParcelLine] = Field(description="what is in it; empty where nobody kept that")
    carrier: str | None
    tracking_number: str | None
    tracking_url: str | None = Field(description="where its carrier shows its way, if that is known")
    promised_at: datetime | None = Field(description="by the carrier's word when it was booked")
    dispatched_at: datetime | None
    delivered_at: datetime | None
    returned_at: datetime | None


class OwnMoment(Answer):
    """Something that happened to the order."""

    type: str = Field(examples=["OrderShipped"])
    occurred_at: datetime
    happened_at: datetime | None


class OwnOrderDetail(OwnOrder):
    lines: list[OwnLine]
    payments: list[OwnPayment]
    shipments: list[OwnShipment]
    timeline: list[OwnMoment]


def own_detail(order: Mapping[str, Any], parts: Mapping[str, Rows]) -> OwnOrderDetail:
    """Of the rows that staff would be shown, what is the customer's to know."""
    timeline = [moment for moment in parts["timeline"] if moment["type"] in TOLD]
    return OwnOrderDetail.model_validate({**order, **parts, "timeline": timeline})
