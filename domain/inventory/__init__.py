"""Inventory: stock by SKU and warehouse, and how goods come in, go from one warehouse to another, are counted."""

from domain.inventory.purchase_order import PURCHASE
from domain.inventory.stock import STOCK
from domain.inventory.stocktake import STOCKTAKE
from domain.inventory.transfer import TRANSFER

AGGREGATES = (STOCK, PURCHASE, TRANSFER, STOCKTAKE)
