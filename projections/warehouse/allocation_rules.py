"""By which rules were a merchant's orders allocated when, and who set them?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import orjson

from domain.kernel import Fact
from domain.warehouse.network import AllocationRulesSet
from projections.read_model import ReadModel, Rows


class VersionRow(NamedTuple):
    """`rules` is JSON: a list of rules in their order; empty, as `when_short` is, where there are none."""

    merchant: str
    version: int
    rules: str
    when_short: str
    effective_from: datetime
    restores: int | None
    note: str
    set_at: datetime
    set_by: str


def _row(event: AllocationRulesSet, fact: Fact) -> VersionRow:
    rules = [rule.model_dump(mode="json") for rule in event.rules.rules] if event.rules else []
    return VersionRow(
        fact.merchant,
        event.version,
        orjson.dumps(rules).decode(),
        event.rules.when_short if event.rules else "",
        event.effective_from,
        event.restores,
        event.note,
        fact.occurred_at,
        fact.actor,
    )


def project(facts: Sequence[Fact]) -> Rows:
    events = ((fact.event, fact) for fact in facts)
    return {
        "insert_versions": [
            _row(event, fact) for event, fact in events if isinstance(event, AllocationRulesSet)
        ]
    }


ALLOCATION_RULES = ReadModel("allocation_rules", ("allocation_rules",), (AllocationRulesSet,), project)
