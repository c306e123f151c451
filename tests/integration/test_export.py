"""Is an export whole, and can it be checked alone: each leaf hash from its columns, the root from these?"""

from __future__ import annotations

import asyncio
import csv
import io
import tracemalloc
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from eventstore.leaf import leaf_hash_of
from eventstore.log import StoredEvent
from eventstore.merkle import root_of
from projections.fold import no_progress
from services.audit.export import COLUMNS, CannotExport, Format, columns_of, export
from tests.integration.projections_trade import START, Bought, Trade, open_trade, setting_up

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@asynccontextmanager
async def some_log(database: str, orders: int = 6) -> AsyncIterator[Trade]:
    async with open_trade(database) as trade:
        await trade.append("m1", setting_up("m1"))
        for number in range(orders):
            await trade.append("m1", Bought(merchant="m1", order_id=f'o,{number}\n"x"').life(), at=START)
        yield trade


def read_lines(raw: bytes) -> Iterator[dict[str, Any]]:
    for line in raw.splitlines():
        yield orjson.loads(line)


def read_csv(raw: bytes) -> Iterator[dict[str, Any]]:
    for row in csv.DictReader(io.StringIO(raw.decode(), newline="")):
        yield row | {
            name: row[name].removeprefix("'") for name in COLUMNS if COLUMNS[name].startswith("text")
        }


def read_parquet(raw: bytes) -> Iterator[dict[str, Any]]:
    parquet = pytest.importorskip("pyarrow.parquet")
    for row in parquet.read_table(io.BytesIO(raw)).to_pylist():
        row |= {name: row[name].isoformat() for name in ("occurred_at", "recorded_at")}
        row |= {name: b64encode(row[name]).decode() for name in ("metadata", "data", "leaf_hash")}
        yield row


BLOBS = ("data", "metadata")
READERS = {"ndjson": read_lines, "csv": read_csv, "parquet": read_parquet}


def event_of(row: dict[str, Any]) -> StoredEvent:
    """As it stood in the log, from what the file says of it alone."""
    return StoredEvent(
        position=int(row["position"]),
        stream=row["stream"],
        version=int(row["version"]),
        type=row["type"],
        schema=int(row["schema"]),
        data=b64decode(row["data"]),
        merchant=row["merchant"],
        correlation=row["correlation"],
        causation=row["causation"],
        metadata=b64decode(row["metadata"]),
        event_id=UUID(row["event_id"]),
        occurred_at=datetime.fromisoformat(row["occurred_at"]),
        recorded_at=datetime.fromisoformat(row["recorded_at"]),
        leaf_hash=b64decode(row["leaf_hash"]),
    )


@pytest.mark.parametrize("format_", READERS)
async def test_an_export_holds_every_byte_and_its_manifest_says_so(
    database: str, tmp_path: Path, format_: Format
) -> None:
    if format_ == "parquet":
        pytest.importorskip("pyarrow")
    async with some_log(database) as trade:
        head = await trade.log.head()
        for first in (1, 7):
            target = tmp_path / f"from{first}.{format_}"
            told: list[tuple[int, int]] = []

            def tell(_: str, done: int, total: int, told: list[tuple[int, int]] = told) -> None:
                told.append((done, total))

            manifest = await export(trade.log, target, format_, first, head, tell, NOW)
            raw = target.read_bytes()
            rows = list(READERS[format_](raw))
            assert list(rows[0]) == list(columns_of(format_)) == list(manifest["columns"])
            if format_ != "ndjson":
                assert all(
                    row[f"{each}_json"] == b64decode(row[each]).decode() for row in rows for each in BLOBS
                )
                assert orjson.loads(rows[0]["data_json"])
            events = [event_of(row) for row in rows]
            assert events == await trade.log.read(first - 1, head)
            assert all(leaf_hash_of(event) == event.leaf_hash for event in events)
            assert told[-1] == (head - first + 1, head - first + 1)
            assert (manifest["first_position"], manifest["last_position"]) == (first, head)
            assert manifest["types"] == dict(sorted(Counter(event.type for event in events).items()))
            assert b64decode(manifest["root_hash"]) == root_of(event.leaf_hash for event in events)
            assert (manifest["bytes"], manifest["sha256"]) == (len(raw), sha256(raw).hexdigest())
            beside = tmp_path / f"{target.name}.manifest.json"
            assert orjson.loads(beside.read_bytes()) == manifest
        assert not list(tmp_path.glob(".*")), "nothing half-done is left"


