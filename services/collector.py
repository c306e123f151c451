"""How often may a process look for garbage in cycles? Seldom."""

from __future__ import annotations

import gc


def spare_the_collector() -> None:
    """What lives long here (caches, modules) has few cycles: the usual haste walks it again and again.

    All is walked when 5 million new objects are still there, and a quarter as many as are there for long:
    who throws away whole worlds of them calls `gc.collect()` then.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
