"""What does a merchant send to set up a product, its variants and their prices?"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field
from stdnum import ean
from stdnum.exceptions import InvalidChecksum, InvalidLength, ValidationError

from commands.fields import Body, Id, Moment, Sku, whole
from domain.money import MOST_CENTS, Currency
from domain.product import (
    OPTIONS_MAX,
    VARIANTS_MAX,
    Channel,
    Details,
    Variant,
)

PRICES_MAX = 50
_PLAIN = r"^[^\x00-\x1f\x7f]*$"
_EXAMPLE: dict[str, Any] = {
    "product_id": "MUG",
    "name": "Mug",
    "description": "Stoneware, 0.3 l",
    "brand": "Olaria",
    "category": "kitchen",
    "options": ["colour"],
    "variants": [
        {
            "sku": "MUG-RED",
            "options": ["red"],
            "gtin": "4006381333931",
            "weight_g": 350,
            "prices": [{"channel": "web", "currency": "BRL", "price_cents": 4990}],
        }
    ],
}


def as_gtin(text: str) -> str:
    """The digits of a GTIN, without the dashes and spaces that people put between them.

    Raises ValueError that says which of its rules it breaks.
    """
    try:
        return str(ean.validate(text))
    except InvalidLength:
        raise ValueError("a GTIN has 8, 12, 13 or 14 digits") from None
    except InvalidChecksum:
        right = ean.calc_check_digit(ean.compact(text)[:-1])
        raise ValueError(f"its last digit checks the others and should be {right}: look for a typo") from None
    except ValidationError:
        raise ValueError("a GTIN is made of digits, with spaces or dashes between them at most") from None


Gtin = Annotated[str, Field(max_length=40, examples=["4006381333931"]), AfterValidator(as_gtin)]
"""What a person reads off a barcode; the domain holds the rule itself (`domain.product.gtin`)."""
Label = Annotated[str, Field(min_length=1, max_length=60, pattern=_PLAIN)]
_Measure = Annotated[int, whole(0, 10**9)] | None


class DetailsBody(Body):
    """What the product is called and said to be; all of it is replaced."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{name: _EXAMPLE[name] for name in ("name", "description", "category", "options")}]
        }
    )

    name: Annotated[str, Field(min_length=1, max_length=500, pattern=_PLAIN)]
    description: Annotated[str, Field(max_length=20_000, pattern=r"^[^\x00]*$")] = ""
    brand: Annotated[str, Field(max_length=200, pattern=_PLAIN)] = ""
    category: Sku | None = Field(None, description="in your words, as in `PUT /v1/categories/{category}`")
    options: Annotated[tuple[Label, ...], Field(max_length=OPTIONS_MAX)] = Field(
        (), description="what its variants differ in, such as colour and size"
    )

    def to_details(self) -> Details:
        return Details(
            name=self.name,
            description=self.description,
            brand=self.brand,
            category=self.category,
            options=self.options,
        )


class PriceAmountBody(Body):
    """What a unit costs on a channel, in minor units of the currency."""

    channel: Channel = Field(examples=["web"])
    currency: Currency
    price_cents: Annotated[int, whole(0, MOST_CENTS)] = Field(examples=[4990])
    valid_from: Moment | None = Field(None, description="from when on it holds; now, if it says nothing")


class VariantBody(Body):
    """One thing to buy, under a SKU that nothing else of the merchant has."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"sku": "MUG-BLUE", "options": ["blue"], "weight_g": 350}]}
    )

    sku: Sku = Field(examples=["MUG-RED"])
    options: Annotated[tuple[Label, ...], Field(max_length=OPTIONS_MAX)] = Field(
        (), description="a value for each of the product's options, in their order"
    )
    gtin: Gtin | None = Field(None, description="its barcode's number: GTIN-8, UPC, EAN or GTIN-14")
    weight_g: _Measure = None
    length_cm: _Measure = None
    height_cm: _Measure = None
    width_cm: _Measure = None

    def to_variant(self) -> Variant:
        return Variant(
            sku=self.sku,
            options=self.options,
            gtin=self.gtin,
            weight_g=self.weight_g,
            length_cm=self.length_cm,
            height_cm=self.height_cm,
            width_cm=self.width_cm,
        )


class PricedVariantBody(VariantBody):
    """A variant with its first prices."""

    model_config = ConfigDict(json_schema_extra={"examples": _EXAMPLE["variants"]})

    prices: Annotated[tuple[PriceAmountBody, ...], Field(max_length=PRICES_MAX)] = ()


class DraftBody(DetailsBody):
    """A product with its variants: all of it, or nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    product_id: Id = Field(examples=["MUG"])
    variants: Annotated[tuple[PricedVariantBody, ...], Field(max_length=VARIANTS_MAX)] = ()


class SkuBody(Body):
    """Which variant."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sku": "MUG-RED"}]})

    sku: Sku


class ChannelBody(Body):
    """Where it is shown."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"channel": "web"}]})

    channel: Channel


class PriceBody(PriceAmountBody):
    """The price of a variant."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"sku": "MUG-RED", "channel": "web", "currency": "BRL", "price_cents": 4490}]
        }
    )

    sku: Sku


class WithdrawnPriceBody(Body):
    """A price that is scheduled."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"sku": "MUG-RED", "channel": "web", "currency": "BRL", "valid_from": "2030-11-29T00:00:00Z"}
            ]
        }
    )

    sku: Sku
    channel: Channel
    currency: Currency
    valid_from: Moment
