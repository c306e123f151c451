"""Reads of warehouses, allocation rules and pick lists."""

from queries.warehouse import network, pick_lists

ROUTERS = (network.router, network.rules_router, pick_lists.router)
TAGS = (
    {"name": "warehouses", "description": "Where goods are kept, and by which rules orders are spread."},
    {
        "name": "picking",
        "description": "What is to be fetched, packed and handed over, warehouse by warehouse.",
    },
)
