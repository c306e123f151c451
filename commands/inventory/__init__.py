"""Commands of stock, purchase orders, transfers and stocktakes."""

from commands.inventory import purchases, stock, stocktakes, transfers
from domain.inventory.purchase_order import PlacePurchaseOrder
from domain.inventory.stocktake import StartStocktake
from domain.inventory.transfer import PlanTransfer

ROUTERS = (stock.router, purchases.router, transfers.router, stocktakes.router)
LEADS_TO = (
    (PlacePurchaseOrder, purchases.named_by_purchase),
    (PlanTransfer, transfers.named_by_transfer),
    (StartStocktake, stocktakes.named_by_stocktake),
)
