"""In which warehouses do the goods of a played merchant lie, and with which carriers does it ship?

A seller of the dataset has one place. Played over a network it keeps goods there (`main`) and in a hub in
another state: the first unit of an order that a row tells of lies where it is nearest to its buyer, further
ones lie by turns in both. So an order of several units is as a rule split, and one that asks where it is
nearest finds too few there. Two carriers have rates by zone: one is cheaper in the seller's own state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from domain.allocation import AllocationTerms
from domain.allocation.planning import unit_scores
from domain.allocation.rules import AllocationRules, FewestSplits, Nearest
from domain.carrier.carriers import AddCarrier, CarriersCommand, PublishRateCard, SetChoiceRule, UnitMeasures
from domain.carrier.choice import ChoiceRule
from domain.carrier.rates import ELSEWHERE, Band, RateCard, Service, Zone
from domain.warehouse.network import (
    Network,
    NetworkCommand,
    Place,
    RegisterWarehouse,
    SetAllocationRules,
    Version,
)
from services.play.rows import CustomerRow, ItemRow, OlistRows, SellerRow, by_order

LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Rules and rates hold from before any order."""
OWN, HUB = "main", "hub"
RULES: Final = AllocationRules(rules=(Nearest(kind="nearest"), FewestSplits(kind="fewest_splits")))
_HUBS: Final = (Place("", "BR", "SP", "01000"), Place("", "BR", "RJ", "20000"))
_NEAR_CENTS: Final = {"swift": (890, 1_490), "post": (1_290, 1_890)}
_FAR_CENTS: Final = {"swift": (3_490, 5_990), "post": (1_990, 2_990)}
_UP_TO_G: Final = (2_000, 10_000_000)


def places_of(seller: SellerRow) -> dict[str, Place]:
    """Warehouse -> its place."""
    hub = next(place for place in _HUBS if place.state != seller.state)
    return {OWN: Place("", "BR", seller.state, seller.zip_prefix), HUB: hub}


class Networks:
    """By seller: what its orders are allocated by, and where its units lie."""

    def __init__(self, rows: OlistRows) -> None:
        self._networks = {
            seller.seller_id: Network(places_of(seller), {1: Version(RULES, LONG_AGO)})
            for seller in rows.sellers
        }

    def terms(self, seller: str, buyer: CustomerRow) -> AllocationTerms:
        terms = self._networks[seller].terms_at(LONG_AGO, buyer.zip_prefix)
        assert terms, "each network has its rules"
        return terms

    def units(self, rows: OlistRows) -> Counter[tuple[str, str, str]]:
        """(seller, SKU, warehouse) -> units that will be sold, and lie there."""
        customers = {row.customer_id: row for row in rows.customers}
        buyers = {order.order_id: customers[order.customer_id] for order in rows.orders}
        units: Counter[tuple[str, str, str]] = Counter()
        for order_id, items in by_order(rows.items).items():
            units.update(self._lie(items, buyers[order_id]))
        return units

    def _lie(self, items: list[ItemRow], buyer: CustomerRow) -> Iterator[tuple[str, str, str]]:
        seen: Counter[str] = Counter()
        for item in sorted(items, key=lambda row: row.item):
            terms = self.terms(item.seller_id, buyer)
            scores = unit_scores(terms, buyer.state)
            nearest_first = sorted(scores, key=lambda warehouse: (scores[warehouse], warehouse))
            yield item.seller_id, item.product_id, nearest_first[seen[item.seller_id] % len(nearest_first)]
            seen[item.seller_id] += 1


def warehouses(seller: SellerRow) -> Iterator[NetworkCommand]:
    """Both, and the rules by which orders are spread over them."""
    for name, place in places_of(seller).items():
        yield RegisterWarehouse(
            warehouse=name, country=place.country, state=place.state, zip_prefix=place.zip_prefix
        )
    yield SetAllocationRules(rules=RULES, now=LONG_AGO)


def carriers(seller: SellerRow, currency: str) -> Iterator[CarriersCommand]:
    """Two with their rates; the cheapest is chosen."""
    for carrier in _NEAR_CENTS:
        yield AddCarrier(carrier=carrier, name=carrier.title())
        card = _card(carrier, seller.state, currency)
        yield PublishRateCard(carrier=carrier, expected_version=0, card=card, now=LONG_AGO)
    yield SetChoiceRule(rule=ChoiceRule(prefer="cost"), unit=UnitMeasures(weight_g=500))


def _card(carrier: str, state: str, currency: str) -> RateCard:
    zones = (Zone(zone="near", regions=(state,)), Zone(zone="far", regions=(ELSEWHERE,)))
    prices = {"near": _NEAR_CENTS[carrier], "far": _FAR_CENTS[carrier]}
    bands = tuple(
        Band(zone=zone, up_to_g=most, cents=cents)
        for zone, each in prices.items()
        for most, cents in zip(_UP_TO_G, each, strict=True)
    )
    service = Service(service="parcel", days=9, zones=zones, bands=bands)
    return RateCard(currency=currency, effective_from=LONG_AGO, services=(service,))
