"""Is a mail sent at most once, whatever dies, and does nothing hold its address or secret in the clear?"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs

from domain.mail import MailFailed, MailOutcomeUnknown, MailRequested, MailSent
from eventstore.checkpoints import LeaseLost
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.log import LogUnavailable
from eventstore.seams import RandomIds, WallClock
from eventstore.tasks import end_tasks
from services.gateways.breaker import Patience
from services.gateways.mail import Mails
from services.gateways.mail_runner import MailRunner
from services.gateways.mail_secrets import MailSeal, PostgresMailSecrets
from services.gateways.mail_sender import MailSender
from services.gateways.mail_transport import Delivery, FileTransport, SmtpTransport, Transport
from services.processes.lasting import persist
from tests.integration.smtp_server import smtp_running
from tests.integration.trade import Trade, trading
from tests.patience import HANGS

TO, TOKEN = "address-marker@example.com", "secret-marker-81"
VALUES = {"valid": "value-marker-82"}
MARKERS = (TO, TOKEN, "value-marker-82")
MASTER_KEY = bytes(32)
PATIENCE = Patience(attempts=3, pause_s_first=0.001)


class Desk:
    """One database, whoever requests mails of it, and the workers that send them."""

    def __init__(self, trade: Trade, database: str) -> None:
        self.trade = trade
        self.database = database
        self.seal = MailSeal(MASTER_KEY)
        secrets = PostgresMailSecrets(trade.log.pool)
        self.mails = Mails(trade.executor, trade.keyring, secrets, self.seal, RandomIds(), WallClock())

    async def reset(self, key: str = "") -> None:
        await self.mails.request(TO, "password-reset", VALUES, TOKEN, key=key)

    def runner(self, transport: Transport) -> MailRunner:
        trade = self.trade
        keyring = Keyring(MASTER_KEY, PostgresKeyStore(trade.log.pool))
        sender = MailSender(
            transport, self.seal, trade.executor, keyring, WallClock(), "shop@example.com", PATIENCE
        )
        return MailRunner(sender, trade.feed, trade.log.database)

    @asynccontextmanager
    async def sending(self, transport: Transport) -> AsyncIterator[asyncio.Task[None]]:
        """A worker until the block ends, then cancelled wherever it is."""
        task = asyncio.create_task(persist("gateway:mail", self.runner(transport).run))
        try:
            yield task
        finally:
            await end_tasks(task)

    async def mail_events(self) -> list[str]:
        return [name for name in await self.trade.types() if name.startswith("Mail")]

    async def until(self, *names: str) -> None:
        await eventually(lambda: self._is(list(names)))

    async def _is(self, names: list[str]) -> bool:
        open_calls = await self.fetch("SELECT count(*) FROM provider_calls")
        return await self.mail_events() == names and open_calls == 0

    async def fetch(self, query: str) -> object:
        async with self.trade.log.pool.connection() as connection:
            row = await (await connection.execute(query.encode())).fetchone()
        return row[0] if row else None


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(HANGS):
        while not await check():
            await asyncio.sleep(0.02)


@pytest.fixture
async def desk(database: str) -> AsyncIterator[Desk]:
    async with trading(database) as trade:
        yield Desk(trade, database)


class Scripted:
    """A transport that says what it is told to, and remembers what it was given."""

    def __init__(self, *deliveries: Delivery) -> None:
        self.deliveries = list(deliveries)
        self.texts: list[str] = []

    async def deliver(self, mail_id: str, message: EmailMessage) -> Delivery:
        self.texts.append(message.get_content())
        return self.deliveries.pop(0) if self.deliveries else Delivery("sent")


class Stuck:
    """A transport in which mails wait until they are let go: where a worker dies."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.count = 0

    async def deliver(self, mail_id: str, message: EmailMessage) -> Delivery:
        self.count += 1
        self.begun.set()
        await self.go.wait()
        return Delivery("sent")


async def test_a_mail_becomes_a_file_and_its_secret_is_gone(desk: Desk, tmp_path: Path) -> None:
    await desk.reset()
    assert await desk.fetch("SELECT count(*) FROM mail_secrets") == 1
    async with desk.sending(FileTransport(tmp_path)):
        await desk.until("MailRequested", "MailSent")
    (file,) = tmp_path.glob("*.eml")
    assert TOKEN in file.read_text()
    assert f"To: {TO}" in file.read_text()
    assert await desk.fetch("SELECT count(*) FROM mail_secrets") == 0


async def test_the_place_is_kept_though_trade_never_rests(desk: Desk) -> None:
    async def trade() -> None:
        for number in itertools.count():
            await desk.trade.stock(f"sku{number}", 1)

    async def kept() -> bool:
        position = await desk.fetch("SELECT position FROM checkpoints WHERE follower = 'gateway:mail'")
        return isinstance(position, int) and position > 0

    trading_on = asyncio.create_task(trade())
    async with desk.sending(Scripted()):
        await eventually(kept)
    await end_tasks(trading_on)


