"""Reads of carriers: their rates, the rule that chooses among them, and how reliable each has been."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, Path
from pydantic import Field

from domain.carrier.rates import Service
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader, Statement
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_int, as_str
from services.web.problems import not_found

router = APIRouter(prefix="/v1/carriers", tags=["carriers"], responses=documented())
_QUERIES = load_queries("queries", "carriers.sql")
CarrierName = Annotated[str, Path(max_length=60, examples=["swift"])]


class Carrier(Answer):
    carrier: str = Field(examples=["swift"])
    name: str
    suspended: bool = Field(description="it gets no more parcels")
    suspended_reason: str | None = Field(description="of the last time")
    tracking_template: str | None = Field(
        description="where it shows the way of parcels",
        examples=["https://track.swift.example/parcels/{tracking_number}"],
    )
    versions_count: int = Field(description="rate cards that were published")
    added_at: datetime


class RateCard(Answer):
    """Prices that hold from a moment on, until the next version does."""

    carrier: str
    version: int
    currency: str
    effective_from: datetime
    published_at: datetime
    services: list[Service] = Field(description="as they were published")


class CarrierRule(Answer):
    """How a carrier is chosen; the default, where nobody has set one."""

    prefer: str = Field("cost", examples=["balanced"])
    day_cents: int = 0
    late_cents: int = 0
    days_max: int | None = None
    on_time_min_permille: int = 0
    unit_weight_g: int = Field(
        500, description="of a unit that the catalogue does not know, as all that follow"
    )
    unit_length_mm: int = 0
    unit_width_mm: int = 0
    unit_height_mm: int = 0
    set_at: datetime | None = None


class Reliability(Answer):
    """Of all our parcels whose end is known; the choice goes by the last 200 of them."""

    carrier: str
    service: str
    parcels_count: int
    on_time_count: int = Field(description="delivered within the days that the service promises")
    on_time_permille: int
    days_late: int = Field(description="of all late ones together")


@router.get(
    "",
    operation_id="list_carriers",
    dependencies=[requires("carriers:read")],
    summary="Carriers, by name",
)
async def list_carriers(reader: MerchantReader, page: Page) -> PageOf[Carrier]:
    (after,) = page.after("carrier", as_str) or (None,)
    arguments = {"after": after, "limit": page.limit + 1}
    rows = (
        await reader.rows(
            ("carriers",), (_QUERIES.list_carriers.sql, arguments), views=("carriers", "tracking_links")
        )
    )[0]
    return page_of(Carrier, rows, page, "carrier", "carrier")


@router.get(
    "/rule",
    operation_id="get_carrier_rule",
    dependencies=[requires("carriers:read")],
    summary="How carriers are chosen",
)
async def get_carrier_rule(reader: MerchantReader) -> CarrierRule:
    statement: Statement = (_QUERIES.get_rule.sql, {})
    rows = (await reader.rows(("carriers",), statement, views=("carriers", "carrier_rules")))[0]
    return CarrierRule.model_validate(rows[0] if rows else {})


@router.get(
    "/reliability",
    operation_id="list_carrier_reliability",
    dependencies=[requires("carriers:read")],
    summary="How each service fared with our parcels",
)
async def list_reliability(reader: MerchantReader, page: Page) -> PageOf[Reliability]:
    after_carrier, after_service = page.after("service", as_str, as_str) or (None, None)
    arguments = {"after_carrier": after_carrier, "after_service": after_service, "limit": page.limit + 1}
    rows = (await reader.rows(("carrier_records",), (_QUERIES.list_reliability.sql, arguments)))[0]
    return page_of(Reliability, rows, page, "service", "carrier", "service")


@router.get(
    "/{carrier}/rate-cards",
    operation_id="list_rate_cards",
    dependencies=[requires("carriers:read")],
    summary="A carrier's rates, the last version first",
    responses=documented(404),
)
async def list_rate_cards(reader: MerchantReader, carrier: CarrierName, page: Page) -> PageOf[RateCard]:
    (after,) = page.after("version", as_int) or (None,)
    statements: list[Statement] = [
        (_QUERIES.get_carrier.sql, {"carrier": carrier}),
        (_QUERIES.list_rate_cards.sql, {"carrier": carrier, "after": after, "limit": page.limit + 1}),
    ]
    found, rows = await reader.rows(("carriers",), *statements, views=("carriers", "rate_cards"))
    if not found:
        raise not_found("carrier", carrier)
    cards = [{**row, "services": orjson.loads(row["services"])} for row in rows]
    return page_of(RateCard, cards, page, "version", "version")
