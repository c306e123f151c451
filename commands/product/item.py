"""What may be asked of a product: draft, describe, price, publish, activate, archive it; its variants."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import Field

from commands.executor import Context, Done, Executor
from commands.fields import Id
from commands.http import PROBLEMS, Call, CommandRoute, Positioned, WantedCall, answers
from commands.names import check_names
from commands.product.body import (
    ChannelBody,
    DetailsBody,
    DraftBody,
    PriceAmountBody,
    PriceBody,
    SkuBody,
    VariantBody,
    WithdrawnPriceBody,
)
from domain.kernel import Command, Group, Target
from domain.product import (
    ActivateProduct,
    AddVariant,
    ArchiveProduct,
    AssignSku,
    DescribeProduct,
    DescribeVariant,
    DraftProduct,
    FreeSku,
    ProductCommand,
    PublishProduct,
    RemoveVariant,
    RestoreProduct,
    SetPrice,
    UnpublishProduct,
    Variant,
    WithdrawPrice,
)
from domain.streams import product_stream
from services.web.access import requires

WRITES = [requires("catalogue:write")]


def adding_variant(merchant: str, product_id: str, variant: Variant) -> Iterator[Target]:
    """The variant, and its claim to the SKU: both or neither."""
    yield Target(product_stream(merchant, product_id), AddVariant(product_id=product_id, variant=variant))
    if variant.sku != product_id:
        assign = AssignSku(sku=variant.sku, product_id=product_id)
        yield Target(product_stream(merchant, variant.sku), assign)


def removing_variant(merchant: str, product_id: str, sku: str) -> Iterator[Target]:
    """And its SKU is free again."""
    yield Target(product_stream(merchant, product_id), RemoveVariant(product_id=product_id, sku=sku))
    if sku != product_id:
        yield Target(product_stream(merchant, sku), FreeSku(sku=sku, product_id=product_id))


def pricing(product_id: str, sku: str, price: PriceAmountBody, now: datetime) -> SetPrice:
    return SetPrice(
        product_id=product_id,
        sku=sku,
        channel=price.channel,
        currency=price.currency,
        price_cents=price.price_cents,
        valid_from=price.valid_from or now,
        now=now,
    )


def drafting(merchant: str, body: DraftBody, now: datetime) -> Iterator[Target]:
    """The product with its variants and their prices."""
    product_id, stream = body.product_id, product_stream(merchant, body.product_id)
    yield Target(stream, DraftProduct(product_id=product_id, details=body.to_details()))
    for variant in body.variants:
        yield from adding_variant(merchant, product_id, variant.to_variant())
        for price in variant.prices:
            yield Target(stream, pricing(product_id, variant.sku, price, now))


async def _carry_out(call: Call, product_id: str, *targets: Target, status: int = 200) -> Response:
    """All of it or nothing, once the merchant is known and every name fits."""
    await call.settings()
    group = Group(targets)

    async def together(executor: Executor, _: Command, context: Context, answer: bytes = b"") -> Done:
        return await executor.execute(group, context, answer)

    for target in targets:
        check_names(call.merchant, target.command, call.in_path)
    return await call.carry_out(together, targets[0].command, {"product_id": product_id}, status=status)


async def _one(call: Call, command: ProductCommand, product_id: str) -> Response:
    return await _carry_out(call, product_id, Target(product_stream(call.merchant, product_id), command))


class ProductItemAnswer(Positioned):
    """The product that it was about."""

    product_id: str = Field(examples=["MUG"])


ProductId = Annotated[Id, Path(description="the product", examples=["MUG"])]
router = APIRouter(
    prefix="/v1/products",
    tags=["catalogue"],
    route_class=CommandRoute,
    responses=PROBLEMS,
    dependencies=WRITES,
)


@router.post(
    "",
    operation_id="draft_product",
    summary="Draft a product",
    status_code=201,
    response_model=ProductItemAnswer,
    responses=answers(201, "The product is a draft", location="where the product is read"),
)
async def _draft_product(call: WantedCall, body: DraftBody) -> Response:
    """With its variants and their prices, all or nothing. A draft is not for sale: activate it, and publish
    it on channels. A SKU is used once in a merchant (rule `sku_unique`).
    """
    targets = drafting(call.merchant, body, call.parts.clock.now())
    response = await _carry_out(call, body.product_id, *targets, status=201)
    response.headers["Location"] = f"/v1/products/{body.product_id}"
    return response


@router.post(
    "/{product_id}/describe",
    operation_id="describe_product",
    summary="Describe a product",
    response_model=ProductItemAnswer,
    responses=answers(200, "The product is described like this"),
)
async def _describe_product(call: WantedCall, product_id: ProductId, body: DetailsBody) -> Response:
    """Orders keep the name that they were placed with."""
    return await _one(call, DescribeProduct(product_id=product_id, details=body.to_details()), product_id)


@router.post(
    "/{product_id}/activate",
    operation_id="activate_product",
    summary="Activate a product",
    response_model=ProductItemAnswer,
    responses=answers(200, "The product is active"),
)
async def _activate_product(call: WantedCall, product_id: ProductId) -> Response:
    """It is sold on the channels that it is published on. Each of its variants needs a price."""
    return await _one(call, ActivateProduct(product_id=product_id), product_id)


@router.post(
    "/{product_id}/archive",
    operation_id="archive_product",
    summary="Archive a product",
    response_model=ProductItemAnswer,
    responses=answers(200, "The product is archived"),
)
async def _archive_product(call: WantedCall, product_id: ProductId) -> Response:
    """It is sold no more. What was ordered keeps its name and price, and goes its way."""
    return await _one(call, ArchiveProduct(product_id=product_id), product_id)


@router.post(
    "/{product_id}/restore",
    operation_id="restore_product",
    summary="Restore a product",
    response_model=ProductItemAnswer,
    responses=answers(200, "The product is a draft again"),
)
async def _restore_product(call: WantedCall, product_id: ProductId) -> Response:
    """Out of the archive: a draft again, with all that it had."""
    return await _one(call, RestoreProduct(product_id=product_id), product_id)


@router.post(
    "/{product_id}/publish",
    operation_id="publish_product",
    summary="Publish a product on a channel",
    response_model=ProductItemAnswer,
    responses=answers(200, "The product is on the channel"),
)
async def _publish_product(call: WantedCall, product_id: ProductId, body: ChannelBody) -> Response:
    """It needs a price there. It is for sale there while it is active."""
    return await _one(call, PublishProduct(product_id=product_id, channel=body.channel), product_id)


@router.post(
    "/{product_id}/unpublish",
    operation_id="unpublish_product",
    summary="Take a product off a channel",
    response_model=ProductItemAnswer,
    responses=answers(200, "The product is not on the channel"),
)
async def _unpublish_product(call: WantedCall, product_id: ProductId, body: ChannelBody) -> Response:
    """It stays on the others."""
    return await _one(call, UnpublishProduct(product_id=product_id, channel=body.channel), product_id)


@router.post(
    "/{product_id}/variants",
    operation_id="add_variant",
    summary="Add a variant",
    response_model=ProductItemAnswer,
    responses=answers(200, "The product has the variant"),
)
async def _add_variant(call: WantedCall, product_id: ProductId, body: VariantBody) -> Response:
    """Variants differ in an option, in their SKU, and in their GTIN if they have one."""
    return await _carry_out(call, product_id, *adding_variant(call.merchant, product_id, body.to_variant()))


@router.post(
    "/{product_id}/variants/describe",
    operation_id="describe_variant",
    summary="Describe a variant",
    response_model=ProductItemAnswer,
    responses=answers(200, "The variant is described like this"),
)
async def _describe_variant(call: WantedCall, product_id: ProductId, body: VariantBody) -> Response:
    """Its options, GTIN and measures; all of them are replaced."""
    return await _one(call, DescribeVariant(product_id=product_id, variant=body.to_variant()), product_id)


@router.post(
    "/{product_id}/variants/remove",
    operation_id="remove_variant",
    summary="Remove a variant",
    response_model=ProductItemAnswer,
    responses=answers(200, "The product is without the variant"),
)
async def _remove_variant(call: WantedCall, product_id: ProductId, body: SkuBody) -> Response:
    """Its SKU may be another's from now on. An active product keeps one variant at least."""
    return await _carry_out(call, product_id, *removing_variant(call.merchant, product_id, body.sku))


@router.post(
    "/{product_id}/prices",
    operation_id="set_price",
    summary="Set a price",
    response_model=ProductItemAnswer,
    responses=answers(200, "The price holds, or is scheduled"),
)
async def _set_price(call: WantedCall, product_id: ProductId, body: PriceBody) -> Response:
    """From now on, or from a time to come; what was shown before stays (rule `price_not_backdated`)."""
    return await _one(call, pricing(product_id, body.sku, body, call.parts.clock.now()), product_id)


@router.post(
    "/{product_id}/prices/withdraw",
    operation_id="withdraw_price",
    summary="Withdraw a scheduled price",
    response_model=ProductItemAnswer,
    responses=answers(200, "The price will not come"),
)
async def _withdraw_price(call: WantedCall, product_id: ProductId, body: WithdrawnPriceBody) -> Response:
    """What held before goes on."""
    command = WithdrawPrice(product_id=product_id, now=call.parts.clock.now(), **dict(body))
    return await _one(call, command, product_id)
