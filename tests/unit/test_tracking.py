"""Is the link to a parcel's track where the merchant said, and can it lead nowhere else?"""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domain.carrier.carriers import CARRIERS, CarrierAdded, SetTrackingLink, TrackingLinkSet
from domain.carrier.tracking import tracking_url
from tests.specification import Specification

carriers = Specification(CARRIERS)
LINK = "https://track.swift.example/parcels/{tracking_number}?lang=en"
ADDED = CarrierAdded(carrier="swift")
SET = TrackingLinkSet(carrier="swift", template=LINK)


def ask(template: str) -> SetTrackingLink:
    return SetTrackingLink(carrier="swift", template=template)


def test_a_carriers_link_is_set_once_and_taken_away() -> None:
    carriers.given(ADDED).when(ask(LINK)).then(SET)
    carriers.given(ADDED, SET).when(ask(LINK)).then_nothing()
    carriers.given(ADDED, SET).when(ask("")).then(TrackingLinkSet(carrier="swift", template=""))
    carriers.given().when(ask(LINK)).then_refused("carrier_exists")


@pytest.mark.parametrize(
    "template",
    [
        LINK,
        "https://track.example:8443/?n={tracking_number}",
        "https://t.example?{tracking_number}",
        "https://track.example/#/p/{tracking_number}/way",
    ],
)
def test_a_template_is_an_address_with_the_number_in_it(template: str) -> None:
    assert ask(template).template == template


@pytest.mark.parametrize(
    "template",
    [
        "http://track.example/{tracking_number}",
        "javascript:alert({tracking_number})",
        "https://track.example/",
        "https://track.example/{number}",
        "https://track.example/{tracking_number}/{tracking_number}",
        "https://track.example/{tracking_number}{",
        "https://{tracking_number}.example/",
        "https://track.example{tracking_number}",
        "https://ours.example@theirs.example/{tracking_number}",
        "https:///{tracking_number}",
        "https://track.example/a b/{tracking_number}",
        'https://track.example/"onclick={tracking_number}',
        "https://track.example/{tracking_number}\n",
        "https://track.example/\x00{tracking_number}",
        f"https://track.example/{'a' * 500}{{tracking_number}}",
    ],
)
def test_what_is_no_such_address_is_refused(template: str) -> None:
    with pytest.raises(ValidationError):
        ask(template)


def test_a_number_stays_within_its_place_of_the_address() -> None:
    assert tracking_url(LINK, "SW 1/2?x=#%") == (
        "https://track.swift.example/parcels/SW%201%2F2%3Fx%3D%23%25?lang=en"
    )
