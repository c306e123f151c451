"""What does a payment come to, by the amounts of its own events?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from domain.kernel import Event
from domain.payment import (
    REVERSAL_PAUSES,
    AuthorizationExpired,
    AuthorizationRequested,
    CaptureFailed,
    CaptureRequested,
    DisputeLost,
    DisputeOpened,
    DisputeWon,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDiscrepancyOpened,
    PaymentMismatchOpened,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRequested,
    VoidFailed,
    VoidRequested,
)


@dataclass(slots=True)
class Money:
    """Minor units of one currency; `open` is what is held still."""

    authorized_cents: int = 0
    captured_cents: int = 0
    voided_cents: int = 0
    expired_cents: int = 0
    refunded_cents: int = 0
    disputed_cents: int = 0

    @property
    def open_cents(self) -> int:
        return self.authorized_cents - self.captured_cents - self.voided_cents - self.expired_cents

    @property
    def paid_out_cents(self) -> int:
        return self.captured_cents - self.refunded_cents - self.disputed_cents

    def add(self, other: Money) -> None:
        self.authorized_cents += other.authorized_cents
        self.captured_cents += other.captured_cents
        self.voided_cents += other.voided_cents
        self.expired_cents += other.expired_cents
        self.refunded_cents += other.refunded_cents
        self.disputed_cents += other.disputed_cents


@dataclass(slots=True)
class PaymentBook:
    """The sums of one payment, and what is asked for and not told yet.

    `refunds` are cents asked to be given back, by name, those that were among them; `capturing` captures that
    are under way. `let_go`: the last word is that nothing is held; `voiding`: that was asked for, and refused
    `voids_failed` times. What has lapsed by our books, and the provider would not void, is held.
    `contradicted` where the log has a discrepancy of it.
    """

    currency: str = ""
    money: Money = field(default_factory=Money)
    disputes: dict[str, int] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    refunds: dict[str, int] = field(default_factory=dict)
    capturing: set[str] = field(default_factory=set)
    voiding: bool = False
    voids_failed: int = 0
    let_go: bool = False
    contradicted: bool = False

    def take(self, event: Event) -> None:
        match event:
            case AuthorizationRequested(currency=currency):
                self.currency = currency
            case PaymentAuthorized(amount_cents=cents):
                self.money.authorized_cents = cents
            case PaymentVoided(amount_cents=cents):
                self.money.voided_cents += cents
                self.let_go, self.voids_failed = True, 0
            case AuthorizationExpired(amount_cents=cents):
                self.money.expired_cents += cents
                self.let_go = True
            case VoidRequested():
                self.voiding = True
            case VoidFailed():
                self.voiding = False
                self.voids_failed += 1
            case PaymentDiscrepancyOpened() | PaymentMismatchOpened():
                self.contradicted = True
            case DisputeOpened() | DisputeLost() | DisputeWon():
                self._take_dispute(event)
            case _:
                self._take_movement(event)

    def _take_movement(self, event: Event) -> None:
        match event:
            case CaptureRequested(capture_id=name):
                self.capturing.add(name)
            case CaptureFailed(capture_id=name):
                self.capturing.discard(name)
            case PaymentCaptured(capture_id=name, amount_cents=cents):
                self.money.captured_cents += cents
                self.capturing.discard(name)
            case RefundRequested(refund_id=name, amount_cents=cents):
                self.refunds[name] = cents
            case RefundFailed(refund_id=name):
                self.refunds.pop(name, None)
            case PaymentRefunded(refund_id=name, amount_cents=cents):
                self.money.refunded_cents += cents
                self.refunds[name] = cents

    def _take_dispute(self, event: DisputeOpened | DisputeLost | DisputeWon) -> None:
        """A win that is told late opens nothing again, and undoes no loss."""
        dispute, cents = event.dispute_id, event.amount_cents
        match event:
            case DisputeOpened():
                self._dispute(dispute, self.disputes.get(dispute, cents))
            case DisputeLost():
                self.lost.add(dispute)
                self._dispute(dispute, cents)
            case DisputeWon() if dispute not in self.lost:
                self._dispute(dispute, 0)

    def _dispute(self, dispute: str, cents: int) -> None:
        self.disputes[dispute] = cents
        self.money.disputed_cents = sum(self.disputes.values())

    @property
    def kept_cents(self) -> int:
        """What was captured, less what is asked to be given back and what a bank has taken."""
        return self.money.captured_cents - sum(self.refunds.values()) - self.money.disputed_cents

    @property
    def forgotten_cents(self) -> int:
        """What is held, and neither about to be taken nor asked to be let go, now or once more."""
        if self.voiding or self.capturing or 0 < self.voids_failed <= len(REVERSAL_PAUSES):
            return 0
        lapsed = self.money.expired_cents if self.voids_failed else 0
        return max(0, self.money.open_cents) + lapsed

    def faults(self) -> Iterator[str]:
        if self.money.open_cents < 0:
            yield f"{-self.money.open_cents} cents more were captured and let go than were authorised"
        if self.let_go and self.money.open_cents > 0:
            yield f"it was let go, and {self.money.open_cents} cents of it are held"
        if self.money.paid_out_cents < 0:
            yield f"{-self.money.paid_out_cents} cents more were given back than were captured"
