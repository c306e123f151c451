"""Is a personal value in one of its three forms, and never lost in between?"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from commands.cart.body import ContactBody
from commands.order.changes import AddressBody
from commands.order_body import CustomerBody
from domain.aggregates import EVENT_TYPES
from domain.cart.events import Contact
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


TOLD = {
    "customer_id": "c1",
    "customer_unique_id": "u1",
    "zip_prefix": "01310",
    "city": "São Paulo",
    "name": "Ana Souza",
    "street": "Rua Augusta 1000\napto 21",
    "country": "BR",
    "phone": "+55 11 91234-5678",
    "email": "ana@example.com",
    "note": "ring twice",
}


@pytest.mark.parametrize("door", [CustomerBody, AddressBody, ContactBody])
def test_an_order_keeps_all_that_a_person_tells_at_any_door(door: type[Any]) -> None:
    told = door(**TOLD).to_domain()
    kept = told.customer() if isinstance(told, Contact) else told
    assert kept == Customer(**TOLD)


@pytest.mark.parametrize("wrong", [{"country": "br"}, {"country": "BRA"}, {"email": "nobody"}])
def test_a_country_has_two_letters_and_an_address_of_mail_an_at(wrong: dict[str, str]) -> None:
    for door in (CustomerBody, AddressBody, ContactBody):
        with pytest.raises(ValidationError):
            door(**TOLD | wrong)


@pytest.mark.parametrize("event", EVENT_TYPES.values(), ids=lambda event: event.__name__)
def test_the_forms_of_a_field_are_told_apart_by_their_fields(event: type[Event]) -> None:
    """What is tried first is what fits, and `{}`, where somebody forgot to say, fits none."""
    for kind in personal_fields(event).values():
        assert not kind.model_fields.keys() & {"sealed", "erased"}
        with pytest.raises(ValidationError):
            TypeAdapter(Personal[kind]).validate_json("{}")  # type: ignore[valid-type]
