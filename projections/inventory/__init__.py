"""Read models of stock."""

from projections.inventory.stock_levels import STOCK_LEVELS

READ_MODELS = (STOCK_LEVELS,)
