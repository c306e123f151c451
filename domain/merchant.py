"""A merchant: who sells, from where, and the settings that bind its orders."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, TypeAlias

from pydantic import Field

from domain.kernel import Command, Decider, Event, Refused
from domain.order import Terms
from domain.time_zones import TimeZone

Id = Annotated[str, Field(min_length=1, max_length=200)]


class MerchantRegistered(Event):
    merchant_id: Id
    zip_prefix: str = ""
    city: str = ""
    state: str = ""


class MerchantTermsSet(Event):
    """From now on orders of the merchant are placed on these terms."""

    merchant_id: Id
    terms: Terms


class MerchantTimeZoneSet(Event):
    """Days, weeks and months of the merchant are those of this time zone, by its name in the tz database."""

    merchant_id: Id
    time_zone: str


MerchantEvent: TypeAlias = MerchantRegistered | MerchantTermsSet | MerchantTimeZoneSet


class RegisterMerchant(Command):
    creates = True
    merchant_id: Id
    zip_prefix: str = ""
    city: str = ""
    state: str = ""


class SetMerchantTerms(Command):
    merchant_id: Id
    terms: Terms


class SetMerchantTimeZone(Command):
    merchant_id: Id
    time_zone: TimeZone


MerchantCommand: TypeAlias = RegisterMerchant | SetMerchantTerms | SetMerchantTimeZone


@dataclass(frozen=True, slots=True)
class Merchant:
    registered: bool = False
    place: tuple[str, str, str] = ("", "", "")
    """Zip prefix, city and state that it was registered with."""
    terms: Terms = field(default_factory=Terms)
    time_zone: str = "UTC"


def decide(command: MerchantCommand, merchant: Merchant) -> tuple[MerchantEvent, ...]:
    match command:
        case RegisterMerchant(merchant_id=merchant_id) if merchant_id.startswith("."):
            raise Refused("merchant_id_not_reserved", "names that begin with a dot are the platform's own")
        case RegisterMerchant() if not merchant.registered:
            return (MerchantRegistered(**dict(command)),)
        case RegisterMerchant() if _place(command) == merchant.place:
            return ()
        case RegisterMerchant(merchant_id=merchant_id):
            zip_prefix, city, state = merchant.place
            raise Refused(
                "registered_once",
                f"merchant {merchant_id} is registered already, with zip_prefix {zip_prefix!r},"
                f" city {city!r} and state {state!r}",
            )
        case SetMerchantTerms() | SetMerchantTimeZone() if not merchant.registered:
            raise Refused("merchant_exists", f"there is no merchant {command.merchant_id}; register it first")
        case SetMerchantTerms(merchant_id=merchant_id, terms=terms):
            return (
                () if terms == merchant.terms else (MerchantTermsSet(merchant_id=merchant_id, terms=terms),)
            )
        case SetMerchantTimeZone(time_zone=zone):
            return () if zone == merchant.time_zone else (MerchantTimeZoneSet(**dict(command)),)


def _place(registered: RegisterMerchant | MerchantRegistered) -> tuple[str, str, str]:
    return registered.zip_prefix, registered.city, registered.state


def evolve(merchant: Merchant, event: MerchantEvent) -> Merchant:
    match event:
        case MerchantRegistered():
            return replace(merchant, registered=True, place=_place(event))
        case MerchantTermsSet(terms=terms):
            return replace(merchant, terms=terms)
        case MerchantTimeZoneSet(time_zone=time_zone):
            return replace(merchant, time_zone=time_zone)


MERCHANT: Decider[MerchantCommand, MerchantEvent, Merchant] = Decider(
    "merchant",
    decide,
    evolve,
    Merchant(),
    events=MerchantEvent.__args__,
    commands=MerchantCommand.__args__,
    parts=("merchant",),
)

AGGREGATES = (MERCHANT,)
PERMISSIONS = ("merchant:read", "merchant:write")
