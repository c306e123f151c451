"""How is a person erased? Noted outside of the database, the key destroyed, and then the log says so.

Each step is done again where a crash, or a restore, came between: what the list has and the database has not
(`erase_again`), what the database has and the log has not (`say_all`). So there is one order, and no step
that is half done for good. The log's own rows are not touched: what they hold can be read by nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from commands.executor import Context, Executor
from domain.erasure import RecordErasure
from domain.kernel import Refused, one
from domain.streams import erasure_stream
from eventstore.keyring import Keyring
from eventstore.queries import load_queries
from eventstore.statements import Pool
from services.audit.erasure_list import Entry, ErasureList

BATCH = 1_000
LOOK_SECONDS = 1.0
OVERLAP = 200
"""So many erasures may be under way at once."""
QUERIES = load_queries("services.audit", "erasures.sql")
Connection = AsyncConnection[Any]
logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Standing:
    """A data subject that is known: `kept` is False once it is erased, by the `entry` if that is recorded.

    `position` is that of the event that says so; None before.
    """

    kept: bool
    entry: Entry | None
    position: int | None


class Erasures:
    """Erases; `pool` is of who may destroy keys and append: the role `write`."""

    def __init__(self, pool: Pool, executor: Executor, keyring: Keyring, noted: ErasureList) -> None:
        self._pool = pool
        self._executor = executor
        self._keyring = keyring
        self._noted = noted

    async def standing(self, subject: str) -> Standing:
        """Raises Refused by `subject_exists` for one that nobody has a key of, or ever had."""
        async with self._pool.connection() as connection:
            rows = await fetch(connection, "read_standing", subject=subject)
        if not rows:
            raise Refused(
                "subject_exists", f"no data subject {subject} is known: nothing was ever kept of it"
            )
        row = rows[0]
        kept, position = row.pop("kept"), row.pop("position")
        recorded = row["merchant"] is not None
        return Standing(kept, entry_of({"subject": subject, **row}) if recorded else None, position)

    async def erase(self, entry: Entry) -> Standing:
        """Gone, noted and said once this returns. A repeated one changes nothing, and tells of the first.

        Raises ListNotWritten (then nothing was done), and what the log and the database do: then it goes on
        by itself where it was, at the latest with the next start. ValueError for a reason that is no reason.
        """
        _command(entry)  # what can't be said in the end must not be begun
        standing = await self.standing(entry.subject)
        if standing.kept or standing.entry is None:
            await asyncio.to_thread(self._noted.add, entry)
            async with self._pool.connection() as connection:
                await destroy(connection, entry)
        self._keyring.forget(entry.subject)
        standing = await self.standing(entry.subject)
        assert standing.entry
        if standing.position is None:
            await self.say(standing.entry)
        return await self.standing(entry.subject)

    async def of_merchant(self, merchant: str | None, before: int, limit: int) -> list[dict[str, Any]]:
        """Erasures with numbers below `before`, the newest first; None: of all merchants."""
        async with self._pool.connection() as connection:
            return await fetch(connection, "read_erasures", merchant=merchant, before=before, limit=limit)

    async def say(self, entry: Entry) -> None:
        """Have the log tell of it, once."""
        causation = f"request:{entry.command_id}"
        context = Context(
            entry.command_id, entry.merchant, entry.actor, causation, causation, entry.erased_at
        )
        done = await self._executor.execute(one(erasure_stream(entry.subject), _command(entry)), context)
        async with self._pool.connection() as connection:
            await fetch(connection, "note_said", subject=entry.subject, position=done.position)

    async def say_all(self) -> int:
        """What was destroyed and is not told of yet; how many."""
        async with self._pool.connection() as connection:
            unsaid = [entry_of(row) for row in await fetch(connection, "read_unsaid")]
        for entry in unsaid:
            await self.say(entry)
            logger.info("erasure_said", subject=entry.subject)
        return len(unsaid)


async def destroy(connection: Connection, entry: Entry) -> None:
    await fetch(connection, "erase_subject", **(asdict(entry) | {"despite": list(entry.despite)}))


async def erase_again(connection: Connection, noted: ErasureList) -> list[Entry]:
    """Before anybody is served: destroy what the list says was destroyed, and this database still has."""
    again: list[Entry] = []
    for batch in batches(noted.entries()):
        by_subject = {entry.subject: entry for entry in reversed(batch)}
        rows = await fetch(connection, "read_not_erased", subjects=list(by_subject))
        for row in rows:
            await destroy(connection, by_subject[row["subject"]])
            again.append(by_subject[row["subject"]])
    if again:
        logger.warning("erased_again", subjects=len(again), why="this database is older than their erasure")
    return again


async def note_all(connection: Connection, noted: ErasureList, after: int = 0) -> int:
    """Have the list hold what this database knows beyond number `after`: others may have a list of their own.

    How far that is now.
    """
    while rows := await fetch(connection, "read_erased_since", number=after):
        after = rows[-1].pop("number")
        missing = {row["subject"]: entry_of(row) for row in rows}
        for entry in await asyncio.to_thread(lambda: list(noted.entries())):
            missing.pop(entry.subject, None)
        if missing:
            await asyncio.to_thread(noted.add, *missing.values())
    return after


async def keep_saying(erasures: Erasures, pool: Pool, noted: ErasureList) -> None:
    """Until cancelled, or until infrastructure fails."""
    copied = -1
    while True:
        await erasures.say_all()
        async with pool.connection() as connection:
            last = (await fetch(connection, "read_last_number"))[0]["number"]
            if last != copied:  # a few before it may have come late: numbers need not come in order
                copied = await note_all(connection, noted, max(0, copied - OVERLAP))
        await asyncio.sleep(LOOK_SECONDS)


def _command(entry: Entry) -> RecordErasure:
    return RecordErasure(subject=entry.subject, reason=entry.reason, despite=entry.despite)


def entry_of(row: dict[str, Any]) -> Entry:
    known = {name: row[name] for name in Entry.__slots__}
    return Entry(**known | {"despite": tuple(known["despite"])})


def batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    rest = iter(entries)
    while batch := list(islice(rest, BATCH)):
        yield batch


async def fetch(connection: Connection, name: str, **arguments: Any) -> list[dict[str, Any]]:
    """The rows of a statement of `erasures.sql`."""
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(getattr(QUERIES, name).sql.encode(), arguments, prepare=True)
    return await cursor.fetchall() if cursor.description else []
