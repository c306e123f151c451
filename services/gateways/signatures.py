"""Did a provider sign its webhook, by the scheme that it has?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from standardwebhooks import Webhook, WebhookVerificationError
from stripe import SignatureVerificationError, WebhookSignature

TOLERANCE_S = 300
"""How old a signature may be."""
Wire = Literal["own", "stripe"]
Verify = Callable[[bytes, Mapping[str, str]], str]
"""The id of a webhook by its body and headers; empty where the body has it. Raises BadSignature."""


class BadSignature(Exception):
    """Who sent it is not known."""


def standard(secret: str) -> Verify:
    """The scheme of standardwebhooks.com; the secret is base64."""
    signer = Webhook(secret)

    def verify(body: bytes, headers: Mapping[str, str]) -> str:
        try:
            signer.verify(body, dict(headers), json_parse=False)
        except (WebhookVerificationError, ValueError) as error:
            raise BadSignature(str(error)) from error
        return headers["webhook-id"]

    return verify


def stripe(secret: str) -> Verify:
    """Stripe's scheme; the secret is any text, and that of Stripe begins with `whsec_`."""

    def verify(body: bytes, headers: Mapping[str, str]) -> str:
        try:
            WebhookSignature.verify_header(body, headers.get("stripe-signature"), secret, TOLERANCE_S)
        except (SignatureVerificationError, ValueError) as error:
            raise BadSignature(str(error)) from error
        return ""

    return verify


SCHEMES: Mapping[Wire, Callable[[str], Verify]] = {"own": standard, "stripe": stripe}
