"""What is true of a cart's lines now: prices, units for sale, shipping? The one place that asks others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from commands.states import States
from domain.cart.cart import Cart
from domain.cart.commands import Offer
from domain.cart.events import ShippingCharge
from domain.cart.orders import CartLine, merchants_of
from domain.cart.storefront import StorefrontSettings
from domain.inventory import Stock
from domain.product import Product
from domain.streams import product_stream, stock_stream, storefront_stream, warehouses_stream
from domain.warehouse.network import Network


@dataclass(frozen=True, slots=True)
class Sold:
    """A product as it is sold; `unit_price_cents` is None where it has no price there."""

    name: str = ""
    category: str | None = None
    unit_price_cents: int | None = None
    on_sale: bool = True


async def sold(
    states: States, products: Sequence[tuple[str, str]], channel: str, currency: str, now: datetime
) -> list[Sold]:
    """Each product (merchant, SKU) as it is sold on the channel now."""
    found = await states.load([product_stream(*product) for product in products])
    owners = {
        (merchant, each.state.variant_of)
        for (merchant, _), each in zip(products, found, strict=True)
        if each.state.variant_of
    }
    loaded = await states.load([product_stream(*owner) for owner in owners]) if owners else []
    owned = dict(zip(owners, (each.state for each in loaded), strict=True))
    return [
        _on(channel, currency, now, sku, owned.get((merchant, each.state.variant_of), each.state))
        for (merchant, sku), each in zip(products, found, strict=True)
    ]


def _on(channel: str, currency: str, now: datetime, sku: str, product: Product) -> Sold:
    """What is known from an import alone, or not at all, has neither a price nor a state."""
    if not product.status:
        return Sold(category=product.imported.category if product.imported else None)
    details = product.details
    return Sold(
        name=details.name if details else "",
        category=details.category if details else None,
        unit_price_cents=product.price_cents(sku, channel, currency, now),
        on_sale=product.status == "active" and channel in product.channels and bool(product.variant(sku)),
    )


async def offers_of(states: States, cart: Cart, now: datetime) -> tuple[Offer, ...]:
    """For each line of the cart."""
    if not cart.lines:
        return ()
    places = [(line.merchant, line.sku) for line in cart.lines]
    products = await sold(states, places, cart.channel, cart.currency, now)
    units = await for_sale(states, cart.lines, now)
    return tuple(
        Offer(
            line=line.line,
            unit_price_cents=product.unit_price_cents if line.priced_by == "settings" else None,
            available=available,
            on_sale=product.on_sale and (line.priced_by == "caller" or product.unit_price_cents is not None),
        )
        for line, product, available in zip(cart.lines, products, units, strict=True)
    )


async def for_sale(states: States, lines: Sequence[CartLine], now: datetime) -> list[int]:
    """Units that each line may have: in its warehouse, or in all that its merchant's rules choose from."""
    networks = await networks_of(states, merchants_of(lines))
    places = [_warehouses(networks[line.merchant], line, now) for line in lines]
    wanted = sorted({place for each in places for place in each})
    found = await states.load([stock_stream(*place) for place in wanted])
    free = {place: free_units(each.state, now) for place, each in zip(wanted, found, strict=True)}
    return [sum(free[place] for place in each) for each in places]


def _warehouses(network: Network, line: CartLine, now: datetime) -> list[tuple[str, str, str]]:
    terms = network.terms_at(now)
    if terms is None:
        return [line.place]
    return [(line.merchant, line.sku, site.warehouse) for site in terms.sites]


async def networks_of(states: States, merchants: Iterable[str]) -> dict[str, Network]:
    """Merchant -> its warehouses, and the rules by which it chooses among them."""
    asked = list(dict.fromkeys(merchants))
    found = await states.load([warehouses_stream(merchant) for merchant in asked]) if asked else []
    return {merchant: each.state for merchant, each in zip(asked, found, strict=True)}


def free_units(stock: Stock, now: datetime) -> int:
    """What nobody holds, or holds no longer: a reservation that has expired counts as free."""
    lapsed = (held.quantity for _, held in stock.held.items() if held.expires_at and held.expires_at <= now)
    return stock.available + sum(lapsed)


async def storefronts(states: States, merchants: Iterable[str]) -> dict[str, StorefrontSettings]:
    asked = list(dict.fromkeys(merchants))
    if not asked:
        return {}
    found = await states.load([storefront_stream(merchant) for merchant in asked])
    return {merchant: each.state.settings for merchant, each in zip(asked, found, strict=True)}


async def charges_of(
    states: States, lines: Iterable[CartLine], method: str, currency: str
) -> tuple[ShippingCharge, ...]:
    """What the merchants of these lines ask for the method; those who do not ship so are missing."""
    settings = await storefronts(states, merchants_of(lines))
    prices = {merchant: each.shipping_cents(method, currency) for merchant, each in settings.items()}
    return tuple(
        ShippingCharge(merchant=merchant, amount_cents=cents)
        for merchant, cents in prices.items()
        if cents is not None
    )
