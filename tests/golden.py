"""What may a log hold, and is there a sample of all of it? Checks for any set of events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from domain.kernel import Event

_SAID_TO_PEOPLE = ("title", "description")
UNIT = Path(__file__).parent / "unit"


def load_rows(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((UNIT / name).read_text(encoding="utf-8"))
    return rows


def schemas_of(kinds: Mapping[str, type[Event]]) -> set[tuple[str, int]]:
    """Every schema that an event type has, or ever had."""
    return {(name, schema) for name, kind in kinds.items() for schema in range(1, kind.schema_version + 1)}


def sampled(rows: Iterable[Mapping[str, Any]]) -> set[tuple[str, int]]:
    return {(row["type"], row["schema_version"]) for row in rows}


def shape_of(kind: type[Event]) -> dict[str, Any]:
    """Fields, types, limits and defaults of an event class, without what is said to people."""
    shape: dict[str, Any] = _plain(kind.model_json_schema())
    return shape


def _plain(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _plain_part(name, part) for name, part in schema.items() if name not in _SAID_TO_PEOPLE}


def _plain_part(name: str, part: Any) -> Any:
    if name == "properties":  # a field may be called "title"; then what it is, is no text
        return {field: _plain(each) for field, each in part.items()}
    if name == "anyOf":  # the order in which forms are tried allows no more and no less
        return sorted(map(_plain, part), key=lambda form: json.dumps(form, sort_keys=True))
    return _plain(part)


def changed_shapes(kinds: Mapping[str, type[Event]], golden: Iterable[Mapping[str, Any]]) -> list[str]:
    """The types whose present schema is not in the golden list in just this shape."""
    known = {(row["type"], row["schema_version"]): _plain(row["shape"]) for row in golden}
    return [name for name, kind in kinds.items() if known.get((name, kind.schema_version)) != shape_of(kind)]


def as_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """The text of a golden file: a row a line."""
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n"
