"""What happens to a product, its variants and prices, and to the SKUs that they are known by."""

from __future__ import annotations

from typing import TypeAlias

from pydantic import AwareDatetime

from domain.kernel import Event
from domain.money import Cents, Currency
from domain.product.values import Channel, Details, Id, Measure, Variant


class ProductImported(Event):
    """A fact from elsewhere; measures are None where the source does not know them."""

    sku: Id
    category: str | None = None
    name_length: Measure = None
    description_length: Measure = None
    photos: Measure = None
    weight_g: Measure = None
    length_cm: Measure = None
    height_cm: Measure = None
    width_cm: Measure = None


class ProductDrafted(Event):
    product_id: Id
    details: Details


class ProductDescribed(Event):
    product_id: Id
    details: Details


class ProductActivated(Event):
    product_id: Id


class ProductArchived(Event):
    """It is sold no more; who has it in a cart is told, and what was ordered of it stays."""

    product_id: Id


class ProductRestored(Event):
    """From the archive it is a draft again."""

    product_id: Id


class ProductPublished(Event):
    product_id: Id
    channel: Channel


class ProductUnpublished(Event):
    product_id: Id
    channel: Channel


class VariantAdded(Event):
    product_id: Id
    variant: Variant


class VariantDescribed(Event):
    product_id: Id
    variant: Variant


class VariantRemoved(Event):
    product_id: Id
    sku: Id


class SkuAssigned(Event):
    """In the stream of the SKU: it is a variant's of that product."""

    sku: Id
    product_id: Id


class SkuFreed(Event):
    sku: Id
    product_id: Id


class PriceSet(Event):
    """From `valid_from` on, which is not before `set_at`, in place of what was set for that time before."""

    product_id: Id
    sku: Id
    channel: Channel
    currency: Currency
    price_cents: Cents
    valid_from: AwareDatetime
    set_at: AwareDatetime


class PriceWithdrawn(Event):
    """A price that was to hold from `valid_from` on, and did not yet, will not."""

    product_id: Id
    sku: Id
    channel: Channel
    currency: Currency
    valid_from: AwareDatetime


class PriceApplied(Event):
    """The price that was to hold from `valid_from` on does so now: that time has come."""

    product_id: Id
    sku: Id
    channel: Channel
    currency: Currency
    price_cents: Cents
    valid_from: AwareDatetime


ProductEvent: TypeAlias = (
    ProductImported
    | ProductDrafted
    | ProductDescribed
    | ProductActivated
    | ProductArchived
    | ProductRestored
    | ProductPublished
    | ProductUnpublished
    | VariantAdded
    | VariantDescribed
    | VariantRemoved
    | SkuAssigned
    | SkuFreed
    | PriceSet
    | PriceWithdrawn
    | PriceApplied
)
