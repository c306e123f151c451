"""A product: what is sold, in which variants, on which channels and at which prices, from draft to archive.

A product's id and the SKUs of its variants are names of one space: the stream of a SKU holds either a product
of that id, or which product's variant it is (`SkuAssigned`). So no SKU is used twice in a merchant. One that
is known from an import alone is free to become a product, or a variant of one.
What was ordered keeps the name and the price that it was ordered with: nothing here changes an order's line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from domain.gtin import LENGTHS, is_gtin
from domain.kernel import Command, Decider, Event, Refused, Value
from domain.money import Cents, Currency
from domain.price_history import Points, PricePoint, point_at, with_point, without_point
from domain.product_category import CATEGORY

VARIANTS_MAX, OPTIONS_MAX, CHANNELS_MAX = 100, 3, 50
SCHEDULED_MAX = 100
"""Prices to come, of one variant on one channel in one currency."""
PRICES_MAX = 5_000
"""Points of all prices of a product that are present or to come, or of the last month."""
Id = Annotated[str, Field(min_length=1, max_length=200)]
Measure = Annotated[int, Field(ge=0)] | None
Channel = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$", examples=["web"])]
Name = Annotated[str, Field(min_length=1, max_length=500)]
Option = Annotated[str, Field(min_length=1, max_length=60)]
Status = Literal["", "draft", "active", "archived"]


class Details(Value):
    """What it is called and said to be. `options` are what its variants differ in: colour, size."""

    name: Name
    description: Annotated[str, Field(max_length=20_000)] = ""
    brand: Annotated[str, Field(max_length=200)] = ""
    category: Id | None = None
    options: Annotated[tuple[Option, ...], Field(max_length=OPTIONS_MAX)] = ()


class Variant(Value):
    """`options` are its values of the product's options, in their order. Measures are of one packed unit."""

    sku: Id
    options: Annotated[tuple[Option, ...], Field(max_length=OPTIONS_MAX)] = ()
    gtin: Annotated[str, Field(max_length=14)] | None = None
    weight_g: Measure = None
    length_cm: Measure = None
    height_cm: Measure = None
    width_cm: Measure = None


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


def decide(command: ProductCommand, product: Product) -> tuple[ProductEvent, ...]:
    match command:
        case AssignSku() | FreeSku():
            return _decide_sku(command, product)
        case ImportProduct() | DraftProduct() if product.variant_of:
            raise Refused(
                "sku_unique", f"{_name(command)} is the SKU of a variant of the product {product.variant_of}"
            )
        case ImportProduct():
            fact = ProductImported(**dict(command))
            return () if fact == product.imported else (fact,)
        case DraftProduct():
            return _draft(command, product)
        case _ if not product.status:
            raise Refused("product_exists", _missing(command.product_id, product))
        case ActivateProduct() | ArchiveProduct() | RestoreProduct():
            return _move(command, product)
        case UnpublishProduct(product_id=product_id, channel=channel):
            held = channel in product.channels
            return (ProductUnpublished(product_id=product_id, channel=channel),) if held else ()
        case WithdrawPrice():
            return _withdraw(command, product)
        case ApplyPrices(product_id=product_id, now=now):
            return tuple(_applicable(product_id, product, now))
        case _ if product.status == "archived":
            raise Refused(
                "archived_stays",
                f"product {command.product_id} is archived and stays as it was; restore it first",
            )
        case _:
            return _change(command, product)


def _name(command: ImportProduct | DraftProduct) -> str:
    return command.sku if isinstance(command, ImportProduct) else command.product_id


def _missing(product_id: str, product: Product) -> str:
    if product.variant_of:
        return f"{product_id} is the SKU of a variant; its product is {product.variant_of}"
    return f"there is no product {product_id}; draft it first"


def _decide_sku(command: AssignSku | FreeSku, product: Product) -> tuple[ProductEvent, ...]:
    match command:
        case FreeSku(sku=sku, product_id=owner):
            return (SkuFreed(sku=sku, product_id=owner),) if product.variant_of == owner else ()
        case AssignSku(product_id=owner) if product.variant_of == owner:
            return ()
        case AssignSku(sku=sku) if product.variant_of or product.status:
            whose = f"of a variant of {product.variant_of}" if product.variant_of else "of a product itself"
            raise Refused("sku_unique", f"{sku} is the SKU {whose} already; a SKU is used once in a merchant")
        case AssignSku(sku=sku, product_id=owner):
            return (SkuAssigned(sku=sku, product_id=owner),)


