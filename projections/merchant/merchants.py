"""Who sells, from where, and on which terms?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.kernel import Fact
from domain.merchant import MerchantRegistered, MerchantTermsSet
from domain.order import Terms
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


@dataclass(slots=True)
class TermsRow:
    merchant: str
    reservation_valid_s: int
    authorization_valid_s: int


def project(facts: Sequence[Fact]) -> Rows:
    registered: list[MerchantRow] = []
    terms: dict[str, TermsRow] = {}
    usual = Terms()
    for fact in facts:
        event: Any = fact.event
        match event:
            case MerchantRegistered(merchant_id=merchant, zip_prefix=zip_prefix, city=city, state=state):
                valid = (usual.reservation_valid_s, usual.authorization_valid_s)
                registered.append(MerchantRow(merchant, zip_prefix, city, state, fact.occurred_at, *valid))
            case MerchantTermsSet(merchant_id=merchant, terms=new):
                terms[merchant] = TermsRow(merchant, new.reservation_valid_s, new.authorization_valid_s)
    return {"register_merchants": registered, "set_terms": list(terms.values())}


MERCHANTS = ReadModel("merchants", ("merchants",), (MerchantRegistered, MerchantTermsSet), project)
