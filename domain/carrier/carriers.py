"""The carriers of a merchant: with whom it ships, at which rates, and by which rule one is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, TypeAlias

from pydantic import AwareDatetime, Field

from domain.carrier.choice import ChoiceRule, Option, Record, estimates
from domain.carrier.rates import (
    Grams,
    Millimetres,
    Name,
    NotServed,
    Parcel,
    Quote,
    RateCard,
    in_force,
    quote,
    wrong_in,
)
from domain.carrier.tracking import TrackingTemplate
from domain.kernel import Command, Decider, Event, Refused, Value

CARRIERS_MAX, VERSIONS_MAX = 50, 1_000


class UnitMeasures(Value):
    """What a unit counts as where nobody measured its parcel, and the catalogue does not know it."""

    weight_g: Grams = 500
    length_mm: Millimetres = 0
    width_mm: Millimetres = 0
    height_mm: Millimetres = 0


class CarrierAdded(Event):
    carrier: Name
    name: str = ""


class CarrierSuspended(Event):
    """Nothing new is given to it; what it has, it carries to its end."""

    carrier: Name
    reason: str = ""


class CarrierResumed(Event):
    carrier: Name


class RateCardPublished(Event):
    """`version` counts from 1 for each carrier."""

    carrier: Name
    version: int
    card: RateCard


class ChoiceRuleSet(Event):
    """From now on carriers are chosen by it."""

    rule: ChoiceRule
    unit: UnitMeasures


class TrackingLinkSet(Event):
    """Where it shows the way of parcels; empty: nowhere."""

    carrier: Name
    template: TrackingTemplate


CarriersEvent: TypeAlias = (
    CarrierAdded | CarrierSuspended | CarrierResumed | RateCardPublished | ChoiceRuleSet | TrackingLinkSet
)


class AddCarrier(Command):
    carrier: Name
    name: Annotated[str, Field(max_length=200)] = ""


class SuspendCarrier(Command):
    carrier: Name
    reason: Annotated[str, Field(max_length=1000)] = ""


class ResumeCarrier(Command):
    carrier: Name


class PublishRateCard(Command):
    """`expected_version` is the version that this one replaces: 0 for the first card."""

    carrier: Name
    expected_version: int
    card: RateCard
    now: AwareDatetime


class SetChoiceRule(Command):
    rule: ChoiceRule
    unit: UnitMeasures


class SetTrackingLink(Command):
    carrier: Name
    template: TrackingTemplate


CarriersCommand: TypeAlias = (
    AddCarrier | SuspendCarrier | ResumeCarrier | PublishRateCard | SetChoiceRule | SetTrackingLink
)


@dataclass(frozen=True, slots=True)
class Carrier:
    name: str = ""
    suspended: bool = False
    cards: tuple[RateCard, ...] = ()
    tracking_link: str = ""


@dataclass(frozen=True, slots=True)
class Carriers:
    carriers: Mapping[str, Carrier] = field(default_factory=dict)
    rule: ChoiceRule = field(default_factory=ChoiceRule)
    unit: UnitMeasures = field(default_factory=UnitMeasures)

    @property
    def chooses(self) -> bool:
        """Whether there is anything to choose by: without a rate card parcels go with the house's carrier."""
        return any(carrier.cards for carrier in self.carriers.values())


def quotes(carriers: Carriers, parcel: Parcel, now: datetime) -> list[tuple[str, int, Quote | NotServed]]:
    """What each service of each carrier that is not suspended says: (carrier, version of its card, quote)."""
    told = []
    for name, carrier in sorted(carriers.carriers.items()):
        version = None if carrier.suspended else in_force(carrier.cards, now)
        if version is not None:
            card = carrier.cards[version - 1]
            told += [(name, version, quote(each, parcel, card.currency)) for each in card.services]
    return told


def options(
    carriers: Carriers, parcel: Parcel, now: datetime, records: Mapping[tuple[str, str], Record]
) -> tuple[Option, ...]:
    """All that would take the parcel."""
    found = []
    for carrier, version, told in quotes(carriers, parcel, now):
        if isinstance(told, Quote):
            on_time, seen = estimates(records, carrier, told.service)
            found.append(
                Option(
                    carrier=carrier,
                    service=told.service,
                    card_version=version,
                    zone=told.zone,
                    billed_g=told.billed_g,
                    cents=told.total_cents,
                    currency=told.currency,
                    days=told.days,
                    on_time_permille=on_time,
                    seen=seen,
                )
            )
    return tuple(found)


