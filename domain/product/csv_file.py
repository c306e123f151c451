"""How does a catalogue stand in a CSV file? A row a variant, with its product; the same file out and in.

A list in a cell is parted by `|`, which a backslash before it makes a part of the text. A cell that a
spreadsheet would take for a formula is written with an apostrophe before it, and read without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

COLUMNS = (
    "product_id",
    "name",
    "description",
    "brand",
    "category",
    "options",
    "sku",
    "option_values",
    "gtin",
    "weight_g",
    "length_cm",
    "height_cm",
    "width_cm",
    "prices",
    "channels",
    "status",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_PART = re.compile(r"((?:[^\\|]|\\.)*)(\||$)", re.DOTALL)


def written(cell: str) -> str:
    """A cell as it goes out: nothing that a spreadsheet would calculate."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def read(cell: str) -> str:
    """The cell that was written."""
    return cell[1:] if len(cell) > 1 and cell[0] == "'" and cell[1] in _FORMULA else cell


def joined(parts: Iterable[str]) -> str:
    return "|".join(re.sub(r"([\\|])", r"\\\1", part) for part in parts)


def parted(cell: str) -> list[str]:
    """The parts of a list; none of an empty cell."""
    if not cell:
        return []
    parts = []
    for found in _PART.finditer(cell):
        parts.append(re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL))
        if not found[2]:
            break
    return parts
