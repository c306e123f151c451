"""Is what an older version stored read as an event of the present, and would a forgotten step be noticed?

The events of the product have one schema so far. So a parcel's weight, changed twice, goes the way that they
will go; `golden_parcels.json` was written by the codec, with the classes as they were.
"""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from domain.kernel import Event
from domain.personal import Customer, Erased, Personal
from eventstore.codec import Schemas, UnknownEvent, known_part, opened
from eventstore.keyring import Keyring, MemoryKeyStore
from eventstore.log import StoredEvent
from tests.golden import changed_shapes, load_rows, sampled, schemas_of, shape_of

GOLDEN = load_rows("golden_parcels.json")
WRAPPED_KEY = "ffpzlg6Vp2sIKMjazXLx5tAVo4TXg9sQgtsDWrHzMgJz65720J484pPdQ0b16LjVN1Dpa/yUi3N2vfvT"
"""The key of the samples' subject u1, wrapped by a master key of zeros."""
BUYER = Customer(customer_id="1", customer_unique_id="2", zip_prefix="01310", city="são paulo")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
each_row = pytest.mark.parametrize("row", GOLDEN, ids=lambda row: f"schema {row['schema_version']}")


class ParcelWeighed(Event):
    """Schema 1 had `weight_kg` and a `recipient`; 2 had `weight_grams`; the default of `scale` is of 3."""

    schema_version = 3
    parcel_id: str
    subject: str
    addressee: Personal[Customer]
    weight_grams: int
    scale: str = "hand"


def in_grams(fields: dict[str, Any]) -> dict[str, Any]:
    kilograms = fields.pop("weight_kg")
    return fields | {"weight_grams": round(kilograms * 1000)}


def addressed(fields: dict[str, Any]) -> dict[str, Any]:
    recipient = fields.pop("recipient")
    return {"scale": "main"} | fields | {"addressee": recipient}


KINDS: dict[str, type[Event]] = {"ParcelWeighed": ParcelWeighed}
STEPS = {("ParcelWeighed", 1): in_grams, ("ParcelWeighed", 2): addressed}
SCHEMAS = Schemas(KINDS, STEPS)


def load(row: dict[str, Any], schemas: Schemas = SCHEMAS) -> Event:
    return schemas[row["type"], row["schema_version"]](json.dumps(row["stored"]).encode())


def stored(schema: int, position: int = 1, type_: str = "ParcelWeighed") -> StoredEvent:
    return StoredEvent(
        position, "parcel-1", position, type_, schema, b"{}", "m", "c", "c", b"{}", uuid4(), NOW, NOW, b""
    )


@each_row
def test_every_schema_of_the_past_reads_as_the_present_one(row: dict[str, Any]) -> None:
    assert json.loads(load(row).model_dump_json()) == row["reads"]


@each_row
async def test_a_personal_field_stays_sealed_and_opens_as_what_it_was(row: dict[str, Any]) -> None:
    store = MemoryKeyStore()
    store.keys["u1"] = b64decode(WRAPPED_KEY)
    keyring = Keyring(bytes(32), store)
    await keyring.load(["u1"])
    event = opened(load(row), keyring)
    assert isinstance(event, ParcelWeighed)
    erased = row["stored"].get("scale") == "yard"
    assert event.addressee == (Erased() if erased else BUYER)


def test_an_event_of_the_present_takes_no_step() -> None:
    def never(fields: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError(fields)

    schemas = Schemas(KINDS, {("ParcelWeighed", 1): in_grams, ("ParcelWeighed", 2): never})
    assert isinstance(load(GOLDEN[-1], schemas), ParcelWeighed)
    with pytest.raises(AssertionError):
        load(GOLDEN[0], schemas)


@pytest.mark.parametrize("schema", [1, 2])
def test_a_missing_step_is_refused_before_anything_is_read(schema: int) -> None:
    steps = {step: upcaster for step, upcaster in STEPS.items() if step[1] != schema}
    with pytest.raises(ValueError, match=f"schema {schema} of ParcelWeighed has no upcaster"):
        Schemas(KINDS, steps)


@pytest.mark.parametrize("step", [("ParcelWeighed", 3), ("ParcelWeighed", 0), ("ParcelSold", 1)])
def test_a_step_from_no_schema_of_the_past_is_refused(step: tuple[str, int]) -> None:
    with pytest.raises(ValueError, match="not of the past"):
        Schemas(KINDS, STEPS | {step: in_grams})


def test_a_step_that_makes_something_else_than_the_present_event_is_refused() -> None:
    schemas = Schemas(KINDS, STEPS | {("ParcelWeighed", 2): lambda fields: fields})
    with pytest.raises(ValidationError):
        load(GOLDEN[0], schemas)


def test_older_code_reads_up_to_the_first_event_of_a_newer_schema() -> None:
    """A rolling upgrade: the older worker halts there and parks nothing."""

    class ParcelWeighed(Event):
        schema_version = 2

    older = Schemas({"ParcelWeighed": ParcelWeighed}, {("ParcelWeighed", 1): in_grams})
    page = [stored(1, 1), stored(2, 2), stored(3, 3), stored(2, 4)]
    assert known_part(page, older) == page[:2]
    assert known_part(page, SCHEMAS) == page
    for unknown in (stored(3), stored(1, type_="ParcelLost")):
        with pytest.raises(UnknownEvent):
            known_part([unknown], older)
        with pytest.raises(UnknownEvent, match="a newer version wrote it"):
            older[unknown.type, unknown.schema](unknown.data)


def test_a_raised_schema_without_a_sample_is_noticed() -> None:
    assert sampled(GOLDEN) == schemas_of(KINDS)
    raised = type("ParcelWeighed", (ParcelWeighed,), {"schema_version": 4, "__module__": __name__})
    assert schemas_of({"ParcelWeighed": raised}) - sampled(GOLDEN) == {("ParcelWeighed", 4)}


def test_a_changed_shape_under_the_same_schema_is_noticed() -> None:
    golden = [{"type": "ParcelWeighed", "schema_version": 3, "shape": shape_of(ParcelWeighed)}]
    assert changed_shapes(KINDS, golden) == []

    class OtherDefault(ParcelWeighed):
        scale: str = "main"

    class Wider(ParcelWeighed):
        title: str = ""

    class Retyped(ParcelWeighed):
        weight_grams: float  # type: ignore[assignment]

    class Raised(ParcelWeighed):
        schema_version = 4

    for changed in (OtherDefault, Wider, Retyped, Raised):
        assert changed_shapes({"ParcelWeighed": changed}, golden) == ["ParcelWeighed"]
