"""What is said of a product and its variants, and how many of each there may be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from domain.kernel import Value

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
