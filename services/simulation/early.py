"""What does a payment provider tell before anybody has asked it for the payment?"""

from __future__ import annotations

from services.simulation.clock import START
from services.worlds.stage import stable_id
from services.worlds.stripe_objects import Event


def early_event(stream: str, checkout: str, merchant: str) -> Event:
    """A PaymentIntent that nobody has confirmed yet."""
    kind, event_id = "payment_intent.created", f"early {stream}"
    intent = {
        "id": stable_id("pi", stream),
        "object": "payment_intent",
        "amount": 1,
        "amount_received": 0,
        "currency": "eur",
        "metadata": {"payment": stream, "checkout": checkout, "merchant": merchant},
        "status": "requires_confirmation",
    }
    data = {"id": event_id, "object": "event", "created": 0, "data": {"object": intent}, "type": kind}
    return Event(event_id, stream, kind, START, checkout, merchant, data)
