"""Where does a carrier show the way of a parcel? An address that its tracking number is put into."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from pydantic import Field

PLACEHOLDER = "{tracking_number}"
_IN_URL = r"[^\s\x00-\x20\x7f{}<>\"\\^`|]*"
TrackingTemplate = Annotated[
    str,
    Field(
        max_length=500,
        pattern=r"^(https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?[/?]"
        rf"{_IN_URL}\{{tracking_number\}}{_IN_URL})?$",
        examples=["https://track.swift.example/parcels/{tracking_number}"],
    ),
]
"""Over https, at a host that is written out, with `{tracking_number}` once and nothing else in braces; empty
where there is none."""


def tracking_url(template: str, tracking_number: str) -> str:
    return template.replace(PLACEHOLDER, quote(tracking_number, safe=""))
