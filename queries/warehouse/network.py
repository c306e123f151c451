"""Reads of warehouses, and of the rules that orders are allocated by."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Query
from pydantic import BeforeValidator, Field

from domain.allocation.rules import Rule
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader
from queries.models import Answer, PageOf, documented, page_of
from services.web.access import requires
from services.web.pagination import Page, as_int, as_str
from services.web.problems import not_found

router = APIRouter(prefix="/v1/warehouses", tags=["warehouses"], responses=documented())
rules_router = APIRouter(prefix="/v1/allocation-rules", tags=["warehouses"], responses=documented())
_QUERIES = load_queries("queries", "warehouse.sql")


class Warehouse(Answer):
    """A warehouse, and whether orders are allocated to it."""

    warehouse: str = Field(examples=["north"])
    name: str = Field(examples=["North"])
    country: str = Field(examples=["BR"])
    state: str = Field(examples=["RJ"])
    zip_prefix: str = Field(examples=["20000"])
    is_open: bool
    note: str = Field(description="why it was closed or opened last")
    registered_at: datetime
    changed_at: datetime
    changed_by: str = Field(examples=["user:0190c3f2"])


@router.get(
    "",
    operation_id="list_warehouses",
    dependencies=[requires("warehouses:read")],
    summary="Warehouses, by name",
)
async def list_warehouses(
    reader: MerchantReader,
    page: Page,
    is_open: Annotated[bool | None, Query(description="open ones, or closed ones")] = None,
) -> PageOf[Warehouse]:
    (after,) = page.after("warehouse", as_str) or (None,)
    arguments = {"is_open": is_open, "after": after, "limit": page.limit + 1}
    rows = (await reader.rows(("warehouses",), (_QUERIES.list_warehouses.sql, arguments)))[0]
    return page_of(Warehouse, rows, page, "warehouse", "warehouse")


@router.get(
    "/{warehouse}",
    operation_id="get_warehouse",
    dependencies=[requires("warehouses:read")],
    summary="One warehouse",
    responses=documented(404),
)
async def get_warehouse(
    reader: MerchantReader, warehouse: Annotated[str, Path(max_length=200, examples=["north"])]
) -> Warehouse:
    (found,) = await reader.rows(("warehouses",), (_QUERIES.get_warehouse.sql, {"warehouse": warehouse}))
    if not found:
        raise not_found("warehouse", warehouse)
    return Warehouse.model_validate(found[0])


def _parsed(rules: Any) -> Any:
    return orjson.loads(rules) if isinstance(rules, str) else rules


class AllocationRulesVersion(Answer):
    """Rules in their order, since when they count, and who set them."""

    version: int = Field(examples=[2])
    rules: Annotated[list[Rule], BeforeValidator(_parsed)] = Field(
        description="none: orders are reserved where their lines say"
    )
    when_short: Literal["", "all_or_nothing", "ship_available", "backorder"]
    effective_from: datetime
    restores: int | None = Field(description="the version that was set again")
    note: str
    set_at: datetime
    set_by: str = Field(examples=["user:0190c3f2"])


@rules_router.get(
    "",
    operation_id="list_allocation_rules",
    dependencies=[requires("warehouses:read")],
    summary="Versions of the rules of allocation, newest first",
)
async def list_allocation_rules(reader: MerchantReader, page: Page) -> PageOf[AllocationRulesVersion]:
    """An order's allocation says by which of them it was planned."""
    (before,) = page.after("version", as_int) or (None,)
    arguments = {"before": before, "limit": page.limit + 1}
    rows = (await reader.rows(("allocation_rules",), (_QUERIES.list_versions.sql, arguments)))[0]
    return page_of(AllocationRulesVersion, rows, page, "version", "version")


@rules_router.get(
    "/{version}",
    operation_id="get_allocation_rules",
    dependencies=[requires("warehouses:read")],
    summary="One version of the rules of allocation",
    responses=documented(404),
)
async def get_allocation_rules(
    reader: MerchantReader, version: Annotated[int, Path(ge=1, le=2**53, examples=[1])]
) -> AllocationRulesVersion:
    (found,) = await reader.rows(("allocation_rules",), (_QUERIES.get_version.sql, {"version": version}))
    if not found:
        raise not_found("version of the allocation rules", str(version))
    return AllocationRulesVersion.model_validate(found[0])
