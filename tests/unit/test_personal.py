"""Is a personal value in one of its three forms, and never lost in between?"""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from domain.aggregates import EVENT_TYPES
from domain.kernel import Event
from domain.personal import Customer, Erased, Personal, Sealed
from eventstore.codec import personal_fields

PERSONAL: TypeAdapter[Customer | Sealed | Erased] = TypeAdapter(Personal[Customer])
CUSTOMER = Customer(customer_id="c1", customer_unique_id="u1", zip_prefix="01310", city="São Paulo")


@pytest.mark.parametrize("value", [CUSTOMER, Sealed(sealed="bm9uY2U="), Erased()])
def test_keeps_its_form(value: Customer | Sealed | Erased) -> None:
    assert PERSONAL.validate_python(value) == value
    assert PERSONAL.validate_json(PERSONAL.dump_json(value)) == value


@pytest.mark.parametrize(
    "text", ["{}", "null", '{"erased": false}', '{"sealed": "x", "erased": true}', '{"city": "x"}']
)
def test_is_nothing_else(text: str) -> None:
    with pytest.raises(ValidationError):
        PERSONAL.validate_json(text)


@pytest.mark.parametrize("event", EVENT_TYPES.values(), ids=lambda event: event.__name__)
def test_the_forms_of_a_field_are_told_apart_by_their_fields(event: type[Event]) -> None:
    """What is tried first is what fits, and `{}`, where somebody forgot to say, fits none."""
    for kind in personal_fields(event).values():
        assert not kind.model_fields.keys() & {"sealed", "erased"}
        with pytest.raises(ValidationError):
            TypeAdapter(Personal[kind]).validate_json("{}")  # type: ignore[valid-type]
