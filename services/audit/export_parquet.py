"""How are events written as Parquet? A row group a page, compressed, with the types that the columns have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from eventstore.log import StoredEvent
from services.audit.export import COLUMNS, READABLE, CannotExport, columns_of, readable

try:
    import pyarrow as pa
    from pyarrow import parquet
except ImportError:
    raise CannotExport(
        "Parquet needs pyarrow: install it with `pip install 'tillroll[parquet]'`, or export ndjson or csv"
    ) from None

_TEXT, _BYTES, _TIME = pa.string(), pa.binary(), pa.timestamp("us", tz="UTC")
_TYPES = {
    "position": pa.int64(),
    "version": pa.int64(),
    "schema": pa.int32(),
    "occurred_at": _TIME,
    "recorded_at": _TIME,
    "metadata": _BYTES,
    "data": _BYTES,
    "leaf_hash": pa.binary(32),
}
SCHEMA = pa.schema(
    [pa.field(name, _TYPES.get(name, _TEXT), nullable=False) for name in columns_of("parquet")]
)


class Parquet:
    """See `export.Writer`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._writer = parquet.ParquetWriter(file, SCHEMA, compression="zstd")

    def write(self, events: Sequence[StoredEvent]) -> None:
        columns = {name: [getattr(event, name) for event in events] for name in COLUMNS}
        columns |= {name: [readable(event, name) for event in events] for name in READABLE}
        columns["event_id"] = list(map(str, columns["event_id"]))
        self._writer.write_table(pa.table(columns, schema=SCHEMA), row_group_size=len(events))

    def close(self) -> None:
        self._writer.close()
