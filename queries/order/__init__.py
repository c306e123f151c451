"""Reads of orders, and of what was sold by them."""

from queries.order import changes, counts, discrepancies, export, kpis, orders, sales

ROUTERS = (
    orders.router,
    counts.router,
    export.router,
    changes.router,
    discrepancies.router,
    kpis.router,
    sales.router,
)
TAGS = (
    {"name": "orders", "description": "What was bought, and how far it has come."},
    {"name": "sales", "description": "What was sold: by day, by product, by category."},
)
