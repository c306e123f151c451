"""How does each merchant let shoppers in, since when, and who set it so?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from domain.cart.storefront import StorefrontSet
from domain.kernel import Fact
from projections.read_model import ReadModel, Rows


class StorefrontRow(NamedTuple):
    """`shipping` is JSON: a list of ways of shipping, in their order."""

    merchant: str
    channel: str
    guests: bool
    abandon_after_s: int
    expire_after_s: int
    claim_valid_s: int
    shipping: str
    set_at: datetime
    set_by: str


def _row(event: StorefrontSet, fact: Fact) -> StorefrontRow:
    settings, terms = event.settings, event.settings.terms
    return StorefrontRow(
        fact.merchant,
        settings.channel,
        settings.guests,
        terms.abandon_after_s,
        terms.expire_after_s,
        terms.claim_valid_s,
        f"[{','.join(each.model_dump_json() for each in settings.shipping)}]",
        fact.occurred_at,
        fact.actor,
    )


def project(facts: Sequence[Fact]) -> Rows:
    """The last settings stand: they are replaced as a whole."""
    rows = {fact.merchant: _row(fact.event, fact) for fact in facts if isinstance(fact.event, StorefrontSet)}
    return {"set_storefronts": list(rows.values())}


STOREFRONTS = ReadModel("storefronts", ("storefronts",), (StorefrontSet,), project)
