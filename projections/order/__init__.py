"""Read models of orders: lines, timelines, holds, notes, tags, changes, what contradicts them, what was sold,
and checkouts.
"""

from domain.order import OrderAddressChanged, OrderNoteAdded, OrderPlaced
from projections.order.checkouts import CHECKOUTS
from projections.order.order_changes import ORDER_CHANGES
from projections.order.order_discrepancies import ORDER_DISCREPANCIES
from projections.order.order_holds import ORDER_HOLDS
from projections.order.order_kpis import ORDER_KPIS
from projections.order.order_lines import ORDER_LINES
from projections.order.order_notes import ORDER_NOTES
from projections.order.order_tags import ORDER_TAGS
from projections.order.order_timeline import ORDER_TIMELINE
from projections.order.orders import ORDERS
from projections.order.sales import SALES

READ_MODELS = (
    ORDERS,
    ORDER_LINES,
    ORDER_TIMELINE,
    ORDER_HOLDS,
    ORDER_NOTES,
    ORDER_TAGS,
    ORDER_CHANGES,
    ORDER_DISCREPANCIES,
    ORDER_KPIS,
    SALES,
    CHECKOUTS,
)
OPENED = (OrderPlaced, OrderAddressChanged, OrderNoteAdded)
