"""Does an order keep what is held for it, whatever becomes of its bookings? By the events alone.

Stock follows the order, its plan, and what is picked and what leaves: a label that is given back, refused, or
bought anew moves none of it, so who fulfils it again finds the same reservation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from domain.allocation import (
    AllocationChangeDropped,
    AllocationChangePlanned,
    AllocationPlanned,
    AllocationRevised,
)
from domain.carrier import (
    BookingFailed,
    CarrierChosen,
    CarrierUnavailable,
    LabelBought,
    LabelVoided,
    LabelVoidFailed,
    LabelVoidRequested,
    ParcelSplit,
    RebookingRequested,
    ShipmentDispatched,
    ShipmentRequested,
    ShipmentReturned,
)
from domain.inventory import (
    StockAllocated,
    StockPickedShort,
    StockReleased,
    StockReserved,
    StockReturned,
    StockShipped,
)
from domain.kernel import Event
from domain.order import (
    OrderCancelled,
    OrderConfirmed,
    OrderEditConfirmed,
    OrderEditDeclined,
    OrderEdited,
    OrderLinesCancelled,
    OrderPlaced,
)
from domain.warehouse.pick_list import PickListHandedOver, PickShorted
from services.simulation.invariants import History

_CUTS = (OrderCancelled, OrderLinesCancelled, OrderEdited, AllocationRevised)
_CAUSES: Mapping[type[Event], tuple[type[Event], ...]] = {
    StockReserved: (OrderPlaced, AllocationPlanned),
    StockAllocated: (OrderConfirmed, OrderEditConfirmed, AllocationChangePlanned),
    StockReleased: (*_CUTS, OrderEditDeclined, AllocationChangeDropped, StockAllocated),
    StockPickedShort: (PickShorted, OrderCancelled, AllocationRevised),
    StockShipped: (ShipmentDispatched, PickListHandedOver, *_CUTS),
    StockReturned: (ShipmentReturned,),
}
"""Of what moves an order's stock: what it follows from."""
_ONCE = (StockReserved, StockAllocated, StockReleased)
_BOOKINGS = (
    ShipmentRequested,
    CarrierChosen,
    BookingFailed,
    CarrierUnavailable,
    RebookingRequested,
    LabelBought,
    LabelVoidRequested,
    LabelVoided,
    LabelVoidFailed,
    ParcelSplit,
)


def stock_follows_its_order(history: History) -> Iterator[str]:
    """Reserve, call the booking off, book again: the same units are held, and nothing else of the order moves
    but its parcels. For each cause stock is held, or let go, once."""
    causes: dict[object, type[Event]] = {}
    moves: Counter[tuple[str, str, str]] = Counter()
    for fact in history.facts:
        kind, cause = type(fact.event), causes.get(fact.causation)
        name = f"position {fact.position}: {kind.__name__} of {fact.stream}"
        if kind in _CAUSES and cause not in _CAUSES[kind]:
            yield f"{name} follows from {cause.__name__ if cause else 'nothing'}"
        if cause in _BOOKINGS and fact.category in ("allocation", "order", "payment", "stock"):
            yield f"{name} follows from a booking"
        if kind in _ONCE:
            moves[kind.__name__, fact.stream, fact.causation] += 1
        causes[fact.event_id] = kind
    yield from (f"{what} {times} times: {key}" for (what, *key), times in moves.items() if times > 1)
