"""What do all answers of reads have in common? Their base class, their pages, and how they are documented.

Money is `…_cents`, integer minor units of the `currency` that stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from queries.dependencies import PARKED_HEADER, Reader, Rows
from services.web.pagination import Key, PageRequest, cursor_of, cut
from services.web.positions import POSITION_RESPONSE_HEADER
from services.web.problems import problem_responses

T = TypeVar("T", bound=BaseModel)
Cents = int


class Answer(BaseModel):
    """A row of a read model, as it goes out."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PageOf(BaseModel, Generic[T]):
    """A page of a list. Where `next_cursor` is null the list ends; else ask again with `cursor=` it."""

    items: list[T]
    next_cursor: str | None = Field(None, examples=["WyJuZXdlc3QiLCIyMDE4LTAzLTAxIl0"])


def page_of(model: type[T], rows: Rows, page: PageRequest, order: str, *keys: str) -> PageOf[T]:
    """The page of rows, which were asked for with `limit + 1`; `keys` are the columns they are sorted by."""
    shown, more = cut(rows, page.limit)
    cursor = cursor_of(order, *_keys(shown[-1], keys)) if more else None
    return PageOf[model](items=[model.model_validate(row) for row in shown], next_cursor=cursor)  # type: ignore[valid-type]


def _keys(row: dict[str, Any], keys: Sequence[str]) -> tuple[Key, ...]:
    return tuple(row[key] for key in keys)


def as_it_is(reader: Reader, answer: BaseModel) -> Response:
    """The answer of a route with several models: it is one of them, and need not be tried as each again."""
    headers = dict(reader.response.headers)
    return Response(answer.model_dump_json(), headers=headers, media_type="application/json")


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a read: its headers, and the problems that it may meet."""
    parked = {
        PARKED_HEADER: {
            "schema": {"type": "integer"},
            "description": "keys whose events could not be shown; absent where all are",
        }
    }
    return {200: {"headers": {**POSITION_RESPONSE_HEADER, **parked}}, **problem_responses(503, *statuses)}
