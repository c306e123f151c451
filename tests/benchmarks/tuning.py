"""How are the processes of a benchmark tuned? As those of the system are."""

from __future__ import annotations

import gc


def as_our_processes() -> None:
    """What lives long has no cycles: looked through seldom. A help to every client that is measured."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
