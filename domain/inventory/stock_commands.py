"""What may be asked of the stock of one SKU in one warehouse?

Each command carries where, so that stock is promised in the very place that it will leave from.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import AwareDatetime

from domain.inventory.stock_events import AdjustReason, Bucket, Count, Delta, Id, StockRules
from domain.kernel import Command, Quantity


class ReceiveStock(Command):
    """Units came in. `expected_by`: the purchase order or transfer that they were expected with."""

    sku: Id
    warehouse: Id
    quantity: Quantity
    reference: str = ""
    condition: Bucket = "available"
    expected_by: str = ""


class AdjustStock(Command):
    sku: Id
    warehouse: Id
    delta: Delta
    reason: AdjustReason
    note: str = ""


class MoveStock(Command):
    """Put units aside, or back: for sale, in quality control, damaged."""

    sku: Id
    warehouse: Id
    quantity: Quantity
    source: Bucket
    target: Bucket
    note: str = ""


class WriteOffStock(Command):
    sku: Id
    warehouse: Id
    quantity: Quantity
    source: Literal["quality_control", "damaged"]
    note: str = ""


class SetStockRules(Command):
    sku: Id
    warehouse: Id
    rules: StockRules


class ReserveStock(Command):
    """Hold `quantity` for the order until `expires_at`; what has expired by `now` counts as free.

    `correlation` and `clock` are what the order belongs to, in case that it has to wait; without `waits` it
    does not, whatever the stock's rules allow. `keep` units must be left to others.
    """

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    now: AwareDatetime
    expires_at: AwareDatetime
    correlation: str = ""
    clock: str = "wall"
    keep: Count = 0
    waits: bool = True


class RenewReservation(Command):
    """What is reserved for the order stays so until `expires_at`."""

    order_id: Id
    sku: Id
    warehouse: Id
    expires_at: AwareDatetime


class ExpireReservation(Command):
    order_id: Id
    sku: Id
    warehouse: Id


class AllocateStock(Command):
    """Commit `quantity` in all to the order, where `keep` units more must be left to others."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    now: AwareDatetime
    keep: Count = 0


class AllocateMoreStock(Command):
    """Commit `quantity` beside what the order holds, whatever that is by then, or is to hold: `beside`. Else
    as `AllocateStock`."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    now: AwareDatetime
    keep: Count = 0
    beside: Count = 0


class ReleaseStock(Command):
    """Let go what is held for the order, or what it waits for; `quantity` units of it only, if it is said."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity | None = None


class CancelBackorder(Command):
    order_id: Id
    sku: Id
    warehouse: Id
    reason: Literal["expired", "staff"] = "staff"


class RecordShortPick(Command):
    """Somebody went to fetch what is held for the order, and `quantity` units of it were not to be had."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity
    reason: Literal["missing", "damaged"]
    note: str = ""


class ShipStock(Command):
    """A fact: the units left. Never refused, even if they were held for nobody."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


class RestoreReservation(Command):
    """The fulfilment was called off after the units were booked out: they are back on the shelf."""

    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


class ReturnStock(Command):
    order_id: Id
    sku: Id
    warehouse: Id
    quantity: Quantity


class ExpectStock(Command):
    """So many units are on their way, with what `reference` names; said once for each."""

    sku: Id
    warehouse: Id
    reference: Id
    quantity: Quantity


class CancelExpectedStock(Command):
    """What is still to come with `reference` will not; `quantity` units of it only, if it is said."""

    sku: Id
    warehouse: Id
    reference: Id
    quantity: Quantity | None = None


class SendStock(Command):
    """Units leave for another warehouse: only what is promised to nobody."""

    sku: Id
    warehouse: Id
    quantity: Quantity
    reference: str = ""


class StartCount(Command):
    sku: Id
    warehouse: Id
    stocktake_id: Id


class CountStock(Command):
    """`as_of`: whether `counted` is of now, or of when the count was started (whatever moved since)."""

    sku: Id
    warehouse: Id
    stocktake_id: Id
    counted: Count
    as_of: Literal["start", "now"] = "now"


class SettleCount(Command):
    sku: Id
    warehouse: Id
    stocktake_id: Id


class CancelCount(Command):
    sku: Id
    warehouse: Id
    stocktake_id: Id


StockCommand: TypeAlias = (
    ReceiveStock
    | AdjustStock
    | MoveStock
    | WriteOffStock
    | SetStockRules
    | ReserveStock
    | RenewReservation
    | ExpireReservation
    | AllocateStock
    | AllocateMoreStock
    | ReleaseStock
    | CancelBackorder
    | RecordShortPick
    | ShipStock
    | RestoreReservation
    | ReturnStock
    | ExpectStock
    | CancelExpectedStock
    | SendStock
    | StartCount
    | CountStock
    | SettleCount
    | CancelCount
)
