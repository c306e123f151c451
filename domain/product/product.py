"""A product: what is sold, in which variants, on which channels and at which prices, from draft to archive.

A product's id and the SKUs of its variants are names of one space: the stream of a SKU holds either a product
of that id, or which product's variant it is (`SkuAssigned`). So no SKU is used twice in a merchant. One that
is known from an import alone is free to become a product, or a variant of one.
What was ordered keeps the name and the price that it was ordered with: nothing here changes an order's line.
"""

from __future__ import annotations

from domain.kernel import Decider, Refused
from domain.product.commands import (
    ActivateProduct,
    AddVariant,
    ApplyPrices,
    ArchiveProduct,
    AssignSku,
    DescribeProduct,
    DescribeVariant,
    DraftProduct,
    FreeSku,
    ImportProduct,
    ProductCommand,
    PublishProduct,
    RemoveVariant,
    RestoreProduct,
    SetPrice,
    UnpublishProduct,
    WithdrawPrice,
)
from domain.product.events import (
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
from domain.product.pricing import applicable, set_price, withdraw
from domain.product.state import Product, evolve
from domain.product.values import (
    CHANNELS_MAX,
)
from domain.product.variants import check_options, check_variant, known_variant


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
            return withdraw(command, product)
        case ApplyPrices(product_id=product_id, now=now):
            return tuple(applicable(product_id, product, now))
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
            check_options(details, product)
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
            check_variant(product_id, variant, product)
            return (VariantAdded(product_id=product_id, variant=variant),)
        case DescribeVariant(product_id=product_id, variant=variant):
            if known_variant(product_id, variant.sku, product) == variant:
                return ()
            check_variant(product_id, variant, product)
            return (VariantDescribed(product_id=product_id, variant=variant),)
        case RemoveVariant(product_id=product_id, sku=sku):
            known_variant(product_id, sku, product)
            if product.status == "active" and len(product.variants) == 1:
                raise Refused(
                    "active_has_variants",
                    f"{sku} is the last variant of {product_id}, which is active; archive it",
                )
            return (VariantRemoved(product_id=product_id, sku=sku),)
        case PublishProduct():
            return _publish(command, product)
        case SetPrice():
            return set_price(command, product)
        case _:
            raise AssertionError(f"{type(command).__name__} is decided before")


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


PRODUCT: Decider[ProductCommand, ProductEvent, Product] = Decider(
    "product",
    decide,
    evolve,
    Product(),
    events=ProductEvent.__args__,
    commands=ProductCommand.__args__,
    parts=("merchant", "sku"),
)
