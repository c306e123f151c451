"""How deep is a JSON text nested? Told from its brackets, before anything is made of it."""

from __future__ import annotations

import re
from itertools import accumulate

DEPTH_MAX = 32
_STRINGS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_OTHERS = bytes(each for each in range(256) if each not in b"[]{}")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def too_deep(body: bytes, depth_max: int = DEPTH_MAX) -> bool:
    """Whether it is nested deeper than that. What is not JSON may be called either: it is refused anyhow."""
    if body.count(b"[") + body.count(b"{") <= depth_max:
        return False
    brackets = _STRINGS.sub(b"", body).translate(_STEPS, _OTHERS)
    return max(accumulate(memoryview(brackets).cast("b")), default=0) > depth_max
