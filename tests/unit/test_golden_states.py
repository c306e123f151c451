"""Does `evolve` make of old events the states that it always made? Or is its version higher?

`golden_states.json` has, for each aggregate, the state after each of its golden events, one after the other,
as a snapshot holds it. A red test means that snapshots which were kept are not what the fold gives now: raise
the aggregate's `evolve_version`, and put the states of the new version in place. A state of another shape has
another form by itself; then the form and the states are put in place.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from domain.aggregates import AGGREGATES
from eventstore.codec import decode_event
from eventstore.snapshots import decode_state, form_of
from tests.golden import load_rows

EVENTS = load_rows("golden_events.json")
GOLDEN = {row["category"]: row for row in load_rows("golden_states.json")}


def test_every_aggregate_has_golden_states() -> None:
    assert {name: each.evolve_version for name, each in AGGREGATES.items()} == {
        name: row["evolve_version"] for name, row in GOLDEN.items()
    }


@pytest.mark.parametrize("category", AGGREGATES)
def test_golden_events_fold_to_the_golden_states(category: str) -> None:
    aggregate, golden = AGGREGATES[category], GOLDEN[category]["states"]
    names = {event.__name__ for event in aggregate.events}
    folded: list[Any] = []
    for row in EVENTS:
        if row["type"] in names:
            event = decode_event(row["type"], row["schema_version"], orjson.dumps(row["stored"]))
            folded.append(aggregate.fold([event], folded[-1] if folded else None))
    assert folded == [decode_state(aggregate, orjson.dumps(state)) for state in golden]


@pytest.mark.parametrize("category", AGGREGATES)
def test_the_form_is_the_same_in_every_process(category: str) -> None:
    """Or no snapshot would be of use to another."""
    assert form_of(AGGREGATES[category]) == GOLDEN[category]["form"]
