"""What must be true of a product's variants, and of the options that they differ in?"""

from __future__ import annotations

from domain.kernel import Refused
from domain.product.gtin import LENGTHS, is_gtin
from domain.product.state import Product
from domain.product.values import VARIANTS_MAX, Details, Variant


def known_variant(product_id: str, sku: str, product: Product) -> Variant:
    known = product.variant(sku)
    if known is None:
        raise Refused("variant_exists", f"product {product_id} has no variant {sku}; add it first")
    return known


def check_options(details: Details, product: Product) -> None:
    if len(set(details.options)) < len(details.options):
        raise Refused("options_differ", f"an option stands there twice: {', '.join(details.options)}")
    if product.details and product.variants and len(details.options) != len(product.details.options):
        raise Refused(
            "options_fit_variants",
            f"its variants have {len(product.details.options)} options each; an option can be renamed, but"
            " none added or taken away while there are variants",
        )


def check_variant(product_id: str, variant: Variant, product: Product) -> None:
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
