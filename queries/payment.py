"""Reads of payments: what each is for, and what became of its money."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, Cents, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str

router = APIRouter(prefix="/v1/payments", tags=["payments"], responses=documented())
_QUERIES = load_queries("queries", "payment.sql")
PaymentState = Literal[
    "planned",
    "requested",
    "authorized",
    "declined",
    "expired",
    "voided",
    "partially_captured",
    "captured",
    "partially_refunded",
    "refunded",
]
Trouble = Literal[
    "authorize_unavailable",
    "capture_unavailable",
    "capture_failed",
    "void_unavailable",
    "void_failed",
    "refund_unavailable",
    "refund_failed",
]


class Payment(Answer):
    """One payment towards an order; it is `planned` until its provider is asked."""

    payment_id: str = Field(examples=["o1.1"])
    order_id: str
    checkout_id: str | None
    status: PaymentState
    method: str = Field(examples=["credit_card"])
    installments: int
    sequence: int | None
    currency: str = Field(examples=["BRL"])
    amount_cents: Cents = Field(examples=[2300])
    authorized_cents: Cents
    captured_cents: Cents
    refunded_cents: Cents
    voided_cents: Cents
    expired_cents: Cents
    provider_reference: str | None
    decline_reason: str | None
    discrepancy: str | None
    trouble: Trouble | None = Field(
        description="what went wrong last and is not mended since: the provider would not do it (failed), or"
        " could not be reached (unavailable; it is asked again)"
    )
    planned_at: datetime
    requested_at: datetime | None
    authorized_at: datetime | None = Field(description="by the provider's clock, as all that follow")
    captured_at: datetime | None
    refunded_at: datetime | None
    voided_at: datetime | None


@router.get(
    "",
    operation_id="list_payments",
    dependencies=[requires("payments:read")],
    summary="Payments, newest first",
)
async def list_payments(
    reader: MerchantReader,
    page: Page,
    status: PaymentState | None = None,
    trouble: Annotated[
        Trouble | Literal["any"] | None, Query(description="those with this trouble, or with any")
    ] = None,
    order_id: Annotated[str | None, Query(max_length=200)] = None,
) -> PageOf[Payment]:
    after_at, after_id = page.after("newest", as_datetime, as_str) or (None, None)
    arguments = {
        "status": status,
        "trouble": trouble,
        "order_id": order_id,
        "after_at": after_at,
        "after_id": after_id,
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("payments",), (_QUERIES.list_payments.sql, arguments)))[0]
    return page_of(Payment, rows, page, "newest", "planned_at", "payment_id")


ROUTERS = (router,)
TAGS = ({"name": "payments", "description": "What was asked of the payment provider, and what it said."},)
