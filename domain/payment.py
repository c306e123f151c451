"""One payment towards an order: what the provider was asked for, and what it said.

Guards bind our requests. What the provider says is a fact: it folds by the provider's own references, in any
order and any number of times, to the same state, and is never refused; a contradiction opens a discrepancy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from domain.kernel import Command, Decider, Event, ProviderId, ProviderText, Refused, Value
from domain.money import Cents, Currency

Id = Annotated[str, Field(min_length=1, max_length=200)]
NOT_SENT = "not-sent"
"""The provider's reference of a payment of zero, for which nobody was called."""


class AuthorizationRequested(Event):
    payment_id: Id
    order_id: Id
    amount_cents: Cents
    currency: Currency
    method: str
    installments: int = 1


class PaymentAuthorized(Event):
    """`happened_at` is the provider's time, None where it is unknown."""

    payment_id: Id
    order_id: Id
    amount_cents: Cents
    provider_reference: ProviderText
    happened_at: AwareDatetime | None = None


class PaymentDeclined(Event):
    payment_id: Id
    order_id: Id
    reason: ProviderText
    happened_at: AwareDatetime | None = None


class CaptureRequested(Event):
    payment_id: Id
    order_id: Id
    capture_id: Id
    amount_cents: Cents


class PaymentCaptured(Event):
    payment_id: Id
    order_id: Id
    capture_id: ProviderId
    amount_cents: Cents
    happened_at: AwareDatetime | None = None


class CaptureFailed(Event):
    payment_id: Id
    order_id: Id
    capture_id: ProviderId
    reason: ProviderText


class VoidRequested(Event):
    payment_id: Id
    order_id: Id


class VoidFailed(Event):
    payment_id: Id
    order_id: Id
    reason: ProviderText


class PaymentVoided(Event):
    """`amount_cents` is what had been authorised: 0 where it never was, or had lapsed before."""

    payment_id: Id
    order_id: Id
    amount_cents: Cents
    happened_at: AwareDatetime | None = None


class RefundRequested(Event):
    payment_id: Id
    order_id: Id
    refund_id: Id
    amount_cents: Cents


class PaymentRefunded(Event):
    payment_id: Id
    order_id: Id
    refund_id: ProviderId
    amount_cents: Cents
    happened_at: AwareDatetime | None = None


class RefundFailed(Event):
    payment_id: Id
    order_id: Id
    refund_id: ProviderId
    reason: ProviderText


class AuthorizationExpired(Event):
    payment_id: Id
    order_id: Id
    amount_cents: Cents


class PaymentDiscrepancyOpened(Event):
    """What the provider says contradicts what we asked, or itself; a person must look."""

    payment_id: Id
    order_id: Id
    kind: Literal[
        "captured_above_authorized",
        "captured_after_void",
        "refunded_above_captured",
        "authorized_and_declined",
        "authorized_after_void",
        "authorized_differs",
    ]


class PaymentProviderUnavailable(Event):
    """The provider could not be reached for this request; it is tried again later."""

    payment_id: Id
    order_id: Id
    call: str
    attempts: int


PaymentEvent: TypeAlias = (
    AuthorizationRequested
    | PaymentAuthorized
    | PaymentDeclined
    | CaptureRequested
    | PaymentCaptured
    | CaptureFailed
    | VoidRequested
    | VoidFailed
    | PaymentVoided
    | RefundRequested
    | PaymentRefunded
    | RefundFailed
    | AuthorizationExpired
    | PaymentDiscrepancyOpened
    | PaymentProviderUnavailable
)


class RequestAuthorization(Command):
    creates = True
    payment_id: Id
    order_id: Id
    amount_cents: Cents
    currency: Currency
    method: str
    installments: int = 1


class RequestCapture(Command):
    payment_id: Id
    capture_id: Id
    amount_cents: Cents


class RequestVoid(Command):
    payment_id: Id


class RequestRefund(Command):
    payment_id: Id
    refund_id: Id
    amount_cents: Cents


class RequestReversal(Command):
    """Give back whatever is held or taken: void what was not captured, refund what is left of what was.

    What is under way is not reversed before its outcome is told: ask again then.
    """

    payment_id: Id


class ExpireAuthorization(Command):
    """We hold it no longer: it counts as lapsed, and the provider is asked to let it go."""

    payment_id: Id


class Movement(Value):
    """A capture or refund as the provider tells it."""

    reference: ProviderId
    amount_cents: Cents
    succeeded: bool
    reason: ProviderText = ""
    happened_at: AwareDatetime | None = None


