"""Does what `tillroll export` itself writes stand before the verifier, where nothing was altered; and is what
was altered in the database found in it, and placed?

The log is a whole played dataset: personal fields are sealed in it, names are of any alphabet. The test that
makes edits by the hundred, of made-up events, is `test_verifier.py`.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import orjson
import psycopg
import pytest
import pytest_asyncio

from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.log import LogDamaged, StoredEvent
from eventstore.merkle import root_of
from services.audit.filters import EventFilter
from services.audit.history_console import write_export
from services.audit.verifier import Checkpoint, Key, Tiles, Verdict, check_lines, checkpoints_in
from services.embedded import NatsServer, PostgresServer
from services.play.reader import read_olist
from services.play.rows import OlistRows
from services.settings import Settings
from tests.integration.played import Play
from tests.integration.sealed import sealed
from tests.integration.test_oracles import MINIATURE
from tests.integration.test_verifier import (
    Edit,
    cut_off,
    delete,
    events_of,
    flip_a_bit,
    fork,
    insert,
    swap,
)
from tests.integration.trade import agents_running, trading
from tests.integration.walls import fresh_database

pytestmark = pytest.mark.asyncio(loop_scope="module")
EXPORTS, EDITS, HELD = 20, 4, 7
"""Untouched ones; edits of each kind, of which there are six; checkpoints that the auditor holds."""
ALLOW = """
    ALTER TABLE events DISABLE TRIGGER ALL;
    ALTER TABLE events DROP CONSTRAINT events_stream_version_key;
    CREATE TABLE events_before AS TABLE events;
"""
RESTORE = "DELETE FROM events; INSERT INTO events SELECT * FROM events_before"


def renamed(rows: OlistRows) -> OlistRows:
    """As people and places are called."""
    return replace(
        rows,
        customers=tuple(replace(each, city=f"São Tomé 東京 {each.city}") for each in rows.customers),
        sellers=tuple(replace(each, city=f"Ærøskøbing {each.city}") for each in rows.sellers),
    )


@dataclass
class Played:
    """A log that was played and sealed, and what an auditor took away of it."""

    settings: Settings
    events: Sequence[StoredEvent]
    checkpoints: list[Checkpoint]
    directory: Path

    async def export(self, target: Path, wanted: EventFilter, first: int = 1, last: int = 0) -> list[bytes]:
        """The lines of what the command writes. Raises LogDamaged."""
        until = str(last) if last else ""
        await write_export(self.settings, target, "ndjson", wanted, first, until, as_json=True)
        return target.read_bytes().splitlines(keepends=True)

    def check(self, lines: Sequence[bytes], *, tiles: bool, partial: bool = False) -> Verdict:
        """Of an export with gaps, or of one that ends before some checkpoints, with those that it reaches."""
        reached = [each for each in self.checkpoints if partial or each.size <= len(lines)]
        size = max(each.size for each in reached)
        return check_lines(lines, reached, Tiles(self.directory, size) if tiles else None, partial=partial)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def log(
    postgres_server: PostgresServer,
    nats_server: NatsServer,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Played]:
    directory = tmp_path_factory.mktemp("played")
    key = directory / "secrets" / "master.key"
    key.parent.mkdir(mode=0o700)
    key.write_bytes(base64.b64encode(bytes(32)))
    with fresh_database(postgres_server, migrated_template) as database:
        async with trading(database) as trade:
            rows = renamed(read_olist(MINIATURE))
            play = Play(trade, rows, Keyring(bytes(32), PostgresKeyStore(trade.log.pool)))
            await play.set_up()
            async with agents_running(trade):
                await play.play()
        async with sealed(database, directory, nats_url=nats_server.url) as found:
            size = await found.seal()
            events = await found.events()
            leaves = [each.leaf_hash for each in events]
            sizes = sorted({*Random(2).sample(range(50, size), HELD - 1), size})
            notes = [found.signer.sign(each, root_of(leaves[:each])) for each in sizes]
            signed = checkpoints_in("".join(map(str, notes)), Key.parse(str(found.signer.key)))
            yield Played(found.settings, events, signed, found.directory)


async def test_no_untouched_export_of_played_trade_is_suspected(log: Played, tmp_path: Path) -> None:
    random = Random(12)
    merchants = sorted({each.merchant for each in log.events if each.type == "OrderPlaced"})
    least, head = log.checkpoints[0].size, len(log.events)
    for number in range(EXPORTS):
        wanted = EventFilter(merchant=random.choice(merchants)) if number % 4 == 3 else EventFilter()
        first = 1 if number % 2 == 0 else random.randint(1, head)
        last = random.randint(max(first, least), head)
        lines = await log.export(tmp_path / f"{number}.ndjson", wanted, first, last)
        fitting = [each for each in log.events[first - 1 : last] if wanted.merchant in (None, each.merchant)]
        assert [orjson.loads(line)["position"] for line in lines] == [each.position for each in fitting]
        whole = len(lines) == last
        for tiles in (True, False) if whole else (True,):
            verdict = log.check(lines, tiles=tiles, partial=not whole)
            assert verdict.findings == [], (number, first, last, wanted)
            assert verdict.events == len(lines)
            reached = max(each.size for each in log.checkpoints if not whole or each.size <= last)
            assert verdict.covered == (reached if whole else len(lines))


async def test_what_is_exported_is_sealed_and_of_any_alphabet(log: Played, tmp_path: Path) -> None:
    lines = await log.export(tmp_path / "all.ndjson", EventFilter())
    data = b"\n".join(base64.b64decode(orjson.loads(line)["data"]) for line in lines)
    assert data.count(b'"customer":{"sealed":') > 40
    assert "Ærøskøbing".encode() in data
    assert "São Tomé".encode() not in data


@pytest.mark.parametrize("edit", [flip_a_bit, delete, insert, swap, cut_off, fork])
async def test_what_was_altered_is_found_in_what_is_exported(log: Played, edit: Edit, tmp_path: Path) -> None:
    """Or the export refuses to be made, and names the event that is missing."""
    with psycopg.connect(log.settings.database_url, autocommit=True) as connection:
        connection.execute(ALLOW)
        try:
            wrong = []
            for number in range(EDITS):
                name = f"{edit.__name__} {number}"
                position = edit(connection, events_of(connection), Random(name), len(log.events))
                wrong += await misplaced(log, position, tmp_path / name)
                connection.execute(RESTORE)
        finally:
            connection.execute("DROP TABLE events_before")
            connection.execute(
                "ALTER TABLE events ADD CONSTRAINT events_stream_version_key UNIQUE (stream, version);"
                "ALTER TABLE events ENABLE TRIGGER ALL"
            )
    assert not wrong, "\n".join(wrong)


async def misplaced(log: Played, position: int, target: Path) -> list[str]:
    """What is said of an edit that is not found where it was made."""
    try:
        lines = await log.export(target, EventFilter())
    except LogDamaged as damaged:
        return [] if damaged.position == position else [f"{target.name} at {position}: {damaged}"]
    exact = check_lines(lines, log.checkpoints, Tiles(log.directory, len(log.events))).first
    rough = check_lines(lines, log.checkpoints).first
    told = []
    if exact is None or exact.position != position:
        told.append(f"{target.name} at {position}: with tiles found {exact}")
    if rough is None or not rough.position <= position <= rough.until:
        told.append(f"{target.name} at {position}: by checkpoints found {rough}")
    return told