def _publish(command: PublishRateCard, carrier: Carrier) -> tuple[CarriersEvent, ...]:
    latest = carrier.cards[-1] if carrier.cards else None
    if command.card == latest and command.expected_version < len(carrier.cards):
        return ()  # a repeated request changes nothing
    if command.expected_version != len(carrier.cards):
        raise Refused(
            "rate_card_follows_the_last",
            f"version {len(carrier.cards)} is the last of {command.carrier}, not {command.expected_version}:"
            " look what it says, then publish on it",
        )
    wrong = wrong_in(command.card)
    if wrong:
        raise Refused("rate_card_complete", wrong)
    if latest and command.card.effective_from <= latest.effective_from:
        raise Refused(
            "rate_card_later_than_the_last",
            f"version {len(carrier.cards)} holds from {latest.effective_from.isoformat()}:"
            " a new one begins after that",
        )
    if len(carrier.cards) >= VERSIONS_MAX:
        raise Refused("rate_cards_limited", f"{command.carrier} has {VERSIONS_MAX} versions: add it anew")
    version = len(carrier.cards) + 1
    return (RateCardPublished(carrier=command.carrier, version=version, card=command.card),)


def decide(command: CarriersCommand, state: Carriers) -> tuple[CarriersEvent, ...]:
    match command:
        case SetChoiceRule(rule=rule, unit=unit):
            same = rule == state.rule and unit == state.unit
            return () if same else (ChoiceRuleSet(rule=rule, unit=unit),)
        case AddCarrier(carrier=name) if name in state.carriers:
            if state.carriers[name].name == command.name:
                return ()
            raise Refused("carrier_added_once", f"carrier {name} is there, as {state.carriers[name].name!r}")
        case AddCarrier() if len(state.carriers) >= CARRIERS_MAX:
            raise Refused("carriers_limited", f"a merchant has at most {CARRIERS_MAX} carriers")
        case AddCarrier(carrier=name):
            return (CarrierAdded(carrier=name, name=command.name),)
        case _ if command.carrier not in state.carriers:
            raise Refused("carrier_exists", f"there is no carrier {command.carrier}; add it first")
        case SuspendCarrier(carrier=name):
            return () if state.carriers[name].suspended else (CarrierSuspended(**dict(command)),)
        case ResumeCarrier(carrier=name):
            return (CarrierResumed(carrier=name),) if state.carriers[name].suspended else ()
        case SetTrackingLink(carrier=name, template=template):
            same = state.carriers[name].tracking_link == template
            return () if same else (TrackingLinkSet(carrier=name, template=template),)
        case PublishRateCard(carrier=name):
            return _publish(command, state.carriers[name])


def evolve(state: Carriers, event: CarriersEvent) -> Carriers:
    def with_carrier(code: str, **changed: object) -> Carriers:
        carrier = replace(state.carriers.get(code, Carrier()), **changed)  # type: ignore[arg-type]
        return replace(state, carriers={**state.carriers, code: carrier})

    match event:
        case CarrierAdded(carrier=carrier, name=name):
            return with_carrier(carrier, name=name)
        case CarrierSuspended(carrier=carrier):
            return with_carrier(carrier, suspended=True)
        case CarrierResumed(carrier=carrier):
            return with_carrier(carrier, suspended=False)
        case RateCardPublished(carrier=carrier, card=card):
            known = state.carriers.get(carrier, Carrier())
            return with_carrier(carrier, cards=(*known.cards, card))
        case TrackingLinkSet(carrier=carrier, template=template):
            return with_carrier(carrier, tracking_link=template)
        case ChoiceRuleSet(rule=rule, unit=unit):
            return replace(state, rule=rule, unit=unit)


CARRIERS: Decider[CarriersCommand, CarriersEvent, Carriers] = Decider(
    "carrier",
    decide,
    evolve,
    Carriers(),
    events=CarriersEvent.__args__,
    commands=CarriersCommand.__args__,
    parts=("merchant",),
)
