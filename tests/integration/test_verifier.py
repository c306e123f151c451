"""Does the stand-alone verifier find, and place, whatever a superuser does to events that a checkpoint
covers?

What it has was kept outside before: the directory that the sealer copies to. The edits are made in the
database, by its superuser, with triggers off; each is exported from within its transaction, which is then
rolled back.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

from eventstore.leaf import leaf_hash_of
from eventstore.log import Append, NewEvent, StoredEvent, StreamAppend
from services.audit import verifier
from services.audit.lines import line_of
from services.audit.verifier import CannotCheck, Finding, Key, Tiles, check_lines, checkpoints_in
from tests.contract.appends import IDS, MOMENT, appended
from tests.integration.sealed import Sealed, sealed

EDITS = 40
"""Of each kind: there are six."""
BITS = 8
"""Of each column."""
KINDS = ("OrderPlaced", "StockReceived")
TEXTS = ("stream", "type", "merchant", "correlation", "causation")
COVERED = (*TEXTS, "version", "schema", "event_id", "occurred_at", "recorded_at", "metadata", "data")
_ALL = sql.SQL("SELECT {} FROM events ORDER BY position").format(
    sql.SQL(", ").join(map(sql.Identifier, StoredEvent._fields))
)
Connection = psycopg.Connection[TupleRow]


@pytest.fixture
async def log(database: str, tmp_path: Path) -> AsyncIterator[Sealed]:
    """About 700 events under several checkpoints, and some younger ones."""
    random = Random(7)
    async with sealed(database, tmp_path) as found:
        for _ in range(9):
            await append_some(found, random)
            await found.seal()
        await append_some(found, random)
        yield found


async def append_some(log: Sealed, random: Random) -> None:
    for _ in range(random.randint(20, 30)):
        events = tuple(
            NewEvent(random.choice(KINDS), 1, random.randbytes(random.randint(2, 60)), IDS.new())
            for _ in range(random.randint(1, 5))
        )
        stream = StreamAppend(f"order-{IDS.new().hex}", 0, events)
        merchant, checkout, cause = (f"{name}{random.randint(1, 9)}" for name in ("m", "checkout ", "event:"))
        at = MOMENT + timedelta(microseconds=random.randint(0, 10**12))
        append = Append(IDS.new(), merchant, checkout, cause, at, (stream,), b'{"actor":"user:1"}')
        await appended(log.log, append)


def events_of(connection: Connection) -> list[StoredEvent]:
    return [StoredEvent(*row) for row in connection.execute(_ALL).fetchall()]


# --- what may be done to a log: each answers the first position that is other ---


def flip_a_bit(connection: Connection, events: Sequence[StoredEvent], random: Random, last: int) -> int:
    """Of any column that the leaf covers."""
    return flip_a_bit_of(random.choice(COVERED), connection, events, random, last)


def flip_a_bit_of(
    column: str, connection: Connection, events: Sequence[StoredEvent], random: Random, last: int
) -> int:
    """Every other time whoever does it makes the leaf hash fit."""
    event = events[random.randrange(last)]
    changed = event._replace(**{column: flipped(getattr(event, column), random)})
    if random.random() < 0.5 and column != "leaf_hash":
        changed = changed._replace(leaf_hash=leaf_hash_of(changed))
    write(connection, changed)
    return event.position


def flipped(value: Any, random: Random) -> Any:
    """One bit of it other."""
    match value:
        case bytes():
            return (int.from_bytes(value, "big") ^ (1 << random.randrange(len(value) * 8))).to_bytes(
                len(value), "big"
            )
        case UUID():
            return UUID(int=value.int ^ (1 << random.randrange(128)))
        case int():
            return value ^ (1 << random.randrange(15))
        case str():
            at = random.randrange(len(value))
            other = chr(ord(value[at]) ^ (1 << random.randrange(6))) or "?"
            return value[:at] + (other if other != "\x00" else "?") + value[at + 1 :]
        case _:
            return value + timedelta(microseconds=random.choice((1, -1)) * (1 << random.randrange(40)))


def delete(connection: Connection, events: Sequence[StoredEvent], random: Random, last: int) -> int:
    """One or several, with the gap or without it."""
    first = random.randint(1, last)
    count = random.choice((1, 1, 5))
    connection.execute("DELETE FROM events WHERE position >= %s AND position < %s", (first, first + count))
    if random.random() < 0.5:
        shift(connection, first, -count)
    return first


def insert(connection: Connection, events: Sequence[StoredEvent], random: Random, last: int) -> int:
    """One that never happened, whose leaf hash fits."""
    at = random.randint(1, last)
    shift(connection, at, 1)
    like = events[random.randrange(len(events))]
    made = like._replace(position=at, stream=f"order-{random.random()}", event_id=IDS.new())
    made = made._replace(leaf_hash=leaf_hash_of(made))
    places = sql.SQL(", ").join(sql.Placeholder() * len(made))
    connection.execute(sql.SQL("INSERT INTO events ({}) VALUES ({})").format(_names(), places), made)
    return at


def swap(connection: Connection, events: Sequence[StoredEvent], random: Random, last: int) -> int:
    """Two events change places; or their data do, and the leaf hashes are made to fit."""
    one, other = (events[index] for index in sorted(random.sample(range(last), 2)))
    if random.random() < 0.5:
        connection.execute(
            "UPDATE events SET position = -position WHERE position IN (%s, %s)",
            (one.position, other.position),
        )
        connection.execute(
            "UPDATE events SET position = %s WHERE position = -%s", (other.position, one.position)
        )
        connection.execute(
            "UPDATE events SET position = %s WHERE position = -%s", (one.position, other.position)
        )
    else:
        for event, data in ((one, other.data), (other, one.data)):
            changed = event._replace(data=data)
            write(connection, changed._replace(leaf_hash=leaf_hash_of(changed)))
    return one.position


def cut_off(connection: Connection, events: Sequence[StoredEvent], random: Random, last: int) -> int:
    kept = random.randrange(last)
    connection.execute("DELETE FROM events WHERE position > %s", (kept,))
    return kept + 1


def fork(connection: Connection, events: Sequence[StoredEvent], random: Random, last: int) -> int:
    """Another history from somewhere on, as if it had been appended so; now and then the whole log."""
    first = 1 if random.random() < 0.2 else random.randint(1, last)
    changed = [event._replace(data=b"forged " + event.data) for event in events[first - 1 :]]
    rows = [(event.data, leaf_hash_of(event), event.position) for event in changed]
    with connection.cursor() as cursor:
        cursor.executemany("UPDATE events SET data = %s, leaf_hash = %s WHERE position = %s", rows)
    return first


def write(connection: Connection, event: StoredEvent) -> None:
    for column in (*COVERED, "leaf_hash"):
        statement = sql.SQL("UPDATE events SET {} = %s WHERE position = %s").format(sql.Identifier(column))
        connection.execute(statement, (getattr(event, column), event.position))


def shift(connection: Connection, first: int, by: int) -> None:
    connection.execute("UPDATE events SET position = -position WHERE position >= %s", (first,))
    connection.execute("UPDATE events SET position = -position + %s WHERE position < 0", (by,))


def _names() -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, StoredEvent._fields))


# --- what the auditor has ---


@dataclass
class Auditor:
    """Who keeps the directory, and is handed exports."""

    directory: Path

    @property
    def key(self) -> Key:
        return Key.parse((self.directory / "key").read_text())

    def check(self, lines: Sequence[bytes], *, tiles: bool) -> verifier.Verdict:
        checkpoints = checkpoints_in((self.directory / "checkpoints").read_text(), self.key)
        last = max(each.size for each in checkpoints)
        return check_lines(lines, checkpoints, Tiles(self.directory, last) if tiles else None)

    def run(self, export: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """The file itself, as an auditor runs it: with nothing of ours on its path."""
        command = [sys.executable, "-I", verifier.__file__, str(export), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=export.parent)


Edit = Callable[[Connection, Sequence[StoredEvent], Random, int], int]


@pytest.mark.parametrize("edit", [flip_a_bit, delete, insert, swap, cut_off, fork])
async def test_every_edit_is_found_and_placed(log: Sealed, edit: Edit) -> None:
    check_edits(log, {f"{edit.__name__} {seed}": edit for seed in range(EDITS)})


async def test_a_bit_of_each_column_is_found_and_placed(log: Sealed) -> None:
    """Also of the leaf hash itself; else some with a leaf hash that fits, and some without."""
    columns = (*COVERED, "leaf_hash")
    names = [f"{column} {seed}" for column in columns for seed in range(BITS)]
    check_edits(log, {name: partial(flip_a_bit_of, name.split()[0]) for name in names})


def check_edits(log: Sealed, edits: Mapping[str, Edit]) -> None:
    """Each is made by itself, seeded with its name, and must be found where it was made."""
    auditor, covered = Auditor(log.directory), log.sealer.size
    wrong = []
    for seed, edit in edits.items():
        with psycopg.connect(log.database) as connection:
            connection.execute("ALTER TABLE events DISABLE TRIGGER ALL")
            connection.execute("ALTER TABLE events DROP CONSTRAINT events_stream_version_key")
            first = edit(connection, events_of(connection), Random(seed), covered)
            lines = [line_of(event) for event in events_of(connection)]
            connection.rollback()
        exact = auditor.check(lines, tiles=True).first
        if exact is None or exact.position != first:
            wrong.append(f"{seed}: altered at {first}, with tiles found {exact}")
        rough = auditor.check(lines, tiles=False).first
        if rough is None or not rough.position <= first <= max(rough.until, first if edit is cut_off else 0):
            wrong.append(f"{seed}: altered at {first}, by checkpoints found {rough}")
    assert not wrong, "\n".join(wrong)


async def test_no_untouched_export_is_suspected(database: str, tmp_path: Path) -> None:
    random = Random(11)
    async with sealed(database, tmp_path) as log:
        auditor = Auditor(log.directory)
        for number in range(20):
            await append_some(log, random)
            if number % 3 != 1 or not number:
                await log.seal()
            events = await log.events()
            lines = [line_of(event) for event in events]
            for tiles in (True, False):
                verdict = auditor.check(lines, tiles=tiles)
                assert verdict.findings == []
                assert (verdict.events, verdict.covered) == (len(events), log.sealer.size)


# --- the command ---


@pytest.fixture
async def export(log: Sealed, tmp_path: Path) -> Path:
    path = tmp_path / "export.ndjson"
    path.write_bytes(b"".join(map(line_of, await log.events())))
    return path


async def test_the_file_alone_says_that_all_is_well_and_what_is_not_covered(
    log: Sealed, export: Path
) -> None:
    auditor, d = Auditor(log.directory), log.directory
    options = ("--checkpoint", str(d / "checkpoint"), "--key", str(d / "key"))
    done = auditor.run(export, *options, "--tiles", str(d))
    younger = len(await log.events()) - log.sealer.size
    assert (done.returncode, done.stderr) == (0, "")
    assert f"✓ {log.sealer.size} events are as they were signed" in done.stdout
    assert f"nothing is proved of them: {younger}" in done.stdout
    told = auditor.run(export, *options, "--json")
    assert json.loads(told.stdout)["first_altered"] is None


async def test_the_file_alone_names_the_line(log: Sealed, export: Path) -> None:
    auditor, d = Auditor(log.directory), log.directory
    lines = export.read_bytes().splitlines(keepends=True)
    members = json.loads(lines[99])
    lines[99] = json.dumps(members | {"merchant": "another"}).encode() + b"\n"
    export.write_bytes(b"".join(lines))
    done = auditor.run(export, "--checkpoint", str(d / "checkpoint"), "--key", (d / "key").read_text())
    assert done.returncode == 1
    assert "✗ line 100, position 100: its columns do not have the leaf hash" in done.stdout
    assert "✗ altered, from position 100 on" in done.stdout


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"nothing\n", "no JSON"),
        (b"[]\n", "no object"),
        (b'{"position":1,"position":1}\n', "twice"),
        (b'{"position":1.0}\n', "no whole number"),
        (b'{"position":1}\n', "members of an event"),
    ],
)
async def test_a_line_that_is_no_event_is_named(log: Sealed, export: Path, line: bytes, what: str) -> None:
    lines = export.read_bytes().splitlines(keepends=True)
    lines[7] = line
    first = Auditor(log.directory).check(lines, tiles=True).first
    assert first
    assert (first.position, first.line) == (8, 8)
    assert what in first.what


async def test_it_believes_no_checkpoint_that_was_altered(log: Sealed, export: Path, tmp_path: Path) -> None:
    auditor, d = Auditor(log.directory), log.directory
    key = (d / "key").read_text()
    other = str(verifier.Key("someone", 1, bytes(range(32))))
    note = (d / "checkpoint").read_text()
    size = str(log.sealer.size)
    for altered, by, what in (
        (note.replace(f"\n{size}\n", "\n5\n"), key, "signature of the checkpoint of 5 events is wrong"),
        (note.partition("\n\n")[0] + "\n", key, "this is no checkpoint"),
        (note, "nobody", "no verifier key"),
        (note, other, "no verifier key"),
    ):
        (tmp_path / "altered").write_text(altered)
        done = auditor.run(export, "--checkpoint", str(tmp_path / "altered"), "--key", by)
        assert (done.returncode, done.stdout) == (2, "")
        assert what in done.stderr


async def test_tiles_that_were_altered_are_not_believed(log: Sealed, export: Path) -> None:
    tile = log.directory / "tile/0/001"
    tile.write_bytes(bytes([tile.read_bytes()[0] ^ 1]) + tile.read_bytes()[1:])
    with pytest.raises(CannotCheck, match="do not lead to the checkpoint's root"):
        Auditor(log.directory).check(export.read_bytes().splitlines(), tiles=True)


async def test_two_checkpoints_that_contradict_are_a_fork(log: Sealed, export: Path) -> None:
    auditor = Auditor(log.directory)
    forked = log.signer.sign(100, bytes(32))
    true = log.signer.sign(100, b"\x01" * 32)
    checkpoints = checkpoints_in(str(forked) + str(true), auditor.key)
    findings = check_lines(export.read_bytes().splitlines(), checkpoints).findings
    assert any("contradict" in each.what for each in findings)


async def test_an_export_with_gaps_is_compared_with_its_tiles(log: Sealed, export: Path) -> None:
    auditor, d = Auditor(log.directory), log.directory
    lines = export.read_bytes().splitlines(keepends=True)[1::3]
    export.write_bytes(b"".join(lines))
    options = ("--checkpoint", str(d / "checkpoint"), "--key", str(d / "key"), "--partial")
    assert auditor.run(export, *options, "--tiles", str(d)).returncode == 0
    assert "needs --tiles" in auditor.run(export, *options).stderr
    lines[50] = lines[50].replace(b'"schema":1', b'"schema":2')
    export.write_bytes(b"".join(lines))
    assert f"position {3 * 50 + 2}" in auditor.run(export, *options, "--tiles", str(d)).stdout


def test_a_finding_says_where_and_what() -> None:
    assert str(Finding(3, 3, 4, "gone")) == "line 4, position 3: gone"
    assert str(Finding(3, 9, 0, "gone")) == "positions 3 to 9: gone"
