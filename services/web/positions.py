"""Which position of the log does an answer show, and which must it show at least?

`Tillroll-Position` says it; `Tillroll-Min-Position` asks for it, with `Prefer: wait=SECONDS` (RFC 7240) for
how long to wait. The tokens are opaque here: who answers knows the log that they belong to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header

from services.web.problems import Problem

POSITION_HEADER = "Tillroll-Position"
MIN_POSITION_HEADER = "Tillroll-Min-Position"
WAIT_SECONDS_MAX = 30.0
_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?([0-9]{1,6})"?\s*(?=$|[,;])', re.IGNORECASE)

POSITION_RESPONSE_HEADER: dict[str, Any] = {
    POSITION_HEADER: {
        "schema": {"type": "string", "examples": ["0190c3f2a1b4.1.17"]},
        "description": "the position of the log that this answer shows",
    }
}
"""For the `headers` of a response in OpenAPI."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """What a reader asks for: at least this position (None: whatever there is), waiting so long for it."""

    min_position: str | None = None
    wait_seconds: float = 0.0


def parse_wait(prefer: str | None) -> float:
    """The seconds of `wait` in a `Prefer` header, at most 30; 0 where there is none."""
    found = _WAIT.search(prefer or "")
    return min(WAIT_SECONDS_MAX, float(found.group(1))) if found else 0.0


async def freshness_of_request(
    min_position: Annotated[
        str | None,
        Header(
            alias=MIN_POSITION_HEADER,
            description=f"show at least this position: the {POSITION_HEADER} of a command's answer",
        ),
    ] = None,
    prefer: Annotated[
        str | None,
        Header(description=f"how long to wait for it, at most {WAIT_SECONDS_MAX:.0f} s", examples=["wait=5"]),
    ] = None,
) -> Freshness:
    return Freshness((min_position or "").strip() or None, parse_wait(prefer))


WantedFreshness = Annotated[Freshness, Depends(freshness_of_request)]
"""The type of a route's parameter that wants to know it."""


def foreign_position(detail: str) -> Problem:
    """400: the token is malformed, or of another log or epoch; waiting for it would never end."""
    return Problem(400, "foreign-position", detail)
