"""Does `tillroll verify` find what a superuser altered, and do the other commands give what an auditor
needs?"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from eventstore.leaf import leaf_hash_of
from eventstore.log import StoredEvent
from services.audit.against import checkpoints_of
from services.audit.altered import LogAltered
from services.audit.lines import line_of
from services.audit.notes import Checkpoint, WrongNote
from services.context import ProcessContext, open_context
from services.verify import verify
from tests.integration.sealed import Sealed, as_superuser, sealed

COLUMNS = sql.SQL(", ").join(map(sql.Identifier, StoredEvent._fields))


@pytest.fixture
async def log(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Sealed]:
    async with sealed(database, tmp_path, nats_url=nats_url) as found:
        for counts in ((3, 300), (400,), (100, 200)):
            await found.grow(*counts)
            await found.seal()
        await found.grow(4)
        yield found


@pytest.fixture
async def context(log: Sealed) -> AsyncIterator[ProcessContext]:
    async with open_context(log.settings, "verify", "project", follow=False) as context:
        yield context


async def problems(
    context: ProcessContext, checkpoints: list[Checkpoint] | None = None
) -> tuple[list[str], int]:
    """What `verify` says of the log itself, and how many events are as they were signed."""
    verdict = await verify(context, lambda *_: None, 0.0, checkpoints)
    told = [
        each for each in verdict.problems
        if any(word in each for word in ("sealed", "signed", "leaf hash", "halted", "checkpoint of", "root"))
    ]  # fmt: skip
    return told, verdict.sealed


def outside(log: Sealed, name: str = "checkpoints") -> list[Checkpoint]:
    return checkpoints_of([log.directory / name], str(log.directory / "key"))


async def test_a_log_that_is_as_it_was_signed_is_clean(log: Sealed, context: ProcessContext) -> None:
    assert await problems(context) == ([], 1003)
    assert await problems(context, outside(log)) == ([], 1003)


async def test_that_an_event_was_altered_is_placed(log: Sealed, context: ProcessContext) -> None:
    await forge(log, 321)
    told, agreed = await problems(context, outside(log))
    assert told == ["position 321 is not the event that was sealed: altered from there on"]
    assert agreed == 303
    assert (await problems(context))[0] == told


async def test_where_the_tiles_were_altered_too_the_checkpoints_outside_say_between_which(
    log: Sealed, context: ProcessContext
) -> None:
    await forge(log, 321)
    await as_superuser(
        log.database,
        """UPDATE seal_tiles AS t SET hashes = overlay(hashes PLACING
             (SELECT leaf_hash FROM events WHERE position = 321) FROM 65 * 32 - 31)
           WHERE level = 0 AND number = 1""",
    )
    told, _ = await problems(context, outside(log))
    assert told == [
        "positions 304 to 703 do not have the root that was signed: something among them was altered"
    ]
    told, _ = await problems(context, outside(log, "checkpoint"))
    assert told == [
        "positions 1 to 1003 do not have the root that was signed: something among them was altered"
    ]


async def test_a_tail_that_was_cut_off_is_missed(log: Sealed, context: ProcessContext) -> None:
    await as_superuser(log.database, "DELETE FROM events WHERE position > 990")
    told, agreed = await problems(context, outside(log))
    assert told == [
        "the log ends at 990, but a checkpoint of 1003 events was signed: 991 and those after it are gone"
    ]
    assert agreed == 703


async def test_who_rewrites_the_stored_checkpoints_deceives_only_the_database(
    log: Sealed, context: ProcessContext
) -> None:
    await forge(log, 950)
    await as_superuser(log.database, "DELETE FROM seal_checkpoints WHERE size > 703")
    assert (await problems(context))[0] == []
    told, _ = await problems(context, outside(log))
    assert told == [
        "positions 704 to 1003 do not have the root that was signed: something among them was altered"
    ]


async def test_a_stored_checkpoint_that_was_altered_is_told(log: Sealed, context: ProcessContext) -> None:
    await as_superuser(log.database, "UPDATE seal_checkpoints SET note = replace(note, '1003', '1004')")
    assert "the note was altered" in (await problems(context))[0][0]


async def test_that_the_sealer_halted_is_told(log: Sealed, context: ProcessContext) -> None:
    async with log.pool.connection() as connection:
        await connection.execute(
            "INSERT INTO seal_halts (size, position, reason) VALUES (1003, 3, 'event 3 is other')"
        )
    for checkpoints in (None, outside(log)):
        told = (await problems(context, checkpoints))[0]
        assert told[0].endswith("when 1003 events were sealed, on position 3: event 3 is other")


@pytest.mark.parametrize(
    ("statement", "position", "exported"),
    [
        ("UPDATE events SET leaf_hash = leaf_hash || '\\x00' WHERE position = 321", 321, 321),
        ("UPDATE events SET leaf_hash = '' WHERE position = 321", 321, 321),
        ("UPDATE events SET recorded_at = '-infinity' WHERE position = 321", 321, 321),
        ("UPDATE events SET occurred_at = '20000-01-01' WHERE position IN (321, 400)", 321, 321),
        ("DELETE FROM events WHERE position IN (321, 322)", 321, 321),
        (
            "ALTER TABLE events ALTER data DROP NOT NULL; UPDATE events SET data = NULL WHERE position = 321",
            321,
            321,
        ),
        ("UPDATE events SET position = -4 WHERE position = 1007", -4, None),
    ],
)
async def test_a_row_that_is_none_ends_neither_verify_nor_export(
    log: Sealed, context: ProcessContext, statement: str, position: int, exported: int | None
) -> None:
    await as_superuser(log.database, statement)
    verdict = await verify(context, lambda *_: None, 0.0, outside(log))
    assert any(re.search(rf"positions? {position}\b", each) for each in verdict.problems), verdict.problems
    target = log.settings.data_dir / "export.ndjson"
    if exported:
        code, _, said = await command(log, "export", "--to", str(target))
        assert (code, target.exists()) == (2, False)
        assert f"position {exported} " in said
        assert "Traceback" not in said


async def forge(log: Sealed, position: int) -> None:
    """Other data, with a leaf hash that fits."""
    async with await psycopg.AsyncConnection.connect(log.database) as connection:
        await connection.execute("ALTER TABLE events DISABLE TRIGGER ALL")
        select = sql.SQL("SELECT {} FROM events WHERE position = %s").format(COLUMNS)
        row = await (await connection.execute(select, (position,))).fetchone()
        assert row
        forged = StoredEvent(*row)._replace(data=b'{"quantity":2}')
        await connection.execute(
            "UPDATE events SET data = %s, leaf_hash = %s WHERE position = %s",
            (forged.data, leaf_hash_of(forged), position),
        )


# --- the commands ---


async def command(log: Sealed, *arguments: str) -> tuple[int, str, str]:
    """Exit code, answer and what was said beside it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", *arguments,
        env={**log.settings.environment(), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    answer, said = await process.communicate()
    assert process.returncode is not None
    return process.returncode, answer.decode(), said.decode()


async def test_an_auditor_takes_away_all_that_it_takes(log: Sealed, tmp_path: Path) -> None:
    files: dict[str, str] = {}
    wanted: dict[str, tuple[str, ...]] = {
        "key": ("checkpoint", "--key"),
        "older": ("checkpoint", "--size", "303"),
        "checkpoint": ("checkpoint",),
        "event.tlog-proof": ("proof", "inclusion", "--position", "17"),
        "grown.json": ("proof", "consistency", "303"),
    }
    for name, arguments in wanted.items():
        code, answer, said = await command(log, *arguments)
        assert code == 0, said
        (tmp_path / name).write_text(answer)
        files[name] = str(tmp_path / name)
    assert (await command(log, "export-verifier", str(tmp_path / "verifier.py")))[0] == 0
    (tmp_path / "export.ndjson").write_bytes(b"".join(map(line_of, await log.events())))
    done = subprocess.run(
        [
            sys.executable, "-I", tmp_path / "verifier.py", tmp_path / "export.ndjson",
            "--checkpoint", files["older"], "--checkpoint", files["checkpoint"], "--key", files["key"],
            "--proof", files["event.tlog-proof"], "--consistency", files["grown.json"],
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "✓ 1003 events are as they were signed" in done.stdout


async def test_status_and_checkpoint_say_that_the_log_was_altered(log: Sealed) -> None:
    await log.sealer.halt(LogAltered(17, "the event 17 is not the one that was sealed"))
    for asked in ("status", "checkpoint"):
        code, answer, said = await command(log, asked)
        assert code == 1
        assert "THE LOG WAS ALTERED at position 17: the event 17" in answer + said


async def test_a_checkpoint_says_what_it_does_not_cover(log: Sealed) -> None:
    code, _, said = await command(log, "checkpoint")
    assert code == 0
    assert "1,003 of 1,007 events are covered; the oldest that is not, is recorded" in said
    shown: dict[str, Any] = json.loads((await command(log, "checkpoint", "--json"))[1])
    assert (shown["size"], shown["state"]["uncovered_events"]) == (1003, 4)


async def test_a_checkpoint_that_was_chosen_says_how_far_it_goes(log: Sealed) -> None:
    _, answer, said = await command(log, "checkpoint", "--size", "5")
    assert answer.splitlines()[1] == "303"
    assert said == "this checkpoint covers 303 of 1,007 events\n"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("proof", "inclusion", "--position", "1005"), "does not cover 1005 yet: wait a second"),
        (("proof", "inclusion", "--position", "1008"), "there is no position 1008: the log ends at 1007"),
        (
            ("proof", "inclusion", "--position", "305", "--size", "303"),
            "the checkpoint of 303 events does not cover 305: choose a larger one with --size",
        ),
        (
            ("proof", "inclusion", "--position", "17", "--size", "18"),
            "there is no checkpoint of 18 events; the next has 303",
        ),
        (
            ("proof", "inclusion", "--position", "5", "--size", "2000"),
            "no checkpoint covers 2000 events yet: the last one has 1003",
        ),
        (
            ("proof", "inclusion", "--event-id", "00000000-0000-4000-8000-000000000000"),
            "--event-id needs --merchant",
        ),
        (("proof", "inclusion", "--event-id", "nothing"), "say --position N"),
        (("proof", "consistency", "5"), "there is no checkpoint of 5 events; the next has 303"),
        (("proof", "consistency", "703", "303"), "say them the other way round"),
        (("export-verifier", "/nowhere/verifier.py"), "can't be written"),
        (("verify", "--checkpoint", "missing", "--key", "nothing"), "no verifier key"),
    ],
)
async def test_what_can_not_be_had_is_said_in_a_line(
    log: Sealed, arguments: tuple[str, ...], what: str
) -> None:
    code, answer, said = await command(log, *arguments)
    assert (code, answer) == (2, "")
    assert what in said
    assert "Traceback" not in said


def test_a_file_that_holds_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nothing").write_text("nothing\n")
    key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    with pytest.raises(WrongNote, match="it holds no checkpoint"):
        checkpoints_of([tmp_path / "nothing"], key)
    with pytest.raises(WrongNote, match="can't be read"):
        checkpoints_of([tmp_path / "missing"], key)