class RecordProviderPayment(Command):
    """All that the provider says of the payment now: an answer, a webhook and a reconciliation look alike.

    `void_refused` is why it would not void the payment; empty where it was not asked, or did.
    """

    payment_id: Id
    provider_reference: ProviderText
    status: Literal["pending", "authorized", "declined"]
    amount_cents: Cents
    reason: ProviderText = ""
    happened_at: AwareDatetime | None = None
    captures: tuple[Movement, ...] = ()
    refunds: tuple[Movement, ...] = ()
    voided: bool = False
    voided_at: AwareDatetime | None = None
    void_refused: ProviderText = ""


class RecordUnavailable(Command):
    payment_id: Id
    call: str
    attempts: int


PaymentCommand: TypeAlias = (
    RequestAuthorization
    | RequestCapture
    | RequestVoid
    | RequestRefund
    | RequestReversal
    | ExpireAuthorization
    | RecordProviderPayment
    | RecordUnavailable
)


@dataclass(frozen=True, slots=True)
class Payment:
    """`captures` and `refunds` map our reference to minor units and `requested`, `done` or `failed`."""

    order_id: str = ""
    requested_cents: int | None = None
    authorized_cents: int | None = None
    declined: bool = False
    expired: bool = False
    void: Literal["no", "requested", "refused", "done"] = "no"
    voided_cents: int = 0
    captures: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    refunds: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    discrepancies: frozenset[str] = frozenset()

    @property
    def is_voiding(self) -> bool:
        """It is voided, or about to be; a void that the provider refused leaves it as it was."""
        return self.void in ("requested", "done")

    @property
    def is_held_after_void(self) -> bool:
        """The provider authorised it only once it had been voided as unknown: so it is to be voided again."""
        unvoided = (self.authorized_cents or 0) > self.voided_cents
        return self.void == "done" and unvoided and not self.expired

    @property
    def captured_cents(self) -> int:
        return _sum(self.captures, "done")

    @property
    def refunded_cents(self) -> int:
        return _sum(self.refunds, "done")

    @property
    def capturable_cents(self) -> int:
        """What may still be captured: authorised, less captured and pending."""
        return (self.authorized_cents or 0) - _sum(self.captures, "done", "requested")

    @property
    def refundable_cents(self) -> int:
        return self.captured_cents - _sum(self.refunds, "requested", "done")


def _sum(movements: Mapping[str, tuple[int, str]], *statuses: str) -> int:
    return sum(cents for cents, status in movements.values() if status in statuses)


def _status(movements: Mapping[str, tuple[int, str]], reference: str) -> str:
    return movements.get(reference, (0, ""))[1]


def _authorize(command: RequestAuthorization) -> tuple[PaymentEvent, ...]:
    requested = AuthorizationRequested(**dict(command))
    if command.amount_cents:
        return (requested,)
    free = PaymentAuthorized(
        payment_id=command.payment_id, order_id=command.order_id, amount_cents=0, provider_reference=NOT_SENT
    )
    return (requested, free)


def _lost(command: RequestCapture, payment: Payment) -> str:
    """Why so much can't be captured of it any more; empty where it can, or may yet be authorised."""
    if payment.is_voiding:
        return "the payment is voided, or about to be"
    if payment.expired:
        return "the authorisation has expired"
    if payment.authorized_cents is None:
        return "the payment was declined" if payment.declined else ""
    left = payment.capturable_cents
    return f"at most {left} cents can still be captured" if command.amount_cents > left else ""


def _capture(command: RequestCapture, payment: Payment) -> tuple[PaymentEvent, ...]:
    if command.capture_id in payment.captures:
        return ()
    if lost := _lost(command, payment):  # a fact and not a refusal: the goods may be on their way, unpaid
        ids = {"payment_id": command.payment_id, "order_id": payment.order_id}
        return (CaptureFailed(**ids, capture_id=command.capture_id, reason=lost),)
    if payment.authorized_cents is None:
        raise Refused("capture_authorized", "only an authorised payment can be captured")
    fields = {**dict(command), "order_id": payment.order_id}
    requested = CaptureRequested(**fields)
    return (requested,) if command.amount_cents else (requested, PaymentCaptured(**fields))


def _void(command: RequestVoid, payment: Payment) -> tuple[PaymentEvent, ...]:
    voiding = payment.is_voiding and not payment.is_held_after_void
    lapsed = payment.expired and payment.void != "refused"  # what was not let go is held all the same
    if voiding or lapsed or (payment.declined and payment.authorized_cents is None):
        return ()
    if _sum(payment.captures, "done", "requested"):
        raise Refused("void_uncaptured", "the payment is captured, or about to be; refund it instead")
    requested = VoidRequested(payment_id=command.payment_id, order_id=payment.order_id)
    if payment.requested_cents:
        return (requested,)
    return (
        requested,
        PaymentVoided(payment_id=command.payment_id, order_id=payment.order_id, amount_cents=0),
    )


