"""What do the objects of Stripe's API say, in our words? Each becomes an account: see `account_of`.

Moments are whole seconds since 1970; 0 is none that is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from services.gateways.gateway import Account
from services.gateways.payment_calls import CAPTURE, CHECKOUT, EVIDENCE, MERCHANT, PAYMENT, REFUND, RELEASED

AUTHENTICATION_FAILED = "payment_intent_authentication_failure"
LAPSED = frozenset({"automatic", "expired"})
"""Why a PaymentIntent was cancelled that nobody has cancelled: its time was up."""
_HELD = frozenset({"requires_capture", "succeeded"})
_ENDED = frozenset({"requires_payment_method", "canceled"})
_REFUNDED = {"succeeded": "refunded", "failed": "failed", "canceled": "failed"}
_DISPUTED = {
    "won": "won",
    "lost": "lost",
    "warning_closed": "won",
    "prevented": "won",
    "charge_refunded": "lost",
}


def account_of(shown: Mapping[str, Any], disputes: Iterable[Mapping[str, Any]] = ()) -> Account:
    """All that a PaymentIntent, a refund, a dispute or a charge says of a payment.

    `payment_id` is our stream, or the provider's name for what is none of ours. Only a PaymentIntent says how
    the payment stands; another object says what became of it alone, and claims nothing of the rest.
    Raises LookupError, TypeError or ValueError for what is none of these.
    """
    match shown["object"]:
        case "payment_intent":
            return _intent(shown, tuple(disputes))
        case "refund":
            return {**_part(shown), "refunds": [_refund(shown)]}
        case "dispute":
            return {**_part(shown), "disputes": [_dispute(shown)], "evidence": list(_evidence((shown,)))}
        case "charge":
            return _part(shown)
    raise ValueError(f"{shown['object']} is not of a payment")


def told_in(event: Mapping[str, Any]) -> Account:
    """What an event says. The time of what has happened is the event's: its object has none."""
    account = account_of(event["data"]["object"])
    return {**account, "happened_at": account["happened_at"] or moment(event.get("created"))}


def named_in(event: Mapping[str, Any]) -> tuple[str, str, str]:
    """The stream and the checkout of an event, both empty where it does not say; the payment's name there."""
    shown = event["data"]["object"]
    metadata = shown.get("metadata") or {}
    intent = shown["id"] if shown["object"] == "payment_intent" else _id(shown.get("payment_intent"))
    return metadata.get(PAYMENT, ""), metadata.get(CHECKOUT, ""), intent


def moment(seconds: Any) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _id(shown: Any) -> str:
    """Of an object, or of the id that stands in its place until it is expanded."""
    return str(shown["id"]) if isinstance(shown, Mapping) else str(shown or "")


def _account(stream: str, reference: str, metadata: Mapping[str, Any]) -> Account:
    return {
        "payment_id": stream,
        "checkout": metadata.get(CHECKOUT, ""),
        "merchant": metadata.get(MERCHANT, ""),
        "provider_reference": reference,
        "status": "pending",
        "amount_cents": 0,
        "reason": None,
        "happened_at": None,
        "captures": [],
        "refunds": [],
        "voided": False,
        "voided_at": None,
        "lapsed": False,
        "action": None,
        "disputes": [],
        "evidence": [],
        "in_parts": True,
    }


def _part(shown: Mapping[str, Any]) -> Account:
    intent, metadata = _id(shown.get("payment_intent")), shown.get("metadata") or {}
    return _account(metadata.get(PAYMENT, intent), intent, metadata)


