"""What do the answers of the history look like?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_CHANGE = {
    "position": 17,
    "event_id": "0190c3f2-a1b4-7c3d-8e9f-001122334455",
    "type": "OrderConfirmed",
    "of": {"table": "orders", "key": {"merchant": "m1", "order_id": "1001"}},
    "path": "/status",
    "was": "reserved",
    "now": "confirmed",
}


class EventAnswer(BaseModel):
    """An event with its envelope. A personal field is `{"sealed": …}`, `{"erased": true}`, or opened."""

    position: int = Field(description="1, 2, 3 … over the whole log", examples=[17])
    event_id: str
    stream: str = Field(examples=["order-m1.1001"])
    version: int = Field(description="1, 2, 3 … in the stream", examples=[3])
    type: str = Field(examples=["OrderConfirmed"])
    schema_: int = Field(alias="schema", description="of the stored form; `data` is in the present one")
    merchant: str = Field(examples=["m1"])
    actor: str = Field(description="who gave the command", examples=["agent:order"])
    correlation: str = Field(description="what belongs together, such as a checkout")
    causation: str = Field(description="the event or request that caused it")
    occurred_at: datetime = Field(description="business time")
    recorded_at: datetime = Field(description="when it came into the log")
    metadata: dict[str, Any]
    data: dict[str, Any] = Field(examples=[{"order_id": "1001"}])
    unreadable: list[str] = Field(
        description="what of it can't be read, as a newer version wrote it or somebody altered it: `data` and"
        " `metadata` are what is stored then, or its `bytes` in base64, a time the last that there is",
        examples=[[]],
    )
    leaf_hash: str = Field(description="SHA-256, hexadecimal")


class EventsAnswer(BaseModel):
    """A page. Where `next_cursor` is null the search came to `until`; else go on with `cursor=` it.

    A page may have few events, or none, and yet go on: then they lie far apart.
    """

    items: list[EventAnswer]
    next_cursor: str | None = Field(examples=["WyJwb3NpdGlvbiIsMTddCg"])
    searched_until: int = Field(description="the position up to which all that fit were found", examples=[17])
    until: int = Field(description="where the search ends: the log's head when it began", examples=[4711])


class MadeBy(BaseModel):
    """The event that made a state."""

    position: int
    event_id: str
    type: str


class StreamStateAnswer(BaseModel):
    """An aggregate as it stood."""

    stream: str = Field(examples=["order-m1.1001"])
    position: int
    events: int = Field(description="how many the state is folded from; 0: it was not there yet")
    made_by: MadeBy | None
    state: dict[str, Any] | None = Field(
        description="null where it was not there yet", examples=[{"status": "confirmed"}]
    )


class ProcessStateAnswer(BaseModel):
    """An agent's process of a key, as the agent's present rules make it of what had happened."""

    agent: str = Field(examples=["order"])
    key: str = Field(examples=["order-m1.1001"])
    position: int
    events: int
    made_by: MadeBy | None
    state: dict[str, Any] | None = Field(
        description="null where it was not there yet", examples=[{"order_id": "1001", "confirmed": True}]
    )


class RowsAnswer(BaseModel):
    """Rows of a read model's table as it stood. A personal value is opened, or `{"sealed": true}`, or
    `{"erased": true}`."""

    table: str = Field(examples=["sales_by_day"])
    position: int
    folded_from: int = Field(description="the kept state that the rest of the log was folded upon; 0: none")
    parked: list[dict[str, Any]] = Field(
        description="keys that stood still then, each since a position: the handler fails on that event, and"
        " what follows of the key is in no row",
        examples=[[]],
    )
    items: list[dict[str, Any]] = Field(
        examples=[[{"merchant": "m1", "day": "2018-03-01", "net_cents": 6290}]]
    )
    next_cursor: str | None


class ChangesAnswer(BaseModel):
    """Changes in the order of their events. Applied one after the other to the state at `from` they make
    that at `to`; where `next_from` is not null, go on with `from_position=` it."""

    model_config = ConfigDict(populate_by_name=True)

    from_: int = Field(alias="from")
    to: int
    items: list[dict[str, Any]] = Field(
        description="of each: the event's `position`, `event_id` and `type`; `of` what; the `path` of the"
        " field, a JSON pointer; what it `was` and is `now`, each left out where there is nothing",
        examples=[[_CHANGE]],
    )
    next_from: int | None