async def test_a_mail_goes_by_smtp_and_what_surely_failed_is_tried_again(desk: Desk) -> None:
    async with smtp_running() as smtp:
        smtp.faults += [("MAIL", "451 later"), ("RCPT", "450 later")]
        await desk.reset()
        async with desk.sending(SmtpTransport(smtp.url)):
            await desk.until("MailRequested", "MailSent")
    assert len(smtp.taken) == 1
    assert TOKEN in smtp.taken[0]
    (sent,) = [each for each in await desk.trade.events() if isinstance(each, MailSent)]
    assert sent.attempts == 3


async def test_an_answer_that_is_lost_is_not_asked_for_by_sending_twice(desk: Desk) -> None:
    async with smtp_running() as smtp:
        smtp.faults += [("TEXT", "")]
        await desk.reset()
        async with desk.sending(SmtpTransport(smtp.url)):
            await desk.until("MailRequested", "MailOutcomeUnknown")
        assert len(smtp.taken) == smtp.sessions == 1


async def test_what_is_refused_or_fails_too_often_has_failed(desk: Desk) -> None:
    scripted = Scripted(Delivery("refused", "550"), *[Delivery("postponed", "unreachable")] * 3)
    async with desk.sending(scripted):
        await desk.reset()
        await desk.until("MailRequested", "MailFailed")
        await desk.reset()
        await desk.until(*["MailRequested", "MailFailed"] * 2)
    failed = [each for each in await desk.trade.events() if isinstance(each, MailFailed)]
    assert [(each.reason, each.attempts) for each in failed] == [("550", 1), ("unreachable", 3)]


async def test_a_worker_that_dies_between_begun_and_sent_leaves_an_unknown_outcome(desk: Desk) -> None:
    stuck = Stuck()
    await desk.reset()
    async with desk.sending(stuck):
        await stuck.begun.wait()
        # from here on it may have been sent: its secret is gone, and it is nobody's to send again
        assert await desk.fetch("SELECT count(*) FROM mail_secrets") == 0
        assert await desk.fetch("SELECT count(*) FROM provider_calls") == 1
    assert await desk.mail_events() == ["MailRequested"]
    scripted = Scripted()
    async with desk.sending(scripted):
        await desk.until("MailRequested", "MailOutcomeUnknown")
        await desk.reset()  # the person asks again
        await desk.until("MailRequested", "MailOutcomeUnknown", "MailRequested", "MailSent")
    assert len(scripted.texts) == 1


async def test_a_worker_that_dies_after_the_outcome_changes_nothing(desk: Desk) -> None:
    class Dying(MailRunner):
        async def _close(self, fact: object) -> None:
            raise SystemError("killed here")

    runner = desk.runner(scripted := Scripted())
    runner.__class__ = Dying
    await desk.reset()
    with pytest.raises(SystemError):
        await runner.run()
    assert await desk.mail_events() == ["MailRequested", "MailSent"]
    assert await desk.fetch("SELECT count(*) FROM provider_calls") == 1
    async with desk.sending(scripted):
        await desk.until("MailRequested", "MailSent")
    assert len(scripted.texts) == 1


async def test_a_worker_that_dies_before_it_began_loses_nothing(desk: Desk) -> None:
    class Dying(MailRunner):
        async def _begin(self, checkpoint: object, stored: object) -> tuple[object, bytes | None]:  # type: ignore[override]
            raise SystemError("killed here")

    runner = desk.runner(scripted := Scripted())
    runner.__class__ = Dying
    await desk.reset()
    with pytest.raises(SystemError):
        await runner.run()
    async with desk.sending(scripted):
        await desk.until("MailRequested", "MailSent")
    assert len(scripted.texts) == 1
    assert TOKEN in scripted.texts[0]


async def test_a_worker_whose_lease_was_taken_begins_nothing(desk: Desk) -> None:
    scripted = Scripted()
    worker = asyncio.create_task(desk.runner(scripted).run())
    await desk.reset()
    await desk.until("MailRequested", "MailSent")
    await desk.fetch("UPDATE checkpoints SET lease = lease + 1 WHERE follower = 'gateway:mail' RETURNING 1")
    await desk.reset()
    with pytest.raises(LeaseLost):
        await worker
    assert await desk.mail_events() == ["MailRequested", "MailSent", "MailRequested"]
    assert len(scripted.texts) == 1
    assert await desk.fetch("SELECT count(*) FROM mail_secrets") == 1  # it waits for who has the lease


async def test_what_is_known_late_is_recorded_after_unknown(desk: Desk) -> None:
    """A worker that was stopped past its lease sends on, and another has said that nobody knows."""
    stuck = Stuck()
    await desk.reset()
    async with desk.sending(stuck):
        await stuck.begun.wait()
        requested = next(each for each in await desk.trade.events() if isinstance(each, MailRequested))
        other = desk.runner(Scripted())
        await other._settle_open()
        assert (await desk.mail_events())[1:] == ["MailOutcomeUnknown"]
        stuck.go.set()
        await desk.until("MailRequested", "MailOutcomeUnknown", "MailSent")
    assert requested.has_secret
    assert stuck.count == 1