def _intent(intent: Mapping[str, Any], disputes: tuple[Mapping[str, Any], ...]) -> Account:
    metadata, status = intent.get("metadata") or {}, intent["status"]
    charge = intent.get("latest_charge")
    charge = charge if isinstance(charge, Mapping) else None
    held, received = status in _HELD, int(intent["amount_received"])
    rest_gone = status == "succeeded" and received < intent["amount"]
    return {
        **_account(metadata.get(PAYMENT, intent["id"]), intent["id"], metadata),
        "status": _status(intent),
        "amount_cents": intent["amount"],
        "currency": intent["currency"].upper(),
        "reason": _reason(intent),
        "happened_at": moment(charge["created"]) if charge else None,
        "captures": list(_captures(intent, metadata, received)) if held else [],
        "refunds": [_refund(each) for each in _embedded(charge)] if received else [],
        "voided": status == "canceled" or rest_gone,
        "voided_at": moment(intent.get("canceled_at")),
        "lapsed": intent.get("cancellation_reason") in LAPSED or (rest_gone and RELEASED not in metadata),
        "action": _action(intent, charge),
        "disputes": [_dispute(each) for each in disputes],
        "evidence": list(_evidence(disputes)),
        "in_parts": _card(charge).get("multicapture", {}).get("status") != "unavailable",
    }


def _card(charge: Mapping[str, Any] | None) -> Mapping[str, Any]:
    return ((charge or {}).get("payment_method_details") or {}).get("card") or {}


def _status(intent: Mapping[str, Any]) -> str:
    """What is cancelled may have been authorised: then there is a charge, and nothing that went wrong."""
    status, went_wrong = intent["status"], bool(intent.get("last_payment_error"))
    if status in _HELD or (status == "canceled" and intent.get("latest_charge") and not went_wrong):
        return "authorized"
    return "declined" if went_wrong and status in _ENDED else "pending"


def _reason(intent: Mapping[str, Any]) -> str | None:
    error = intent.get("last_payment_error") or {}
    return error.get("decline_code") or error.get("code") or error.get("message")


def _captures(intent: Mapping[str, Any], metadata: Mapping[str, Any], received: int) -> Iterator[Account]:
    """Ours, as we have named them; whatever else was taken, by somebody else there, is one more."""
    for name, told in metadata.items():
        if name.startswith(CAPTURE):
            cents, _, reference = told.partition(" ")
            received -= int(cents)
            yield _capture(reference, int(cents))
    if received > 0:
        yield _capture(_id(intent.get("latest_charge")), received)


def _capture(reference: str, cents: int) -> Account:
    return {"capture_id": reference, "amount_cents": cents, "status": "captured", "happened_at": None}


def _embedded(charge: Mapping[str, Any] | None) -> list[Any]:
    """The refunds inside a charge, if they were asked for."""
    return ((charge or {}).get("refunds") or {}).get("data") or []


def _refund(refund: Mapping[str, Any]) -> Account:
    """One that somebody made there has no name of ours."""
    return {
        "refund_id": (refund.get("metadata") or {}).get(REFUND) or refund["id"],
        "amount_cents": refund["amount"],
        "status": _REFUNDED.get(refund["status"], "pending"),
        "reason": refund.get("failure_reason"),
        "happened_at": moment(refund.get("created")),
    }


def _action(intent: Mapping[str, Any], charge: Mapping[str, Any] | None) -> Account | None:
    """What the bank wants of the customer: it is required now, was done, or came to nothing."""
    if intent["status"] == "requires_action":
        following = intent.get("next_action") or {}
        return _acted(intent, "required", (following.get("redirect_to_url") or {}).get("url"))
    if (intent.get("last_payment_error") or {}).get("code") == AUTHENTICATION_FAILED:
        return _acted(intent, "failed", None) | {"reason": _reason(intent) or ""}
    return _acted(intent, "completed", None) if _card(charge).get("three_d_secure") else None


def _acted(intent: Mapping[str, Any], status: str, url: str | None) -> Account:
    return {"action_id": intent["id"], "status": status, "redirect_url": url or ""}


def _dispute(dispute: Mapping[str, Any]) -> Account:
    return {
        "dispute_id": dispute["id"],
        "amount_cents": dispute["amount"],
        "status": _DISPUTED.get(dispute["status"], "open"),
        "reason": dispute.get("reason") or "",
        "evidence_due_at": moment((dispute.get("evidence_details") or {}).get("due_by")),
        "happened_at": moment(dispute.get("created")),
    }


def _evidence(disputes: Iterable[Mapping[str, Any]]) -> Iterator[Account]:
    for dispute in disputes:
        for name, reference in (dispute.get("metadata") or {}).items():
            if name.startswith(EVIDENCE):
                yield {"reference": f"{dispute['id']}/{reference}", "status": "submitted"}
