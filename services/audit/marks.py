"""What does a mark in a row stand for? The value that the event it names holds, if that may be seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from domain.personal import Erased, Sealed
from projections.read_models import PERSONAL_COLUMNS
from services.audit.difference import Change
from services.audit.folding import MARK
from services.audit.history import History
from services.audit.shown import Opening

SEALED, ERASED = {"sealed": True}, {"erased": True}
PAGE = 200


async def resolved(history: History, opening: Opening, rows: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Put into the rows of these tables, in place of each mark, the value, `{"sealed": true}` or
    `{"erased": true}`."""
    found = [
        (row, column, mark)
        for table, row in rows
        for column in PERSONAL_COLUMNS.get(table, ())
        if isinstance(row.get(column), str) and (mark := MARK.fullmatch(row[column]))
    ]
    positions = sorted({int(mark[1]) for _, _, mark in found})
    values: dict[int, Any] = {}
    for start in range(0, len(positions), PAGE):
        stored = await history.events(positions[start : start + PAGE])
        events = await opening.events(stored)
        values |= {each.position: event for each, event in zip(stored, events, strict=True)}
    for row, column, mark in found:
        row[column] = _value(getattr(values.get(int(mark[1])), mark[2], None), mark[3])


async def changes_shown(
    history: History, opening: Opening, changes: Sequence[Change]
) -> list[dict[str, Any]]:
    """Changes as JSON values, with what their marks stand for."""
    shown = [change.as_json() for change in changes]
    rows = []
    for change, told in zip(changes, shown, strict=True):
        column = change.path.removeprefix("/")
        for name in ("was", "now"):
            if name in told and "table" in change.of:
                # a row that comes or goes is told whole: a copy, as others may hold the same one
                row = dict(told[name]) if not column else {column: told[name]}
                rows.append((change.of["table"], row, told, name, column))
    await resolved(history, opening, [(table, row) for table, row, *_ in rows])
    for _, row, told, name, column in rows:
        told[name] = row[column] if column else row
    return shown


def _value(field: Any, part: str) -> Any:
    if isinstance(field, Erased):
        return ERASED
    return SEALED if field is None or isinstance(field, Sealed) else getattr(field, part)
