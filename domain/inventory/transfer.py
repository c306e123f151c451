"""A transfer of goods between two warehouses: planned, shipped, received, and what was lost on the way.

10 sent, 8 arrived: 2 are missing, and stay incoming until somebody says that they were lost, or finds them.
So what was sent is always what arrived, is on its way, or was lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from domain.inventory.stock_events import Id
from domain.kernel import Command, Decider, Event, Quantity, Refused, Value

LINES_MAX = 100
Kind: TypeAlias = Literal["missing", "surplus"]
Outcome: TypeAlias = Literal["lost", "found", "accepted"]


class TransferLine(Value):
    sku: Id
    quantity: Quantity


Lines = Annotated[tuple[TransferLine, ...], Field(min_length=1, max_length=LINES_MAX)]
MaybeLines = Annotated[tuple[TransferLine, ...], Field(max_length=LINES_MAX)]


class TransferPlanned(Event):
    transfer_id: Id
    source: Id
    target: Id
    lines: Lines
    note: str = ""


class TransferShipped(Event):
    """`lines` is what was really sent: no more than was planned."""

    transfer_id: Id
    lines: Lines


class TransferReceived(Event):
    """`complete`: nothing more will come."""

    transfer_id: Id
    receipt_id: Id
    lines: MaybeLines
    complete: bool


class TransferDiscrepancyOpened(Event):
    transfer_id: Id
    sku: Id
    kind: Kind
    quantity: Quantity


class TransferDiscrepancyResolved(Event):
    """Missing units were lost or found; surplus ones are accepted as they are."""

    transfer_id: Id
    sku: Id
    kind: Kind
    quantity: Quantity
    outcome: Outcome
    note: str = ""


class TransferCancelled(Event):
    transfer_id: Id


TransferEvent: TypeAlias = (
    TransferPlanned
    | TransferShipped
    | TransferReceived
    | TransferDiscrepancyOpened
    | TransferDiscrepancyResolved
    | TransferCancelled
)


class PlanTransfer(Command):
    transfer_id: Id
    source: Id
    target: Id
    lines: Lines
    note: str = ""


class ShipTransfer(Command):
    """Without `lines` all that was planned."""

    transfer_id: Id
    lines: MaybeLines = ()


class ReceiveTransfer(Command):
    transfer_id: Id
    receipt_id: Id
    lines: MaybeLines = ()
    complete: bool = False


class ResolveTransferDiscrepancy(Command):
    """Of `quantity` units: some of the missing ones may be found, and others lost."""

    transfer_id: Id
    sku: Id
    kind: Kind
    quantity: Quantity
    outcome: Outcome
    note: str = ""


class CancelTransfer(Command):
    transfer_id: Id


TransferCommand: TypeAlias = (
    PlanTransfer | ShipTransfer | ReceiveTransfer | ResolveTransferDiscrepancy | CancelTransfer
)
Status: TypeAlias = Literal["none", "planned", "shipped", "received", "cancelled"]


@dataclass(frozen=True, slots=True)
class Transfer:
    """Units by SKU, as planned, sent and arrived; `open` discrepancies by `kind sku`."""

    status: Status = "none"
    source: str = ""
    target: str = ""
    planned: Mapping[str, int] = field(default_factory=dict)
    sent: Mapping[str, int] = field(default_factory=dict)
    arrived: Mapping[str, int] = field(default_factory=dict)
    receipts: frozenset[str] = frozenset()
    open: Mapping[str, int] = field(default_factory=dict)


def _name(sku: str, kind: Kind) -> str:
    return f"{kind} {sku}"


def _units(lines: Sequence[TransferLine]) -> dict[str, int]:
    if len({line.sku for line in lines}) != len(lines):
        raise Refused("transfer_skus_unique", "two lines are of the same SKU: make one of them")
    return {line.sku: line.quantity for line in lines}


def _plan(command: PlanTransfer, transfer: Transfer) -> TransferPlanned:
    if transfer.status != "none":
        raise Refused("transfer_id_unique", f"transfer {command.transfer_id} is {transfer.status} already")
    if command.source == command.target:
        raise Refused("transfer_between_two", f"{command.source} is where the goods are; name another target")
    _units(command.lines)
    return TransferPlanned(**dict(command))


def _ship(command: ShipTransfer, transfer: Transfer) -> TransferShipped:
    _in_status(transfer, "ship_planned_transfer", "planned")
    for sku, quantity in _units(command.lines).items():
        if quantity > (planned := transfer.planned.get(sku, 0)):
            raise Refused(
                "ship_what_was_planned", f"{planned} units of {sku} were planned, so {quantity} can't be sent"
            )
    planned_lines = tuple(TransferLine(sku=s, quantity=q) for s, q in transfer.planned.items())
    return TransferShipped(transfer_id=command.transfer_id, lines=command.lines or planned_lines)


def _receive(command: ReceiveTransfer, transfer: Transfer) -> Iterator[TransferEvent]:
    _in_status(transfer, "receive_shipped_transfer", "shipped")
    if command.receipt_id in transfer.receipts:
        raise Refused("receipt_unique", f"receipt {command.receipt_id} was recorded before")
    if not command.lines and not command.complete:
        raise Refused("receipt_says_something", "name what came, or say that nothing more will: `complete`")
    came = _units(command.lines)
    if strange := sorted(came.keys() - transfer.sent.keys()):
        raise Refused(
            "receive_what_was_sent", f"{', '.join(strange)} was not sent; take it in without the transfer"
        )
    arrived = {sku: transfer.arrived.get(sku, 0) + came.get(sku, 0) for sku in transfer.sent}
    complete = command.complete or all(arrived[sku] >= units for sku, units in transfer.sent.items())
    yield TransferReceived(**{**dict(command), "complete": complete})
    for sku, sent in transfer.sent.items():
        surplus = max(0, arrived[sku] - sent) - max(0, transfer.arrived.get(sku, 0) - sent)
        missing = max(0, sent - arrived[sku]) if complete else 0
        for kind, quantity in (("surplus", surplus), ("missing", missing)):
            if quantity:
                yield TransferDiscrepancyOpened(
                    transfer_id=command.transfer_id, sku=sku, kind=kind, quantity=quantity
                )


def _resolve(command: ResolveTransferDiscrepancy, transfer: Transfer) -> TransferDiscrepancyResolved:
    units = transfer.open.get(_name(command.sku, command.kind), 0)
    if not units:
        raise Refused("discrepancy_exists", f"no discrepancy {command.kind} of {command.sku} is open")
    if command.quantity > units:
        raise Refused("discrepancy_as_it_is", f"the discrepancy is of {units} units, not {command.quantity}")
    if (command.kind == "surplus") != (command.outcome == "accepted"):
        raise Refused("resolution_fits", "missing units are lost or found, surplus ones are accepted")
    return TransferDiscrepancyResolved(**dict(command))


def _in_status(transfer: Transfer, rule: str, wanted: Status) -> None:
    if transfer.status != wanted:
        raise Refused(rule, f"the transfer is {transfer.status}; only a {wanted} one can be")


def decide(command: TransferCommand, transfer: Transfer) -> tuple[TransferEvent, ...]:
    if isinstance(command, PlanTransfer):
        return (_plan(command, transfer),)
    if transfer.status == "none":
        raise Refused("transfer_exists", f"there is no transfer {command.transfer_id}")
    match command:
        case ShipTransfer():
            return (_ship(command, transfer),)
        case ReceiveTransfer():
            return tuple(_receive(command, transfer))
        case ResolveTransferDiscrepancy():
            return (_resolve(command, transfer),)
        case CancelTransfer() if transfer.status == "cancelled":
            return ()
        case CancelTransfer():
            _in_status(transfer, "cancel_planned_transfer", "planned")
            return (TransferCancelled(**dict(command)),)


def _added(units: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Without those that come to nothing."""
    sums = {key: units.get(key, 0) + more.get(key, 0) for key in [*units, *more]}
    return {key: value for key, value in sums.items() if value}


