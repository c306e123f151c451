"""Which names of the tz database are known here?"""

from __future__ import annotations

from typing import Annotated, TypeAlias
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field

TIME_ZONES = frozenset(available_timezones()) - {"localtime", "Factory"}
"""Not a server's own one, and not that of nobody."""


def known(time_zone: str) -> str:
    """Raises ValueError for a name that is none."""
    if time_zone not in TIME_ZONES:
        raise ValueError("it is no name of the tz database, such as America/Sao_Paulo")
    return time_zone


TimeZone: TypeAlias = Annotated[
    str, Field(max_length=60, examples=["America/Sao_Paulo"]), AfterValidator(known)
]
