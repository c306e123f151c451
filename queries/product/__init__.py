"""Reads of the catalogue: products with their variants and prices, and categories."""

from queries.product import analytics, catalogue, export, item, search, shop

ROUTERS = (catalogue.router, item.router, search.router, export.router, analytics.router, *shop.DOORS)
TAGS = (
    {
        "name": "catalogue",
        "description": "Products with their variants and prices, and what categories are called.",
    },
)
