"""What do answers to "why" look like as JSON? Both the API and the command line give these."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field

from services.audit.causes import Cause, Kind
from services.audit.numbers import Explained


class CauseNode(BaseModel):
    """A node of the tree of causes, and what it led to."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "request 8e03978e-40d5-83dd-bc93-6894a57f9324",
                    "kind": "command",
                    "title": "command of user:0190c3f2 over HTTP",
                    "details": {"actor": "user:0190c3f2", "first_position": 2, "last_position": 2},
                    "position": None,
                    "at": None,
                    "missing": "",
                    "wanted": False,
                    "led_to": [],
                }
            ]
        }
    )

    id: str
    kind: Kind
    title: str = Field(description="what it is, in words")
    details: dict[str, Any] = Field(description="what is stored about it; personal fields never stand in it")
    position: int | None = Field(description="of an event in the log")
    at: datetime | None = Field(description="business time of an event, when a deadline is due, …")
    missing: str = Field(
        description="what is not stored about how it came to be; empty where nothing is missing"
    )
    wanted: bool = Field(description="it is what was asked about")
    led_to: list[CauseNode]


class PartOfNumber(BaseModel):
    position: int
    type: str
    stream: str
    occurred_at: datetime
    event_id: UUID
    part: int = Field(description="by how much the event changed the number")
    value: int = Field(description="the number after it")


class PartOfType(BaseModel):
    type: str
    events: int
    part: int


class NumberExplained(BaseModel):
    """A number of a read model, with the events that make it up."""

    table: str = Field(examples=["sales_by_day"])
    read_model: str = Field(examples=["sales"])
    key: dict[str, Any] = Field(examples=[{"merchant": "m1", "day": "2018-03-01", "currency": "BRL"}])
    column: str = Field(examples=["net_cents"])
    value: int | None = Field(description="what the read model shows", examples=[2300])
    sum: int = Field(description="what the events make", examples=[2300])
    adds_up: bool = Field(description="false: the read model does not show what the log says")
    formula: str | None = Field(description="of a column that is computed from others: how, in SQL")
    made_by: int | None = Field(description="the event that made the row, by its position")
    set_by: int | None = Field(description="the last event that changed the number, by its position")
    by_type: list[PartOfType]
    parts: list[PartOfNumber] = Field(description="in the order of the log, at most a thousand")
    parts_count: int = Field(description="how many there are in all")
    more_after: int | None = Field(description="there are more: ask again with `after` this position")
    found_in: str = Field(description="where the events were found")
    events: int = Field(description="how many were looked at")
    position: int = Field(description="up to where in the log the read model has come")


def tree_as_json(root: Cause) -> bytes:
    return orjson.dumps(root, option=orjson.OPT_UTC_Z, default=str)


def number_as_json(explained: Explained) -> bytes:
    told = {**asdict(explained), "adds_up": explained.adds_up}
    return orjson.dumps(told, option=orjson.OPT_UTC_Z, default=str)
