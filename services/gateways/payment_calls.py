"""What is a payment provider asked for, in the words of Stripe's API?

Stripe knows no ids of ours but in `metadata`: that of a PaymentIntent has the payment's stream, and grows by
one entry for each capture, which has no object of its own there. A refund and the evidence for a dispute have
theirs. Source: https://docs.stripe.com/api and /payments/multicapture, of the version `API_VERSION`.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any
from urllib.parse import quote, urlencode

from domain.kernel import Fact
from domain.payment import (
    AuthorizationRequested,
    CaptureRequested,
    Evidence,
    EvidenceRequested,
    Payment,
    RefundRequested,
)
from domain.payment.method import MethodToken
from services.gateways.gateway import Request

API_VERSION = "2026-10-28.endive"
INTENTS, REFUNDS, DISPUTES = "/v1/payment_intents", "/v1/refunds", "/v1/disputes"
PAYMENT, CHECKOUT, MERCHANT, REFUND, RELEASED = "payment", "checkout", "merchant", "refund", "released"
CAPTURE, EVIDENCE = "capture_", "evidence_"
"""The entries of `metadata` that are ours; of the last two each has a name that its reference makes."""
UNSTORED = "pm_card_visa"
"""What a payment is charged by that names no stored method: the card of Stripe's own test accounts."""
UNNAMED = "{intent}"
"""In a path, where the provider has not told us yet how it calls the payment: it is looked for."""
KEY_MAX = 255
_INTENT = re.compile(r"pi_[0-9A-Za-z_]+")
_WHOLE = "latest_charge.refunds"


def known_intent(payment: Payment | None) -> str:
    """How the provider calls the payment, if it has told us."""
    reference = payment.provider_reference if payment else ""
    return reference if _INTENT.fullmatch(reference) else ""


def intent_path(intent: str) -> str:
    """Where all of a payment is shown, but for its disputes."""
    return f"{INTENTS}/{quote(intent, safe='')}?{urlencode({'expand[]': _WHOLE}, safe='[]')}"


def search_path(stream: str) -> str:
    """Where it is found by our name. A search may be a minute behind: what it does not find, the key of the
    call that is made then still keeps from being done twice."""
    name = stream.replace("\\", "\\\\").replace("'", "\\'")
    asked = {"query": f"metadata['{PAYMENT}']:'{name}'", "limit": 1, "expand[]": f"data.{_WHOLE}"}
    return f"{INTENTS}/search?{urlencode(asked, safe='[]')}"


def located(fact: Fact, payment: Payment | None) -> str:
    intent = known_intent(payment)
    return intent_path(intent) if intent else search_path(fact.stream)


def authorization(fact: Fact, asked: AuthorizationRequested, refusals: frozenset[int]) -> Request:
    """Money is held, not taken; it may be taken in parts, where the card's network allows that."""
    body = {
        "amount": asked.amount_cents,
        "currency": asked.currency.lower(),
        "capture_method": "manual",
        "confirm": "true",
        "payment_method_types": ["card"],
        "payment_method": UNSTORED,
        "payment_method_options": {"card": {"request_multicapture": "if_available"}},
        "metadata": {
            PAYMENT: fact.stream,
            CHECKOUT: fact.correlation,
            MERCHANT: fact.merchant,
            "order": asked.order_id,
            "method": asked.method,
            "installments": asked.installments,
        },
        "expand": ["latest_charge"],
    }
    return Request("authorize", INTENTS, body, key_of(fact.stream), refusals)


def with_method(request: Request, known: MethodToken | None) -> dict[str, Any]:
    """The body with a stored method; a token `CUSTOMER/METHOD` also says whose it is there.

    None, of a method that is gone, is refused by the provider. Nobody is asked to act but who is there, and
    can be sent back.
    """
    customer, _, method = known.token.rpartition("/") if known else ("", "", "")
    whose = {"customer": customer} if customer else {}
    present = {"return_url": known.return_url} if known and known.return_url else {"off_session": "true"}
    return {**request.body, **whose, "payment_method": method, **present}


def capture(fact: Fact, asked: CaptureRequested, payment: Payment) -> Request:
    """The last one ends the authorisation, and lets go of what it leaves; any other keeps the rest of it.

    Which it is, was settled when it was asked for: under one key the provider takes one body only.
    """
    is_last = asked.capture_id in payment.last_captures
    noted = {captured_as(asked.capture_id): f"{asked.amount_cents} {asked.capture_id}"}
    body = {
        "amount_to_capture": asked.amount_cents,
        "final_capture": "true" if is_last else "false",
        "metadata": noted | ({RELEASED: asked.capture_id} if asked.last else {}),
    }
    path = f"{INTENTS}/{known_intent(payment) or UNNAMED}/capture"
    return Request("capture", path, body, _key(fact.stream, asked.capture_id))


def void(fact: Fact, payment: Payment) -> Request:
    """What is captured in part can't be cancelled: a last capture, of nothing, lets go of the rest."""
    path = f"{INTENTS}/{known_intent(payment) or UNNAMED}"
    key = key_of(f"{fact.stream}/void/{fact.event_id}")
    if not payment.captured_cents:
        return Request("void", f"{path}/cancel", {}, key)
    body = {"amount_to_capture": 0, "final_capture": "true", "metadata": {RELEASED: fact.event_id}}
    return Request("void", f"{path}/capture", body, key)


def refund(fact: Fact, asked: RefundRequested, payment: Payment) -> Request:
    body = {
        "payment_intent": known_intent(payment) or UNNAMED,
        "amount": asked.amount_cents,
        "metadata": {PAYMENT: fact.stream, CHECKOUT: fact.correlation, REFUND: asked.refund_id},
    }
    return Request("refund", REFUNDS, body, _key(fact.stream, asked.refund_id))


def evidence(fact: Fact, asked: EvidenceRequested) -> Request:
    """Of a person who was erased meanwhile nothing is left to hand in but that."""
    told = asked.evidence if isinstance(asked.evidence, Evidence) else Evidence(text="(erased)")
    words = {
        "uncategorized_text": told.text,
        "shipping_carrier": told.carrier,
        "shipping_tracking_number": told.tracking_number,
    }
    handed = {
        PAYMENT: fact.stream,
        CHECKOUT: fact.correlation,
        _entry(EVIDENCE, asked.evidence_id): asked.evidence_id,
    }
    body = {
        "evidence": {name: word for name, word in words.items() if word},
        "submit": "true",
        "metadata": handed,
    }
    path = f"{DISPUTES}/{quote(asked.dispute_id, safe='')}"
    return Request("evidence", path, body, _key(fact.stream, asked.evidence_id))


def captured_as(capture_id: str) -> str:
    """The name of a capture's entry; the provider's names have at most 40 characters."""
    return _entry(CAPTURE, capture_id)


def _entry(kind: str, reference: str) -> str:
    return kind + blake2b(reference.encode(), digest_size=8).hexdigest()


def _key(stream: str, reference: str) -> str:
    return key_of(f"{stream}/{quote(reference, safe='')}")


def key_of(words: str) -> str:
    """An idempotency key has a limit: a longer one is its digest."""
    return words if len(words) <= KEY_MAX else blake2b(words.encode(), digest_size=32).hexdigest()
