"""A stocktake: somebody counts some SKUs of a warehouse, and the books are corrected by what was found.

What is right is decided stock by stock: each remembers what its books said at the moment of the count, and is
corrected by the difference, so that goods may come and go meanwhile. Here stands what is to be counted, and
how far that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from domain.inventory.stock_events import Count, Id
from domain.kernel import Command, Decider, Event, Refused

SKUS_MAX = 200
"""Each is a stock that changes in the same append."""
Skus = Annotated[tuple[Id, ...], Field(min_length=1, max_length=SKUS_MAX)]
MaybeSkus = Annotated[tuple[Id, ...], Field(max_length=SKUS_MAX)]
NAMED_MAX = 5


class StocktakeStarted(Event):
    stocktake_id: Id
    warehouse: Id
    skus: Skus
    note: str = ""


class StocktakeCounted(Event):
    stocktake_id: Id
    sku: Id
    counted: Count


class StocktakeFinished(Event):
    """The books of what was `counted` are corrected; those of what was `left` out stay as they were."""

    stocktake_id: Id
    counted: MaybeSkus
    left: MaybeSkus = ()


class StocktakeCancelled(Event):
    stocktake_id: Id


StocktakeEvent: TypeAlias = StocktakeStarted | StocktakeCounted | StocktakeFinished | StocktakeCancelled


class StartStocktake(Command):
    stocktake_id: Id
    warehouse: Id
    skus: Skus
    note: str = ""


class RecordCount(Command):
    stocktake_id: Id
    sku: Id
    counted: Count


class FinishStocktake(Command):
    """`counted` and `left` are what whoever finishes it knows of: all that is listed, as it stands."""

    stocktake_id: Id
    counted: MaybeSkus
    left: MaybeSkus = ()


class CancelStocktake(Command):
    stocktake_id: Id


StocktakeCommand: TypeAlias = StartStocktake | RecordCount | FinishStocktake | CancelStocktake
Status: TypeAlias = Literal["none", "counting", "finished", "cancelled"]


@dataclass(frozen=True, slots=True)
class Stocktake:
    status: Status = "none"
    warehouse: str = ""
    skus: tuple[str, ...] = ()
    counted: Mapping[str, int] = field(default_factory=dict)

    @property
    def left(self) -> tuple[str, ...]:
        """What is listed and not counted."""
        return tuple(sku for sku in self.skus if sku not in self.counted)


def _start(command: StartStocktake, stocktake: Stocktake) -> StocktakeStarted:
    if stocktake.status != "none":
        raise Refused(
            "stocktake_id_unique", f"stocktake {command.stocktake_id} is {stocktake.status} already"
        )
    if len(set(command.skus)) != len(command.skus):
        raise Refused("stocktake_skus_unique", "a SKU is listed twice")
    return StocktakeStarted(**dict(command))


def _count(command: RecordCount, stocktake: Stocktake) -> StocktakeCounted:
    if stocktake.status != "counting":
        raise Refused("count_while_counting", f"the stocktake is {stocktake.status}; start another")
    if command.sku not in stocktake.skus:
        raise Refused("count_what_is_listed", f"{command.sku} is not listed; start a stocktake of it")
    return StocktakeCounted(**dict(command))


def _finish(command: FinishStocktake, stocktake: Stocktake) -> StocktakeFinished:
    if set(command.counted) != set(stocktake.counted):
        raise Refused("finish_as_it_stands", "something was counted meanwhile; look at it and finish again")
    if set(command.left) != set(stocktake.left):
        named = ", ".join(stocktake.left[:NAMED_MAX])
        raise Refused(
            "finish_what_is_counted",
            f"{len(stocktake.left)} are not counted ({named}); count them, or say that they are left out",
        )
    return StocktakeFinished(**dict(command))


def decide(command: StocktakeCommand, stocktake: Stocktake) -> tuple[StocktakeEvent, ...]:
    if isinstance(command, StartStocktake):
        return (_start(command, stocktake),)
    if stocktake.status == "none":
        raise Refused("stocktake_exists", f"there is no stocktake {command.stocktake_id}")
    match command, stocktake.status:
        case RecordCount() as count, _:
            return (_count(count, stocktake),)
        case FinishStocktake() as finish, "counting":
            return (_finish(finish, stocktake),)
        case CancelStocktake() as cancel, "counting":
            return (StocktakeCancelled(**dict(cancel)),)
        case (FinishStocktake(), "finished") | (CancelStocktake(), "cancelled"):
            return ()
        case _, status:
            raise Refused("end_while_counting", f"the stocktake is {status} already")


def evolve(stocktake: Stocktake, event: StocktakeEvent) -> Stocktake:
    match event:
        case StocktakeStarted(warehouse=warehouse, skus=skus):
            return Stocktake("counting", warehouse, skus)
        case StocktakeCounted(sku=sku, counted=counted):
            return replace(stocktake, counted={**stocktake.counted, sku: counted})
        case StocktakeFinished():
            return replace(stocktake, status="finished")
        case StocktakeCancelled():
            return replace(stocktake, status="cancelled")


STOCKTAKE: Decider[StocktakeCommand, StocktakeEvent, Stocktake] = Decider(
    "stocktake",
    decide,
    evolve,
    Stocktake(),
    events=StocktakeEvent.__args__,
    commands=StocktakeCommand.__args__,
    parts=("merchant", "stocktake_id"),
)
