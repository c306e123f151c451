"""Which earlier states of the read models are kept, so that any moment between them is near one?

States at multiples of a spacing, each made from the one before by folding the part of the log between.
There are at most 8 of each read model: one more, and the spacing doubles and every other one goes. So
however long the log is, a moment is at most a quarter of it away from a kept state.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager

import psycopg
import structlog
from psycopg import sql

from eventstore.log import Log
from eventstore.pace import at_leisure
from eventstore.statements import Pool
from projections.read_model import ReadModel, statement
from projections.read_models import READ_MODELS
from services.audit.alone import alone
from services.audit.as_of_models import kept_word
from services.audit.folding import (
    BY_KEYS,
    CannotFold,
    Connection,
    Parked,
    copy_rows,
    facts_between,
    fold,
    query,
)

SPACING = 8_192
KEPT_MAX = 8
"""They take some five times the room of the log; with twice as many, twice as much."""
REST_SECONDS = 5.0
FOLD_PAGE = 5_000
SHARE = 0.1
"""Of the time. All that is late costs who asks for a late moment, who folds so much more of the log."""
PASSED_OVER_SECONDS = 600.0
"""After a state could not be made: to try more often would fold the same part of the log again and again."""
logger = structlog.get_logger()


class KeptStates:
    """`run` until cancelled, or until infrastructure fails: then run again. Works as the role `project`."""

    def __init__(
        self,
        log: Log,
        pool: Pool,
        models: Iterable[ReadModel] = READ_MODELS.values(),
        *,
        spacing: int = SPACING,
        kept_max: int = KEPT_MAX,
    ) -> None:
        self._log = log
        self._pool = pool
        self._models = tuple(models)
        self._spacing = spacing
        self._kept_max = kept_max
        self._passed_over: dict[str, float] = {}

    async def run(self, share: float = SHARE) -> None:
        async with alone(self._pool, "kept states") as connection:
            while True:
                await self.catch_up(connection, share)
                await asyncio.sleep(REST_SECONDS)

    async def catch_up(self, connection: Connection, share: float = 1.0) -> None:
        """Keep all that should be kept at this moment; take `share` of the time at most.

        A read model that can't be folded, or of which a key stands still, is passed over for a while: a kept
        state would tell of the key as parked, also once it goes on.
        """
        head, now = await self._log.head(), asyncio.get_running_loop().time()
        for model in self._models:
            if now < self._passed_over.get(model.name, now):
                continue
            try:
                while await self._keep_next(connection, model, head, share):
                    pass
            except CannotFold as error:
                logger.warning("state_not_kept", read_model=model.name, error=str(error))
                self._passed_over[model.name] = now + PASSED_OVER_SECONDS
            except psycopg.errors.LockNotAvailable:
                logger.info("state_in_use", read_model=model.name)  # it is dropped the next time

    async def _keep_next(self, connection: Connection, model: ReadModel, head: int, share: float) -> bool:
        kept = await query(connection, "list_kept", name=model.name, tables=list(model.tables))
        spacing = self.spacing_for(head)
        for position, version, whole in kept:
            if not whole or version != model.version or position % spacing or position > head:
                await self._drop(connection, model, position)
                return True
        last = kept[-1][0] if kept else 0
        if last + spacing > head:
            return False
        await self._make(connection, model, last, last + spacing, share)
        return True

    def spacing_for(self, head: int) -> int:
        """The smallest that keeps no more than the most states of a log of that length."""
        spacing = self._spacing
        while head // spacing > self._kept_max:
            spacing *= 2
        return spacing

    async def _make(
        self, connection: Connection, model: ReadModel, before: int, position: int, share: float
    ) -> None:
        """Page by page, and listed at the end: what a killed one leaves behind is made anew."""
        word = kept_word(position)
        async with at_leisure(share), _folding(connection):
            for table in model.tables_of(word):
                await connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)))
            await connection.execute(statement(model.name, "create_tables", word))
            if before:
                await copy_rows(connection, model, kept_word(before), word)
        parked: Parked = {}
        async with aclosing(facts_between(connection, model, before, position, page=FOLD_PAGE)) as pages:
            async for events in pages:
                async with at_leisure(share), _folding(connection):
                    await fold(connection, model, events, parked, word)
                for key, where in parked.items():
                    raise CannotFold(f"{key} stands still at position {where}")
        async with connection.transaction():
            for table in model.tables_of(word):
                await query(connection, "protect", relation=table)
            await query(connection, "add_kept", name=model.name, position=position, version=model.version)

    async def _drop(self, connection: Connection, model: ReadModel, position: int) -> None:
        async with connection.transaction():
            await connection.execute(b"SET LOCAL lock_timeout = '2s'")
            await query(connection, "remove_kept", name=model.name, position=position)
            for table in model.tables_of(kept_word(position)):
                await connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)))


@asynccontextmanager
async def _folding(connection: Connection) -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.execute(BY_KEYS + b"; SET LOCAL statement_timeout = 0")  # a copy may take long
        yield
