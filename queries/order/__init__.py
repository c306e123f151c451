"""Reads of orders, and of what was sold by them."""

from queries.order import changes, counts, export, orders, sales

ROUTERS = (orders.router, counts.router, export.router, changes.router, sales.router)
TAGS = (
    {"name": "orders", "description": "What was bought, and how far it has come."},
    {"name": "sales", "description": "What was sold: by day, by product, by category."},
)
