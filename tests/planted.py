"""Which of the planted bugs are tried? All, or by turns as many as there is time for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
WHICH, OF = map(int, os.environ.get("TILLROLL_PLANTED", "0/1").split("/"))
"""`1/3`: the second of each three. CI takes its turn from the commit."""


def in_turns(planted: Sequence[T]) -> Sequence[T]:
    return planted[WHICH % OF :: OF]
