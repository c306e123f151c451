"""How does the log, or a part of it, leave as a file that anybody can check? Every stored byte, and a
manifest.

The manifest says what is in the file (range, counts, schema) and the root hash of the Merkle tree (RFC
6962) over its leaf hashes: of an export from position 1 on, that is the log's own root at that size, as
its checkpoints sign it. Of an export that leaves events out it says so, and by which conditions. A file comes
under its name, and the manifest after it, only when it is whole.
One page is in memory at a time.
"""

from __future__ import annotations

import csv
import io
import os
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import IO, Any, Literal, Protocol

import orjson

from eventstore.ahead import Ahead
from eventstore.log import LogDamaged, StoredEvent
from eventstore.merkle import HASH_BYTES, Frontier
from eventstore.postgres import PostgresLog
from services.audit.filters import EventFilter
from services.audit.history import History
from services.audit.lines import line_of
from services.embedded.directory import sync_directory

FORMAT_VERSION = 1
PAGE = 5_000
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""What a cell begins with that a spreadsheet may carry out (OWASP, CSV injection); and the mark itself.
Base64 has no mark: it may begin with +, but can hold no call of anything."""
Format = Literal["ndjson", "csv", "parquet"]
Progress = Callable[[str, int, int], None]
Pages = AsyncGenerator[tuple[Sequence[StoredEvent], int]]
"""Some events in order, possibly none, each time with the position up to which they are all."""
_TEXT = "text; in csv with an apostrophe before a first = + - @, tab, line end or apostrophe"
COLUMNS: dict[str, str] = {
    "position": "integer of 64 bits: 1, 2, 3 … in the log; leaf index + 1",
    "stream": _TEXT,
    "version": "integer of 64 bits: 1, 2, 3 … in the stream",
    "type": _TEXT,
    "schema": "integer of 32 bits: of the stored form of data",
    "event_id": "UUID, as text",
    "occurred_at": "UTC, to the microsecond: business time",
    "recorded_at": "UTC, to the microsecond: when it came into the log",
    "merchant": _TEXT,
    "correlation": _TEXT,
    "causation": _TEXT,
    "metadata": "bytes: JSON as stored; base64 in ndjson and csv",
    "data": "bytes: JSON as stored, personal fields sealed; base64 in ndjson and csv",
    "leaf_hash": "32 bytes: SHA-256 over all others but the position; base64 in ndjson and csv",
}
READABLE: dict[str, str] = {
    "metadata_json": "text: metadata as it reads; empty where it is no UTF-8",
    "data_json": "text: data as it reads; empty where it is no UTF-8",
}
"""What csv and parquet have behind those columns, for who looks at them: the bytes as text. No hash covers
these."""


def columns_of(format_: Format) -> dict[str, str]:
    """What each column holds, in their order."""
    return COLUMNS if format_ == "ndjson" else COLUMNS | READABLE


def readable(event: StoredEvent, name: str) -> str:
    """The value of such a column."""
    raw: bytes = getattr(event, name.removesuffix("_json"))
    with suppress(UnicodeDecodeError):
        return raw.decode()
    return ""


class CannotExport(Exception):
    """Nothing was written; the message says what to do."""

    expected = True


@dataclass(frozen=True, slots=True)
class Searched:
    """Whose events, and which of them, are exported, where it is not all of a range."""

    history: History
    wanted: EventFilter

    @property
    def conditions(self) -> dict[str, str]:
        told = {name: value for name, value in asdict(self.wanted).items() if value is not None}
        return {name: at.isoformat() if isinstance(at, datetime) else at for name, at in told.items()}


class Writer(Protocol):
    """Writes pages of events into an open file; `close` ends what the format needs at its end."""

    def write(self, events: Sequence[StoredEvent]) -> None: ...
    def close(self) -> None: ...


class Lines:
    """One JSON object a line, as `services/audit/verifier.py` reads it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, events: Sequence[StoredEvent]) -> None:
        self._file.write(b"".join(map(line_of, events)))

    def close(self) -> None:
        """A line ends itself."""


