"""Read models of orders: their lines, their timelines, what was sold by them, and checkouts."""

from domain.order import OrderPlaced
from projections.order.checkouts import CHECKOUTS
from projections.order.order_lines import ORDER_LINES
from projections.order.order_timeline import ORDER_TIMELINE
from projections.order.orders import ORDERS
from projections.order.sales import SALES

READ_MODELS = (
    ORDERS,
    ORDER_LINES,
    ORDER_TIMELINE,
    SALES,
    CHECKOUTS,
)
OPENED = (OrderPlaced,)
