"""Which stocktakes are there, and how far are they? What was found stock by stock is in `stock_counts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from domain.inventory.stocktake import (
    STOCKTAKE,
    StocktakeCancelled,
    StocktakeCounted,
    StocktakeFinished,
    StocktakeStarted,
)
from domain.kernel import Fact
from projections.read_model import ReadModel, Rows


class StartedStocktake(NamedTuple):
    merchant: str
    stocktake_id: str
    warehouse: str
    note: str
    skus_count: int
    started_at: datetime


class ListedSku(NamedTuple):
    """A SKU of a stocktake, and what was counted of it."""

    merchant: str
    stocktake_id: str
    sku: str
    counted: int | None


@dataclass(slots=True)
class Touched:
    """A stocktake whose counts are to be summed up anew; how it ended, if it did."""

    merchant: str
    stocktake_id: str
    status: str | None = None
    ended_at: datetime | None = None


def project(facts: Sequence[Fact]) -> Rows:
    started: list[StartedStocktake] = []
    listed: dict[tuple[str, str, str], ListedSku] = {}
    touched: dict[tuple[str, str], Touched] = {}
    for fact in facts:
        event = fact.event
        key = (fact.merchant, event.stocktake_id)  # type: ignore[attr-defined]
        mine = touched.setdefault(key, Touched(*key))
        match event:
            case StocktakeStarted(warehouse=warehouse, note=note, skus=skus):
                started.append(StartedStocktake(*key, warehouse, note, len(skus), fact.occurred_at))
                listed |= {(*key, sku): ListedSku(*key, sku, None) for sku in skus}
            case StocktakeCounted(sku=sku, counted=counted):
                listed[*key, sku] = ListedSku(*key, sku, counted)
            case StocktakeFinished():
                mine.status, mine.ended_at = "finished", fact.occurred_at
            case StocktakeCancelled():
                mine.status, mine.ended_at = "cancelled", fact.occurred_at
    return {
        "start_stocktakes": started,
        "list_skus": list(listed.values()),
        "sum_up_stocktakes": list(touched.values()),
    }


STOCKTAKES = ReadModel("stocktakes", ("stocktakes", "stocktake_skus"), STOCKTAKE.events, project)
