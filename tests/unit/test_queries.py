"""Which statements of the queries keep their plan?"""

from __future__ import annotations

from importlib import resources
from itertools import product
from typing import get_args

from eventstore.queries import load_queries
from queries.dependencies import is_prepared
from queries.product import search

_PLANNED_ANEW = {
    "list_discrepancies",
    "list_manifests",
    "list_rate_cards",
    "list_invoices",
    "list_reliability",
    "list_carriers",
    "conditions",
    "get_kpis",
    "list_account_orders",
    "list_backorders",
    "list_carts",
    "list_carts_by_day",
    "list_allocations",
    "list_categories",
    "list_checkouts",
    "list_disputes",
    "list_holds",
    "list_lapsing_payments",
    "list_late_deliveries",
    "list_low_stock",
    "list_methods",
    "list_movements",
    "list_order_changes",
    "list_order_discrepancies",
    "list_orders",
    "list_parked_keys",
    "list_payments",
    "list_price_history",
    "list_product_days",
    "list_product_prices",
    "list_pick_lists",
    "list_products",
    "list_purchases",
    "list_sales_by_category",
    "list_sales_by_day",
    "list_sales_by_product",
    "list_shipments",
    "list_stock",
    "list_stocktakes",
    "list_top_products",
    "list_transfers",
    "rank_products",
    "search_products",
    "list_versions",
    "list_warehouses",
}


def test_what_has_filters_that_may_be_missing_is_planned_anew() -> None:
    files = [each.name for each in (resources.files("queries") / "sql").iterdir()]
    statements = {
        name: getattr(queries, name).sql
        for queries in (load_queries("queries", name) for name in files)
        for name in queries.available_queries
        if not name.endswith("_cursor")
    }
    assert {name for name, text in statements.items() if not is_prepared(text)} == _PLANNED_ANEW
    filled_in = [
        text
        for kind, by_id in product(search.PARTS, (False, True))
        for text in (
            search.STATEMENTS.ranked(kind, by_id=by_id),
            search.STATEMENTS.counted(kind, by_id=by_id),
            search.STATEMENTS.first(kind, by_id=by_id),
            *(search.STATEMENTS.listed(kind, sort) for sort in get_args(search.Sort)),
        )
    ]
    assert not any(map(is_prepared, filled_in))
    # where none are missing, or only the person: the key finds the row
    assert {"get_order", "get_order_lines", "read_standing"} < statements.keys()
