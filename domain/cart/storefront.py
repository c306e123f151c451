"""How a merchant lets shoppers in: whether guests may, how long carts wait, what shipping costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, TypeAlias

from pydantic import Field

from domain.cart.events import CHANNEL, CartTerms, Channel
from domain.kernel import Command, Decider, Event, Refused, Value
from domain.money import Cents, Currency

SERVICES_MAX = 50
Id = Annotated[str, Field(min_length=1, max_length=200)]


class ShippingService(Value):
    """What one of the merchant's carriers offers."""

    carrier: Id
    service: Id


class ShippingMethod(Value):
    """A way of shipping, and what it costs an order in that currency. `services` fulfil it: with none, any
    may."""

    method: Id
    name: Annotated[str, Field(max_length=200)] = ""
    currency: Currency
    amount_cents: Cents
    services: Annotated[tuple[ShippingService, ...], Field(max_length=SERVICES_MAX)] = ()


class StorefrontSettings(Value):
    """As they are until a merchant sets others: guests may not start carts by themselves."""

    channel: Channel = CHANNEL
    guests: bool = False
    terms: CartTerms = CartTerms()
    shipping: tuple[ShippingMethod, ...] = ()

    def shipping_cents(self, method: str, currency: str) -> int | None:
        """Minor units; None where the merchant does not ship so."""
        found = (e.amount_cents for e in self.shipping if (e.method, e.currency) == (method, currency))
        return next(found, None)

    def services(self, method: str) -> frozenset[tuple[str, str]]:
        """Carrier and service of those that are named for the method, in any currency."""
        ways = (each.services for each in self.shipping if each.method == method)
        return frozenset((each.carrier, each.service) for services in ways for each in services)


class StorefrontSet(Event):
    """From now on carts are started, and shipping is priced, by these settings."""

    schema_version = 2

    settings: StorefrontSettings


class SetStorefront(Command):
    settings: StorefrontSettings


StorefrontCommand: TypeAlias = SetStorefront


@dataclass(frozen=True, slots=True)
class Storefront:
    settings: StorefrontSettings = field(default_factory=StorefrontSettings)


def decide(command: SetStorefront, storefront: Storefront) -> tuple[StorefrontSet, ...]:
    settings = command.settings
    if len({(each.method, each.currency) for each in settings.shipping}) < len(settings.shipping):
        raise Refused("shipping_methods_unique", "two ways of shipping have the same method and currency")
    return () if settings == storefront.settings else (StorefrontSet(settings=settings),)


def evolve(_: Storefront, event: StorefrontSet) -> Storefront:
    return Storefront(event.settings)


STOREFRONT: Decider[SetStorefront, StorefrontSet, Storefront] = Decider(
    "storefront",
    decide,
    evolve,
    Storefront(),
    events=(StorefrontSet,),
    commands=(SetStorefront,),
    parts=("merchant",),
)
