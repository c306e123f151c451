"""What is true of a cart's lines now: prices, units for sale, shipping? The one place that asks others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from commands.states import States
from domain.cart.cart import Cart
from domain.cart.commands import Offer
from domain.cart.events import ShippingCharge
from domain.cart.orders import CartLine, merchants_of
from domain.cart.storefront import StorefrontSettings
from domain.cart.supply import Source, Supply, share, source_of
from domain.inventory.promises import promisable
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
    owners = dict.fromkeys(
        (merchant, each.state.variant_of)
        for (merchant, _), each in zip(products, found, strict=True)
        if each.state.variant_of
    )
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


async def offers_of(states: States, cart: Cart, now: datetime, zip_prefix: str = "") -> tuple[Offer, ...]:
    """For each line of the cart; `zip_prefix` is where the parcel goes, which some rules ask for."""
    if not cart.lines:
        return ()
    places = [(line.merchant, line.sku) for line in cart.lines]
    products = await sold(states, places, cart.channel, cart.currency, now)
    prices = {line.line: product.unit_price_cents for line, product in zip(cart.lines, products, strict=True)}
    on_sale = [
        line
        for line, product in zip(cart.lines, products, strict=True)
        if product.on_sale and (line.priced_by == "caller" or product.unit_price_cents is not None)
    ]
    units = await for_sale(states, on_sale, cart.ship_to_state, now, zip_prefix)
    return tuple(
        Offer(
            line=line.line,
            unit_price_cents=prices[line.line] if line.priced_by == "settings" else None,
            on_sale=line.line in units,
            **(asdict(units[line.line]) if line.line in units else {}),
        )
        for line in cart.lines
    )


async def for_sale(
    states: States, lines: Sequence[CartLine], ship_to_state: str, now: datetime, zip_prefix: str = ""
) -> dict[int, Supply]:
    """Units that each line may have: in its warehouse, or in all that its merchant's rules choose from, which
    lines of the same SKU share."""
    networks = await networks_of(states, merchants_of(lines))
    terms = {merchant: network.terms_at(now, zip_prefix) for merchant, network in networks.items()}
    served: dict[Source, list[CartLine]] = {}
    for line in lines:
        served.setdefault(source_of(line, terms[line.merchant], ship_to_state), []).append(line)
    wanted = sorted({(*source.sku, each) for source in served for each in source.warehouses})
    found = await states.load([stock_stream(*place) for place in wanted])
    stock = {place: promisable(each.state, now) for place, each in zip(wanted, found, strict=True)}
    shared: dict[int, Supply] = {}
    for source, theirs in served.items():
        places = [stock[*source.sku, each] for each in source.warehouses]
        parts = share([line.quantity for line in theirs], places, may_wait=source.may_wait)
        shared |= zip((line.line for line in theirs), parts, strict=True)
    return shared


async def networks_of(states: States, merchants: Iterable[str]) -> dict[str, Network]:
    """Merchant -> its warehouses, and the rules by which it chooses among them."""
    asked = list(dict.fromkeys(merchants))
    found = await states.load([warehouses_stream(merchant) for merchant in asked]) if asked else []
    return {merchant: each.state for merchant, each in zip(asked, found, strict=True)}


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
