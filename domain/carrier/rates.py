"""What does a carrier ask for a parcel? Rate cards (zones, weight, volume, surcharges), and quotes by them.

Weights are grams, lengths millimetres, money minor units of the card's currency.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from domain.kernel import Value
from domain.money import Cents, Currency

Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
"""Of a carrier, a service, a zone: it stands in paths, and in streams' names."""
Grams = Annotated[int, Field(ge=0, le=10**8)]
Millimetres = Annotated[int, Field(ge=0, le=10**5)]
Place = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
ELSEWHERE = "*"
"""As a zone's region: wherever no other zone reaches."""


class Parcel(Value):
    """What is to be carried, and where to; 0 is unknown. `zip_prefix` is empty for who was erased."""

    units: Annotated[int, Field(ge=1, le=10**9)] = 1
    weight_g: Grams = 0
    length_mm: Millimetres = 0
    width_mm: Millimetres = 0
    height_mm: Millimetres = 0
    region: str = ""
    zip_prefix: str = ""

    @property
    def longest_mm(self) -> int:
        return max(self.length_mm, self.width_mm, self.height_mm)


class Zone(Value):
    """Where one price holds: regions (states), or the beginnings of zip codes, which go before regions."""

    zone: Name
    regions: Annotated[tuple[Place, ...], Field(max_length=300)] = ()
    zip_prefixes: Annotated[tuple[Place, ...], Field(max_length=300)] = ()


class Band(Value):
    """The price up to and with this billed weight."""

    zone: Name
    up_to_g: Annotated[int, Field(ge=1, le=10**8)]
    cents: Cents


class Surcharge(Value):
    """Added where its condition holds: always, in some zones, above a weight, or above a length.

    `cents` is fixed, `basis_points` a share of the price by weight, rounded half up (fuel: 1250 is 12.5 %).
    """

    name: Name
    cents: Cents = 0
    basis_points: Annotated[int, Field(ge=0, le=100_000)] = 0
    zones: Annotated[tuple[Name, ...], Field(max_length=300)] = ()
    above_g: Grams | None = None
    above_mm: Millimetres | None = None


class Service(Value):
    """One way to be carried: `days` at most, by the carrier's word. No `volume_divisor`: by weight alone."""

    service: Name
    days: Annotated[int, Field(ge=0, le=365)]
    zones: Annotated[tuple[Zone, ...], Field(min_length=1, max_length=300)]
    bands: Annotated[tuple[Band, ...], Field(min_length=1, max_length=3000)]
    surcharges: Annotated[tuple[Surcharge, ...], Field(max_length=50)] = ()
    volume_divisor: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Cubic centimetres that count as a kilogram: 5000 is usual."""
    longest_mm: Millimetres | None = None


class RateCard(Value):
    """A carrier's prices from a moment on; the next version replaces it from its own moment on."""

    currency: Currency
    effective_from: AwareDatetime
    services: Annotated[tuple[Service, ...], Field(min_length=1, max_length=50)]


class AddedCharge(Value):
    name: Name
    cents: int


class Quote(Value):
    """What a service asks, and how that comes about: the zone's band by the billed weight, and surcharges."""

    service: Name
    zone: Name
    billed_g: int
    base_cents: int
    surcharges: tuple[AddedCharge, ...] = ()
    total_cents: int
    currency: Currency
    days: int


NotServedWhy: TypeAlias = Literal["no_zone", "too_heavy", "too_long"]


class NotServed(Value):
    """The service does not take the parcel."""

    service: Name
    why: NotServedWhy


def billed_grams(parcel: Parcel, volume_divisor: int | None) -> int:
    """The weight that counts: the real one, or that of the volume if it is more (rounded up)."""
    if not volume_divisor:
        return parcel.weight_g
    cubic_mm = parcel.length_mm * parcel.width_mm * parcel.height_mm
    return max(parcel.weight_g, -(-cubic_mm // volume_divisor))  # mm³ / (cm³ a kg) is grams


def zone_of(service: Service, parcel: Parcel) -> str | None:
    """The zone of the longest zip prefix that fits, else of the region, else the one for elsewhere."""
    by_zip = [
        (len(prefix), zone.zone)
        for zone in service.zones
        for prefix in zone.zip_prefixes
        if parcel.zip_prefix and parcel.zip_prefix.startswith(prefix)
    ]
    if by_zip:
        return max(by_zip, key=lambda each: each[0])[1]
    for region in (parcel.region, ELSEWHERE):
        for zone in service.zones:
            if region and region in zone.regions:
                return zone.zone
    return None


def quote(service: Service, parcel: Parcel, currency: str) -> Quote | NotServed:
    """The service's price for the parcel, or why it does not take it."""
    zone = zone_of(service, parcel)
    if zone is None:
        return NotServed(service=service.service, why="no_zone")
    if service.longest_mm is not None and parcel.longest_mm > service.longest_mm:
        return NotServed(service=service.service, why="too_long")
    billed_g = billed_grams(parcel, service.volume_divisor)
    bands = [band for band in service.bands if band.zone == zone and band.up_to_g >= billed_g]
    if not bands:
        return NotServed(service=service.service, why="too_heavy")
    base = min(bands, key=lambda band: band.up_to_g).cents
    added = _added(service, parcel, zone, billed_g, base)
    return Quote(
        service=service.service,
        zone=zone,
        billed_g=billed_g,
        base_cents=base,
        surcharges=added,
        total_cents=base + sum(each.cents for each in added),
        currency=currency,
        days=service.days,
    )


def _added(service: Service, parcel: Parcel, zone: str, billed_g: int, base: int) -> tuple[AddedCharge, ...]:
    return tuple(
        AddedCharge(name=each.name, cents=each.cents + (base * each.basis_points + 5_000) // 10_000)
        for each in service.surcharges
        if (not each.zones or zone in each.zones)
        and (each.above_g is None or billed_g > each.above_g)
        and (each.above_mm is None or parcel.longest_mm > each.above_mm)
    )


def wrong_in(card: RateCard) -> str:
    """What a person has to mend in the card before it can be published; empty if nothing."""
    services = [each.service for each in card.services]
    if len(set(services)) < len(services):
        return "a service stands in it twice"
    for service in card.services:
        zones = {zone.zone for zone in service.zones}
        priced = {band.zone for band in service.bands}
        if len(zones) < len(service.zones):
            return f"service {service.service} has a zone twice"
        if zones != priced:
            names = ", ".join(sorted(zones ^ priced))
            return f"service {service.service} has zones without prices, or prices without a zone: {names}"
        places = [(band.zone, band.up_to_g) for band in service.bands]
        if len(set(places)) < len(places):
            return f"service {service.service} has two prices for one weight of a zone"
        unknown = {zone for each in service.surcharges for zone in each.zones} - zones
        if unknown:
            return f"service {service.service} has surcharges for unknown zones: {', '.join(sorted(unknown))}"
    return ""


def in_force(cards: tuple[RateCard, ...], now: datetime) -> int | None:
    """The version (from 1) of the card that holds now; None before the first."""
    begun = [version for version, card in enumerate(cards, 1) if card.effective_from <= now]
    return begun[-1] if begun else None