async def test_what_is_there_is_not_written_over_and_an_empty_range_is_told(
    database: str, tmp_path: Path
) -> None:
    async with some_log(database, 1) as trade:
        head = await trade.log.head()
        target = tmp_path / "events.ndjson"
        target.write_text("mine")
        with pytest.raises(CannotExport, match="there already"):
            await export(trade.log, target, "ndjson", 1, head, no_progress, NOW)
        assert target.read_text() == "mine"
        for first, last in ((0, 1), (2, 1), (1, head + 1)):
            with pytest.raises(CannotExport, match=f"the log holds 1 to {head}"):
                await export(trade.log, tmp_path / "other", "ndjson", first, last, no_progress, NOW)


async def test_where_nothing_can_be_written_is_said_before_the_work(database: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    def worked(*_: Any) -> None:
        raise AssertionError("it read the log first")

    async with some_log(database, 1) as trade:
        head = await trade.log.head()
        for target in (tmp_path / "none" / "e.csv", tmp_path / "file" / "e.csv"):
            with pytest.raises(CannotExport, match=f"{target} can't be written: .* is no directory"):
                await export(trade.log, target, "csv", 1, head, worked, NOW)
        with pytest.raises(CannotExport, match="can't be written: File name too long"):
            await export(trade.log, tmp_path / ("e" * 240), "csv", 1, head, no_progress, NOW)


async def test_an_export_that_is_broken_off_leaves_no_file(database: str, tmp_path: Path) -> None:
    def fail(*_: Any) -> None:
        raise asyncio.CancelledError

    async with some_log(database, 1) as trade:
        with pytest.raises(asyncio.CancelledError):
            await export(trade.log, tmp_path / "events.csv", "csv", 1, await trade.log.head(), fail, NOW)
    assert list(tmp_path.iterdir()) == []


class Endless:
    """A log of as many events as one likes, all made of one: to see what an export holds in memory."""

    def __init__(self, event: StoredEvent, trade: Trade, size: int) -> None:
        self.identity = trade.log.identity
        self._event = event
        self._size = size

    async def head(self) -> int:
        return self._size

    async def read_range(self, after: int, end: int) -> Sequence[StoredEvent]:
        return [self._event._replace(position=position) for position in range(after + 1, end + 1)]


FORMULAS = ("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "'=1", "''")


@pytest.mark.parametrize("text", [*FORMULAS, "a=1", ""])
async def test_no_cell_is_a_formula_and_each_can_be_read_back(
    database: str, tmp_path: Path, text: str
) -> None:
    async with some_log(database, 1) as trade:
        (event,) = await trade.log.read(4, 1)
        log: Any = Endless(event._replace(correlation=text, stream=text), trade, 1)
        target = tmp_path / "events.csv"
        await export(log, target, "csv", 1, 1, no_progress, NOW)
    raw = target.read_bytes()
    (cells,) = list(csv.DictReader(io.StringIO(raw.decode(), newline="")))
    assert cells["correlation"] == (f"'{text}" if text in FORMULAS else text)
    (row,) = read_csv(raw)
    assert event_of(row)[:9] == event._replace(position=1, correlation=text, stream=text)[:9]


async def test_two_exports_at_once_do_not_write_into_each_other(database: str, tmp_path: Path) -> None:
    """The one that is whole first stays; the other says that it is there, and leaves nothing behind."""
    async with some_log(database, 2) as trade:
        head, target = await trade.log.head(), tmp_path / "events.ndjson"
        results = await asyncio.gather(
            *(export(trade.log, target, "ndjson", 1, head, no_progress, NOW) for _ in range(2)),
            return_exceptions=True,
        )
    assert sorted(type(each) for each in results if isinstance(each, Exception)) == [CannotExport]
    assert sorted(each.name for each in tmp_path.iterdir()) == [target.name, f"{target.name}.manifest.json"]
    (manifest,) = [each for each in results if isinstance(each, dict)]
    assert manifest["sha256"] == sha256(target.read_bytes()).hexdigest()


@pytest.mark.parametrize("format_", READERS)
async def test_memory_does_not_grow_with_the_log(database: str, tmp_path: Path, format_: Format) -> None:
    if format_ == "parquet":
        pytest.importorskip("pyarrow")
    async with some_log(database, 1) as trade:
        (event,) = await trade.log.read(4, 1)
        peaks = []
        for pages in (4, 16):
            log: Any = Endless(event, trade, pages * 5_000)
            tracemalloc.start()
            await export(log, tmp_path / f"{pages}", format_, 1, pages * 5_000, no_progress, NOW)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert peaks[1] < 1.3 * peaks[0], peaks
