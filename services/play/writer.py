"""How are rows written as the files of the Olist dataset, with that dataset's own habits?

Customers' zip prefixes lose leading zeros, amounts their last zero, and the translation begins with a
byte-order mark: what reads these files must cope with the real ones.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path
from typing import Any

from services.play import tables
from services.play.rows import OlistRows
from services.play.tables import Table


def write_olist(rows: OlistRows, directory: Path, *, compressed: bool = False) -> None:
    """Write all eight files into `directory`, made if need be; with `compressed` as `.csv.gz`."""
    directory.mkdir(parents=True, exist_ok=True)
    files: tuple[tuple[Table[Any], Iterable[object]], ...] = (
        (tables.ORDERS, rows.orders),
        (tables.ITEMS, rows.items),
        (tables.PAYMENTS, rows.payments),
        (tables.CUSTOMERS, rows.customers),
        (tables.PRODUCTS, rows.products),
        (tables.SELLERS, rows.sellers),
        (tables.TRANSLATIONS, rows.translations),
        (tables.REVIEWS, rows.reviews),
    )
    for table, records in files:
        written = _written(table, records)
        if compressed:
            (directory / f"{table.name}.gz").write_bytes(gzip.compress(written, compresslevel=6, mtime=0))
        else:
            (directory / table.name).write_bytes(written)


def _written(table: Table[Any], records: Iterable[object]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.columns)
    fields = [name for name in table.row.__dataclass_fields__ if name != "line"]
    columns = [
        (attrgetter(name), kind.write) for name, kind in zip(fields, table.columns.values(), strict=True)
    ]
    writer.writerows([write(get(record)) for get, write in columns] for record in records)
    return text.getvalue().encode("utf-8-sig" if table.byte_order_mark else "utf-8")
