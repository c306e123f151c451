"""Do the worlds remember, decide and misbehave as they should, before any network?"""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from services.worlds import carrier, stripe_objects
from services.worlds.carrier import BookShipment, Shipments, ShipmentScenario, VoidShipment, carrier_core
from services.worlds.core import Core
from services.worlds.faults import Faults, Rates, RequestDice, RequestFault, throw
from services.worlds.journal import Journal, JournalLocked
from services.worlds.models import Refused
from services.worlds.payment import PAYMENT
from services.worlds.payment_messages import (
    CaptureBody,
    ChangePayment,
    OpenPayment,
    PaymentScenario,
    RefundBody,
    VoidBody,
)
from services.worlds.payment_state import Movement, Payments
from services.worlds.stage import Acknowledge, MoveClocks, PutScenarios, TellDue
from services.worlds.webhooks import HttpPost, stripe_signature
from services.worlds.world import World

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


# ---- the journal


def ignore(_error: OSError) -> None:
    """A test that breaks the disk looks at the journal itself."""


async def test_what_is_settled_is_in_the_file_and_read_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.ndjson", on_failure=ignore)
    assert list(journal.replay()) == []
    told: list[str] = []
    journal.append(b'{"n":1}', lambda: told.append("first"))
    journal.append(b'{"n":2}')
    assert journal.path.read_bytes() == b""
    assert told == []
    await journal.settled()
    assert journal.path.read_bytes() == b'{"n":1}\n{"n":2}\n'
    await journal.settled()  # nothing is left to wait for
    assert told == ["first"]
    journal.append(b'{"n":3}')
    journal.close()  # takes what is at hand along
    journal = Journal(tmp_path / "j.ndjson", on_failure=ignore)
    assert list(journal.replay()) == [b'{"n":1}\n', b'{"n":2}\n', b'{"n":3}\n']
    journal.close()


