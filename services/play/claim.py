"""May this dataset be played into this log? Only if the log holds that trade alone, or nothing yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from hashlib import sha256
from pathlib import Path

from eventstore.queries import load_queries
from eventstore.statements import Pool
from services.play.catalogue import TRIAL
from services.play.driver import keep_trying
from services.play.rows import OlistRows

_QUERIES = load_queries("services.play", "play.sql")
_REMEDY = (
    "use another TILLROLL_DATA_DIR or remove it (with a TILLROLL_DATABASE_URL of your own: another database)"
)


class OtherTrade(Exception):
    """The oracles ask of the whole log, so other trade in it would make them say no."""

    expected = True

    def __init__(self, data_dir: Path, merchants: frozenset[str]) -> None:
        super().__init__(
            f"the log in {data_dir} holds other trade: its oracles could not be told apart; {_REMEDY}"
        )
        self.only_tried = merchants == {TRIAL}
        """Whether it is that of who tried the API of a demo, and no more."""


class OtherDataset(Exception):
    """What was played before under the same ids would stay, and the rest be of this dataset."""

    expected = True


async def claim_log(pool: Pool, data_dir: Path, rows: OlistRows, *, spread: bool = False) -> None:
    """Raises OtherTrade or OtherDataset before anything is written; the same play may go on.

    Over warehouses (`spread`) it is another one than in one place: goods would come in twice.
    """
    await refuse_other_trade(pool, data_dir, rows)
    await refuse_other_dataset(pool, data_dir, rows, spread=spread)


async def refuse_other_trade(pool: Pool, data_dir: Path, rows: OlistRows) -> None:
    """Raises OtherTrade if the log holds a checkout that is not of this play."""
    await refuse_other_checkouts(pool, data_dir, [row.order_id for row in rows.orders])


async def refuse_other_checkouts(pool: Pool, data_dir: Path, checkouts: list[str]) -> None:
    arguments = {"checkouts": checkouts}

    async def other() -> frozenset[str]:
        async with pool.connection() as connection:
            cursor = await connection.execute(_QUERIES.other_checkouts.sql.encode(), arguments)
            return frozenset(merchant for (merchant,) in await cursor.fetchall())

    if merchants := await keep_trying(other):
        raise OtherTrade(data_dir, merchants)


async def refuse_other_dataset(pool: Pool, data_dir: Path, rows: OlistRows, *, spread: bool) -> None:
    """Have the log remember the dataset of its first play. Raises OtherDataset if that was another."""
    await refuse_other_digest(pool, data_dir, dataset_digest(rows, spread=spread))


async def refuse_other_digest(pool: Pool, data_dir: Path, digest: bytes) -> None:

    async def first() -> bytes:
        async with pool.connection() as connection:
            await connection.execute(_QUERIES.record_dataset.sql.encode(), {"digest": digest})
            row = await (await connection.execute(_QUERIES.read_dataset.sql.encode())).fetchone()
        assert row is not None
        return bytes(row[0])

    if await keep_trying(first) != digest:
        raise OtherDataset(
            f"another dataset was played into the log in {data_dir}, or this one before it was changed,"
            f" or over other warehouses; {_REMEDY}"
        )


def dataset_digest(rows: OlistRows, *, spread: bool = False) -> bytes:
    """SHA-256 of what all rows say, whatever lines of their files they stand on."""
    digest = sha256(b"spread over warehouses\n" if spread else b"")
    for said in _said(rows):
        digest.update(said.encode())
    return digest.digest()


def _said(rows: OlistRows) -> Iterator[str]:
    for table in fields(rows):
        yield f"{table.name}\n"
        records = getattr(rows, table.name)
        names: tuple[str, ...] = ()
        for record in records if table.name != "unread" else ():
            names = names or tuple(each.name for each in fields(record) if each.compare)
            yield f"{[getattr(record, name) for name in names]!r}\n"
