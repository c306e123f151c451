"""Which orders are asked for? The conditions that the list, its counts and its export have in common."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Depends, Query
from pydantic import AwareDatetime

from domain.order import CancelReason, DiscrepancyKind
from services.web.problems import invalid

Status = Literal["placed", "reserved", "confirmed", "shipped", "completed", "cancelled"]
PaymentStatus = Literal[
    "none",
    "on_account",
    "pending",
    "partially_authorized",
    "authorized",
    "partially_captured",
    "captured",
    "partially_refunded",
    "refunded",
    "voided",
    "declined",
    "expired",
]
FulfilmentStatus = Literal[
    "unfulfilled",
    "requested",
    "preparing",
    "partially_dispatched",
    "dispatched",
    "partially_delivered",
    "delivered",
    "returned",
]
HoldReason = Literal["fraud", "address", "payment", "staff", "other", "stock"]
LAST = "\U0010ffff"
"""After every text that begins alike."""
_Cents = Annotated[int | None, Query(ge=0, le=10**15)]


def _text(about: str, example: str) -> Any:
    return Query(min_length=1, max_length=200, description=about, examples=[example])


async def filter_of_request(
    status: Status | None = None,
    payment_status: PaymentStatus | None = None,
    fulfilment_status: FulfilmentStatus | None = None,
    cancel_reason: Annotated[CancelReason | None, Query(description="cancelled for this reason")] = None,
    held: Annotated[bool | None, Query(description="held up by anything, or by nothing")] = None,
    hold: Annotated[HoldReason | None, Query(description="held up for this reason")] = None,
    tag: Annotated[str | None, _text("which has this tag", "gift")] = None,
    discrepancy: Annotated[
        DiscrepancyKind | Literal["any"] | None,
        Query(description="with an open discrepancy of this kind, or of any"),
    ] = None,
    placed_from: Annotated[AwareDatetime | None, Query(description="placed then or later")] = None,
    placed_to: Annotated[AwareDatetime | None, Query(description="placed before then")] = None,
    channel: Annotated[str | None, _text("bought there", "shop")] = None,
    total_min: Annotated[_Cents, Query(description="of so many minor units or more")] = None,
    total_max: Annotated[_Cents, Query(description="of so many minor units at most")] = None,
    currency: Annotated[str | None, Query(pattern="^[A-Z]{3}$", description="ISO 4217")] = None,
    sku: Annotated[str | None, _text("with a line of this product", "MUG-RED")] = None,
    tracking_number: Annotated[
        str | None, _text("with a parcel that has, or had, a label of this number", "MT123456785BR")
    ] = None,
    customer: Annotated[str | None, _text("your id of the customer", "c-4711")] = None,
    checkout: Annotated[str | None, Query(max_length=200)] = None,
    q: Annotated[
        str | None,
        Query(min_length=1, max_length=200, description="the beginning of an order or checkout id"),
    ] = None,
) -> dict[str, Any]:
    """The parameters of `list_orders`. Raises a 422 problem for a range that is empty."""
    if total_min is not None and total_max is not None and total_min > total_max:
        raise invalid("total_max", f"it is below total_min, {total_min}")
    return {
        "status": status,
        "payment_status": payment_status,
        "fulfilment_status": fulfilment_status,
        "cancel_reason": cancel_reason,
        "held": held,
        "hold": hold,
        "tag": tag,
        "discrepancy": discrepancy,
        "placed_from": placed_from,
        "placed_to": placed_to,
        "channel": channel,
        "total_min": total_min,
        "total_max": total_max,
        "currency": currency,
        "sku": sku,
        "tracking_number": tracking_number,
        "customer": customer,
        "checkout": checkout,
        "q": q,
        "q_end": None if q is None else q + LAST,
    }


Filter = Annotated[dict[str, Any], Depends(filter_of_request)]
"""The type of a route's parameter that wants them."""
