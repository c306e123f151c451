"""Is a person who was erased gone from everywhere, for good, and does the log stay as it was?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from commands.executor import Executor
from domain.erasure import SubjectErased
from domain.kernel import Refused
from domain.personal import Customer, Erased
from eventstore import connections
from eventstore.codec import decode, opened
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.leaf import leaf_hash_of
from eventstore.seams import RandomIds
from projections.read_models import PERSONAL_COLUMNS
from projections.rebuild import rebuild
from services.audit import erasure_console, erasure_watch
from services.audit.erasure import Erasures, erase_again, note_all
from services.audit.erasure_console import NotErased, until_shown
from services.audit.erasure_list import Entry, ErasureList, ListDamaged, ListNotWritten
from services.audit.erasure_restore import erase_before_serving, until_followed
from services.audit.erasure_watch import forgetting_erased
from services.settings import Settings
from tests.integration.projections_trade import MASTER_KEY, Bought, Trade, open_trade, setting_up
from tests.integration.test_projections import contents, fetch, no_differences, running, shown, until
from tests.integration.test_shares import LEAST, divided, worker
from tests.integration.walls import projecting
from tests.patience import HANGS

PLAIN = ("customer-o1", "01310", "São Paulo")
CUT_OFF = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE query LIKE '%%erasures%%' AND pid <> pg_backend_pid() AND datname = current_database()
"""
ERASED_AT = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest_asyncio.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    async with open_trade(database) as found:
        yield found


def an_entry(subject: str = "subject-p1", **changes: Any) -> Entry:
    told = {"merchant": "m1", "actor": "user:u1", "reason": "asked for", "command_id": uuid4()}
    return Entry(subject=subject, erased_at=ERASED_AT, **(told | changes))


def a_keyring(trade: Trade) -> Keyring:
    """That of another process."""
    return Keyring(MASTER_KEY, PostgresKeyStore(trade.log.pool))


def erasures(trade: Trade, directory: Path) -> Erasures:
    noted = ErasureList(directory / "secrets" / "erasures.jsonl")
    keyring = a_keyring(trade)
    return Erasures(trade.log.pool, Executor(trade.log, RandomIds(), keyring), keyring, noted)


async def erase(trade: Trade, directory: Path, entry: Entry | None = None) -> int:
    """The position at which the log says so."""
    standing = await erasures(trade, directory).erase(entry or an_entry())
    assert standing.position
    await trade.bus.publish(await trade.log.read(standing.position - 1, 1))
    return standing.position


async def plain_columns(trade: Trade, subject: str = "subject-p1") -> list[Any]:
    """What the declared columns still hold of the subject."""
    found: list[Any] = []
    for table, columns in PERSONAL_COLUMNS.items():
        query = f"SELECT {', '.join(columns)} FROM {table} WHERE subject = '{subject}'"
        found += [value for row in await fetch(trade, query) for value in row if value is not None]
    return found


async def test_it_is_gone_from_read_models_and_history_and_the_log_is_untouched(
    trade: Trade, tmp_path: Path
) -> None:
    last = await trade.append("m1", [*setting_up("m2"), *Bought("m1", "o1").life()])
    await trade.append("m1", Bought("m1", "o2", person="p2").life())
    before = await trade.log.read(0, 10_000)
    async with running(trade):
        await shown(trade, last)
        assert await plain_columns(trade)
        position = await erase(trade, tmp_path)
        await shown(trade, position)
        assert await plain_columns(trade) == []
        assert await plain_columns(trade, "subject-p2"), "of nobody else"
    after = await trade.log.read(0, 10_000)
    assert after[:-1] == before, "not a byte of the log changed"
    assert [leaf_hash_of(event) for event in after] == [event.leaf_hash for event in after]
    said = decode(after[-1])
    assert said.event == SubjectErased(subject="subject-p1", reason="asked for")
    assert (said.merchant, said.actor, said.occurred_at) == ("m1", "user:u1", ERASED_AT)
    keyring = a_keyring(trade)
    for stored in after:
        event = decode(stored).event
        if getattr(event, "subject", "") == "subject-p1" and not isinstance(event, SubjectErased):
            await keyring.load(["subject-p1"])
            shown_now = opened(event, keyring)
            assert Erased() in (getattr(shown_now, "customer", None), getattr(shown_now, "recipient", None))
    everything = str(await contents(trade))
    assert "customer-o1" not in everything
    await no_differences(trade)