@pytest.mark.parametrize("torn", [b"{", b'{"n":2}', b"\0\0\0\0", b'{"n":"\xc3'])
async def test_a_torn_last_line_is_cut_off_and_the_next_starts_afresh(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "j.ndjson"
    path.write_bytes(b'{"n":1}\n' + torn)
    journal = Journal(path, on_failure=ignore)
    assert list(journal.replay()) == [b'{"n":1}\n']
    journal.append(b'{"n":3}')
    await journal.settled()
    journal.close()
    assert path.read_bytes() == b'{"n":1}\n{"n":3}\n'


async def test_a_journal_has_one_writer(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.ndjson", on_failure=ignore)
    with pytest.raises(JournalLocked, match=r"j\.ndjson"):
        Journal(tmp_path / "j.ndjson", on_failure=ignore)
    journal.close()


async def test_a_waiter_that_gives_up_leaves_the_others_waiting(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.ndjson", on_failure=ignore)
    journal.append(b"1")
    gone, stays = (asyncio.ensure_future(journal.settled()) for _ in range(2))
    gone.cancel()
    await stays
    assert gone.cancelled()
    journal.close()


async def test_after_a_failed_write_nobody_is_answered_again(tmp_path: Path) -> None:
    failures: list[OSError] = []
    journal = Journal(tmp_path / "j.ndjson", on_failure=failures.append)
    told: list[str] = []
    os.close(journal._file)  # the disk goes away
    journal.append(b"1", lambda: told.append("never"))
    with pytest.raises(OSError, match="Bad file descriptor"):
        await journal.settled()
    with pytest.raises(OSError, match="Bad file descriptor"):
        journal.append(b"2")
    with pytest.raises(OSError, match="Bad file descriptor"):
        await journal.settled()
    assert len(failures) == 1
    assert told == []


async def test_nothing_is_answered_before_it_is_on_the_disk_and_one_fsync_serves_all_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fdatasync = os.fdatasync

    def watched(file: int) -> None:
        fdatasync(file)
        synced.append(os.fstat(file).st_size)

    monkeypatch.setattr(os, "fdatasync", watched)  # watched, and done as before
    journal = Journal(tmp_path / "j.ndjson", on_failure=ignore)
    world = World(PAYMENT, journal)

    async def answered(payment_id: str) -> None:
        await world.execute(charge(payment_id))
        data = journal.path.read_bytes()
        assert f'"{payment_id}"' in data.decode()
        assert synced[-1] == len(data)

    await answered("first")
    await asyncio.gather(*(answered(f"p{number}") for number in range(64)))
    assert len(synced) == 2
    await world.stop()


async def test_an_answer_that_repeats_another_waits_for_the_disk_too(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.ndjson", on_failure=ignore)
    world = World(PAYMENT, journal)
    asking = asyncio.ensure_future(world.execute(charge("p1")))
    while "p1" not in world.state.payments:
        await asyncio.sleep(0)
    os.close(journal._file)  # what is visible in memory will never reach the disk
    for question in (asking, asyncio.ensure_future(world.execute(charge("p1"))), world.settled()):
        with pytest.raises(OSError, match="Bad file descriptor"):
            await question


async def test_no_webhook_leaves_for_a_fact_that_did_not_reach_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.ndjson", on_failure=ignore)
    world = World(PAYMENT, journal)
    world.start(HttpPost("http://127.0.0.1:9/nobody", stripe_signature("whsec_secret")))
    assert world._courier is not None
    await world.execute(scenario("authorized", NOW))
    await world.execute(charge())
    os.close(journal._file)
    with pytest.raises(OSError, match="Bad file descriptor"):
        await world.execute(MoveClocks(clocks={"c1": NOW}))
    assert world.state.stage.outstanding == {"c1": 1}  # in memory it was told
    assert not world._courier._lanes
    await world._courier.close()


# ---- the cores


class Run:
    """A core, given commands; every line goes through its JSON form, as it does in the journal."""

    def __init__(self, core: Core[Any]) -> None:
        self.core = core
        self.state = core.initial()
        self.lines: list[str] = []

    def when(self, command: Any, now: datetime = NOW) -> list[str]:
        kinds = []
        for line in self.core.decide(command, self.state, now):
            self.lines.append(line.model_dump_json())
            self.state = self.core.evolve(self.state, self.core.lines.validate_json(self.lines[-1]))
            kinds.append(self.lines[-1].split('"')[3])
        return kinds

    def replayed(self) -> Any:
        state = self.core.initial()
        for line in self.lines:
            state = self.core.evolve(state, self.core.lines.validate_json(line))
        return state

    def refused(self, command: Any, code: str) -> None:
        with pytest.raises(Refused) as caught:
            self.core.decide(command, self.state, NOW)
        assert caught.value.code == code


def charge(payment_id: str = "p1", amount_cents: int = 1000, checkout: str = "c1") -> OpenPayment:
    return OpenPayment(
        payment_id=payment_id,
        order_id="o1",
        merchant="m1",
        checkout=checkout,
        amount_cents=amount_cents,
        currency="BRL",
        method="pm_card_visa",
        installments=1,
    )


def scenario(outcome: str, told_at: datetime, happened_at: datetime | None = None) -> PutScenarios:
    authorize = {"outcome": outcome, "told_at": told_at, "happened_at": happened_at, "reason": None}
    line = TypeAdapter(dict[str, Any]).dump_json(
        {"payment_id": "p1", "checkout": "c1", "authorize": authorize}
    )
    return PutScenarios((PaymentScenario.model_validate_json(line),))


def capture(capture_id: str, amount_cents: int) -> ChangePayment:
    return ChangePayment("p1", CaptureBody(capture_id=capture_id, amount_cents=amount_cents))


def refund(refund_id: str, amount_cents: int) -> ChangePayment:
    return ChangePayment("p1", RefundBody(refund_id=refund_id, amount_cents=amount_cents))


VOID = ChangePayment("p1", VoidBody(void_id="v1"))


def test_without_a_scenario_a_payment_is_authorised_at_once_and_a_magic_amount_declined() -> None:
    run = Run(PAYMENT)
    run.when(charge("p1"))
    run.when(charge("p2", amount_cents=31_313))
    assert run.state.payments["p1"].status == "authorized"
    assert run.state.payments["p2"].status == "declined"
    assert run.state.payments["p2"].reason == "do_not_honor"


def test_a_late_authorisation_is_told_when_the_clock_of_its_checkout_says_so() -> None:
    run = Run(PAYMENT)
    run.when(scenario("authorized", NOW + HOUR))
    run.when(charge())
    assert run.state.payments["p1"].status == "pending"
    assert run.when(MoveClocks(clocks={"c1": NOW, "another": NOW + 9 * HOUR})) == [
        "clock_moved",
        "clock_moved",
    ]
    assert run.when(MoveClocks(clocks={"c1": NOW + HOUR})) == ["clock_moved", "fact_told"]
    assert run.state.payments["p1"].status == "authorized"
    assert run.state.payments["p1"].happened_at is None  # unknown, and said so
    assert run.state.stage.outstanding == {"c1": 1}
    assert run.when(MoveClocks(clocks={"c1": NOW})) == []  # never back
    (webhook_id,) = run.state.stage.unacknowledged
    assert run.when(Acknowledge(webhook_id)) == ["webhook_acknowledged"]
    assert run.when(Acknowledge(webhook_id)) == []
    assert run.state.stage.outstanding == {}


def test_a_fact_that_is_due_with_the_request_is_told_by_its_answer_alone() -> None:
    run = Run(PAYMENT)
    run.when(scenario("declined", NOW, NOW - HOUR))
    run.when(MoveClocks(clocks={"c1": NOW}))
    assert run.when(charge()) == ["payment_opened"]
    assert run.state.payments["p1"].status == "declined"
    assert run.state.payments["p1"].happened_at == NOW - HOUR
    assert run.state.stage.outstanding == {}


def test_a_voided_payment_that_was_pending_is_never_authorised() -> None:
    run = Run(PAYMENT)
    run.when(scenario("authorized", NOW))
    run.when(charge())
    run.when(VOID)
    assert run.when(MoveClocks(clocks={"c1": NOW})) == ["clock_moved"]
    assert run.state.payments["p1"].status == "pending"
    run.refused(capture("k1", 1), "payment_voided")


def test_a_clock_line_that_lost_its_facts_in_a_kill_is_made_good_at_the_next_start() -> None:
    run = Run(PAYMENT)
    run.when(scenario("authorized", NOW))
    run.when(charge())
    run.when(MoveClocks(clocks={"c1": NOW}))
    assert '"fact_told"' in run.lines.pop()
    run.state = run.replayed()
    assert run.when(TellDue(tuple(run.state.stage.untold))) == ["fact_told"]


def test_a_repeated_call_is_answered_as_the_first_time_whatever_came_after() -> None:
    run = Run(PAYMENT)
    run.when(charge())
    run.when(capture("k1", 400))
    run.when(refund("r1", 100))
    assert run.when(charge()) == run.when(capture("k1", 400)) == []
    assert run.state.answers["open", "p1", ""][1].captures == ()
    assert run.state.answers[capture("k1", 400).key][1].refunds == ()
    run.refused(capture("k1", 401), "idempotency_key_reused")
    run.refused(charge(amount_cents=999), "idempotency_key_reused")


def test_a_scenario_may_change_until_its_payment_exists() -> None:
    run = Run(PAYMENT)
    run.when(scenario("never", NOW))
    assert run.when(scenario("authorized", NOW)) == ["payment_scenario_set"]
    run.refused(charge(checkout="c2"), "scenario_of_another_checkout")
    run.when(charge())
    assert run.when(scenario("authorized", NOW)) == []
    run.refused(scenario("never", NOW), "scenario_too_late")


changes = st.one_of(
    st.builds(capture, st.sampled_from(["k1", "k2", "k3"]), st.integers(1, 1200)),
    st.builds(refund, st.sampled_from(["r1", "r2", "r3"]), st.integers(1, 1200)),
    st.just(VOID),
    st.sampled_from(
        [scenario("authorized", NOW), scenario("declined", NOW), scenario("never", NOW), charge()]
    ),
    st.integers(-1, 1).map(lambda hours: MoveClocks(clocks={"c1": NOW + hours * HOUR})),
)


@given(st.lists(changes, max_size=30))
def test_refunded_never_exceeds_captured_nor_captured_what_was_authorised(commands: list[Any]) -> None:
    run = Run(PAYMENT)
    voided: dict[str, tuple[Movement, ...]] = {}
    for command in commands:
        try:
            run.when(command)
        except Refused:
            continue
        finally:
            check(run.state, voided)
    replayed: Payments = run.replayed()
    assert replayed == run.state


def check(state: Payments, voided: dict[str, tuple[Movement, ...]]) -> None:
    """`voided` has what was captured of a payment when it was voided: business clocks may go back."""
    for name, a_payment in state.payments.items():
        assert 0 <= a_payment.refunded_cents <= a_payment.captured_cents <= a_payment.request.amount_cents
        assert not a_payment.captures or a_payment.status == "authorized"
        # what a part capture left may be voided; nothing is captured afterwards
        if a_payment.voided_at is not None:
            assert a_payment.captures == voided.setdefault(name, a_payment.captures)
            assert a_payment.captured_cents < a_payment.request.amount_cents
    assert sum(state.stage.outstanding.values()) == len(state.stage.unacknowledged)


def test_money_is_refused_beyond_its_limits() -> None:
    run = Run(PAYMENT)
    run.refused(capture("k1", 1), "payment_not_found")
    run.when(charge())
    run.refused(capture("k1", 1001), "capture_exceeds_authorized")
    run.refused(refund("r1", 1), "refund_exceeds_captured")
    run.when(capture("k1", 600))
    run.when(capture("k2", 400))
    run.refused(capture("k3", 1), "capture_exceeds_authorized")
    run.refused(VOID, "payment_captured")
    run.when(refund("r1", 999))
    run.refused(refund("r2", 2), "refund_exceeds_captured")


def booking(shipment_id: str = "s1") -> BookShipment:
    return BookShipment(
        shipment_id=shipment_id, order_id="o1", merchant="m1", checkout="c1", ship_to={"state": "SP"}, units=2
    )


def journey(*facts: tuple[str, datetime]) -> PutScenarios:
    data = {
        "shipment_id": "s1",
        "checkout": "c1",
        "facts": [{"type": kind, "told_at": at} for kind, at in facts],
    }
    return PutScenarios((ShipmentScenario.model_validate_json(TypeAdapter(Any).dump_json(data)),))


def test_scans_are_told_in_the_order_of_the_list_and_never_undo_a_delivery() -> None:
    run = Run(carrier_core())
    run.when(journey(("delivered", NOW + HOUR), ("shipment.collected", NOW), ("exception", NOW + 2 * HOUR)))
    run.when(booking())
    assert run.when(MoveClocks(clocks={"c1": NOW})) == ["clock_moved"]  # the second is due, the first is not
    assert run.when(MoveClocks(clocks={"c1": NOW + HOUR})) == ["clock_moved", "fact_told", "fact_told"]
    shipment = run.state.shipments["s1"]
    assert [scan.type for scan in shipment.scans] == ["delivered", "collected"]
    assert shipment.status == "delivered"
    assert [hook.type for hook in run.state.stage.unacknowledged.values()] == [
        "shipment.delivered",
        "shipment.collected",
    ]
    assert run.state.stage.outstanding == {"c1": 2}
    assert run.replayed() == run.state


def test_a_label_is_void_until_the_parcel_was_collected() -> None:
    run = Run(carrier_core())
    run.when(booking("s2"))
    assert run.when(VoidShipment("s2")) == ["shipment_voided"]
    assert run.when(VoidShipment("s2")) == []
    assert run.when(TellDue(("s2",)), NOW + HOUR) == []
    run.when(journey(("collected", NOW)))
    run.when(MoveClocks(clocks={"c1": NOW}))
    assert run.when(booking()) == ["shipment_booked", "fact_told"]
    run.refused(VoidShipment("s1"), "shipment_collected")
    run.refused(VoidShipment("s3"), "shipment_not_found")


def test_without_a_scenario_the_carrier_comes_on_the_wall_clock() -> None:
    run = Run(carrier_core(collect_after_s=60, deliver_after_s=120))
    run.when(booking())
    assert run.when(TellDue(("s1",)), NOW + timedelta(seconds=59)) == []
    assert run.when(MoveClocks(clocks={"c1": NOW + HOUR})) == ["clock_moved"]
    assert run.when(TellDue(("s1",)), NOW + timedelta(seconds=60)) == ["fact_told"]
    assert run.when(TellDue(("s1",)), NOW + HOUR) == ["fact_told"]
    state: Shipments = run.state
    assert carrier.render(state.shipments["s1"])["status"] == "delivered"
    assert not state.stage.untold
    assert not state.stage.waiting


def test_an_unknown_kind_of_scan_is_refused() -> None:
    with pytest.raises(ValueError, match="type is none of"):
        journey(("teleported", NOW))


def test_an_older_journal_s_payment_shows_our_name_too() -> None:
    """Before there was metadata, its key was the payment's name."""
    run = Run(PAYMENT)
    run.when(charge())
    assert '"metadata":null' in run.lines[0]
    run.lines[0] = run.lines[0].replace('"metadata":null', '"token":null')
    run.state = run.replayed()
    shown = stripe_objects.intent(run.state.payments["p1"])
    assert shown["metadata"] == {"payment": "p1", "checkout": "c1", "merchant": "m1"}
    assert run.state.named == {"p1": ["p1"]}


# ---- the dice


def test_the_dice_follow_the_seed_and_not_the_order_of_the_requests() -> None:
    assert throw(Faults(seed=1), "a", 1) == throw(Faults(seed=1), "a", 1)
    assert throw(Faults(seed=1), "a", 1) != throw(Faults(seed=2), "a", 1)
    faults = Faults(seed=7, rates=Rates(error_500=0.5), delay_ms_max=10)
    forward, backward = RequestDice(), RequestDice()
    names = [f"request {number}" for number in range(50)]
    luck = {name: forward.fault(faults, name) for name in names}
    assert luck == {name: backward.fault(faults, name) for name in reversed(names)}
    assert {fault for fault, _ in luck.values()} == {None, RequestFault.ERROR_500}
    retried = [forward.fault(faults, names[0])[0] for _ in range(50)]
    assert None in retried  # a retry has its own luck