class Csv:
    """RFC 4180, with a line of names first. Text that a spreadsheet would take for a formula has an
    apostrophe before it, and so has text that begins with one: whoever takes the first one away has the
    value."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._row(io.StringIO(), [tuple(columns_of("csv"))])

    def write(self, events: Sequence[StoredEvent]) -> None:
        self._row(io.StringIO(), [self._values(event) for event in events])

    def close(self) -> None:
        """A row ends itself."""

    def _row(self, text: io.StringIO, rows: Sequence[Sequence[Any]]) -> None:
        csv.writer(text).writerows(rows)
        self._file.write(text.getvalue().encode())

    def _values(self, event: StoredEvent) -> list[Any]:
        stored = [_cell(getattr(event, name)) for name in COLUMNS]
        return stored + [_cell(readable(event, name)) for name in READABLE]


def _cell(value: Any) -> Any:
    match value:
        case bytes():
            return b64encode(value).decode()
        case datetime():
            return value.isoformat(timespec="microseconds").replace("+00:00", "Z")
        case str() if value.startswith(_FORMULAS):
            return f"'{value}"
        case _:
            return value


class Hashed(io.RawIOBase):
    """A file to write to, of which the hash and the length are known at the end."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.digest = sha256()
        self.length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.length += len(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self.length


@dataclass(slots=True)
class Summary:
    """What an export holds."""

    events: int = 0
    types: Counter[str] = field(default_factory=Counter)
    schemas: dict[str, set[int]] = field(default_factory=dict)
    frontier: Frontier = field(default_factory=Frontier)

    def add(self, events: Sequence[StoredEvent]) -> None:
        self.events += len(events)
        self.types.update(event.type for event in events)
        self.frontier.extend(event.leaf_hash for event in events)
        for name, schema in {(event.type, event.schema) for event in events}:
            self.schemas.setdefault(name, set()).add(schema)


def writer_for(format_: Format, file: IO[bytes]) -> Writer:
    """Raises CannotExport where the format's library is missing."""
    match format_:
        case "ndjson":
            return Lines(file)
        case "csv":
            return Csv(file)
        case "parquet":
            from services.audit.export_parquet import Parquet  # noqa: PLC0415 - a large library

            return Parquet(file)


async def export(
    log: PostgresLog,
    target: Path,
    format_: Format,
    first: int,
    last: int,
    progress: Progress,
    made_at: datetime,
    searched: Searched | None = None,
) -> dict[str, Any]:
    """Write the events from `first` to `last`, or those of them that are searched for, into `target`, and its
    manifest beside it; the manifest.

    Raises CannotExport for an empty range, where nothing is found, and for a file that is there already;
    LogDamaged where an event is missing, or is none.
    """
    head = await log.head()
    if not 1 <= first <= last <= head:
        raise CannotExport(f"there are no events {first} to {last}: the log holds 1 to {head}")
    manifest_file = target.with_name(target.name + ".manifest.json")
    _refuse_unwritable(target, manifest_file)
    summary = Summary()
    with _whole(target) as file:
        hashed = Hashed(file)
        writer = writer_for(format_, hashed)  # type: ignore[arg-type]
        pages = _found(searched, first, last) if searched else _all(log, first, last)
        async with aclosing(pages):
            await _write(pages, writer, summary, first, last, progress)
        assert searched or summary.events == last - first + 1, "positions have no gaps"
        if not summary.events:
            raise CannotExport(f"no event fits, from position {first} to {last}: nothing was written")
    manifest = _manifest(log, target, format_, first, last, summary, hashed, made_at)
    conditions = searched.conditions if searched else {}
    manifest |= {"partial": first > 1 or bool(conditions), "filter": conditions}
    with _whole(manifest_file) as file:
        file.write(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return manifest


def _refuse_unwritable(*files: Path) -> None:
    """Before the work is done. Raises CannotExport."""
    _refuse_what_is_there(*files)
    for directory in {each.parent for each in files}:
        if not directory.is_dir() or not os.access(directory, os.W_OK):
            why = "may not be written to" if directory.is_dir() else "is no directory"
            raise CannotExport(f"{files[0]} can't be written: {directory} {why}")


def _refuse_what_is_there(*files: Path) -> None:
    for each in files:
        if each.exists():
            raise CannotExport(f"{each} is there already: name another file with --to")


@contextmanager
def _whole(target: Path) -> Iterator[IO[bytes]]:
    """A file to write to that comes under its name once it is whole and on the disk.

    Raises CannotExport where another run has written one of that name meanwhile.
    """
    partial = target.with_name(f".{target.name}.{token_hex(8)}.partial")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _refuse_what_is_there(target)
        partial.rename(target)
        sync_directory(target.parent)
    except OSError as error:
        if error.errno is None:
            raise
        raise CannotExport(f"{target} can't be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            partial.unlink()


async def _all(log: PostgresLog, first: int, last: int) -> Pages:
    async with Ahead(lambda after: log.read_range(after, min(after + PAGE, last)), first - 1, last) as pages:
        while events := await pages.next():
            yield events, events[-1].position


async def _found(searched: Searched, first: int, last: int) -> Pages:
    async for step in searched.history.stream(searched.wanted, first - 1, last):
        yield step.events, step.reached


async def _write(
    pages: Pages, writer: Writer, summary: Summary, first: int, last: int, progress: Progress
) -> None:
    async for events, reached in pages:
        try:
            if events:
                writer.write(events)
            summary.add(events)
        except (TypeError, ValueError):
            _refuse_damage(events)
            raise
        progress("events", reached - first + 1, last - first + 1)
    writer.close()


def _refuse_damage(events: Sequence[StoredEvent]) -> None:
    """Raises LogDamaged for a row that is no event."""
    for event in events:
        if None in event or len(event.leaf_hash) != HASH_BYTES:
            raise LogDamaged("has no leaf hash, or no value where one must be", event.position)


def _manifest(
    log: PostgresLog,
    target: Path,
    format_: Format,
    first: int,
    last: int,
    summary: Summary,
    hashed: Hashed,
    made_at: datetime,
) -> dict[str, Any]:
    return {
        "format": format_,
        "format_version": FORMAT_VERSION,
        "file": target.name,
        "bytes": hashed.length,
        "sha256": hashed.digest.hexdigest(),
        "log": str(log.identity.log_id),
        "epoch": log.identity.epoch,
        "first_position": first,
        "last_position": last,
        "events": summary.events,
        "types": dict(sorted(summary.types.items())),
        "schemas": {name: sorted(schemas) for name, schemas in sorted(summary.schemas.items())},
        "root_hash": b64encode(summary.frontier.root()).decode(),
        "root_of": "the RFC 6962 tree over leaf_hash in the order of position",
        "columns": columns_of(format_),
        "made_at": made_at.isoformat(),
    }
