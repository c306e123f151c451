"""What can happen to the stock of one SKU in one warehouse? A warning: these classes are the storage format.

Every change of a quantity has an event of its own, and every event says its cause: an order, a reference
(purchase order, transfer), a stocktake, or a reason and a note.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from domain.kernel import Event, Quantity, Value

Id = Annotated[str, Field(min_length=1, max_length=200)]
AdjustReason: TypeAlias = Literal["count", "damage", "loss", "found", "correction", "other"]
Bucket: TypeAlias = Literal["available", "quality_control", "damaged"]
"""Where units on hand can lie, but for those that are committed to orders."""
Delta = Annotated[int, Field(ge=-(10**9), le=10**9)]
Count = Annotated[int, Field(ge=0, le=10**9)]
BACKORDER_UNITS_MAX, BACKORDER_DAYS_MAX = 10_000, 365


class StockRules(Value):
    """A merchant's rules for one SKU in one warehouse.

    `safety_stock` units are never promised. `backorder_limit` is how many units may be owed to waiting orders
    (0: none), each of which waits for `backorder_days` at most. At `reorder_point` units it is low on stock.
    """

    safety_stock: Count = 0
    backorder_limit: Annotated[int, Field(ge=0, le=BACKORDER_UNITS_MAX)] = 0
    backorder_days: Annotated[int, Field(ge=0, le=BACKORDER_DAYS_MAX)] = 0
    reorder_point: Count = 0


class StockReceived(Event):
    sku: Id
    warehouse: Id
    quantity: Quantity
    reference: str = ""


class StockAdjusted(Event):
    sku: Id
    warehouse: Id
    delta: Delta
    reason: AdjustReason
    note: str = ""


class StockMoved(Event):
    """On hand stays what it was: the units lie elsewhere from now on."""

    sku: Id
    warehouse: Id
    quantity: Quantity
    source: Bucket
    target: Bucket
    note: str = ""


class StockWrittenOff(Event):
    """Units that can't be sold any more are gone for good."""

    sku: Id
    warehouse: Id
    quantity: Quantity
    source: Literal["quality_control", "damaged"]
    note: str = ""


class StockRulesSet(Event):
    sku: Id
    warehouse: Id
    rules: StockRules
    was: StockRules


class StockReserved(Event):
    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    expires_at: AwareDatetime


class StockReservationRefused(Event):
    """`room`: for so many units more orders may wait here. None of events of before, which did not tell."""

    schema_version = 2
    refusal = True
    order_id: Id
    sku: Id
    warehouse: Id
    wanted: Quantity
    available: int
    room: Count | None = None


class ReservationExpired(Event):
    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


class ReservationRenewed(Event):
    """What is reserved stays so until another time than was said before."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    expires_at: AwareDatetime


class ReservationRestored(Event):
    """The fulfilment was called off: `quantity` units that were booked out are back, and held as they were.

    `held` are all units that are held for the order from now on, until `expires_at`; None: allocated.
    """

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    held: Quantity
    expires_at: AwareDatetime | None = None


class StockAllocated(Event):
    """Reserved stock is committed to a confirmed order; it expires no more."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


class StockAllocationRefused(Event):
    """The reservation was gone, or was of less, and the stock too, when the order was confirmed."""

    refusal = True
    order_id: Id
    sku: Id
    warehouse: Id
    wanted: Quantity
    available: int


class StockReleased(Event):
    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


class StockPickedShort(Event):
    """`quantity` units of what is held for the order were not where they should be, or are damaged.

    They are held for it no more: missing ones are not on hand either, damaged ones lie with the damaged.
    """

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    reason: Literal["missing", "damaged"]
    note: str = ""


class StockShipped(Event):
    """`quantity` left the warehouse; `uncommitted` of it was not held for the order (a contradiction).

    What was held beyond it stays held: it may go with the next parcel.
    """

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    uncommitted: Annotated[int, Field(ge=0)] = 0


class StockReturned(Event):
    """A parcel came back; its goods wait in quality control and are not for sale."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


class Backordered(Event):
    """There is not enough: the order waits in line for `quantity` units, until `expires_at` at most.

    `correlation` and `clock` are what the order belongs to: whoever brings the goods belongs elsewhere.
    """

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    expires_at: AwareDatetime
    correlation: str = ""
    clock: str = "wall"


class BackorderFilled(Event):
    """The order waits no more: its units are there, and reserved.

    `held` are all units that are held for the order from now on, until `expires_at`; None: allocated. What
    comes of it belongs to the order (`correlation`, `clock`), not to whatever set the units free.
    """

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    held: Quantity
    expires_at: AwareDatetime | None
    correlation: str = ""
    clock: str = "wall"


class BackorderCancelled(Event):
    """The order waits no more, and gets nothing: it was called off, waited too long, or staff said so."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    reason: Literal["released", "expired", "staff"]


class StockExpected(Event):
    """`quantity` units are on their way here, with a purchase order or transfer named by `reference`."""

    sku: Id
    warehouse: Id
    reference: Id
    quantity: Quantity


class ExpectedStockArrived(Event):
    """So many fewer units are still to come with `reference`."""

    sku: Id
    warehouse: Id
    reference: Id
    quantity: Quantity


class ExpectedStockCancelled(Event):
    """What was still to come with `reference` will not."""

    sku: Id
    warehouse: Id
    reference: Id
    quantity: Quantity


class StockSent(Event):
    """Units left for another warehouse."""

    sku: Id
    warehouse: Id
    quantity: Quantity
    reference: str = ""


class StockCountStarted(Event):
    """Somebody goes to count; by the books there are `expected` units on hand at this moment."""

    sku: Id
    warehouse: Id
    stocktake_id: Id
    expected: int


class StockCounted(Event):
    """`counted` units are there, where the books say `expected` for the moment of the count.

    `moved` is what came and went, by the books, since the count was started.
    """

    sku: Id
    warehouse: Id
    stocktake_id: Id
    counted: Count
    expected: int
    moved: int = 0


class StockCountSettled(Event):
    """The count was accepted: the books are corrected by `difference`, whatever moved meanwhile."""

    sku: Id
    warehouse: Id
    stocktake_id: Id
    difference: int


class StockCountCancelled(Event):
    sku: Id
    warehouse: Id
    stocktake_id: Id


StockEvent: TypeAlias = (
    StockReceived
    | StockAdjusted
    | StockReserved
    | StockReservationRefused
    | ReservationExpired
    | StockAllocated
    | StockAllocationRefused
    | StockReleased
    | StockShipped
    | StockReturned
    | StockMoved
    | StockWrittenOff
    | StockRulesSet
    | ReservationRenewed
    | ReservationRestored
    | StockPickedShort
    | Backordered
    | BackorderFilled
    | BackorderCancelled
    | StockExpected
    | ExpectedStockArrived
    | ExpectedStockCancelled
    | StockSent
    | StockCountStarted
    | StockCounted
    | StockCountSettled
    | StockCountCancelled
)
