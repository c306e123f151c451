"""What may be asked of orders from outside: placed, prepared, cancelled, held, changed."""

from commands.order import changes, handling, placing
from commands.order.changes import named_by_change
from commands.order.placing import cancel_order, named_by_order, place_order, start_preparation
from domain.order import PlaceOrder, ProposeOrderEdit

__all__ = ["cancel_order", "place_order", "start_preparation"]
ROUTERS = (placing.router, handling.router, changes.router)
LEADS_TO = ((PlaceOrder, named_by_order), (ProposeOrderEdit, named_by_change))
