"""A merchant's warehouses, and the rules by which orders are allocated to them: one aggregate, so that no
rule names a warehouse that there is not.

Rules are versioned settings. A version is never changed: undo sets the rules of an older one again, as a new
version. Which one counts is asked with a time: the last whose `effective_from` has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import AwareDatetime, Field, PositiveInt

from domain.allocation.rules import (
    WAREHOUSES_MAX,
    AllocationRules,
    AllocationTerms,
    PreferWarehouses,
    Site,
    ranks_by_zip,
)
from domain.kernel import Command, Decider, Event, Refused

Id = Annotated[str, Field(min_length=1, max_length=200)]
Name = Annotated[str, Field(max_length=200)]
Short = Annotated[str, Field(max_length=100)]
Note = Annotated[str, Field(max_length=1000)]
VERSIONS_KEPT = 100
"""Versions that can be set again."""


class WarehouseRegistered(Event):
    warehouse: Id
    name: Name = ""
    country: Short = ""
    state: Short = ""
    zip_prefix: Short = ""


class WarehouseChanged(Event):
    """Everything as it is from now on."""

    warehouse: Id
    name: Name = ""
    country: Short = ""
    state: Short = ""
    zip_prefix: Short = ""


class WarehouseClosed(Event):
    """No more orders are allocated to it; those that are stay."""

    warehouse: Id
    note: Note = ""


class WarehouseOpened(Event):
    warehouse: Id
    note: Note = ""


class AllocationRulesSet(Event):
    """From `effective_from` orders are allocated by these; `restores` is the version they are taken from.

    None as `rules`: orders are reserved in the warehouses that their lines name.
    """

    version: PositiveInt
    rules: AllocationRules | None
    effective_from: AwareDatetime
    restores: PositiveInt | None = None
    note: Note = ""


NetworkEvent: TypeAlias = (
    WarehouseRegistered | WarehouseChanged | WarehouseClosed | WarehouseOpened | AllocationRulesSet
)


class RegisterWarehouse(Command):
    warehouse: Id
    name: Name = ""
    country: Short = ""
    state: Short = ""
    zip_prefix: Short = ""


class ChangeWarehouse(Command):
    warehouse: Id
    name: Name = ""
    country: Short = ""
    state: Short = ""
    zip_prefix: Short = ""


class CloseWarehouse(Command):
    warehouse: Id
    note: Note = ""


class OpenWarehouse(Command):
    warehouse: Id
    note: Note = ""


class SetAllocationRules(Command):
    """None as `rules`: without rules, as it is before any are set. Effective `now`, unless it says later."""

    rules: AllocationRules | None
    now: AwareDatetime
    effective_from: AwareDatetime | None = None
    note: Note = ""


class RestoreAllocationRules(Command):
    version: PositiveInt
    now: AwareDatetime
    effective_from: AwareDatetime | None = None
    note: Note = ""


NetworkCommand: TypeAlias = (
    RegisterWarehouse
    | ChangeWarehouse
    | CloseWarehouse
    | OpenWarehouse
    | SetAllocationRules
    | RestoreAllocationRules
)


@dataclass(frozen=True, slots=True)
class Place:
    name: str
    country: str
    state: str
    zip_prefix: str
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Version:
    rules: AllocationRules | None
    effective_from: datetime


@dataclass(frozen=True, slots=True)
class Network:
    """Warehouses by name; the last versions of the rules by number."""

    places: Mapping[str, Place] = field(default_factory=dict)
    versions: Mapping[int, Version] = field(default_factory=dict)

    def version_at(self, now: datetime) -> int:
        """The one that counts; 0 if none does."""
        return max((n for n, each in self.versions.items() if each.effective_from <= now), default=0)

    def terms_at(self, now: datetime, zip_prefix: str = "") -> AllocationTerms | None:
        """What an order that is placed now is allocated by; None where its lines say it themselves."""
        number = self.version_at(now)
        rules = self.versions[number].rules if number else None
        open_ones = {name: place for name, place in self.places.items() if place.is_open}
        if rules is None or not open_ones:
            return None
        ranks = ranks_by_zip({name: place.zip_prefix for name, place in open_ones.items()}, zip_prefix)
        sites = (
            Site(warehouse=name, state=place.state, rank=ranks[name]) for name, place in open_ones.items()
        )
        return AllocationTerms(version=number, rules=rules, sites=tuple(sites))


def _fields(of: RegisterWarehouse | ChangeWarehouse | WarehouseRegistered | WarehouseChanged) -> Place:
    return Place(of.name, of.country, of.state, of.zip_prefix)


def _register(command: RegisterWarehouse, network: Network) -> tuple[NetworkEvent, ...]:
    known = network.places.get(command.warehouse)
    if known is None and len(network.places) >= WAREHOUSES_MAX:
        raise Refused("warehouses_limit", f"there are {WAREHOUSES_MAX} warehouses, and no more can be")
    if known is None:
        return (WarehouseRegistered(**dict(command)),)
    if replace(known, is_open=True) == _fields(command):
        return ()
    raise Refused(
        "warehouse_unique",
        f"warehouse {command.warehouse} is registered already, with other data; change it instead",
    )


def _known(network: Network, warehouse: str) -> Place:
    if warehouse not in network.places:
        raise Refused("warehouse_exists", f"there is no warehouse {warehouse}; register it first")
    return network.places[warehouse]


def _change(command: ChangeWarehouse, network: Network) -> tuple[NetworkEvent, ...]:
    known = _known(network, command.warehouse)
    if _fields(command) == replace(known, is_open=True):
        return ()
    return (WarehouseChanged(**dict(command)),)


def _preferred(rules: AllocationRules | None) -> frozenset[str]:
    listed = [rule.warehouses for rule in rules.rules if isinstance(rule, PreferWarehouses)] if rules else []
    return frozenset(name for names in listed for name in names)


def _close(command: CloseWarehouse, network: Network) -> tuple[NetworkEvent, ...]:
    if not _known(network, command.warehouse).is_open:
        return ()
    last = max(network.versions, default=0)
    others = [name for name, each in network.places.items() if each.is_open and name != command.warehouse]
    if last and network.versions[last].rules and not others:
        raise Refused(
            "one_warehouse_open",
            f"{command.warehouse} is the last open warehouse, and orders are allocated by rules; open"
            " another, or set no rules",
        )
    return (WarehouseClosed(**dict(command)),)


def _check_rules(rules: AllocationRules | None, network: Network) -> None:
    if rules is None:
        return
    kinds = [rule.kind for rule in rules.rules]
    if len(set(kinds)) != len(kinds):
        raise Refused("rules_once_each", f"each kind of rule stands once at most, not {', '.join(kinds)}")
    if strange := sorted(_preferred(rules) - network.places.keys()):
        raise Refused(
            "prefer_registered_warehouses", f"there is no warehouse {', '.join(strange)}; register it first"
        )
    if not any(place.is_open for place in network.places.values()):
        raise Refused("one_warehouse_open", "no warehouse is open that orders could be allocated to")


def _set_rules(
    network: Network,
    command: SetAllocationRules | RestoreAllocationRules,
    rules: AllocationRules | None,
    restores: int | None = None,
) -> tuple[NetworkEvent, ...]:
    _check_rules(rules, network)
    last = max(network.versions, default=0)
    effective_from = command.effective_from or command.now
    if effective_from < command.now:
        raise Refused("effective_from_now_on", f"rules can't count from {effective_from}, which is over")
    if last and effective_from < network.versions[last].effective_from:
        raise Refused(
            "versions_in_order",
            f"version {last} counts from {network.versions[last].effective_from}; a later version can't count"
            " from before that",
        )
    if last and network.versions[last] == Version(rules, effective_from):
        return ()
    set_anew = AllocationRulesSet(
        version=last + 1, rules=rules, effective_from=effective_from, restores=restores, note=command.note
    )
    return (set_anew,)


def _restore(command: RestoreAllocationRules, network: Network) -> tuple[NetworkEvent, ...]:
    version = network.versions.get(command.version)
    if version is None:
        raise Refused(
            "version_exists", f"there is no version {command.version}; the last {VERSIONS_KEPT} are kept"
        )
    return _set_rules(network, command, version.rules, command.version)


def decide(command: NetworkCommand, network: Network) -> tuple[NetworkEvent, ...]:
    match command:
        case RegisterWarehouse():
            return _register(command, network)
        case ChangeWarehouse():
            return _change(command, network)
        case CloseWarehouse():
            return _close(command, network)
        case OpenWarehouse(warehouse=warehouse):
            return () if _known(network, warehouse).is_open else (WarehouseOpened(**dict(command)),)
        case SetAllocationRules(rules=rules):
            return _set_rules(network, command, rules)
        case RestoreAllocationRules():
            return _restore(command, network)


def _at(network: Network, warehouse: str) -> Place:
    return network.places.get(warehouse, Place("", "", "", ""))


def _placed(network: Network, warehouse: str, place: Place) -> Network:
    return replace(network, places={**network.places, warehouse: place})


def evolve(network: Network, event: NetworkEvent) -> Network:
    match event:
        case WarehouseRegistered(warehouse=warehouse):
            return _placed(network, warehouse, _fields(event))
        case WarehouseChanged(warehouse=warehouse):
            return _placed(
                network, warehouse, replace(_fields(event), is_open=_at(network, warehouse).is_open)
            )
        case WarehouseClosed(warehouse=warehouse) | WarehouseOpened(warehouse=warehouse):
            is_open = isinstance(event, WarehouseOpened)
            return _placed(network, warehouse, replace(_at(network, warehouse), is_open=is_open))
        case AllocationRulesSet(version=number, rules=rules, effective_from=effective_from):
            kept = list(network.versions.items())[-(VERSIONS_KEPT - 1) :]
            return replace(network, versions={**dict(kept), number: Version(rules, effective_from)})


NETWORK: Decider[NetworkCommand, NetworkEvent, Network] = Decider(
    "warehouses",
    decide,
    evolve,
    Network(),
    events=NetworkEvent.__args__,
    commands=NetworkCommand.__args__,
    parts=("merchant",),
)
