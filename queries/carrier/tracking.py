"""Where can the way of a parcel be seen? At its carrier's, by the link that the merchant has set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from domain.carrier.tracking import tracking_url
from queries.models import Answer


class Tracked(Answer):
    """A row with a `tracking_number` and the `tracking_template` of its carrier."""

    @model_validator(mode="before")
    @classmethod
    def _linked(cls, row: Any) -> Any:
        if not isinstance(row, Mapping):
            return row
        template, number = row.get("tracking_template"), row.get("tracking_number")
        return {**row, "tracking_url": tracking_url(template, number) if template and number else None}
