"""Is of a card kept what the provider gave for it, and nothing else, and nobody else's?"""

from __future__ import annotations

import pytest

from domain.payment.method import (
    PAYMENT_METHOD,
    MethodToken,
    PaymentMethodRemoved,
    PaymentMethodStored,
    RemovePaymentMethod,
    StorePaymentMethod,
)
from domain.personal import Sealed
from tests.specification import Specification

method = Specification(PAYMENT_METHOD)
ID = {"method_id": "visa"}
STORE = StorePaymentMethod(**ID, subject="s1", token=Sealed(sealed="…"))
STORED = PaymentMethodStored(**ID, subject="s1", token=Sealed(sealed="…"))
REMOVED = PaymentMethodRemoved(**ID)


def test_a_method_is_stored_once_and_removed_once() -> None:
    method.given().when(STORE).then(STORED)
    method.given(STORED).when(STORE).then_nothing()
    method.given(STORED).when(RemovePaymentMethod(**ID)).then(REMOVED)
    method.given(STORED, REMOVED).when(RemovePaymentMethod(**ID)).then_nothing()


def test_of_a_removed_method_no_token_is_left() -> None:
    assert method.given(STORED).when(RemovePaymentMethod(**ID)).state.token is None
    method.given(STORED, REMOVED).when(STORE).then_refused("method_removed")


def test_nobody_takes_anothers_method() -> None:
    other = STORE.model_copy(update={"subject": "s2"})
    method.given(STORED).when(other).then_refused("method_id_unique")
    method.given().when(RemovePaymentMethod(**ID)).then_refused("method_exists")


@pytest.mark.parametrize("number", ["4242424242424242", "4242 4242 4242 4242", "378282246310005"])
def test_a_cards_number_is_no_token(number: str) -> None:
    card = StorePaymentMethod(**ID, subject="s1", token=MethodToken(token=number))
    method.given().when(card).then_refused("token_only")