def evolve(transfer: Transfer, event: TransferEvent) -> Transfer:
    match event:
        case TransferPlanned(source=source, target=target, lines=lines):
            return Transfer("planned", source, target, {line.sku: line.quantity for line in lines})
        case TransferShipped(lines=lines):
            return replace(transfer, status="shipped", sent={line.sku: line.quantity for line in lines})
        case TransferReceived(receipt_id=receipt, lines=lines, complete=complete):
            return replace(
                transfer,
                status="received" if complete else "shipped",
                arrived=_added(transfer.arrived, {line.sku: line.quantity for line in lines}),
                receipts=transfer.receipts | {receipt},
            )
        case TransferDiscrepancyOpened(sku=sku, kind=kind, quantity=quantity):
            return replace(transfer, open=_added(transfer.open, {_name(sku, kind): quantity}))
        case TransferDiscrepancyResolved(sku=sku, kind=kind, quantity=quantity):
            return replace(transfer, open=_added(transfer.open, {_name(sku, kind): -quantity}))
        case TransferCancelled():
            return replace(transfer, status="cancelled")


TRANSFER: Decider[TransferCommand, TransferEvent, Transfer] = Decider(
    "transfer",
    decide,
    evolve,
    Transfer(),
    events=TransferEvent.__args__,
    commands=TransferCommand.__args__,
    parts=("merchant", "transfer_id"),
)
