"""Is a merchant registered once, and on which terms does it trade?"""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domain.merchant import (
    MERCHANT,
    MerchantRegistered,
    MerchantTermsSet,
    MerchantTimeZoneSet,
    RegisterMerchant,
    SetMerchantTerms,
    SetMerchantTimeZone,
)
from domain.order import Terms
from domain.permissions import PLATFORM
from tests.specification import Specification

merchant = Specification(MERCHANT)
REGISTERED = MerchantRegistered(merchant_id="m1", city="Recife", state="PE")
PATIENT = Terms(reservation_valid_s=30 * 86400)


def test_registers_once() -> None:
    register = RegisterMerchant(merchant_id="m1", city="Recife", state="PE")
    merchant.given().when(register).then(REGISTERED)
    merchant.given(REGISTERED).when(register).then_nothing()


def test_other_data_than_the_first_is_refused_and_not_lost_in_silence() -> None:
    for other in ({"city": "Olinda", "state": "PE"}, {"city": "Recife"}, {}):
        merchant.given(REGISTERED).when(RegisterMerchant(merchant_id="m1", **other)).then_refused(
            "registered_once"
        )


def test_sets_terms_of_a_merchant_that_exists() -> None:
    change = SetMerchantTerms(merchant_id="m1", terms=PATIENT)
    changed = MerchantTermsSet(merchant_id="m1", terms=PATIENT)
    merchant.given().when(change).then_refused("merchant_exists")
    merchant.given(REGISTERED).when(change).then(changed)
    assert merchant.given(REGISTERED, changed).state.terms == PATIENT


def test_sets_the_time_zone_of_a_merchant_that_exists() -> None:
    change = SetMerchantTimeZone(merchant_id="m1", time_zone="America/Recife")
    changed = MerchantTimeZoneSet(merchant_id="m1", time_zone="America/Recife")
    merchant.given().when(change).then_refused("merchant_exists")
    merchant.given(REGISTERED).when(change).then(changed)
    merchant.given(REGISTERED, changed).when(change).then_nothing()
    back = change.model_copy(update={"time_zone": "UTC"})
    merchant.given(REGISTERED).when(back).then_nothing()
    merchant.given(REGISTERED, changed).when(back).then(
        MerchantTimeZoneSet(merchant_id="m1", time_zone="UTC")
    )
    for wrong in ("Mars", "localtime", ""):
        with pytest.raises(ValidationError, match="no name of the tz database"):
            SetMerchantTimeZone(merchant_id="m1", time_zone=wrong)


def test_the_same_terms_again_change_nothing() -> None:
    changed = MerchantTermsSet(merchant_id="m1", terms=PATIENT)
    merchant.given(REGISTERED).when(SetMerchantTerms(merchant_id="m1", terms=Terms())).then_nothing()
    merchant.given(REGISTERED, changed).when(SetMerchantTerms(merchant_id="m1", terms=PATIENT)).then_nothing()
    merchant.given(REGISTERED, changed).when(SetMerchantTerms(merchant_id="m1", terms=Terms())).then(
        MerchantTermsSet(merchant_id="m1", terms=Terms())
    )


def test_is_never_called_what_the_platform_is() -> None:
    merchant.given().when(RegisterMerchant(merchant_id=PLATFORM)).then_refused("merchant_id_not_reserved")