def _refund(command: RequestRefund, payment: Payment) -> tuple[PaymentEvent, ...]:
    if command.refund_id in payment.refunds:
        return ()
    if command.amount_cents > payment.refundable_cents:
        raise Refused(
            "refund_within_captured", f"at most {payment.refundable_cents} cents can still be refunded"
        )
    fields = {**dict(command), "order_id": payment.order_id}
    requested = RefundRequested(**fields)
    return (requested,) if command.amount_cents else (requested, PaymentRefunded(**fields))


def _reverse(payment_id: str, payment: Payment) -> tuple[PaymentEvent, ...]:
    left = payment.refundable_cents
    if left > 0:
        refund_id = _fresh(payment_id, payment)
        return _refund(RequestRefund(payment_id=payment_id, refund_id=refund_id, amount_cents=left), payment)
    if any(status != "failed" for _, status in payment.captures.values()):
        return ()  # captured and given back, or about to be captured
    return _void(RequestVoid(payment_id=payment_id), payment)


def _fresh(payment_id: str, payment: Payment) -> str:
    """A refund id that this payment has not used: `P.refund`, then `P.refund.2` and so on."""
    names = (f"{payment_id}.refund" + (f".{number}" if number > 1 else "") for number in count(1))
    return next(name for name in names if name not in payment.refunds)


def _expire(payment_id: str, payment: Payment) -> tuple[PaymentEvent, ...]:
    captured = any(status != "failed" for _, status in payment.captures.values())
    held = payment.authorized_cents is not None and not captured and not payment.is_voiding
    if not held or payment.expired:
        return ()
    ids = {"payment_id": payment_id, "order_id": payment.order_id}
    return (
        AuthorizationExpired(**ids, amount_cents=payment.authorized_cents or 0),
        *_void(RequestVoid(payment_id=payment_id), payment),
    )


def _claims(told: RecordProviderPayment, order_id: str) -> Iterator[PaymentEvent]:
    """What the provider's account says, known or not, in the order that it must have happened."""
    ids = {"payment_id": told.payment_id, "order_id": order_id}
    if told.status == "authorized":
        amount, reference = told.amount_cents, told.provider_reference
        yield PaymentAuthorized(
            **ids, amount_cents=amount, provider_reference=reference, happened_at=told.happened_at
        )
    if told.status == "declined":
        yield PaymentDeclined(**ids, reason=told.reason or "declined", happened_at=told.happened_at)
    for each in told.captures:
        if each.succeeded:
            fields = {"capture_id": each.reference, "amount_cents": each.amount_cents}
            yield PaymentCaptured(**ids, **fields, happened_at=each.happened_at)
        else:
            yield CaptureFailed(**ids, capture_id=each.reference, reason=each.reason)
    for each in told.refunds:
        if each.succeeded:
            fields = {"refund_id": each.reference, "amount_cents": each.amount_cents}
            yield PaymentRefunded(**ids, **fields, happened_at=each.happened_at)
        else:
            yield RefundFailed(**ids, refund_id=each.reference, reason=each.reason)


def _is_news(claim: PaymentEvent, payment: Payment) -> bool:
    """False for what is known; a failure is none after the success of the same reference."""
    match claim:
        case PaymentAuthorized():
            return payment.authorized_cents is None
        case PaymentDeclined():
            return not payment.declined
        case PaymentCaptured(capture_id=reference):
            return _status(payment.captures, reference) != "done"
        case CaptureFailed(capture_id=reference):
            return _status(payment.captures, reference) in ("", "requested")
        case PaymentRefunded(refund_id=reference):
            return _status(payment.refunds, reference) != "done"
        case RefundFailed(refund_id=reference):
            return _status(payment.refunds, reference) in ("", "requested")
    return True


def _contradictions(payment_id: str, before: Payment, payment: Payment) -> tuple[PaymentEvent, ...]:
    """The discrepancies of a state, and of how it came about, that are not open yet."""
    kinds = {
        "captured_above_authorized": payment.authorized_cents is not None
        and payment.captured_cents > payment.authorized_cents,
        "captured_after_void": payment.void == "done" and payment.captured_cents > 0,
        "refunded_above_captured": payment.refunded_cents > payment.captured_cents,
        "authorized_and_declined": payment.authorized_cents is not None and payment.declined,
        "authorized_after_void": before.void == "done"
        and before.authorized_cents is None
        and payment.authorized_cents is not None,
        "authorized_differs": payment.authorized_cents not in (None, payment.requested_cents),
    }
    return tuple(
        PaymentDiscrepancyOpened(payment_id=payment_id, order_id=payment.order_id, kind=kind)
        for kind, true in kinds.items()
        if true and kind not in payment.discrepancies
    )


