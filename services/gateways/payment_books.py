"""Do our books of a payment and the provider's agree, once each of its facts is known to us?

What differs then is no late fact: it is found, and opens a discrepancy, rather than being hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domain.kernel import Command
from domain.payment import Finding, Mismatch, Payment, RecordFindings, RecordUnknownCharge
from domain.permissions import PLATFORM
from domain.streams import payment_stream, stream_parts
from services.gateways.gateway import Account


def differences(stream: str, account: Account | None, payment: Payment) -> Command | None:
    """What to record of a comparison: differences, or that those which are open are none any more."""
    if payment.is_capturing or payment.void == "requested" or not payment.requested_cents:
        return None  # what is under way is told by its outcome
    found = tuple(_findings(account, payment))
    if not (found or payment.mismatches):
        return None
    reference = str(account["provider_reference"]) if account else ""
    return RecordFindings(payment_id=stream_parts(stream)[1], findings=found, provider_reference=reference)


def _findings(account: Account | None, payment: Payment) -> Iterator[Finding]:
    if account is None:
        if payment.authorized_cents:
            yield Finding(kind="missing_at_provider", ours_cents=payment.authorized_cents, theirs_cents=0)
        return
    held = account["amount_cents"] if account["status"] == "authorized" else 0
    captured = _sum(account["captures"], "captured")
    disputes = account.get("disputes", ())
    compared: tuple[tuple[Mismatch, int, int], ...] = (
        ("authorized_differs", payment.authorized_cents or 0, held),
        ("captured_differs", payment.captured_cents, captured),
        ("refunded_differs", payment.refunded_cents, _sum(account["refunds"], "refunded")),
        ("disputed_differs", payment.disputed_cents, _sum(disputes, "open", "lost")),
    )
    for kind, ours, theirs in compared:
        if ours != theirs:
            yield Finding(kind=kind, ours_cents=ours, theirs_cents=theirs)
    if payment.void == "done" and not account["voided"] and held > captured:
        yield Finding(kind="held_after_void", ours_cents=0, theirs_cents=held - captured)


def _sum(movements: Sequence[Account], *statuses: str) -> int:
    return sum(each["amount_cents"] for each in movements if each["status"] in statuses)


def stream_of(account: Account) -> str:
    """Ours, or that of a charge that we never asked for."""
    name = str(account["payment_id"])
    return name if name.startswith("payment-") else payment_stream(account["merchant"] or PLATFORM, name)


def unknown_charge(account: Account) -> tuple[str, str, RecordUnknownCharge]:
    """Of a charge that we never asked for: the merchant, the stream and what to record.

    It is the platform's to look at where it names no merchant.
    """
    merchant, reference = account.get("merchant") or PLATFORM, str(account["provider_reference"])
    command = RecordUnknownCharge(
        payment_id=reference,
        order_id=reference,
        provider_reference=reference,
        theirs_cents=account["amount_cents"],
        currency=account.get("currency", ""),
    )
    return merchant, payment_stream(merchant, reference), command
