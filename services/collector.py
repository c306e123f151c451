"""How often may a process look for garbage in cycles? Seldom."""

from __future__ import annotations

import gc


def spare_the_collector() -> None:
    """What lives long here (caches, modules) has few cycles: the usual haste walks it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
