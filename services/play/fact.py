"""What is a fact of a dataset: a value, and the words that say what it means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

Facts = dict[str, dict[str, Any]]
"""`{key: {"value": …, "what": …}}`; money is in decimal strings, stamps as the dataset writes them."""


def fact(value: Any, what: str) -> dict[str, Any]:
    return {"value": value, "what": what}


def count(rows: Iterable[Any], holds: Callable[[Any], bool]) -> int:
    return sum(1 for row in rows if holds(row))


def written(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