async def test_a_second_one_changes_nothing(trade: Trade, tmp_path: Path) -> None:
    await trade.append("m1", Bought("m1", "o1").placing())
    service = erasures(trade, tmp_path)
    first = await service.erase(an_entry())
    head = await trade.log.head()
    listed = (tmp_path / "secrets" / "erasures.jsonl").read_bytes()
    again = await service.erase(an_entry(reason="asked again", actor="user:u2"))
    assert again == first
    assert first.entry
    assert first.entry.reason == "asked for"
    assert await trade.log.head() == head
    assert (tmp_path / "secrets" / "erasures.jsonl").read_bytes() == listed


async def test_who_is_not_known_is_said_so(trade: Trade, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no data subject nobody is known") as refused:
        await erasures(trade, tmp_path).erase(an_entry("nobody"))
    assert refused.value.rule == "subject_exists"
    assert not (tmp_path / "secrets").exists()
    assert await fetch(trade, "SELECT 1 FROM erasures") == []


async def test_the_console_waits_for_an_order_that_is_not_shown_yet(
    trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure_console, "FOLLOW_SECONDS", 0.0)
    pool = trade.log.pool
    first = await trade.append("m1", [*setting_up("m2"), *Bought("m1", "o1").placing()])
    with pytest.raises(NotErased, match="start the projector"):
        await until_shown(pool, first)
    async with running(trade):
        await shown(trade, first)
        await until_shown(pool, first)
    last = await trade.append("m1", Bought("m1", "o2").placing())
    with pytest.raises(NotErased, match=f"up to position {last}"):
        await until_shown(pool, last)


async def test_without_the_list_nothing_is_erased(trade: Trade, tmp_path: Path) -> None:
    await trade.append("m1", Bought("m1", "o1").placing())
    (tmp_path / "secrets").write_text("no folder")
    with pytest.raises(ListNotWritten, match="TILLROLL_ERASURES_FILE"):
        await erasures(trade, tmp_path).erase(an_entry())
    assert await fetch(trade, "SELECT 1 FROM data_keys WHERE wrapped_key IS NULL") == []


async def test_two_projectors_that_share_the_orders_erase_what_either_wrote(
    database: str, trade: Trade, tmp_path: Path
) -> None:
    """Each with keys of its own in memory, and nobody who tells them: the log alone does."""
    orders = [step for number in range(40) for step in Bought("m1", f"o{number}").placing()]
    last = await trade.append("m1", orders)

    one, other = (replace(trade, keyring=a_keyring(trade)) for _ in range(2))
    async with worker(database, one), worker(database, other):
        await divided(trade, 2)
        await least(trade, last)
        assert len(await plain_columns(trade)) > 100
        position = await erase(trade, tmp_path)
        # a command whose process has not heard of it yet: what it sealed can be read by nobody
        await late_orders(trade)
        await least(trade, await trade.log.head())
        assert await trade.log.head() > position
        assert await plain_columns(trade) == []
        assert await fetch(trade, "SELECT 1 FROM parked") == []
    await no_differences(trade)


async def least(trade: Trade, position: int) -> None:
    """Wait until all partitions of all read models stand there."""

    async def there() -> bool:
        return (await fetch(trade, LEAST))[0][0] >= position

    await until(there)


async def late_orders(trade: Trade) -> None:
    """Orders of the erased person, sealed with a key that was in memory still."""
    for number in range(5):
        await trade.append("m1", Bought("m1", f"late{number}").placing())


async def test_a_rebuild_that_runs_meanwhile_brings_nobody_back(trade: Trade, tmp_path: Path) -> None:
    last = await trade.append("m1", [s for n in range(30) for s in Bought("m1", f"o{n}").placing()])
    async with running(trade):
        await shown(trade, last)
        stale, writer = a_keyring(trade), replace(trade, keyring=a_keyring(trade))
        for keyring in (stale, writer.keyring):
            await keyring.load(["subject-p1"])
        position = await erase(trade, tmp_path)
        await late_orders(writer)
        for name in ("orders", "checkouts"):
            await rebuild(trade.log.pool, trade.log, stale, name)
            stale = a_keyring(trade)
        await shown(trade, position)
        assert await plain_columns(trade) == []
    await no_differences(trade)


async def test_of_a_checkout_with_another_persons_order_that_one_stays(trade: Trade, tmp_path: Path) -> None:
    """A checkout shows one of its customers: the erased one's place is taken by the other's."""
    steps = Bought("m1", "o1", checkout_id="c1", person="p1").placing()
    await trade.append("m1", steps)
    last = await trade.append("m2", Bought("m2", "o2", checkout_id="c1", person="p2").placing())
    async with running(trade):
        await shown(trade, last)
        await shown(trade, await erase(trade, tmp_path))
        query = "SELECT subject, customer_id, customer_unique_id FROM checkouts"
        assert await fetch(trade, query) == [("subject-p2", "customer-o2", "p2")]
    await no_differences(trade)


async def test_what_a_crash_came_between_is_done_by_the_next_start(trade: Trade, tmp_path: Path) -> None:
    await trade.append("m1", Bought("m1", "o1").placing())
    entry, noted = an_entry(), ErasureList(tmp_path / "secrets" / "erasures.jsonl")
    noted.add(entry)  # and the process is gone
    async with trade.log.pool.connection() as connection:
        assert await erase_again(connection, noted) == [entry]
        assert await erase_again(connection, noted) == []
    assert await fetch(trade, "SELECT wrapped_key FROM data_keys") == [(None,)]
    service = erasures(trade, tmp_path)
    assert await service.say_all() == 1
    assert await service.say_all() == 0
    assert isinstance(decode((await trade.log.read(0, 100))[-1]).event, SubjectErased)
    ((said,),) = await fetch(trade, "SELECT position FROM erasures")
    assert said == await trade.log.head()


async def test_nobody_serves_before_the_read_models_have_followed(trade: Trade, tmp_path: Path) -> None:
    last = await trade.append("m1", Bought("m1", "o1").placing())
    async with running(trade):
        await shown(trade, last)
    noted = ErasureList(tmp_path / "erasures.jsonl")
    noted.add(an_entry())
    async with trade.log.pool.connection() as connection:
        await erase_again(connection, noted)
    assert await plain_columns(trade)
    serving = asyncio.create_task(until_followed(trade.log.pool, erasures(trade, tmp_path)))
    await asyncio.sleep(0.5)
    assert not serving.done()
    async with running(trade):
        async with asyncio.timeout(HANGS):
            await serving
        assert await plain_columns(trade) == []


async def test_a_restored_database_shows_nobody_before_anything_runs(
    database: str, trade: Trade, tmp_path: Path
) -> None:
    last = await trade.append("m1", Bought("m1", "o1", checkout_id="c1").placing())
    last = await trade.append("m2", Bought("m2", "o2", checkout_id="c1", person="p2").placing())
    settings = Settings(database_url=database, data_dir=tmp_path)
    async with projecting(settings, trade):
        await shown(trade, last)
    ErasureList(settings.erasures()).add(an_entry())
    assert await erase_before_serving(settings) == 1
    assert await erase_before_serving(settings) == 0
    assert await fetch(trade, "SELECT order_id, customer_id FROM orders ORDER BY 1") == [
        ("o1", None),
        ("o2", "customer-o2"),
    ]
    assert await fetch(trade, "SELECT customer_unique_id FROM checkouts") == [("p2",)]
    assert await erasures(trade, tmp_path).say_all() == 1
    async with projecting(settings, trade):
        await shown(trade, await trade.log.head())
    await no_differences(trade)


async def test_whoever_is_not_known_yet_when_it_is_erased_again_never_will_be(
    trade: Trade, tmp_path: Path
) -> None:
    """A back-up of before the person's first order: the orders may be sent again."""
    noted = ErasureList(tmp_path / "erasures.jsonl")
    noted.add(an_entry("subject-later"))
    async with trade.log.pool.connection() as connection:
        await erase_again(connection, noted)
    keyring = a_keyring(trade)
    await keyring.ensure(["subject-later"])
    with pytest.raises(ValueError, match="erased"):
        keyring.seal("subject-later", Customer(**dict.fromkeys(Customer.model_fields, "x")), RandomIds())


async def test_a_list_of_another_machine_is_brought_up_to_date(trade: Trade, tmp_path: Path) -> None:
    await trade.append("m1", Bought("m1", "o1").placing())
    entry = an_entry(despite=("orders_are_over",))
    await erase(trade, tmp_path / "here", entry)
    there = ErasureList(tmp_path / "there" / "erasures.jsonl")
    async with trade.log.pool.connection() as connection:
        last = await note_all(connection, there)
        assert await note_all(connection, there) == last
    assert list(there.entries()) == [entry]


def test_a_line_that_was_torn_is_passed_over_and_the_next_stands_by_itself(tmp_path: Path) -> None:
    noted, entries = ErasureList(tmp_path / "erasures.jsonl"), [an_entry(f"s{n}") for n in range(3)]
    noted.add(*entries[:2])
    whole = noted.path.read_bytes()
    noted.path.write_bytes(whole[:-20])
    noted.add(entries[2])
    assert list(noted.entries()) == [entries[0], entries[2]]
    noted.path.write_bytes(whole.replace(b'"subject":"s0"', b'"subject":"s0'))
    with pytest.raises(ListDamaged, match="line 1"):
        list(noted.entries())


async def test_every_process_forgets_a_key_at_once(database: str, trade: Trade, tmp_path: Path) -> None:
    await trade.append("m1", Bought("m1", "o1").placing())
    keyring = a_keyring(trade)
    async with forgetting_erased(database, keyring):
        await keyring.load(["subject-p1"])
        assert not keyring.is_erased("subject-p1")
        await asyncio.sleep(0.3)  # it listens by now
        await keyring.load(["subject-p1"])
        began = asyncio.get_running_loop().time()
        await erase(trade, tmp_path)
        while not keyring.is_erased("subject-p1"):
            await asyncio.sleep(0.005)
        assert asyncio.get_running_loop().time() - began < 0.9, "by the word, not by the look of each second"


async def test_while_nobody_can_be_asked_no_key_is_believed(
    database: str, trade: Trade, tmp_path: Path
) -> None:
    await trade.append("m1", Bought("m1", "o1").placing())
    keyring = a_keyring(trade)
    async with forgetting_erased(database, keyring):
        await asyncio.sleep(0.3)
        await keyring.load(["subject-p1"])
        await fetch(trade, CUT_OFF)
        await erase(trade, tmp_path)
        async with asyncio.timeout(HANGS):
            while not keyring.is_erased("subject-p1"):
                await keyring.load(["subject-p1"])
                await asyncio.sleep(0.05)


async def test_a_database_that_answers_no_more_is_one_that_cannot_be_asked(
    database: str, trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    await trade.append("m1", Bought("m1", "o1").placing())
    monkeypatch.setattr(erasure_watch, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(connections, "_OPTIONS", "")  # the database's own limits would end the wait, too
    keyring = a_keyring(trade)
    async with forgetting_erased(database, keyring), await psycopg.AsyncConnection.connect(database) as other:
        await asyncio.sleep(0.3)
        await keyring.load(["subject-p1"])
        await other.execute("LOCK TABLE erasures")
        await fetch(trade, "UPDATE data_keys SET wrapped_key = NULL, erased_at = now() RETURNING 1")
        async with asyncio.timeout(HANGS):
            while not keyring.is_erased("subject-p1"):
                await keyring.load(["subject-p1"])
                await asyncio.sleep(0.05)


async def test_an_answer_that_comes_too_late_brings_no_key_back(trade: Trade) -> None:
    await trade.append("m1", Bought("m1", "o1").placing())
    store = PostgresKeyStore(trade.log.pool)

    class Slow:
        async def load(self, subjects: list[str]) -> dict[str, bytes | None]:
            found = await store.load(subjects)
            keyring.forget("subject-p1")  # in between
            return found

        create = store.create

    keyring = Keyring(MASTER_KEY, Slow())
    await keyring.load(["subject-p1"])
    assert keyring.is_erased("subject-p1")


@pytest.mark.parametrize("role", ["write", "project"])
async def test_nobody_brings_a_key_back_or_takes_an_erasure_away(
    database: str, trade: Trade, tmp_path: Path, as_role: Any, role: str
) -> None:
    await trade.append("m1", Bought("m1", "o1").placing())
    await trade.append("m1", Bought("m1", "o2", person="p2").placing())
    await erase(trade, tmp_path)
    for statement in (
        "UPDATE data_keys SET wrapped_key = 'x', erased_at = NULL WHERE subject = 'subject-p1'",
        "UPDATE data_keys SET wrapped_key = 'x' WHERE subject = 'subject-p2'",
        "DELETE FROM data_keys",
        "TRUNCATE data_keys",
        "DELETE FROM erasures",
        "UPDATE erasures SET reason = 'another'",
        "UPDATE erasures SET position = 1",
        "TRUNCATE erasures",
    ):
        for url in (as_role(role), database):  # and the owner's hand is stopped as well
            async with await psycopg.AsyncConnection.connect(url) as connection:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    await connection.execute(statement.encode())
