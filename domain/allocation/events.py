"""What can be said and asked of an order's allocation. A warning: the events are the storage format."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PositiveInt

from domain.allocation.rules import AllocationTerms, Count, Id
from domain.kernel import Command, Event, Quantity, Value

LINES_MAX = 1_000
SENT_ANYWAY = "sent-"
"""Begins the cause of a revision that tells: the order has left with what a picker did not find."""
SHORT_PICK = "short-"
"""What the ids of changes begin with that are instead of short picks; the pick's event follows."""
FailReason: TypeAlias = Literal["not_enough", "refused", "too_many_attempts"]
"""None fails as `refused` any more: that was where one line was full, and no other was looked for."""


class WantedLine(Value):
    """Units of a line of the order."""

    line: PositiveInt
    sku: Id
    quantity: Quantity


class Pick(Value):
    """So many units of a line come from this warehouse."""

    line: PositiveInt
    sku: Id
    warehouse: Id
    quantity: Quantity


class Free(Value):
    """So many units were free for the order when stock was last asked; more may be owed than are there.

    `room`: for so many more orders might wait there, if stock told.
    """

    sku: Id
    warehouse: Id
    units: Count
    room: Count | None = None


class Candidate(Value):
    """A warehouse that could have been taken: what a unit of it scores by each rule that looks at units (0 is
    best), in the order of the rules, and what was known to be free there."""

    warehouse: Id
    scores: tuple[int, ...] = ()
    chosen: bool = False
    free: tuple[Free, ...] = ()


class AllocationPlanned(Event):
    """Reserve this; a later plan of the order stands instead of it.

    `rule` is the one that decided. `kept` units of each SKU are to stay where they are; `waits`: what is not
    there may be waited for; `short` is what the order will not get.
    """

    schema_version = 2

    order_id: Id
    attempt: PositiveInt
    settings_version: PositiveInt
    rule: str
    kept: Count = 0
    waits: bool = False
    picks: Annotated[tuple[Pick, ...], Field(min_length=1)]
    short: tuple[WantedLine, ...] = ()
    candidates: tuple[Candidate, ...]


class AllocationSettled(Event):
    """All that was planned is reserved."""

    order_id: Id
    attempt: PositiveInt
    warehouses: Annotated[tuple[Id, ...], Field(min_length=1)]


class OrderSplit(Event):
    """The order ships from several warehouses."""

    order_id: Id
    warehouses: Annotated[tuple[Id, ...], Field(min_length=2)]


class AllocationFailed(Event):
    """No plan is left by the merchant's rules: the order can't be had."""

    schema_version = 2

    order_id: Id
    attempt: PositiveInt
    settings_version: PositiveInt
    reason: FailReason
    missing: tuple[WantedLine, ...] = ()
    candidates: tuple[Candidate, ...]


class AllocationCancelled(Event):
    """The order was cancelled: nothing is planned for it any more."""

    order_id: Id


class AllocationChangePlanned(Event):
    """Allocate this beside what is planned: a change of the order wants it, or it is instead of units that
    were not found. `short` is what it lacks of that."""

    schema_version = 2

    order_id: Id
    change_id: Id
    attempt: PositiveInt
    settings_version: PositiveInt
    rule: str
    kept: Count = 0
    picks: Annotated[tuple[Pick, ...], Field(min_length=1)]
    short: tuple[WantedLine, ...] = ()
    candidates: tuple[Candidate, ...]


class AllocationChangeSettled(Event):
    """All that was planned for the change is allocated; `missing` is what it goes without."""

    order_id: Id
    change_id: Id
    attempt: PositiveInt
    missing: tuple[WantedLine, ...] = ()


class AllocationChangeFailed(Event):
    """The units of the change can't be had: the plan is as it was before."""

    schema_version = 2

    order_id: Id
    change_id: Id
    attempt: PositiveInt
    settings_version: PositiveInt
    reason: FailReason
    missing: tuple[WantedLine, ...]
    candidates: tuple[Candidate, ...]


class AllocationChangeDropped(Event):
    """The change came to nothing, and so what was planned for it."""

    order_id: Id
    change_id: Id


class AllocationRevised(Event):
    """The plan is `picks` from now on: `added` came to it, `removed` is to be let go, `short` was not found.

    `cause` is the id of the cancel, the change set or the short pick.
    """

    order_id: Id
    cause: Id
    picks: tuple[Pick, ...]
    added: tuple[Pick, ...] = ()
    removed: tuple[Pick, ...] = ()
    short: tuple[Pick, ...] = ()


AllocationEvent: TypeAlias = (
    AllocationPlanned
    | AllocationSettled
    | OrderSplit
    | AllocationFailed
    | AllocationCancelled
    | AllocationChangePlanned
    | AllocationChangeSettled
    | AllocationChangeFailed
    | AllocationChangeDropped
    | AllocationRevised
)


class PlanAllocation(Command):
    """Plan by what is known now; `attempt` is 1, and one more each time that stock said no."""

    order_id: Id
    attempt: PositiveInt
    terms: AllocationTerms
    ship_to_state: str = ""
    lines: Annotated[tuple[WantedLine, ...], Field(min_length=1, max_length=LINES_MAX)]
    known: tuple[Free, ...] = ()


class SettleAllocation(Command):
    order_id: Id
    attempt: PositiveInt


class CancelAllocation(Command):
    order_id: Id


class PlanAllocationChange(PlanAllocation):
    """Plan units beside those that are planned; `attempt` counts for this change."""

    change_id: Id


class SettleAllocationChange(Command):
    """`revise`: it counts at once, and not only once the order has changed."""

    order_id: Id
    change_id: Id
    attempt: PositiveInt
    revise: bool = False


class DropAllocationChange(Command):
    order_id: Id
    change_id: Id


class ReviseAllocation(Command):
    """The order wants `lines` from now on. What it has beyond them is let go, but for what has left: `sent`
    units of each SKU and warehouse. What was settled for the change `cause` counts."""

    order_id: Id
    cause: Id
    lines: Annotated[tuple[WantedLine, ...], Field(max_length=LINES_MAX)]
    sent: tuple[Free, ...] = ()


class RemoveShortPick(Command):
    """These units of the plan were not found. `left` of the product are fetched there all the same; None
    where nobody knows: then the line's own units are meant."""

    order_id: Id
    short_id: Annotated[Id, Field(pattern=f"^{SHORT_PICK}")]
    pick: Pick
    left: Annotated[int, Field(ge=0)] | None = None


AllocationCommand: TypeAlias = (
    PlanAllocation
    | SettleAllocation
    | CancelAllocation
    | PlanAllocationChange
    | SettleAllocationChange
    | DropAllocationChange
    | ReviseAllocation
    | RemoveShortPick
)
