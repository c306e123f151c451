"""Does every event that was ever stored still read the same, under its stored name and with all its fields?

`golden_events.json` is what a log may hold: `stored` as the codec writes it, which leaves defaults out, and
`reads`, the whole event. `golden_shapes.json` is what each schema allowed. Both only grow: a new event gets
rows, a changed event a higher `schema_version`, an upcaster and new rows (`eventstore/upcasters.py`). A red
test here means that an old log would not be read as it was meant, or that an older process, which runs yet,
could not read a new one: a changed default, and a value that is allowed only now, are red too.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, get_args

import pytest

from domain.aggregates import AGGREGATES, COMMAND_TYPES, EVENT_TYPES
from domain.kernel import Event, Value
from eventstore.codec import decode_event
from tests.golden import as_lines, changed_shapes, load_rows, sampled, schemas_of, shape_of

GOLDEN = load_rows("golden_events.json")
SHAPES = load_rows("golden_shapes.json")
each_row = pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"{row['type']}-{row['schema_version']}")


def load(row: dict[str, Any]) -> Event:
    return decode_event(row["type"], row["schema_version"], json.dumps(row["stored"]).encode())


def test_the_events_are_the_golden_list_with_a_sample_of_every_schema() -> None:
    assert sampled(GOLDEN) == schemas_of(EVENT_TYPES)


def test_no_event_changed_without_a_higher_schema() -> None:
    assert sampled(SHAPES) == schemas_of(EVENT_TYPES)
    rows = (
        {"type": name, "schema_version": kind.schema_version, "shape": shape_of(kind)}
        for name in changed_shapes(EVENT_TYPES, SHAPES)
        for kind in (EVENT_TYPES[name],)
    )
    changed = as_lines(rows)
    assert changed == as_lines([]), f"raise `schema_version`, then add with it, and change no row: {changed}"


@each_row
def test_a_stored_event_reads_as_it_was_meant(row: dict[str, Any]) -> None:
    assert json.loads(load(row).model_dump_json()) == row["reads"]


@each_row
def test_an_event_of_the_present_schema_is_stored_the_same(row: dict[str, Any]) -> None:
    event = load(row)
    stored = json.loads(event.model_dump_json(exclude_defaults=True))
    assert stored == row["stored"] or row["schema_version"] < event.schema_version


@each_row
def test_one_aggregate_folds_it(row: dict[str, Any]) -> None:
    event = load(row)
    (owner,) = [each for each in AGGREGATES.values() if type(event) in each.events]
    assert isinstance(owner.fold([event]), type(owner.initial))


def test_names_are_unique_over_all_aggregates() -> None:
    assert sum(len(each.events) for each in AGGREGATES.values()) == len(EVENT_TYPES)
    assert sum(len(each.commands) for each in AGGREGATES.values()) == len(COMMAND_TYPES)


@pytest.mark.parametrize("event", EVENT_TYPES.values(), ids=lambda event: event.__name__)
def test_an_event_is_frozen_and_hides_nothing(event: type[Event]) -> None:
    assert event.model_config["frozen"]
    assert event.model_config["extra"] == "forbid"


def parts_of(annotation: Any) -> set[Any]:
    """All types in an annotation, those of the fields of nested values included."""
    found = {annotation}
    if isinstance(annotation, type) and issubclass(annotation, Value):
        inner = [field.annotation for field in annotation.model_fields.values()]
    else:
        inner = list(get_args(annotation))
    for each in inner:
        found |= parts_of(each)
    return found


@pytest.mark.parametrize("kind", [*EVENT_TYPES.values(), *COMMAND_TYPES.values()], ids=str)
def test_every_time_has_a_zone(kind: type[Value]) -> None:
    assert datetime not in parts_of(kind)


def test_refusals_are_those_that_stand_instead_of_the_others() -> None:
    refusals = {name for name, event in EVENT_TYPES.items() if event.refusal}
    assert refusals == {"StockReservationRefused", "StockAllocationRefused"}