def _draft(command: DraftProduct, product: Product) -> tuple[ProductEvent, ...]:
    if not product.status:
        return (ProductDrafted(product_id=command.product_id, details=command.details),)
    if product.details == command.details:
        return ()
    raise Refused(
        "drafted_once",
        f"product {command.product_id} is there already, {product.status}; describe it to change it",
    )


def _move(
    command: ActivateProduct | ArchiveProduct | RestoreProduct, product: Product
) -> tuple[ProductEvent, ...]:
    product_id = command.product_id
    match command, product.status:
        case (ActivateProduct(), "active") | (ArchiveProduct(), "archived") | (RestoreProduct(), "draft"):
            return ()
        case ActivateProduct(), "draft":
            _check_complete(product_id, product)
            return (ProductActivated(product_id=product_id),)
        case ActivateProduct(), _:
            raise Refused(
                "activate_from_draft",
                f"product {product_id} is archived; restore it first, which makes it a draft",
            )
        case ArchiveProduct(), _:
            return (ProductArchived(product_id=product_id),)
        case RestoreProduct(), "archived":
            return (ProductRestored(product_id=product_id),)
        case _:
            raise Refused(
                "restore_from_archive",
                f"product {product_id} is active; only an archived one can be restored",
            )


def _check_complete(product_id: str, product: Product) -> None:
    if not product.variants:
        raise Refused("active_has_variants", f"product {product_id} has no variant; add one first")
    priced = {key.split("/", 2)[2] for key, points in product.prices.items() if points}
    if missing := [each.sku for each in product.variants if each.sku not in priced]:
        raise Refused(
            "active_has_prices",
            f"{', '.join(missing[:5])} of product {product_id} has no price; set one first",
        )


def _change(command: ProductCommand, product: Product) -> tuple[ProductEvent, ...]:
    match command:
        case DescribeProduct(product_id=product_id, details=details):
            _check_options(details, product)
            changed = details != product.details
            return (ProductDescribed(product_id=product_id, details=details),) if changed else ()
        case AddVariant(product_id=product_id, variant=variant):
            known = product.variant(variant.sku)
            if known == variant:
                return ()
            if known:
                raise Refused(
                    "variant_added_once", f"{product_id} has a variant {variant.sku}; describe it instead"
                )
            _check_variant(product_id, variant, product)
            return (VariantAdded(product_id=product_id, variant=variant),)
        case DescribeVariant(product_id=product_id, variant=variant):
            if _known(product_id, variant.sku, product) == variant:
                return ()
            _check_variant(product_id, variant, product)
            return (VariantDescribed(product_id=product_id, variant=variant),)
        case RemoveVariant(product_id=product_id, sku=sku):
            _known(product_id, sku, product)
            if product.status == "active" and len(product.variants) == 1:
                raise Refused(
                    "active_has_variants",
                    f"{sku} is the last variant of {product_id}, which is active; archive it",
                )
            return (VariantRemoved(product_id=product_id, sku=sku),)
        case PublishProduct():
            return _publish(command, product)
        case SetPrice():
            return _set_price(command, product)
        case _:
            raise AssertionError(f"{type(command).__name__} is decided before")


def _known(product_id: str, sku: str, product: Product) -> Variant:
    known = product.variant(sku)
    if known is None:
        raise Refused("variant_exists", f"product {product_id} has no variant {sku}; add it first")
    return known


def _check_options(details: Details, product: Product) -> None:
    if len(set(details.options)) < len(details.options):
        raise Refused("options_differ", f"an option stands there twice: {', '.join(details.options)}")
    if product.details and product.variants and len(details.options) != len(product.details.options):
        raise Refused(
            "options_fit_variants",
            f"its variants have {len(product.details.options)} options each; an option can be renamed, but"
            " none added or taken away while there are variants",
        )


