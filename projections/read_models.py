"""Which read models are there, and which of their columns hold personal data in plain text?"""

from __future__ import annotations

from domain.contexts import exported
from domain.kernel import Event
from projections.read_model import ReadModel

READ_MODELS: dict[str, ReadModel] = {each.name: each for each in exported("projections", "READ_MODELS")}

OPENED: frozenset[type[Event]] = frozenset(exported("projections", "OPENED"))
"""Events whose personal fields read models see in plain text; those of every other event stay sealed."""

PERSONAL_COLUMNS: dict[str, tuple[str, ...]] = {
    table: columns for each in READ_MODELS.values() for table, columns in each.personal.items()
}
"""Table -> columns that erasing a person sets to NULL; the rows are found by `subject`."""
