"""A product, or what a SKU is known as, folded from its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from domain.product.events import (
    PriceApplied,
    PriceSet,
    PriceWithdrawn,
    ProductActivated,
    ProductArchived,
    ProductDescribed,
    ProductDrafted,
    ProductEvent,
    ProductImported,
    ProductPublished,
    ProductRestored,
    ProductUnpublished,
    SkuAssigned,
    SkuFreed,
    VariantAdded,
    VariantDescribed,
    VariantRemoved,
)
from domain.product.price_history import Points, PricePoint, point_at, with_point, without_point
from domain.product.values import Details, Status, Variant


@dataclass(frozen=True, slots=True)
class Product:
    """`status` is empty while it was never drafted: such a product is at most known from an import."""

    status: Status = ""
    details: Details | None = None
    variants: tuple[Variant, ...] = ()
    channels: tuple[str, ...] = ()
    prices: Mapping[str, Points] = field(default_factory=dict)
    """By `price_key`."""
    applied: Mapping[str, datetime] = field(default_factory=dict)
    """By `price_key`, since when the price holds that was last said to hold."""
    imported: ProductImported | None = None
    variant_of: str = ""
    """The product that this SKU is a variant's of; then this is no product."""

    def variant(self, sku: str) -> Variant | None:
        return next((each for each in self.variants if each.sku == sku), None)

    def price_cents(self, sku: str, channel: str, currency: str, at: datetime) -> int | None:
        """What a unit costs at that time, or None where no price holds then."""
        point = point_at(self.prices.get(price_key(sku, channel, currency), ()), at)
        return point.price_cents if point else None


def price_key(sku: str, channel: str, currency: str) -> str:
    """Channel and currency hold no slash, so that the key is good for any SKU."""
    return f"{channel}/{currency}/{sku}"


def evolve(product: Product, event: ProductEvent) -> Product:
    match event:
        case ProductImported():
            return replace(product, imported=event)
        case ProductDrafted(details=details):
            return replace(product, status="draft", details=details)
        case ProductDescribed(details=details):
            return replace(product, details=details)
        case ProductActivated():
            return replace(product, status="active")
        case ProductArchived():
            return replace(product, status="archived")
        case ProductRestored():
            return replace(product, status="draft")
        case ProductPublished(channel=channel):
            return replace(product, channels=(*product.channels, channel))
        case ProductUnpublished(channel=channel):
            return replace(product, channels=tuple(each for each in product.channels if each != channel))
        case VariantAdded(variant=variant):
            return replace(product, variants=(*product.variants, variant))
        case VariantDescribed(variant=variant):
            described = (variant if each.sku == variant.sku else each for each in product.variants)
            return replace(product, variants=tuple(described))
        case VariantRemoved(sku=sku):
            # its prices stay: should it come again, what it cost before counts
            return replace(product, variants=tuple(each for each in product.variants if each.sku != sku))
        case SkuAssigned(product_id=owner):
            return replace(product, variant_of=owner)
        case SkuFreed():
            return replace(product, variant_of="")
        case PriceSet(valid_from=valid_from, price_cents=cents, set_at=set_at):
            point = PricePoint(valid_from=valid_from, price_cents=cents)
            repriced = _repriced(product, event, with_point(_points(product, event), point, set_at))
            return _applied(repriced, event) if valid_from <= set_at else repriced
        case PriceWithdrawn(valid_from=valid_from):
            return _repriced(product, event, without_point(_points(product, event), valid_from))
        case PriceApplied():
            return _applied(product, event)


def _points(product: Product, event: PriceSet | PriceWithdrawn) -> Points:
    return product.prices.get(price_key(event.sku, event.channel, event.currency), ())


def _repriced(product: Product, event: PriceSet | PriceWithdrawn, points: Points) -> Product:
    key = price_key(event.sku, event.channel, event.currency)
    return replace(product, prices={**product.prices, key: points})


def _applied(product: Product, event: PriceSet | PriceApplied) -> Product:
    key = price_key(event.sku, event.channel, event.currency)
    return replace(product, applied={**product.applied, key: event.valid_from})