def _check_variant(product_id: str, variant: Variant, product: Product) -> None:
    assert product.details is not None
    others = [each for each in product.variants if each.sku != variant.sku]
    options = product.details.options
    if len(others) >= VARIANTS_MAX:
        raise Refused(
            "variants_bounded", f"product {product_id} has {VARIANTS_MAX} variants, which is the most"
        )
    if len(variant.options) != len(options):
        wanted = (
            f"one value for each of {', '.join(options)}"
            if options
            else "no options, as its product has none"
        )
        raise Refused("options_fit_variants", f"{variant.sku} must have {wanted}")
    for other in others:
        if other.options == variant.options:
            what = f"the same options ({', '.join(variant.options)})" if options else "no options either"
            raise Refused("variants_differ", f"{other.sku} has {what}: variants differ in an option")
        if variant.gtin and other.gtin == variant.gtin:
            raise Refused("gtin_unique", f"{variant.gtin} is the GTIN of {other.sku} already")
    if variant.gtin and not is_gtin(variant.gtin):
        raise Refused(
            "gtin_check_digit",
            f"{variant.gtin} is no GTIN: that has {', '.join(map(str, LENGTHS))} digits, the last of which"
            " checks the others",
        )


def _publish(command: PublishProduct, product: Product) -> tuple[ProductEvent, ...]:
    channel = command.channel
    if channel in product.channels:
        return ()
    if len(product.channels) >= CHANNELS_MAX:
        raise Refused("channels_bounded", f"it is on {CHANNELS_MAX} channels, which is the most")
    if not any(key.startswith(f"{channel}/") for key, points in product.prices.items() if points):
        raise Refused(
            "published_has_prices",
            f"product {command.product_id} has no price on the channel {channel}; set one first",
        )
    return (ProductPublished(product_id=command.product_id, channel=channel),)


def _set_price(command: SetPrice, product: Product) -> tuple[ProductEvent, ...]:
    _known(command.product_id, command.sku, product)
    if command.valid_from < command.now:
        raise Refused(
            "price_not_backdated",
            f"the price would hold from {command.valid_from.isoformat()}, which is past: what was shown then"
            " stays what it was; set it from now on",
        )
    points = product.prices.get(price_key(command.sku, command.channel, command.currency), ())
    held = point_at(points, command.valid_from)
    if held == PricePoint(valid_from=command.valid_from, price_cents=command.price_cents):
        return ()
    if held and held.price_cents == command.price_cents and command.valid_from == command.now:
        return ()
    if sum(each.valid_from > command.now for each in points) >= SCHEDULED_MAX:
        raise Refused("prices_bounded", f"{SCHEDULED_MAX} prices are scheduled for it, which is the most")
    if sum(map(len, product.prices.values())) >= PRICES_MAX:
        raise Refused(
            "prices_bounded", f"its variants have {PRICES_MAX} prices this month, which is the most"
        )
    return (_price_set(command),)


def _price_set(command: SetPrice) -> PriceSet:
    told = dict(command)
    return PriceSet(**{name: value for name, value in told.items() if name != "now"}, set_at=command.now)


def _withdraw(command: WithdrawPrice, product: Product) -> tuple[ProductEvent, ...]:
    points = product.prices.get(price_key(command.sku, command.channel, command.currency), ())
    if all(each.valid_from != command.valid_from for each in points):
        return ()
    if command.valid_from <= command.now:
        raise Refused(
            "price_not_backdated",
            f"the price of {command.valid_from.isoformat()} holds or has held; set another one instead",
        )
    told = {name: value for name, value in dict(command).items() if name != "now"}
    return (PriceWithdrawn(**told),)


def _applicable(product_id: str, product: Product, now: datetime) -> Iterator[PriceApplied]:
    for key, points in product.prices.items():
        point, applied = point_at(points, now), product.applied.get(key)
        if point and (applied is None or applied < point.valid_from):
            channel, currency, sku = key.split("/", 2)
            yield PriceApplied(
                product_id=product_id, sku=sku, channel=channel, currency=currency, **dict(point)
            )


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


PRODUCT: Decider[ProductCommand, ProductEvent, Product] = Decider(
    "product",
    decide,
    evolve,
    Product(),
    events=ProductEvent.__args__,
    commands=ProductCommand.__args__,
    parts=("merchant", "sku"),
)

AGGREGATES = (PRODUCT, CATEGORY)
PERMISSIONS = ("catalogue:read", "catalogue:write")