def _record(told: RecordProviderPayment, payment: Payment) -> tuple[PaymentEvent, ...]:
    news: list[PaymentEvent] = []
    known = payment
    for claim in _claims(told, payment.order_id):
        if _is_news(claim, known):  # an account may say the same thing twice
            news.append(claim)
            known = evolve(known, claim)
    ids = {"payment_id": told.payment_id, "order_id": payment.order_id}
    if told.voided and (known.void != "done" or known.is_held_after_void):
        held = 0 if known.expired else known.authorized_cents or 0
        voided = PaymentVoided(**ids, amount_cents=held, happened_at=told.voided_at)
        news.append(voided)
        known = evolve(known, voided)
    elif told.void_refused and known.void == "requested":
        news.append(VoidFailed(**ids, reason=told.void_refused))
    return (*news, *_contradictions(told.payment_id, payment, known))


def decide(command: PaymentCommand, payment: Payment) -> tuple[PaymentEvent, ...]:
    if isinstance(command, RequestAuthorization):
        return () if payment.requested_cents is not None else _authorize(command)
    if payment.requested_cents is None:
        raise Refused("payment_exists", f"there is no payment {command.payment_id}")
    match command:
        case RequestCapture():
            return _capture(command, payment)
        case RequestVoid():
            return _void(command, payment)
        case RequestRefund():
            return _refund(command, payment)
        case RequestReversal(payment_id=payment_id):
            return _reverse(payment_id, payment)
        case ExpireAuthorization(payment_id=payment_id):
            return _expire(payment_id, payment)
        case RecordProviderPayment():
            return _record(command, payment)
        case RecordUnavailable():
            return (PaymentProviderUnavailable(**dict(command), order_id=payment.order_id),)


def _moved(
    movements: Mapping[str, tuple[int, str]], reference: str, cents: int | None, status: str
) -> dict[str, tuple[int, str]]:
    before, was = movements.get(reference, (0, ""))
    # a success outlasts a late failure and a late request
    now = "done" if "done" in (was, status) else status
    return {**movements, reference: (before if cents is None else cents, now)}


def evolve(payment: Payment, event: PaymentEvent) -> Payment:
    match event:
        case AuthorizationRequested(order_id=order_id, amount_cents=cents):
            return replace(payment, order_id=order_id, requested_cents=cents)
        case PaymentAuthorized(amount_cents=cents):
            return replace(payment, authorized_cents=cents)
        case PaymentDeclined():
            return replace(payment, declined=True)
        case CaptureRequested(capture_id=reference, amount_cents=cents):
            return replace(payment, captures=_moved(payment.captures, reference, cents, "requested"))
        case PaymentCaptured(capture_id=reference, amount_cents=cents):
            return replace(payment, captures=_moved(payment.captures, reference, cents, "done"))
        case CaptureFailed(capture_id=reference):
            return replace(payment, captures=_moved(payment.captures, reference, None, "failed"))
        case VoidRequested():
            is_over = payment.void == "done" and not payment.is_held_after_void
            return replace(payment, void="done" if is_over else "requested")
        case VoidFailed():
            return replace(payment, void="done" if payment.void == "done" else "refused")
        case PaymentVoided(amount_cents=cents):
            return replace(payment, void="done", voided_cents=payment.voided_cents + cents)
        case RefundRequested(refund_id=reference, amount_cents=cents):
            return replace(payment, refunds=_moved(payment.refunds, reference, cents, "requested"))
        case PaymentRefunded(refund_id=reference, amount_cents=cents):
            return replace(payment, refunds=_moved(payment.refunds, reference, cents, "done"))
        case RefundFailed(refund_id=reference):
            return replace(payment, refunds=_moved(payment.refunds, reference, None, "failed"))
        case AuthorizationExpired():
            return replace(payment, expired=True)
        case PaymentDiscrepancyOpened(kind=kind):
            return replace(payment, discrepancies=payment.discrepancies | {kind})
        case PaymentProviderUnavailable():
            return payment


PAYMENT: Decider[PaymentCommand, PaymentEvent, Payment] = Decider(
    "payment",
    decide,
    evolve,
    Payment(),
    events=PaymentEvent.__args__,
    commands=PaymentCommand.__args__,
    parts=("merchant", "payment_id"),
    of_order=True,
)

AGGREGATES = (PAYMENT,)
PERMISSIONS = ("payments:read",)
