"""Do we ever ask an honest provider for more than we may, whenever and however often its letters arrive?"""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from domain.payment import (
    PAYMENT,
    AuthorizationExpired,
    CapturePayment,
    CustomerAction,
    Dispute,
    ExpireAuthorization,
    ExpireCustomerAction,
    Movement,
    PaymentVoided,
    RecordProviderPayment,
    RecordUnavailable,
    RefundRequested,
    RequestAuthorization,
    RequestCapture,
    RequestRefund,
    RequestReversal,
    RequestVoid,
)
from tests.property.machine import AggregateMachine
from tests.strategies import cents, references


class PaymentMachine(AggregateMachine):
    """The model: what we asked for (reference to cents), the provider's letters, and the newest one read."""

    decider = PAYMENT

    def __init__(self) -> None:
        super().__init__()
        self.amount: int | None = None
        self.captures: dict[str, int] = {}
        self.refunds: dict[str, int] = {}
        self.given_up: set[str] = set()
        self.void_asked = False
        self.lapsed_here = False
        self.action_given_up = False
        self.letters = [
            RecordProviderPayment(payment_id="p1", provider_reference="x1", status="pending", amount_cents=0)
        ]
        self.read = 0

    @property
    def known(self) -> RecordProviderPayment:
        return self.letters[self.read]

    @property
    def expired(self) -> bool:
        return self.lapsed_here or self.known.lapsed

    @property
    def voiding(self) -> bool:
        return self.void_asked or self.known.voided

    @property
    def pending(self) -> set[str]:
        """Captures of which we do not know what became of them; one of nothing is done at once."""
        over = {each.reference for each in self.known.captures}
        return {reference for reference, amount in self.captures.items() if amount and reference not in over}

    @property
    def touched(self) -> set[str]:
        """Captures that did not fail."""
        return set(self.captures) - {e.reference for e in self.known.captures if not e.succeeded}

    @property
    def held(self) -> int:
        """What is authorised and neither captured nor let go, while nothing was let go."""
        return (self.authorized or 0) - self.done(self.known.captures)

    @property
    def disputed(self) -> int:
        return sum(each.amount_cents for each in self.known.disputes if each.status != "won")

    @property
    def authorized(self) -> int | None:
        """What we know to be authorised; a payment of zero is so at once."""
        return self.amount if self.amount == 0 or self.known.status == "authorized" else None

    def open_or_done(self, asked: dict[str, int], told: tuple[Movement, ...]) -> int:
        failed = {each.reference for each in told if not each.succeeded}
        return sum(amount for reference, amount in asked.items() if reference not in failed)

    def done(self, told: tuple[Movement, ...]) -> int:
        return sum(each.amount_cents for each in told if each.succeeded)

    @initialize(amount=st.sampled_from([100, 100, 100, 60, 0]), first=st.sampled_from("rrrrwan"))
    def begin(self, amount: int, first: str) -> None:
        """Mostly with an authorisation that is read, else written, else asked for, else not at all."""
        if first in "rwa":
            self.ask_authorization(amount)
        if amount and first in "rw":
            self.provider_decides(True)
        if amount and first == "r":
            self.the_newest_letter_arrives()

    @rule(amount=cents)
    def ask_authorization(self, amount: int) -> None:
        command = RequestAuthorization(
            payment_id="p1", order_id="o1", amount_cents=amount, currency="BRL", method="card"
        )
        first = ["AuthorizationRequested"] + (["PaymentAuthorized"] if amount == 0 else [])
        assert self.send(command) == (first if self.amount is None else [])
        self.amount = amount if self.amount is None else self.amount

    @rule(reference=references, amount=cents)
    def ask_capture(self, reference: str, amount: int) -> None:
        came = self.send(RequestCapture(payment_id="p1", capture_id=reference, amount_cents=amount))
        if self.amount is None:
            assert came == "payment_exists"
        elif reference in self.captures or reference in self.given_up:
            assert came == []
        elif self.voiding or self.expired or self.known.status == "declined":
            assert came == ["CaptureFailed"]
            self.given_up.add(reference)
        elif self.authorized is None:
            assert came == "capture_authorized"
        elif amount + self.open_or_done(self.captures, self.known.captures) > self.authorized:
            assert came == ["CaptureFailed"]
            self.given_up.add(reference)
        else:
            assert came == ["CaptureRequested"] + (["PaymentCaptured"] if amount == 0 else [])
            self.captures[reference] = amount

    @rule(reference=references, amount=st.none() | cents)
    def capture_by_hand(self, reference: str, amount: int | None) -> None:
        came = self.send(CapturePayment(payment_id="p1", capture_id=reference, amount_cents=amount))
        left = (self.authorized or 0) - self.open_or_done(self.captures, self.known.captures)
        wanted = left if amount is None else amount
        if self.amount is None:
            assert came == "payment_exists"
        elif reference in self.captures or reference in self.given_up:
            assert came == []
        elif self.voiding:
            assert came == "capture_before_void"
        elif self.expired:
            assert came == "capture_before_expiry"
        elif self.authorized is None:
            assert came == "capture_authorized"
        elif wanted > left or not wanted:
            assert came == "capture_within_authorized"
        else:
            assert came == ["CaptureRequested"]
            self.captures[reference] = wanted

    @rule(reference=references, amount=cents)
    def ask_refund(self, reference: str, amount: int) -> None:
        came = self.send(RequestRefund(payment_id="p1", refund_id=reference, amount_cents=amount))
        refunds = amount + self.open_or_done(self.refunds, self.known.refunds)
        if self.amount is None:
            assert came == "payment_exists"
        elif reference in self.refunds:
            assert came == []
        elif refunds > self.done(self.known.captures) - self.disputed:
            assert came == "refund_within_captured"
        else:
            assert came == ["RefundRequested"] + (["PaymentRefunded"] if amount == 0 else [])
            self.refunds[reference] = amount

    @rule()
    def ask_void(self) -> None:
        came = self.send(RequestVoid(payment_id="p1"))
        if self.amount is None:
            assert came == "payment_exists"
        elif self.voiding or self.known.status == "declined" or self.expired:
            assert came == []
        elif self.pending or (self.done(self.known.captures) and not self.held):
            assert came == "void_uncaptured"
        else:
            assert came == ["VoidRequested"] + (["PaymentVoided"] if self.amount == 0 else [])
            self.void_asked = True

    @rule()
    def expire(self) -> None:
        came = self.send(ExpireAuthorization(payment_id="p1"))
        free = not self.pending and not (self.touched and not self.held)
        lapses = self.authorized is not None and free and not self.voiding and not self.expired
        if self.amount is None:
            assert came == "payment_exists"
            return
        voids = ["VoidRequested", *(["PaymentVoided"] if self.amount == 0 else [])]
        assert came == (["AuthorizationExpired", *voids] if lapses else [])
        self.lapsed_here = self.lapsed_here or lapses
        self.void_asked = self.void_asked or lapses

    @rule()
    def reverse(self) -> None:
        """Refund what is left of what was taken, void what is held; what is under way is left alone."""
        taken, given = self.done(self.known.captures), self.open_or_done(self.refunds, self.known.refunds)
        left = taken - given - self.disputed
        lost = self.voiding or self.known.status == "declined" or self.expired
        voids = not (self.pending or (self.touched and not self.held) or lost)
        came = self.send(RequestReversal(payment_id="p1"))
        if self.amount is None:
            assert came == "payment_exists"
            return
        refunds = ["RefundRequested"] if left > 0 else []
        void = ["VoidRequested", *(["PaymentVoided"] if self.amount == 0 else [])]
        assert came == refunds + (void if voids else [])
        self.void_asked = self.void_asked or voids
        for event in self.newest(len(came)):
            if isinstance(event, RefundRequested):
                assert event.amount_cents == left
                self.refunds[event.refund_id] = left

    @rule()
    def the_customer_does_not_come(self) -> None:
        came = self.send(ExpireCustomerAction(payment_id="p1"))
        waits = self.known.action and self.known.action.status == "required" and not self.action_given_up
        if self.amount is None:
            assert came == "payment_exists"
        elif not waits or self.authorized is not None or self.known.status == "declined":
            assert came == []
        else:
            assert came == ["CustomerActionExpired"] + ([] if self.voiding else ["VoidRequested"])
            self.action_given_up = True
            self.void_asked = True

    @precondition(lambda self: len(self.stream) < 4)
    @rule()
    def nobody_answers(self) -> None:
        came = self.send(RecordUnavailable(payment_id="p1", call="capture", attempts=3))
        assert came == ("payment_exists" if self.amount is None else ["PaymentProviderUnavailable"])

    def writes(self, **changes: object) -> None:
        self.letters.append(self.letters[-1].model_copy(update=changes))

    @precondition(lambda self: self.amount and self.letters[-1].status == "pending")
    @rule(yes=st.sampled_from([True, True, False]))
    def provider_decides(self, yes: bool) -> None:
        if not self.letters[-1].voided:
            action = self.letters[-1].action
            acted = action and action.model_copy(update={"status": "completed" if yes else "failed"})
            self.writes(status="authorized" if yes else "declined", amount_cents=self.amount, action=acted)

    @precondition(lambda self: self.amount and self.letters[-1].status == "pending")
    @rule()
    def provider_wants_the_customer(self) -> None:
        if not self.letters[-1].voided:
            self.writes(action=CustomerAction(action_id="a1", status="required"))

    @precondition(lambda self: self.letters[-1].status == "authorized" and not self.letters[-1].voided)
    @rule()
    def provider_lets_it_lapse(self) -> None:
        if self.done(self.letters[-1].captures) < (self.amount or 0):
            self.writes(lapsed=True, voided=True)

    @precondition(lambda self: self.done(self.letters[-1].captures) and not self.letters[-1].disputes)
    @rule(amount=cents)
    def bank_disputes(self, amount: int) -> None:
        if 0 < amount <= self.done(self.letters[-1].captures):
            self.writes(disputes=(Dispute(dispute_id="d1", amount_cents=amount, status="open"),))

    @precondition(lambda self: self.letters[-1].disputes and self.letters[-1].disputes[0].status == "open")
    @rule(status=st.sampled_from(["won", "lost"]))
    def bank_decides(self, status: str) -> None:
        (dispute,) = self.letters[-1].disputes
        self.writes(disputes=(dispute.model_copy(update={"status": status}),))

    @precondition(lambda self: set(self.captures) - self.settled("captures"))
    @rule(yes=st.sampled_from([True, True, False]))
    def provider_captures(self, yes: bool) -> None:
        captures = self.letters[-1].captures
        yes = yes and not self.letters[-1].voided
        self.writes(captures=captures + self.next_move(self.captures, captures, yes))

    @precondition(lambda self: set(self.refunds) - self.settled("refunds"))
    @rule(yes=st.sampled_from([True, True, False]))
    def provider_refunds(self, yes: bool) -> None:
        refunds = self.letters[-1].refunds
        self.writes(refunds=refunds + self.next_move(self.refunds, refunds, yes))

    def settled(self, kind: str) -> set[str]:
        return {each.reference for each in getattr(self.letters[-1], kind)}

    def next_move(
        self, asked: dict[str, int], settled: tuple[Movement, ...], yes: bool
    ) -> tuple[Movement, ...]:
        """The provider's answer to one open request that has an amount."""
        over = {each.reference for each in settled}
        waiting = [reference for reference, amount in asked.items() if amount and reference not in over]
        return tuple(
            Movement(reference=reference, amount_cents=asked[reference], succeeded=yes)
            for reference in waiting[:1]
        )

    @precondition(lambda self: self.void_asked and self.amount)
    @rule()
    def provider_voids(self) -> None:
        settled = self.settled("captures")
        waiting = any(amount and name not in settled for name, amount in self.captures.items())
        if self.letters[-1].status != "declined" and not waiting:
            self.writes(voided=True)

    @precondition(lambda self: self.amount)
    @rule(data=st.data())
    def a_letter_arrives(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.letters) - 1))
        came = self.send(self.letters[number])
        assert came == [] or number > self.read, "a letter older than known changes nothing"
        self.read = max(self.read, number)

    @precondition(lambda self: self.amount)
    @rule()
    def the_newest_letter_arrives(self) -> None:
        self.send(self.letters[-1])
        self.read = len(self.letters) - 1

    @invariant()
    def we_never_ask_for_more_than_we_may(self) -> None:
        payment = self.state
        captures = self.open_or_done(self.captures, self.known.captures)
        refunds = self.open_or_done(self.refunds, self.known.refunds)
        assert refunds <= self.done(self.known.captures) <= captures <= (payment.authorized_cents or 0)
        assert payment.capturable_cents == (payment.authorized_cents or 0) - captures
        assert payment.refundable_cents == self.done(self.known.captures) - refunds - self.disputed
        assert payment.disputed_cents == self.disputed

    @invariant()
    def we_know_what_the_newest_letter_says(self) -> None:
        payment = self.state
        assert payment.authorized_cents == self.authorized
        assert payment.declined == (self.known.status == "declined")
        assert payment.captured_cents == self.done(self.known.captures)
        assert payment.refunded_cents == self.done(self.known.refunds)
        voided = self.known.voided or (self.void_asked and self.amount == 0)
        assert payment.void == ("done" if voided else "requested" if self.void_asked else "no")
        assert payment.expired == self.expired

    @invariant()
    def the_books_add_up(self) -> None:
        """authorised = captured + voided + expired + open; nothing is open after a void."""
        payment = self.state
        assert payment.open_cents >= 0
        assert payment.void != "done" or payment.open_cents == 0
        lapsed = [event.amount_cents for event in self.stream if isinstance(event, AuthorizationExpired)]
        assert payment.expired_cents == sum(lapsed)

    @invariant()
    def a_void_says_what_had_been_held(self) -> None:
        for event in self.stream:
            if isinstance(event, PaymentVoided):
                assert event.amount_cents == (0 if self.expired else self.held)

    @invariant()
    def an_honest_provider_opens_no_discrepancy(self) -> None:
        assert not self.state.open_kinds


TestPayment = PaymentMachine.TestCase
