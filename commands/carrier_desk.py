"""What is known when a carrier is to be chosen: rates, the rule, track records, what the parcel weighs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from commands.executor import Executor
from domain.carrier import Measures, RebookingRequested, Shipment, ShipmentRequested, Weighed
from domain.carrier.carriers import Carriers
from domain.carrier.choice import Record
from domain.carrier.packing import GRAMS_MAX, MILLIMETRES_MAX, weighed
from domain.carrier.rates import Parcel
from domain.cart.storefront import StorefrontSettings
from domain.kernel import Fact
from domain.personal import Customer
from domain.product import Product
from domain.streams import (
    carriers_stream,
    order_stream,
    product_stream,
    storefront_stream,
    track_record_stream,
)


async def carriers_of(executor: Executor, merchant: str) -> Carriers:
    (loaded,) = await executor.states.load([carriers_stream(merchant)])
    state: Carriers = loaded.state
    return state


async def currency_of(executor: Executor, merchant: str, order_id: str) -> str:
    """Empty for an order that nobody placed here."""
    (loaded,) = await executor.states.load([order_stream(merchant, order_id)])
    currency: str = loaded.state.currency
    return currency


async def services_for(executor: Executor, merchant: str, method: str) -> frozenset[tuple[str, str]]:
    """Carrier and service of those that the merchant names for a way of shipping now; none: any may do."""
    if not method:
        return frozenset()
    (loaded,) = await executor.states.load([storefront_stream(merchant)])
    settings: StorefrontSettings = loaded.state.settings
    return settings.services(method)


async def track_records(
    executor: Executor, merchant: str, carriers: Carriers
) -> Mapping[tuple[str, str], Record]:
    """By carrier and service, of those that are in any of its last cards."""
    services = sorted(
        {
            (name, service.service)
            for name, carrier in carriers.carriers.items()
            for card in carrier.cards[-2:]
            for service in card.services
        }
    )
    loaded = await executor.states.load([track_record_stream(merchant, *each) for each in services])
    return {each: state.state.record for each, state in zip(services, loaded, strict=True)}


async def catalogue_of(executor: Executor, merchant: str, skus: Iterable[str]) -> Mapping[str, Measures]:
    """What a packed unit of each SKU measures, as far as it is known: two reads, however many there are."""
    wanted = sorted(set(skus))
    loaded = await executor.states.load([product_stream(merchant, sku) for sku in wanted])
    found: dict[str, Product] = {sku: each.state for sku, each in zip(wanted, loaded, strict=True)}
    names = sorted({product.variant_of for product in found.values() if product.variant_of})
    owners = await executor.states.load([product_stream(merchant, name) for name in names])
    owned: dict[str, Product] = {name: each.state for name, each in zip(names, owners, strict=True)}
    return {sku: _unit(sku, each, owned.get(each.variant_of, each)) for sku, each in found.items()}


def _unit(sku: str, known: Product, owner: Product) -> Measures:
    """By the variant, else by what an import knows."""
    sources = [each for each in (owner.variant(sku), known.imported) if each]

    def told(name: str) -> int:
        return next((measure for each in sources if (measure := getattr(each, name))), 0)

    millimetres = {name: 10 * told(f"{name}_cm") for name in ("length", "width", "height")}
    return Measures(
        weight_g=min(GRAMS_MAX, told("weight_g")),
        **{f"{name}_mm": min(MILLIMETRES_MAX, each) for name, each in millimetres.items()},
    )


async def weighed_for(
    executor: Executor, fact: Fact, asked: ShipmentRequested | RebookingRequested, carriers: Carriers
) -> Weighed:
    """What a parcel is taken to measure, by what is in it now."""
    (loaded,) = await executor.states.load([fact.stream])
    parcel: Shipment = loaded.state
    catalogue = await catalogue_of(executor, fact.merchant, (line.sku for line in parcel.lines))
    return weighed(parcel.lines, max(1, asked.units), catalogue, carriers.unit, asked.measures)


def parcel_of(asked: ShipmentRequested | RebookingRequested, measures: Measures) -> Parcel:
    to = asked.recipient
    zip_prefix = to.zip_prefix if isinstance(to, Customer) else ""
    sizes = {name: getattr(measures, name) for name in Measures.model_fields}
    return Parcel(units=max(1, asked.units), region=asked.ship_to_state, zip_prefix=zip_prefix, **sizes)
