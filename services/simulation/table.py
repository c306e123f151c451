"""What is a table in memory? Rows by their primary key, and of each change how it is taken back."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from psycopg.errors import CardinalityViolation, UniqueViolation

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Undo = Callable[[], None]


class Table(Generic[K, V]):
    """Rows by their primary key; each change tells how it is taken back."""

    def __init__(self, changed: Callable[[Undo], None]) -> None:
        self.rows: dict[K, V] = {}
        self.touched: set[K] = set()
        """Rows that the present statement has changed."""
        self._changed = changed

    def get(self, key: K) -> V | None:
        return self.rows.get(key)

    def put(self, key: K, row: V) -> None:
        before = self.rows.get(key)
        self._changed(self._undo(key, before))
        self.touched.add(key)
        self.rows[key] = row

    def update(self, key: K, row: V) -> bool:
        """Once: a statement does not see what it changed itself."""
        fresh = key not in self.touched
        if fresh:
            self.put(key, row)
        return fresh

    def upsert(self, key: K, row: V) -> None:
        """ON CONFLICT DO UPDATE; raises CardinalityViolation for a row that the statement has changed."""
        if key in self.touched:
            raise CardinalityViolation(f"row {key} is affected a second time")
        self.put(key, row)

    def insert(self, key: K, row: V) -> None:
        """Raises UniqueViolation."""
        if key in self.rows:
            raise UniqueViolation(f"there is a row {key} already")
        self.put(key, row)

    def add(self, key: K, row: V) -> bool:
        """Whether it is new: ON CONFLICT DO NOTHING."""
        if key in self.rows:
            return False
        self.put(key, row)
        return True

    def delete(self, key: K) -> None:
        """Unless the statement has changed it: see `update`."""
        if key in self.rows and key not in self.touched:
            self._changed(self._undo(key, self.rows.pop(key)))
            self.touched.add(key)  # nor is it there to be updated by an upsert

    def _undo(self, key: K, before: V | None) -> Undo:
        def undo() -> None:
            if before is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = before

        return undo
