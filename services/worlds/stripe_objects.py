"""How does the payment world show what it knows: as the objects of Stripe's API.

Source: https://docs.stripe.com/api, version `API_VERSION`. Moments are whole seconds since 1970; one that a
scenario does not know is 0.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from services.worlds.payment_state import (
    AUTHENTICATION_REQUIRED,
    Dispute,
    Movement,
    Payment,
    action_id,
)
from services.worlds.stage import stable_id
from services.worlds.webhooks import Webhook

API_VERSION = "2026-10-28.endive"
AUTHENTICATION_FAILED = "payment_intent_authentication_failure"
LATEST_CHARGE, REFUNDS = "latest_charge", "latest_charge.refunds"
EMBEDDED_MAX = 10
"""Of a list inside another object."""
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event(Webhook):
    """A webhook whose data is the whole event."""

    def body(self) -> bytes:
        return orjson.dumps(self.data)


def seconds(at: datetime | None) -> int:
    return int(at.timestamp()) if at else 0


def status_of(payment: Payment) -> str:
    if payment.status == "declined":
        return "requires_payment_method"
    if payment.voided_at is not None and not payment.captures:
        return "canceled"
    if payment.status == "pending":
        return "requires_action" if payment.action == "required" else "processing"
    is_over = payment.voided_at is not None or payment.left_cents == 0
    return "succeeded" if is_over else "requires_capture"


def intent(payment: Payment, expand: Collection[str] = ()) -> Object:
    status = status_of(payment)
    held = payment.status == "authorized"
    canceled = status == "canceled"
    return {
        "id": payment.provider_reference,
        "object": "payment_intent",
        "amount": payment.request.amount_cents,
        "amount_capturable": payment.left_cents if status == "requires_capture" else 0,
        "amount_received": payment.captured_cents,
        "canceled_at": seconds(payment.voided_at) if canceled else None,
        "cancellation_reason": "automatic" if canceled and payment.lapsed else None,
        "capture_method": "manual",
        "confirmation_method": "automatic",
        "created": seconds(payment.opened_at),
        "currency": payment.request.currency.lower(),
        "customer": payment.request.customer,
        "last_payment_error": _error(payment),
        "latest_charge": _charge_in(payment, expand) if held else None,
        "livemode": False,
        "metadata": payment.metadata,
        "next_action": _next_action(payment) if status == "requires_action" else None,
        "payment_method": payment.request.method,
        "payment_method_types": ["card"],
        "status": status,
    }


def _charge_in(payment: Payment, expand: Collection[str]) -> Object | str:
    if not any(each.startswith(LATEST_CHARGE) for each in expand):
        return charge_id(payment)
    shown = charge(payment)
    if REFUNDS in expand:
        refunds = [refund(payment, each) for each in reversed(payment.refunds)]
        shown["refunds"] = listed(refunds[:EMBEDDED_MAX], len(refunds) > EMBEDDED_MAX, "/v1/refunds")
    return shown


def _error(payment: Payment) -> Object | None:
    if payment.status != "declined":
        return None
    if payment.action == "failed":
        message = payment.reason or "the customer could not be authenticated"
        return {"type": "invalid_request_error", "code": AUTHENTICATION_FAILED, "message": message}
    return {
        "type": "card_error",
        "code": AUTHENTICATION_REQUIRED if payment.reason == AUTHENTICATION_REQUIRED else "card_declined",
        "decline_code": payment.reason or "generic_decline",
        "message": "Your card was declined.",
    }


def _next_action(payment: Payment) -> Object:
    url = f"https://bank.example/3ds/{action_id(payment)}"
    return {
        "type": "redirect_to_url",
        "redirect_to_url": {"url": url, "return_url": payment.request.return_url},
    }


def charge_id(payment: Payment) -> str:
    return stable_id("ch", payment.request.payment_id)


def charge(payment: Payment) -> Object:
    """The authorisation and all that was taken of it."""
    request, captured = payment.request, payment.captured_cents
    refunded = captured > 0 and payment.refunded_cents == captured
    multicapture = "unavailable" if payment.once else "available"
    authenticated = {"result": "authenticated"} if payment.action == "completed" else None
    return {
        "id": charge_id(payment),
        "object": "charge",
        "amount": request.amount_cents,
        "amount_captured": captured,
        "amount_refunded": payment.refunded_cents,
        "captured": status_of(payment) == "succeeded",
        "created": seconds(payment.happened_at),
        "currency": request.currency.lower(),
        "disputed": bool(payment.disputes),
        "livemode": False,
        "metadata": payment.opened_with,
        "paid": True,
        "payment_intent": payment.provider_reference,
        "payment_method": request.method,
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": "visa",
                "last4": "4242",
                "multicapture": {"status": multicapture},
                "three_d_secure": authenticated,
            },
        },
        "refunded": refunded,
        "status": "succeeded",
    }


def refund_id(payment: Payment, movement: Movement) -> str:
    return stable_id("re", payment.request.payment_id, movement.id)


def refund(payment: Payment, movement: Movement) -> Object:
    return {
        "id": refund_id(payment, movement),
        "object": "refund",
        "amount": movement.amount_cents,
        "charge": charge_id(payment),
        "created": seconds(movement.happened_at),
        "currency": payment.request.currency.lower(),
        "metadata": movement.metadata,
        "payment_intent": payment.provider_reference,
        "reason": None,
        "status": "succeeded",
    }


_DISPUTED = {"open": "needs_response", "won": "won", "lost": "lost"}


def dispute(payment: Payment, each: Dispute) -> Object:
    handed = [name for name, of in payment.handed if of == each.dispute_id]
    under_review = each.status == "open" and handed
    return {
        "id": each.dispute_id,
        "object": "dispute",
        "amount": each.amount_cents,
        "charge": charge_id(payment),
        "created": seconds(each.happened_at),
        "currency": payment.request.currency.lower(),
        "evidence_details": {
            "due_by": seconds(each.evidence_due_at),
            "has_evidence": bool(handed),
            "past_due": False,
            "submission_count": len(handed),
        },
        "livemode": False,
        "metadata": each.metadata,
        "payment_intent": payment.provider_reference,
        "reason": each.reason,
        "status": "under_review" if under_review else _DISPUTED[each.status],
    }


def listed(things: Iterable[Object], has_more: bool, url: str) -> Object:
    return {"object": "list", "data": list(things), "has_more": has_more, "url": url}


_TOLD = {
    "requires_payment_method": "payment_intent.payment_failed",
    "requires_action": "payment_intent.requires_action",
    "processing": "payment_intent.processing",
    "requires_capture": "payment_intent.amount_capturable_updated",
    "succeeded": "payment_intent.succeeded",
    "canceled": "payment_intent.canceled",
}


def event(payment: Payment, fact: str, event_id: str, at: datetime | None) -> tuple[str, Object]:
    """The type and the whole of what is told of a fact; `at` is when it happened, if that is known."""
    if fact.startswith("dispute_") and not payment.disputes:
        kind, shown = "charge.updated", charge(payment)  # nothing was there to dispute
    elif fact.startswith("dispute_"):
        kind = "charge.dispute.created" if fact == "dispute_opened" else "charge.dispute.closed"
        shown = dispute(payment, payment.disputes[0])
    else:
        kind, shown = _TOLD[status_of(payment)], intent(payment)
    return kind, {
        "id": event_id,
        "object": "event",
        "api_version": API_VERSION,
        "created": seconds(at),
        "data": {"object": shown},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }
