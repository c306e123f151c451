"""Who sells, from where, on which terms, and in which time zone?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.kernel import Fact
from domain.merchant import Merchant, MerchantRegistered, MerchantTermsSet, MerchantTimeZoneSet
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class MerchantRow:
    merchant: str
    zip_prefix: str
    city: str
    state: str
    registered_at: datetime
    reservation_valid_s: int
    authorization_valid_s: int
    time_zone: str


@dataclass(slots=True)
class TermsRow:
    merchant: str
    reservation_valid_s: int
    authorization_valid_s: int


@dataclass(slots=True)
class ZoneRow:
    merchant: str
    time_zone: str


def project(facts: Sequence[Fact]) -> Rows:
    registered: list[MerchantRow] = []
    terms: dict[str, TermsRow] = {}
    zones: dict[str, ZoneRow] = {}
    usual = Merchant()
    for fact in facts:
        event: Any = fact.event
        match event:
            case MerchantRegistered(merchant_id=merchant, zip_prefix=zip_prefix, city=city, state=state):
                valid = (usual.terms.reservation_valid_s, usual.terms.authorization_valid_s)
                place = (zip_prefix, city, state)
                registered.append(MerchantRow(merchant, *place, fact.occurred_at, *valid, usual.time_zone))
            case MerchantTermsSet(merchant_id=merchant, terms=new):
                terms[merchant] = TermsRow(merchant, new.reservation_valid_s, new.authorization_valid_s)
            case MerchantTimeZoneSet(merchant_id=merchant, time_zone=zone):
                zones[merchant] = ZoneRow(merchant, zone)
    return {
        "register_merchants": registered,
        "set_terms": list(terms.values()),
        "set_time_zones": list(zones.values()),
    }


MERCHANTS = ReadModel(
    "merchants",
    ("merchants",),
    (MerchantRegistered, MerchantTermsSet, MerchantTimeZoneSet),
    project,
    version=2,
)
