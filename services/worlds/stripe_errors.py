"""How is a request refused on Stripe's wire? https://docs.stripe.com/api/errors."""

from typing import Any

from services.worlds.asgi import Request, problem
from services.worlds.models import Refused

_STATE = "payment_intent_unexpected_state"
_CODES = {
    "payment_voided": _STATE,
    "payment_not_authorized": _STATE,
    "payment_declined": _STATE,
    "payment_captured": _STATE,
    "capture_must_be_final": "parameter_invalid",
    "capture_exceeds_authorized": "amount_too_large",
    "refund_exceeds_captured": "amount_too_large",
    "payment_not_found": "resource_missing",
    "dispute_not_found": "resource_missing",
    "dispute_decided": "dispute_not_open",
}
"""Stripe's for what the world's rules are called."""


def errors(request: Request, refused: Refused) -> tuple[int, bytes, dict[str, Any]]:
    """As Stripe says it; what is asked of the world's control is refused by a problem document."""
    if request.segments[0] != "v1":
        return problem(request, refused)
    status = {409: 400, 422: 400}.get(refused.status, refused.status)
    told: dict[str, Any] = {"type": _type(refused, status), "message": refused.detail}
    if code := _CODES.get(refused.code, refused.code):
        told["code"] = code
    if refused.param:
        told["param"] = refused.param
    if refused.shown:
        told |= {"payment_intent": refused.shown}
        told |= {"decline_code": refused.shown["last_payment_error"].get("decline_code")}
    return status, b"application/json", {"error": told}


def _type(refused: Refused, status: int) -> str:
    if refused.code == "idempotency_key_reused":
        return "idempotency_error"
    if status == 402:
        return "card_error"
    return "invalid_request_error" if status < 500 else "api_error"
