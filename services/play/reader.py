"""What do the CSV files in a directory say, and if they are broken, where?

Everything is read and checked before anything is returned, so that bad input leaves nothing half-done.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Collection, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar

from services.play import tables
from services.play.rows import OlistRows
from services.play.tables import Kind, Table

Row = TypeVar("Row")
_BYTE_ORDER_MARK = "\ufeff"


class BadInput(ValueError):
    """The input can't be read. The message begins with file and line: `olist_orders_dataset.csv.gz:17: …`.

    `line` is the physical line in the (unpacked) file, from 1; None where the file as a whole is meant.
    """

    expected = True
    """Told as one line, without a trace."""

    def __init__(self, file: str, line: int | None, reason: str) -> None:
        where = file if line is None else f"{file}:{line}"
        super().__init__(f"{where}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Read(Generic[Row]):
    """The rows of one file, and its name as it was found (with or without `.gz`)."""

    name: str
    rows: tuple[Row, ...]

    def keys(self, *fields: str) -> list[Any]:
        return list(map(attrgetter(*fields), self.rows))


def read_olist(directory: Path) -> OlistRows:
    """Read the dataset's files, `.csv` or `.csv.gz` (plain first); reviews may be missing.

    Raises BadInput for whatever is missing, cut off, malformed, or refers to a row that isn't there.
    """
    if not directory.is_dir():
        raise BadInput(str(directory), None, "there is no such directory")
    orders = _read(directory, tables.ORDERS)
    items = _read(directory, tables.ITEMS)
    payments = _read(directory, tables.PAYMENTS)
    customers = _read(directory, tables.CUSTOMERS)
    products = _read(directory, tables.PRODUCTS)
    sellers = _read(directory, tables.SELLERS)
    translations = _read(directory, tables.TRANSLATIONS)
    has_reviews = _find(directory, tables.REVIEWS.name) is not None
    reviews = _read(directory, tables.REVIEWS) if has_reviews else _Read(tables.REVIEWS.name, ())

    order_ids = _unique(orders, "order_id")
    _unique(items, "order_id", "item")
    _unique(translations, "category")
    _known(orders, "customer_id", _unique(customers, "customer_id"), "customer")
    _known(items, "product_id", _unique(products, "product_id"), "product")
    _known(items, "seller_id", _unique(sellers, "seller_id"), "seller")
    for of_order in (items, payments, reviews):
        _known(of_order, "order_id", order_ids, "order")
    unread = _find(directory, tables.GEOLOCATION)
    return OlistRows(
        orders.rows,
        items.rows,
        payments.rows,
        customers.rows,
        products.rows,
        sellers.rows,
        translations.rows,
        reviews.rows,
        unread=(unread.name,) if unread else (),
    )


def _find(directory: Path, name: str) -> Path | None:
    candidates = (directory / name, directory / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _read(directory: Path, table: Table[Row]) -> _Read[Row]:
    path = _find(directory, table.name)
    if path is None:
        raise BadInput(table.name, None, f"missing in {directory}, plain or as .gz")
    rows: list[Row] = []
    make: Any = table.row
    with closing(_records(path, table.whole_lines)) as records:
        line, header = next(records, (1, []))
        if not header:
            raise BadInput(path.name, line, "the file is empty; its first line should name the columns")
        columns = _columns(path, line, header, table.columns)
        for line, record in records:
            if len(record) != len(header):
                raise BadInput(
                    path.name, line, f"the row has {len(record)} fields, the header has {len(header)}"
                )
            try:
                rows.append(make(*[parse(record[index]) for index, parse in columns], line))
            except ValueError:
                raise _bad_value(path, line, header, record, table.columns) from None
    return _Read(path.name, tuple(rows))


def _columns(path: Path, line: int, header: list[str], wanted: dict[str, Kind]) -> list[tuple[int, Any]]:
    """Where each wanted column stands, and how it is parsed; columns that nobody wants are left alone."""
    missing = [name for name in wanted if name not in header]
    if missing:
        found = ", ".join(header)
        raise BadInput(path.name, line, f"the column {missing[0]} is missing; columns found: {found}")
    return [(header.index(name), kind.parse) for name, kind in wanted.items()]


def _bad_value(
    path: Path, line: int, header: list[str], record: list[str], columns: dict[str, Kind]
) -> BadInput:
    """What is wrong with a row that does not parse; only asked then, so that good rows are read fast."""
    for name, kind in columns.items():
        try:
            kind.parse(record[header.index(name)])
        except ValueError as error:
            return BadInput(path.name, line, f"{name}: {error}")
    raise AssertionError("a row was refused although each of its values is good")


def _records(path: Path, whole_lines: bool) -> Generator[tuple[int, list[str]], None, None]:
    """Each record with the line that it begins on; blank lines are skipped."""
    with closing(_lines(path, whole_lines)) as lines:
        reader = csv.reader(lines, strict=True)
        while True:
            begins = reader.line_num + 1
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise BadInput(path.name, begins, f"the row can't be read as CSV: {error}") from None
            if record:
                yield begins, record


def _lines(path: Path, whole_lines: bool) -> Generator[str, None, None]:
    """The file's lines as text, each decoded by itself so that a bad byte has a line."""
    number = 0
    try:
        with _open(path) as stream:
            for number, raw in enumerate(stream, 1):
                if whole_lines and not raw.endswith(b"\n"):
                    raise BadInput(path.name, number, "the file is cut off: its last row has no line break")
                yield _decoded(path, number, raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadInput(path.name, number + 1, f"the gzip file is cut off or damaged: {error}") from None
    except OSError as error:
        raise BadInput(path.name, None, f"can't be read: {error.strerror or error}") from None


def _open(path: Path) -> io.BufferedReader:
    # GzipFile is a buffered stream of bytes in all but its type; the wrapper reads its lines in C
    return io.BufferedReader(gzip.open(path) if path.suffix == ".gz" else path.open("rb", buffering=0))


def _decoded(path: Path, number: int, raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        bad = f"0x{raw[error.start]:02x} at byte {error.start + 1} of the line"
        raise BadInput(path.name, number, f"the line is not UTF-8: {bad}") from None
    if "\0" in text:
        raise BadInput(path.name, number, "the line holds a zero byte")
    return text.removeprefix(_BYTE_ORDER_MARK) if number == 1 else text


def _unique(read: _Read[Any], *fields: str) -> set[Any]:
    """The keys of all rows; BadInput at the first that comes twice."""
    keys = read.keys(*fields)
    seen = set(keys)
    if len(seen) != len(keys):
        first: dict[Any, int] = {}
        for row, key in zip(read.rows, keys, strict=True):
            before = first.setdefault(key, row.line)
            if before != row.line:
                raise BadInput(
                    read.name, row.line, f"{_said(fields, key)} comes twice; first in line {before}"
                )
    return seen


def _known(read: _Read[Any], field: str, known: Collection[Any], what: str) -> None:
    for row, key in zip(read.rows, read.keys(field), strict=True):
        if key not in known:
            raise BadInput(read.name, row.line, f"there is no {what} {key} in the dataset")


def _said(fields: Sequence[str], key: Any) -> str:
    values = key if len(fields) > 1 else (key,)
    return ", ".join(f"{field} {value}" for field, value in zip(fields, values, strict=True))
