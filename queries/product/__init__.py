"""Reads of the catalogue: products with their variants and prices, and categories."""

from queries.product import catalogue, item

ROUTERS = (catalogue.router, item.router)
TAGS = (
    {
        "name": "catalogue",
        "description": "Products with their variants and prices, and what categories are called.",
    },
)
