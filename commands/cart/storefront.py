"""What may be asked of a storefront from outside: to let shoppers in on other terms."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import Field

from commands.cart.body import CheckoutTermsBody, ShippingMethodBody, StorefrontBody
from commands.executor import Context, Done, Executor
from commands.http import PROBLEMS, CommandRoute, Positioned, WantedCall, answers
from domain.cart.storefront import SetStorefront
from domain.kernel import one
from domain.streams import storefront_stream
from services.web.access import requires


async def set_storefront(
    executor: Executor, command: SetStorefront, context: Context, answer: bytes = b""
) -> Done:
    """Carts are started, and shipping is priced, by these settings from now on."""
    return await executor.execute(one(storefront_stream(context.merchant), command), context, answer)


class StorefrontAnswer(Positioned):
    """The settings as they are now."""

    channel: str = Field(examples=["web"])
    guests: bool = Field(examples=[True])
    terms: CheckoutTermsBody
    shipping: list[ShippingMethodBody]


router = APIRouter(prefix="/v1/storefront", tags=["storefront"], route_class=CommandRoute, responses=PROBLEMS)


@router.put(
    "",
    operation_id="set_storefront",
    dependencies=[requires("merchant:write")],
    summary="Set how shoppers are let in",
    response_model=StorefrontAnswer,
    responses=answers(200, "The settings are so"),
)
async def _set_storefront(call: WantedCall, body: StorefrontBody) -> Response:
    """Whether guests may start carts, how long carts wait, what shipping costs. All of it is replaced; a cart
    keeps the terms that it was started on, and tells its buyer where the price of its shipping changed.
    """
    await call.settings()
    settings = body.to_domain()
    return await call.carry_out(set_storefront, SetStorefront(settings=settings), settings.model_dump())
