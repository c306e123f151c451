"""Reads of stock, purchase orders, transfers and stocktakes."""

from queries.inventory import purchases, stock, stocktakes, transfers

ROUTERS = (stock.router, purchases.router, transfers.router, stocktakes.router)
TAGS = (
    {"name": "stock", "description": "What is on hand, what of it is promised, and why it is so much."},
    {"name": "purchase orders", "description": "What was ordered of suppliers, and what came."},
    {"name": "transfers", "description": "What goes from one warehouse to another."},
    {"name": "stocktakes", "description": "What was counted, and how the books were corrected."},
)
