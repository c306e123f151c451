"""With which carriers does a merchant ship, at which rates, and by which rule is one chosen?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.carrier.carriers import (
    CarrierAdded,
    CarrierResumed,
    CarrierSuspended,
    ChoiceRuleSet,
    RateCardPublished,
    TrackingLinkSet,
)
from domain.kernel import Fact
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class CarrierRow:
    merchant: str
    carrier: str
    name: str
    added_at: datetime


@dataclass(slots=True)
class CarrierChange:
    """What is so from now on (None: as it was)."""

    merchant: str
    carrier: str
    suspended: bool | None = None
    suspended_reason: str | None = None
    versions_count: int | None = None


@dataclass(slots=True)
class RateCardRow:
    """`services` is JSON."""

    merchant: str
    carrier: str
    version: int
    currency: str
    effective_from: datetime
    services: str
    published_at: datetime


@dataclass(slots=True)
class TrackingLink:
    merchant: str
    carrier: str
    template: str


@dataclass(slots=True)
class RuleRow:
    merchant: str
    prefer: str
    day_cents: int
    late_cents: int
    days_max: int | None
    on_time_min_permille: int
    unit_weight_g: int
    unit_length_mm: int
    unit_width_mm: int
    unit_height_mm: int
    set_at: datetime


def project(facts: Sequence[Fact]) -> Rows:
    added: list[CarrierRow] = []
    changes: dict[tuple[str, str], CarrierChange] = {}
    cards: list[RateCardRow] = []
    rules: dict[str, RuleRow] = {}
    links: dict[tuple[str, str], TrackingLink] = {}

    def changing(event: Any, fact: Fact) -> CarrierChange:
        key = (fact.merchant, event.carrier)
        return changes.get(key) or changes.setdefault(key, CarrierChange(*key))

    for fact in facts:
        event: Any = fact.event
        match event:
            case CarrierAdded():
                added.append(CarrierRow(fact.merchant, event.carrier, event.name, fact.occurred_at))
            case CarrierSuspended(reason=why):
                change = changing(event, fact)
                change.suspended, change.suspended_reason = True, why
            case CarrierResumed():
                changing(event, fact).suspended = False
            case RateCardPublished(version=version):
                changing(event, fact).versions_count = version
                cards.append(_card(event, fact))
            case TrackingLinkSet(carrier=carrier, template=template):
                links[fact.merchant, carrier] = TrackingLink(fact.merchant, carrier, template)
            case ChoiceRuleSet():
                rules[fact.merchant] = _rule(event, fact)
    return {
        "insert_carriers": added,
        "change_carriers": list(changes.values()),
        "insert_rate_cards": cards,
        "set_rules": list(rules.values()),
        "set_tracking_links": list(links.values()),
    }


def _card(event: RateCardPublished, fact: Fact) -> RateCardRow:
    card = event.card
    services = f"[{','.join(each.model_dump_json() for each in card.services)}]"
    key = (fact.merchant, event.carrier, event.version)
    return RateCardRow(*key, card.currency, card.effective_from, services, fact.occurred_at)


def _rule(event: ChoiceRuleSet, fact: Fact) -> RuleRow:
    rule, unit = event.rule, event.unit
    return RuleRow(
        fact.merchant,
        rule.prefer,
        rule.day_cents,
        rule.late_cents,
        rule.days_max,
        rule.on_time_min_permille,
        unit.weight_g,
        unit.length_mm,
        unit.width_mm,
        unit.height_mm,
        fact.occurred_at,
    )


CARRIERS = ReadModel(
    "carriers",
    ("carriers", "rate_cards", "carrier_rules", "tracking_links"),
    (CarrierAdded, CarrierSuspended, CarrierResumed, RateCardPublished, ChoiceRuleSet, TrackingLinkSet),
    project,
    version=2,
)
