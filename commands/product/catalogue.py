"""What may be asked of the catalogue from outside: to take in a product, or the name of a category."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from commands.executor import Context, Done, Executor
from commands.fields import Body, Sku, whole
from commands.http import PROBLEMS, CommandRoute, Positioned, WantedCall, answers
from domain.kernel import one
from domain.product import ImportProduct
from domain.product.category import TranslateCategory
from domain.streams import category_stream, product_stream
from services.web.access import requires


async def import_product(
    executor: Executor, command: ImportProduct, context: Context, answer: bytes = b""
) -> Done:
    """Take in a product as it is elsewhere; the same again changes nothing."""
    return await executor.execute(
        one(product_stream(context.merchant, command.sku), command), context, answer
    )


async def translate_category(
    executor: Executor, command: TranslateCategory, context: Context, answer: bytes = b""
) -> Done:
    """Say what a category is called in English."""
    stream = category_stream(context.merchant, command.category)
    return await executor.execute(one(stream, command), context, answer)


_Measure = Annotated[int, whole(0, 10**9)] | None


class ProductBody(Body):
    """All that is known of the product; what is left out is not known (any more)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"category": "kitchen", "weight_g": 350, "length_cm": 12, "height_cm": 10, "width_cm": 9}
            ]
        }
    )

    category: Sku | None = None
    name_length: _Measure = Field(None, description="characters of its name")
    description_length: _Measure = Field(None, description="characters of its description")
    photos: _Measure = None
    weight_g: _Measure = None
    length_cm: _Measure = None
    height_cm: _Measure = None
    width_cm: _Measure = None


class CategoryBody(Body):
    """The category's name in English."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"english": "housewares"}]})

    english: Sku


class ProductAnswer(Positioned):
    """The product that it was about."""

    sku: str = Field(examples=["MUG-RED"])


class CategoryAnswer(Positioned):
    """The category that it was about."""

    category: str = Field(examples=["utilidades_domesticas"])


router = APIRouter(prefix="/v1", tags=["catalogue"], route_class=CommandRoute, responses=PROBLEMS)
SkuInPath = Annotated[Sku, Path(description="the product; it may hold slashes", examples=["MUG-RED"])]
CategoryInPath = Annotated[
    Sku, Path(description="the category, in your words", examples=["utilidades_domesticas"])
]


@router.put(
    "/products/{sku:path}",
    operation_id="import_product",
    dependencies=[requires("catalogue:write")],
    summary="Take in a product",
    response_model=ProductAnswer,
    responses=answers(200, "The product is known like this"),
)
async def _import_product(call: WantedCall, sku: SkuInPath, body: ProductBody) -> Response:
    """What was known of it before is replaced; orders keep what they were placed with."""
    await call.settings()
    return await call.carry_out(import_product, ImportProduct(sku=sku, **dict(body)), {"sku": sku})


@router.put(
    "/categories/{category:path}",
    operation_id="translate_category",
    dependencies=[requires("catalogue:write")],
    summary="Name a category in English",
    response_model=CategoryAnswer,
    responses=answers(200, "The category is known by this name"),
)
async def _translate_category(call: WantedCall, category: CategoryInPath, body: CategoryBody) -> Response:
    """The name that reports show beside the category's own."""
    await call.settings()
    command = TranslateCategory(category=category, english=body.english)
    return await call.carry_out(translate_category, command, {"category": category})
