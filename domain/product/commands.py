"""What may be asked of a product, and of a SKU."""

from __future__ import annotations

from typing import TypeAlias

from pydantic import AwareDatetime

from domain.kernel import Command
from domain.money import Cents, Currency
from domain.product.values import Channel, Details, Id, Measure, Variant


class ImportProduct(Command):
    creates = True
    sku: Id
    category: str | None = None
    name_length: Measure = None
    description_length: Measure = None
    photos: Measure = None
    weight_g: Measure = None
    length_cm: Measure = None
    height_cm: Measure = None
    width_cm: Measure = None


class OfProduct(Command):
    """A command for the stream of a product; `sku`, where it has one, is a variant's."""

    named_by = ("merchant", "product_id")
    product_id: Id


class DraftProduct(OfProduct):
    details: Details


class DescribeProduct(OfProduct):
    details: Details


class ActivateProduct(OfProduct):
    """From a draft that is complete."""


class ArchiveProduct(OfProduct):
    """Whatever it is now."""


class RestoreProduct(OfProduct):
    """Out of the archive."""


class PublishProduct(OfProduct):
    channel: Channel


class UnpublishProduct(OfProduct):
    channel: Channel


class AddVariant(OfProduct):
    variant: Variant


class DescribeVariant(OfProduct):
    variant: Variant


class RemoveVariant(OfProduct):
    sku: Id


class AssignSku(Command):
    """For the stream of the SKU, beside AddVariant for the product's: both or neither."""

    sku: Id
    product_id: Id


class FreeSku(Command):
    """Beside RemoveVariant."""

    sku: Id
    product_id: Id


class SetPrice(OfProduct):
    sku: Id
    channel: Channel
    currency: Currency
    price_cents: Cents
    valid_from: AwareDatetime
    now: AwareDatetime


class WithdrawPrice(OfProduct):
    sku: Id
    channel: Channel
    currency: Currency
    valid_from: AwareDatetime
    now: AwareDatetime


class ApplyPrices(OfProduct):
    """Say of all prices that were to hold by `now` that they do."""

    now: AwareDatetime


ProductCommand: TypeAlias = (
    ImportProduct
    | DraftProduct
    | DescribeProduct
    | ActivateProduct
    | ArchiveProduct
    | RestoreProduct
    | PublishProduct
    | UnpublishProduct
    | AddVariant
    | DescribeVariant
    | RemoveVariant
    | AssignSku
    | FreeSku
    | SetPrice
    | WithdrawPrice
    | ApplyPrices
)
