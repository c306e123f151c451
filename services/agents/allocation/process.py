"""What the allocation agent remembers of an order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeAlias

from domain.allocation import AllocationTerms, Free, Pick, WantedLine
from domain.carrier import ParcelLine
from domain.inventory import StockAllocationRefused, StockReservationRefused
from domain.kernel import Command, Fact, Reaction, Value, one
from domain.order import Line
from domain.streams import allocation_stream

Place: TypeAlias = tuple[str, str]
"""SKU and warehouse."""


class Wanted(Value):
    """More units for a change of the order, which says itself when they count; or (`revise`) instead of short
    ones. `plan` is the id of the event that is being allocated; it and the others are as for the order.
    `dropped`: it came to nothing, and is over once the plan knows (`known_over`) and stock has answered.
    """

    change_id: str
    lines: tuple[WantedLine, ...]
    terms: AllocationTerms
    known: tuple[Free, ...] = ()
    revise: bool = False
    attempt: int = 0
    plan: str = ""
    to_allocate: frozenset[str] = frozenset()
    asked: bool = False
    dropped: bool = False
    known_over: bool = False


class Unfound(Value):
    """Units that a picker did not find; `known`: the plan is without them by now."""

    short_id: str
    pick: Pick
    known: bool = False


class AllocationProcess(Value):
    """What is to be planned, and what stock said. `plan` is the id of the event that is being reserved, and
    `to_reserve` what of it (`SKU warehouse`) is not yet; `asked`: another plan is asked for already.

    `picks` is the plan, `sent` what left of it, and `shipped` that this is all. `proposed` are the lines of
    the change set that is open. `changes`: the first is being planned, the others wait for it.
    """

    order_id: str = ""
    terms: AllocationTerms | None = None
    ship_to_state: str = ""
    lines: tuple[WantedLine, ...] = ()
    known: tuple[Free, ...] = ()
    attempt: int = 0
    plan: str = ""
    to_reserve: frozenset[str] = frozenset()
    asked: bool = False
    over: bool = False
    picks: tuple[Pick, ...] = ()
    sent: tuple[Free, ...] = ()
    unfound: tuple[Unfound, ...] = ()
    shipped: bool = False
    proposed: tuple[WantedLine, ...] = ()
    changes: tuple[Wanted, ...] = ()

    @property
    def is_beyond(self) -> bool:
        """Whether more is planned of a line than it wants: it may be another's, or nobody's."""
        wanted, planned = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
        for line in self.lines:
            wanted[line.line, line.sku] += line.quantity
        for pick in self.picks:
            planned[pick.line, pick.sku] += pick.quantity
        return bool(planned - wanted)


def ask(process: AllocationProcess, fact: Fact, *commands: Command) -> Reaction[AllocationProcess]:
    stream = allocation_stream(fact.merchant, process.order_id)
    return Reaction(process, tuple(one(stream, command) for command in commands))


def wanted_lines(lines: Iterable[Line]) -> tuple[WantedLine, ...]:
    return tuple(WantedLine(line=each.line, sku=each.sku, quantity=each.quantity) for each in lines)


def learned(
    known: tuple[Free, ...], event: StockReservationRefused | StockAllocationRefused, own: int = 0
) -> tuple[Free, ...]:
    """What is free for more, by what stock said: `own` units of it are the order's already."""
    room = event.room if isinstance(event, StockReservationRefused) else None
    told = Free(sku=event.sku, warehouse=event.warehouse, units=max(0, event.available - own), room=room)
    return (*(each for each in known if (each.sku, each.warehouse) != (event.sku, event.warehouse)), told)


def units_of(picks: Iterable[Pick | ParcelLine]) -> Counter[Place]:
    units: Counter[Place] = Counter()
    for pick in picks:
        units[pick.sku, pick.warehouse] += pick.quantity
    return units


def sent_units(process: AllocationProcess) -> Counter[Place]:
    return Counter({(each.sku, each.warehouse): each.units for each in process.sent})


def is_sent_anyway(process: AllocationProcess) -> bool:
    """Whether parcels say that they have more from a place than was left there by who did not find some."""
    unknown = units_of(each.pick for each in process.unfound if not each.known)
    beyond = sent_units(process) - (units_of(process.picks) - unknown)
    return any((each.pick.sku, each.pick.warehouse) in beyond for each in process.unfound)
