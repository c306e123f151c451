"""What does a shop tell of itself? Its settings to who works there, to shoppers what concerns them.

Shoppers come by two doors to the same: who is signed in by `/v1/shop`, and guests, where the merchant lets
them in, by `/v1/storefront/shop`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, BeforeValidator, Field

from domain.cart.events import CartTerms
from domain.cart.storefront import ShippingMethod, StorefrontSettings
from eventstore.queries import load_queries
from queries.dependencies import MerchantReader, Reader, shown_of
from queries.models import Answer, Cents, documented
from services.web.access import Allowed, forbidden, public, requires
from services.web.guests import guest, is_guest
from services.web.positions import WantedFreshness

PERMISSION = "shop:read"
_QUERIES = load_queries("queries", "storefront.sql")
_PRICED = ("search_prices", "search_products", "search_channels")
_WHY = "who is not signed in may look around, where the merchant lets guests in: what is shown is published"
_settings = APIRouter(prefix="/v1/storefront", tags=["storefront"], responses=documented())


def _parsed(told: Any) -> Any:
    return orjson.loads(told) if isinstance(told, str) else told


class Storefront(Answer):
    """How shoppers are let in, since when, and who set it; null where nobody did."""

    channel: str = Field(examples=["web"])
    guests: bool = Field(description="whether who is not signed in may look around and start a cart")
    terms: CartTerms
    shipping: Annotated[list[ShippingMethod], BeforeValidator(_parsed)]
    set_at: datetime | None
    set_by: str | None = Field(examples=["user:0190c3f2"])


class ShopShipping(Answer):
    """A way of shipping, and what it costs an order in that currency."""

    method: str = Field(examples=["standard"])
    name: str = Field(examples=["3 to 5 days"])
    currency: str = Field(examples=["BRL"])
    amount_cents: Cents = Field(examples=[1300])


class ShopAnswer(Answer):
    """What a shopper may know before there is a cart."""

    channel: str = Field(description="where it sells, unless a cart says another", examples=["web"])
    currencies: list[str] = Field(
        description="in which something is for sale there", examples=[["BRL", "EUR"]]
    )
    shipping: Annotated[list[ShopShipping], BeforeValidator(_parsed)] = Field(
        description="ways of shipping, each with its price in each currency"
    )
    expire_after_s: int = Field(
        description="a cart that nobody touches for so long is over", examples=[2592000]
    )
    claim_valid_s: int = Field(description="a cart that is being completed takes no changes for so long")


@dataclass(frozen=True, slots=True)
class Shop:
    """Who asks has come in: what may be read of it, how it is set, and when that is."""

    reader: Reader
    settings: Storefront
    now: datetime
    at_the_door: bool = False
    """Whether it is a guest who asks."""

    async def currencies(self, channel: str) -> list[str]:
        """In which something is for sale there, by their codes."""
        statement = (_QUERIES.list_currencies.sql, {"channel": channel})
        (rows,) = await self.reader.rows(("product_search",), statement, views=_PRICED)
        return [row["currency"] for row in rows]


async def _settings_of(reader: Reader) -> Storefront:
    """Those that hold, also where nobody has set any."""
    (rows,) = await reader.rows(("storefronts",), (_QUERIES.get_storefront.sql, {}))
    if not rows:
        return Storefront.model_validate({**dict(StorefrontSettings()), "set_at": None, "set_by": None})
    terms = {name: rows[0][name] for name in CartTerms.model_fields}
    return Storefront.model_validate({**rows[0], "terms": terms})


async def shop_of_request(
    request: Request, response: Response, asked: Allowed, freshness: WantedFreshness
) -> Shop:
    """Raises a 403 problem for a guest where none are let in."""
    # what is published is nobody's: rows are bound to the merchant, and to no person
    reader = Reader(shown_of(request), asked.merchant, freshness, response)
    settings = await _settings_of(reader)
    if is_guest(asked) and not settings.guests:
        raise forbidden(PERMISSION, asked.merchant)
    return Shop(reader, settings, request.app.state.clock.now(), is_guest(asked))


WantedShop = Annotated[Shop, Depends(shop_of_request)]
"""The type of a route's parameter that wants it."""


Doors = tuple[APIRouter, APIRouter]


def doors() -> Doors:
    """Routers for who is signed in, and for guests; `shop_route` adds routes to both."""
    signed_in = APIRouter(prefix="/v1/shop", tags=["storefront"], responses=documented())
    return signed_in, APIRouter(
        prefix="/v1/storefront/shop", tags=["storefront"], responses=documented(400, 403)
    )


def shop_route(
    of: Doors,
    path: str,
    endpoint: Callable[..., Any],
    model: type[BaseModel],
    name: str,
    summary: str,
    *statuses: int,
) -> None:
    """A read for who is signed in and may, and, by the same handler, for guests."""
    signed_in, guests = of
    for router, operation_id, told, rules in (
        (signed_in, name, summary, [requires(PERMISSION)]),
        (guests, f"{name}_as_guest", f"{summary}, as a guest", [public(_WHY), Depends(guest)]),
    ):
        router.add_api_route(
            path,
            endpoint,
            operation_id=operation_id,
            dependencies=rules,
            summary=told,
            response_model=model,
            responses=documented(*statuses),
        )


@_settings.get(
    "",
    operation_id="get_storefront",
    dependencies=[requires("merchant:read")],
    summary="How shoppers are let in",
)
async def get_storefront(reader: MerchantReader) -> Storefront:
    """As it was set last (`PUT /v1/storefront`), or as it is for a merchant who set nothing."""
    return await _settings_of(reader)


async def get_shop(shop: WantedShop) -> ShopAnswer:
    """What it sells in, what shipping costs, and how long carts are kept."""
    settings = shop.settings
    shown = {
        **dict(settings),
        **dict(settings.terms),
        "shipping": [dict(each) for each in settings.shipping],
        "currencies": await shop.currencies(settings.channel),
    }
    return ShopAnswer.model_validate(shown)


_DOORS = doors()
shop_route(_DOORS, "", get_shop, ShopAnswer, "get_shop", "What a shopper may know of the shop")

STOREFRONT_ROUTERS = (_settings, *_DOORS)