async def test_many_mails_are_each_sent_once_whenever_workers_die(desk: Desk) -> None:
    for number in range(30):
        await desk.reset(f"key {number}")
    given: list[str] = []

    class Counting:
        async def deliver(self, mail_id: str, message: EmailMessage) -> Delivery:
            given.append(mail_id)
            await asyncio.sleep(0.003)
            return Delivery("sent")

    while len(given) < 20:
        due = len(given) + 3
        async with desk.sending(Counting()):
            await eventually(lambda due=due: _reached(given, due))
    async with desk.sending(Counting()):
        await eventually(lambda: _settled(desk))
    assert len(given) == len(set(given))
    events = await desk.trade.events()
    sent = {each.mail_id for each in events if isinstance(each, MailSent)}
    unknown = {each.mail_id for each in events if isinstance(each, MailOutcomeUnknown)}
    assert sent <= set(given)
    assert len(sent | unknown) == 30
    assert not sent & unknown


async def _reached(given: list[str], due: int) -> bool:
    return len(given) >= due


async def _settled(desk: Desk) -> bool:
    outcomes = [name for name in await desk.mail_events() if name != "MailRequested"]
    return len(outcomes) == 30 and await desk.fetch("SELECT count(*) FROM provider_calls") == 0


async def test_the_same_key_is_one_mail_and_keeps_no_second_secret(desk: Desk) -> None:
    scripted = Scripted()
    async with desk.sending(scripted):
        for _ in range(3):
            await desk.reset("reset 7")
        await desk.until("MailRequested", "MailSent")
        await desk.reset("reset 7")
    assert await desk.mail_events() == ["MailRequested", "MailSent"]
    assert await desk.fetch("SELECT count(*) FROM mail_secrets") == 0


async def test_a_person_who_was_erased_gets_no_mail(desk: Desk) -> None:
    await desk.reset()
    await desk.fetch("UPDATE data_keys SET wrapped_key = NULL, erased_at = now() RETURNING 1")
    scripted = Scripted()
    async with desk.sending(scripted):
        await desk.until("MailRequested", "MailFailed")
    assert scripted.texts == []
    (failed,) = [each for each in await desk.trade.events() if isinstance(each, MailFailed)]
    assert (failed.reason, failed.attempts) == ("erased", 0)


async def test_a_secret_that_nobody_took_for_a_day_is_swept_and_its_mail_fails(desk: Desk) -> None:
    await desk.reset()
    await desk.fetch("UPDATE mail_secrets SET kept_at = now() - interval '25 hours' RETURNING 1")
    scripted = Scripted()
    async with desk.sending(scripted):
        await desk.until("MailRequested", "MailFailed")
    assert scripted.texts == []
    assert await desk.fetch("SELECT count(*) FROM mail_secrets") == 0


async def test_a_database_that_goes_away_loses_no_outcome(desk: Desk) -> None:
    stuck = Stuck()
    await desk.reset()
    async with desk.sending(stuck):
        await stuck.begun.wait()
        with psycopg.connect(desk.database, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        stuck.go.set()
        await eventually(lambda: _has_outcome(desk))
    assert stuck.count == 1


async def _has_outcome(desk: Desk) -> bool:
    try:
        return (await desk.mail_events())[1:2] in (["MailSent"], ["MailOutcomeUnknown"])
    except (psycopg.OperationalError, LogUnavailable):  # our own connections were ended, too
        return False


async def test_neither_log_nor_tables_nor_log_lines_hold_it_in_the_clear(desk: Desk, database: str) -> None:
    with capture_logs() as logs:
        await desk.reset()
        with psycopg.connect(database) as connection:
            _search(connection)
        stuck = Scripted(Delivery("postponed", "450"), Delivery("refused", "550"))
        async with desk.sending(stuck):
            await desk.until("MailRequested", "MailFailed")
        await desk.reset()
        async with desk.sending(Scripted()):
            await desk.until("MailRequested", "MailFailed", "MailRequested", "MailSent")
    assert len(logs) >= 3
    for marker in MARKERS:
        assert marker not in str(logs)
    with psycopg.connect(database) as connection:
        _search(connection)


def _search(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """In every table that there is."""
    tables = connection.execute(
        "SELECT quote_ident(table_name) FROM information_schema.tables"
        " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    ).fetchall()
    assert ("mail_secrets",) in tables
    for (table,) in tables:
        text = str(connection.execute(f"SELECT t::text FROM {table} AS t").fetchall())  # type: ignore[arg-type]
        for marker in MARKERS:
            assert marker not in text, table
            assert marker.encode().hex() not in text, table
