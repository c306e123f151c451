"""A log that is sealed, for tests: a Postgres of its own epoch, a sealer that turns when it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from eventstore.log import StoredEvent
from eventstore.postgres import PostgresLog, make_pool
from eventstore.seams import RandomIds, WallClock
from eventstore.statements import Pool
from services.audit.directory import Directory
from services.audit.notes import Note, Signer
from services.audit.outside import Copies, directory_of, past_of
from services.audit.sealer import Sealer, signer_of
from services.audit.witness import witnesses_in
from services.settings import Settings
from tests.contract.appends import an_append, appended, to_stream

IDS = RandomIds()


@dataclass
class Sealed:
    """The parts of a sealed log."""

    log: PostgresLog
    pool: Pool
    settings: Settings
    signer: Signer
    copies: Copies
    sealer: Sealer
    database: str

    @property
    def directory(self) -> Path:
        return directory_of(self.settings, self.log.identity)

    async def grow(self, *counts: int, merchant: str = "m1") -> None:
        """Append so many events, each count to a stream of its own."""
        for count in counts:
            await appended(
                self.log, an_append(to_stream(f"stock-{IDS.new().hex}", 0, count), merchant=merchant)
            )

    async def seal(self) -> int:
        """Sign what has come, and copy it out; the size."""
        while await self.sealer.seal():
            pass
        while await self.copies.copy():
            pass
        await self.copies.copy_cosigned()
        return self.sealer.size

    def note(self) -> Note:
        """The checkpoint that stands outside."""
        return Note.parse((self.directory / "checkpoint").read_text())

    def size_outside(self) -> int:
        """How many events the checkpoint covers that stands outside."""
        return self.note().checkpoint(self.signer.key).size

    async def events(self) -> list[StoredEvent]:
        return await self.log.read(0, 100_000)

    def forget(self) -> None:
        """What copies is another process, to which nothing was handed."""
        self.copies = copies_of(self.settings, self.log, self.pool, self.signer)

    def again(self) -> Sealer:
        """Another sealer of the same log, which has not begun."""
        return Sealer(self.pool, self.signer, self.log.identity.epoch, WallClock(), self.copies)


@asynccontextmanager
async def sealed(database: str, directory: Path, **given: Any) -> AsyncIterator[Sealed]:
    """The log of a migrated database, and a sealer that has begun."""
    settings = Settings(data_dir=directory, database_url=database, **given)
    async with (
        await PostgresLog.connect(settings.url("write")) as log,
        make_pool(settings.url("seal"), max_size=3) as pool,
    ):
        signer = await signer_of(settings, log.identity, pool)
        copies = copies_of(settings, log, pool, signer)
        sealer = Sealer(pool, signer, log.identity.epoch, WallClock(), copies)
        await sealer.begin()
        yield Sealed(log, pool, settings, signer, copies, sealer, database)


def copies_of(settings: Settings, log: PostgresLog, pool: Pool, signer: Signer, **given: Any) -> Copies:
    """What brings the checkpoints out; `given` as `Copies` takes it."""
    directory, past = Directory(directory_of(settings, log.identity)), past_of(settings, log.identity)
    witnesses = witnesses_in(settings.seal_witnesses)
    return Copies(pool, directory, past, signer.key, log.identity.epoch, witnesses=witnesses, **given)


async def as_superuser(database: str, *statements: str) -> None:
    """What no role of ours may do, with triggers off."""
    tables = ("events", "seal_tiles", "seal_checkpoints", "seal_keys")
    async with await psycopg.AsyncConnection.connect(database) as connection:
        for table in tables:
            await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
        for statement in statements:
            await connection.execute(statement.encode())
