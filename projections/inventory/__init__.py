"""Read models of stock, and of how goods come in, move between warehouses, and are counted."""

from projections.inventory.purchases import PURCHASES
from projections.inventory.stock_counts import STOCK_COUNTS
from projections.inventory.stock_ledger import STOCK_LEDGER
from projections.inventory.stock_levels import STOCK_LEVELS
from projections.inventory.stocktakes import STOCKTAKES
from projections.inventory.transfers import TRANSFERS

READ_MODELS = (STOCK_LEVELS, STOCK_LEDGER, PURCHASES, TRANSFERS, STOCKTAKES, STOCK_COUNTS)
