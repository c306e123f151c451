"""How is an uploaded catalogue carried out? Row by row in the background, each once, whatever ends.

Rows wait in a table (migration 0025). Who works on some holds them locked, so that they are free again when
it dies; a row's commands have an id of their own for each attempt: the ledger tells what was done already.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from commands.executor import Context, Executor, TooMuchContention
from commands.product.csv_form import Row, RowRefused, row_of
from commands.product.item import adding_variant, pricing
from domain.kernel import Group, Refused, Target
from domain.product import (
    PRODUCT,
    ActivateProduct,
    ArchiveProduct,
    DescribeProduct,
    DescribeVariant,
    DraftProduct,
    Product,
    ProductCommand,
    PublishProduct,
    RestoreProduct,
    UnpublishProduct,
)
from domain.streams import product_stream
from eventstore.log import MAX_NAME_CHARACTERS, LogUnavailable
from eventstore.queries import load_queries
from eventstore.seams import Clock, key_id
from eventstore.statements import Pool
from eventstore.tasks import end_tasks

QUERIES = load_queries("commands", "product_imports.sql")
TAKEN_MAX, AT_ONCE, LOOK_SECONDS = 200, 16, 1.0
_COLUMN_OF = {
    "sku_unique": "sku",
    "gtin_unique": "gtin",
    "gtin_check_digit": "gtin",
    "variants_differ": "option_values",
    "options_fit_variants": "option_values",
    "options_differ": "options",
    "prices_bounded": "prices",
    "published_has_prices": "channels",
    "channels_bounded": "channels",
    "active_has_variants": "status",
    "active_has_prices": "prices",
}
"""Which column a broken rule is about; `product_id` for any other."""
logger = structlog.get_logger()


class Waiting(NamedTuple):
    import_id: UUID
    merchant: str
    actor: str
    attempt: int
    line: int
    cells: dict[str, str]


class Outcome(NamedTuple):
    """`message` is empty where the row was done."""

    line: int
    column: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Importer:
    """Carries out rows that wait; one in each API process, and any number of them at once."""

    pool: Pool
    executor: Executor
    clock: Clock
    uploaded: asyncio.Event

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Importer]:
        task = asyncio.create_task(self._run())
        try:
            yield self
        finally:
            await end_tasks(task)

    async def _run(self) -> None:
        """Until cancelled: what is not there now is looked for again."""
        while True:
            try:
                if await self.carry_out_some():
                    continue
            except (psycopg.Error, PoolTimeout, LogUnavailable, TooMuchContention, OSError) as error:
                logger.warning("import_waits", error=str(error))
            self.uploaded.clear()
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self.uploaded.wait()
            except TimeoutError:
                continue

    async def carry_out_some(self) -> int:
        """How many rows there were to do."""
        async with self.pool.connection() as connection, connection.transaction():
            cursor = await connection.execute(QUERIES.take_rows.sql.encode(), {"limit": TAKEN_MAX})
            rows = [Waiting(*row) for row in await cursor.fetchall()]
            if not rows:
                await connection.execute(QUERIES.sweep.sql.encode())
                return 0
            outcomes = await self._carry_out(rows)
            arguments = {
                "import_id": rows[0].import_id,
                "lines": [each.line for each in outcomes],
                "columns": [each.column for each in outcomes],
                "messages": [each.message for each in outcomes],
            }
            await connection.execute(QUERIES.keep_outcomes.sql.encode(), arguments)
        return len(rows)

    async def _carry_out(self, rows: Sequence[Waiting]) -> list[Outcome]:
        """Products side by side, the rows of one of them one after the other."""
        places = asyncio.Semaphore(AT_ONCE)
        by_product: dict[str, list[Waiting]] = {}
        for row in rows:
            by_product.setdefault(row.cells.get("product_id", ""), []).append(row)

        async def of_product(of_one: list[Waiting]) -> list[Outcome]:
            async with places:
                return [await self._row(row) for row in of_one]

        found = await asyncio.gather(*map(of_product, by_product.values()))
        return list(itertools.chain.from_iterable(found))

    async def _row(self, waiting: Waiting) -> Outcome:
        try:
            row = row_of(waiting.cells)
            _check_names(waiting.merchant, row)
            (state,) = await self.executor.states.load([product_stream(waiting.merchant, row.product_id)])
            targets = tuple(targets_of(waiting.merchant, row, state.state, self.clock.now()))
            done = await self.executor.execute(Group(targets), self._context(waiting)) if targets else None
        except RowRefused as refused:
            return Outcome(waiting.line, refused.column, refused.message)
        except Refused as refused:
            return Outcome(waiting.line, _COLUMN_OF.get(refused.rule, "product_id"), refused.message)
        if done and done.refused:
            column = _COLUMN_OF.get(done.refused.rule, "product_id")
            return Outcome(waiting.line, column, done.refused.message)
        return Outcome(waiting.line)

    def _context(self, row: Waiting) -> Context:
        causation = f"import:{row.import_id}:{row.line}"
        return Context(
            command_id=key_id(
                "catalogue-import", row.merchant, str(row.import_id), str(row.line), str(row.attempt)
            ),
            merchant=row.merchant,
            actor=row.actor,
            correlation=f"import:{row.import_id}",
            causation=causation,
            occurred_at=self.clock.now(),
        )


def _check_names(merchant: str, row: Row) -> None:
    for column, name in (("product_id", row.product_id), ("sku", row.variant.sku)):
        if len(product_stream(merchant, name)) > MAX_NAME_CHARACTERS:
            raise RowRefused(column, "too long: any but A-Z, a-z, 0-9, _ and ~ counts three a byte")


def targets_of(merchant: str, row: Row, product: Product, now: datetime) -> Iterator[Target]:
    """What makes the product what the row says; nothing if it is so. Raises Refused.

    What is archived is taken out for the change, and put back if the row says archived.
    """
    stream = product_stream(merchant, row.product_id)
    changes = tuple(_changes(merchant, row, product, now))
    archived = product.status == "archived"
    before: str = product.status
    shown = replace(product, status="draft") if archived else product
    if _changed(stream, changes, shown):
        if archived:
            yield Target(stream, RestoreProduct(product_id=row.product_id))
        yield from changes
        before = "draft" if archived else product.status or "draft"
    for command in _moves(row, before, archived=archived):
        yield Target(stream, command)


def _changed(stream: str, changes: Iterable[Target], product: Product) -> bool:
    """Whether some of them would do something. Raises Refused."""
    changed = False
    for target in changes:
        if target.stream == stream:
            events = PRODUCT.decide(target.command, product)  # type: ignore[arg-type]
            product = PRODUCT.fold(events, product)
            changed = changed or bool(events)
    return changed


def _changes(merchant: str, row: Row, product: Product, now: datetime) -> Iterator[Target]:
    stream, product_id = product_stream(merchant, row.product_id), row.product_id
    details, variant = row.details.to_details(), row.variant.to_variant()
    if product.status:
        yield Target(stream, DescribeProduct(product_id=product_id, details=details))
    else:
        yield Target(stream, DraftProduct(product_id=product_id, details=details))
    if product.variant(variant.sku):
        yield Target(stream, DescribeVariant(product_id=product_id, variant=variant))
    else:
        yield from adding_variant(merchant, product_id, variant)
    for price in row.prices:
        yield Target(stream, pricing(product_id, variant.sku, price, now))
    if row.channels is not None:
        for channel in row.channels:
            yield Target(stream, PublishProduct(product_id=product_id, channel=channel))
        for channel in set(product.channels) - set(row.channels):
            yield Target(stream, UnpublishProduct(product_id=product_id, channel=channel))


def _moves(row: Row, status: str, *, archived: bool) -> Iterator[ProductCommand]:
    """From the status that it has to the one that the row says; without one, back to what it was."""
    wanted = row.status or ("archived" if archived else status)
    product: dict[str, Any] = {"product_id": row.product_id}
    match status, wanted:
        case (was, goal) if was == goal:
            return
        case _, "archived":
            yield ArchiveProduct(**product)
        case "active", "draft":
            yield ArchiveProduct(**product)
            yield RestoreProduct(**product)
        case "archived", "draft":
            yield RestoreProduct(**product)
        case "archived", "active":
            yield RestoreProduct(**product)
            yield ActivateProduct(**product)
        case _, "active":
            yield ActivateProduct(**product)
