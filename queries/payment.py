"""Reads of payments: what each is for, and what became of its money."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, Field

from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, Cents, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_datetime, as_str
from services.web.problems import not_found

router = APIRouter(prefix="/v1/payments", tags=["payments"], responses=documented())
_QUERIES = load_queries("queries", "payment.sql")
PaymentState = Literal[
    "planned",
    "requested",
    "action_required",
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
    "evidence_unavailable",
    "evidence_failed",
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
    disputed_cents: Cents = Field(description="what the bank has taken back, for good or until it decides")
    action: Literal["required", "completed", "failed", "expired"] | None = Field(
        description="what the bank wants of the customer before it authorises (3-D Secure)"
    )
    action_url: str | None = Field(description="where the customer does it, while it is required")
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
    expires_at: datetime | None = Field(
        description="when what is held of it is let go, and an order that was not sent cancelled with it; by"
        " the order's `authorization_valid_s`, null where nothing is held"
    )


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
    expires_before: Annotated[
        AwareDatetime | None,
        Query(description="those of which something is held that lapses before then, the soonest first"),
    ] = None,
) -> PageOf[Payment]:
    sort, column = ("expires_at", "expires_at") if expires_before else ("newest", "planned_at")
    after_at, after_id = page.after(sort, as_datetime, as_str) or (None, None)
    arguments = {
        "status": status,
        "trouble": trouble,
        "order_id": order_id,
        "after_at": after_at,
        "after_id": after_id,
        "limit": page.limit + 1,
    }
    statement = (_QUERIES.list_payments.sql, arguments)
    if expires_before:
        statement = (_QUERIES.list_lapsing_payments.sql, {**arguments, "expires_before": expires_before})
    rows = (await reader.rows(("payments",), statement))[0]
    return page_of(Payment, rows, page, sort, column, "payment_id")


class PaymentMovement(Answer):
    """A capture or a refund."""

    call: Literal["capture", "refund"]
    reference: str = Field(description="its name", examples=["o1.1.capture"])
    amount_cents: Cents | None = Field(description="unknown, of what failed before it was asked for")
    status: Literal["requested", "done", "failed"]
    reason: str | None = Field(description="why it failed")
    refund_reason: str | None = Field(
        description="why it was refunded, as who asked said", examples=["customer"]
    )
    refund_note: str | None
    requested_at: datetime | None = Field(description="unknown, of what the provider did unasked")
    settled_at: datetime | None = Field(description="by the provider's clock, where it is done")


class Dispute(Answer):
    """A payment that a bank disputes."""

    payment_id: str = Field(examples=["1001.card"])
    dispute_id: str = Field(examples=["dp_1"])
    order_id: str
    status: Literal["open", "won", "lost"]
    amount_cents: Cents
    reason: str = Field(examples=["fraudulent"])
    evidence: Literal["requested", "submitted", "failed"] | None = Field(
        description="what became of the evidence that was handed in last"
    )
    evidence_reason: str | None
    evidence_due_at: datetime | None
    opened_at: datetime
    ended_at: datetime | None


class PaymentDetail(Payment):
    movements: list[PaymentMovement] = Field(description="captures and refunds, as they came")
    disputes: list[Dispute]


@router.get(
    "/disputes",
    operation_id="list_disputes",
    dependencies=[requires("payments:read")],
    summary="Disputes, newest first",
)
async def list_disputes(
    reader: MerchantReader, page: Page, status: Literal["open", "won", "lost"] | None = None
) -> PageOf[Dispute]:
    after = page.after("newest", as_datetime, as_str, as_str) or (None, None, None)
    arguments = {
        "status": status,
        "after_at": after[0],
        "after_id": after[1],
        "after_dispute": after[2],
        "limit": page.limit + 1,
    }
    rows = (await reader.rows(("payment_disputes",), (_QUERIES.list_disputes.sql, arguments)))[0]
    return page_of(Dispute, rows, page, "newest", "opened_at", "payment_id", "dispute_id")


class PaymentDiscrepancy(Answer):
    """Where our books and the provider's differ. `ours_cents` and `theirs_cents` are of the same thing."""

    payment_id: str = Field(examples=["1001.card"])
    order_id: str = Field(description="the provider's reference, of a charge that we never asked for")
    kind: str = Field(examples=["captured_differs"])
    status: Literal["open", "resolved"]
    ours_cents: Cents | None
    theirs_cents: Cents | None
    currency: str | None
    provider_reference: str | None
    opened_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None = Field(description="who resolved it, or `fact`: what was told later agrees")
    reason: str | None


@router.get(
    "/discrepancies",
    operation_id="list_payment_discrepancies",
    dependencies=[requires("payments:read")],
    summary="Discrepancies of payments, newest first",
)
async def list_payment_discrepancies(
    reader: MerchantReader, page: Page, status: Literal["open", "resolved"] | None = None
) -> PageOf[PaymentDiscrepancy]:
    after = page.after("newest", as_datetime, as_str, as_str) or (None, None, None)
    arguments = {
        "status": status,
        "after_at": after[0],
        "after_id": after[1],
        "after_kind": after[2],
        "limit": page.limit + 1,
    }
    statement = (_QUERIES.list_discrepancies.sql, arguments)
    rows = (await reader.rows(("discrepancies",), statement))[0]
    return page_of(PaymentDiscrepancy, rows, page, "newest", "opened_at", "payment_id", "kind")


@router.get(
    "/{payment_id}",
    operation_id="get_payment",
    dependencies=[requires("payments:read")],
    summary="A payment with its captures, refunds and disputes",
    responses=documented(404),
)
async def get_payment(
    reader: MerchantReader, payment_id: Annotated[str, Path(max_length=200, examples=["1001.card"])]
) -> PaymentDetail:
    questions = (_QUERIES.get_payment, _QUERIES.get_movements, _QUERIES.get_disputes)
    statements = [(query.sql, {"payment_id": payment_id}) for query in questions]
    models = ("payments", "payment_disputes")
    views = ("payments", "payment_requests", "payment_disputes")
    found, movements, disputes = await reader.rows(models, *statements, views=views)
    if not found:
        raise not_found("payment", payment_id)
    return PaymentDetail.model_validate({**found[0], "movements": movements, "disputes": disputes})


methods = APIRouter(prefix="/v1/payment-methods", tags=["payments"], responses=documented())


class StoredMethod(Answer):
    """A payment method; what it is known by is gone once its person is erased."""

    method_id: str = Field(examples=["visa-4242"])
    subject: str = Field(description="the customer's pseudonym")
    brand: str | None = Field(examples=["visa"])
    last4: str | None = Field(examples=["4242"])
    expires: str | None = Field(examples=["2029-04"])
    stored_at: datetime
    removed_at: datetime | None


@methods.get(
    "",
    operation_id="list_payment_methods",
    dependencies=[requires("methods:read")],
    summary="Stored payment methods of a customer, newest first",
)
async def list_payment_methods(
    reader: MerchantReader, page: Page, subject: Annotated[str | None, Query(max_length=200)] = None
) -> PageOf[StoredMethod]:
    """A customer sees their own alone."""
    after_at, after_id = page.after("newest", as_datetime, as_str) or (None, None)
    arguments = {"of": subject, "after_at": after_at, "after_id": after_id, "limit": page.limit + 1}
    rows = (await reader.rows(("payment_methods",), (_QUERIES.list_methods.sql, arguments)))[0]
    return page_of(StoredMethod, rows, page, "newest", "stored_at", "method_id")


ROUTERS = (router, methods)
TAGS = ({"name": "payments", "description": "What was asked of the payment provider, and what it said."},)
