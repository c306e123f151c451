"""What does staff do with what is for sale in a simulation? It sells products, at prices that change."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from domain.cart.events import CHANNEL
from domain.cart.storefront import SetStorefront, ShippingMethod, StorefrontSettings
from domain.kernel import Command, Group, Target, one
from domain.product import (
    ActivateProduct,
    AddVariant,
    ArchiveProduct,
    AssignSku,
    DescribeProduct,
    DescribeVariant,
    Details,
    DraftProduct,
    FreeSku,
    ImportProduct,
    PublishProduct,
    RemoveVariant,
    RestoreProduct,
    SetPrice,
    UnpublishProduct,
    Variant,
    WithdrawPrice,
)
from domain.streams import product_stream, storefront_stream
from services.simulation.acts import Act, Step, as_it_is, made_once
from services.simulation.node import Node
from services.simulation.placing import CURRENCY
from services.simulation.plan import PlannedOffer

PRODUCTS = {"p1": ("sku1", "sku2"), "p2": ("sku3", "sku4")}
METHOD, SHIPPING_CENTS, FIRST_CENTS = "standard", 700, 4_900
OPTIONS = ("colour",)


def opening(merchant: str) -> Iterator[Act]:
    """Its products, as they are at first, and what shipping costs."""
    yield Act(0.0, "open the storefront of", as_it_is(_shipping(merchant, SHIPPING_CENTS)))
    for product, skus in PRODUCTS.items():
        yield Act(0.0, f"sell {product} of", _selling(merchant, product, skus))


def acts_of(offer: PlannedOffer) -> Iterator[Act]:
    """One after the other."""
    product, merchant = _product_of(offer.sku), offer.merchant
    ids, stream = {"product_id": product}, product_stream(merchant, product)

    def told(name: str, *commands: Command, after_s: float = 0.0) -> Act:
        targets = tuple(Target(_stream_of(merchant, product, each), each) for each in commands)
        return Act(after_s, name, as_it_is(Group(targets)))

    match offer.kind:
        case "now" | "later":
            yield Act(0.0, "set", _pricing(offer))
        case "withdrawn":
            setting = made_once(_pricing(offer))
            yield Act(0.0, "set", setting)
            yield Act(offer.in_s / 2, "withdraw", _withdrawing(offer, setting, stream))
        case "described":
            details = Details(name=f"{product} of {merchant}", options=OPTIONS, category="things")
            variant = Variant(sku=offer.sku, options=("red",), weight_g=400)
            yield told("describe", DescribeProduct(**ids, details=details))
            yield told("describe a variant of", DescribeVariant(**ids, variant=variant))
        case "unpublished":
            yield told("unpublish", UnpublishProduct(**ids, channel=CHANNEL))
            yield told("publish", PublishProduct(**ids, channel=CHANNEL), after_s=offer.in_s)
        case "archived":
            yield told("archive", ArchiveProduct(**ids))
            yield told("restore", RestoreProduct(**ids), ActivateProduct(**ids), after_s=offer.in_s)
        case "removed":
            whose = {"sku": offer.sku, **ids}
            yield told("remove", RemoveVariant(**ids, sku=offer.sku), FreeSku(**whose))
            back = AddVariant(**ids, variant=_variant(offer.sku))
            yield told("add", back, AssignSku(**whose), after_s=offer.in_s)
        case "shipping":
            yield Act(0.0, "set", as_it_is(_shipping(merchant, offer.price_cents)))


def _product_of(sku: str) -> str:
    return next((product for product, skus in PRODUCTS.items() if sku in skus), "p1")


def _variant(sku: str) -> Variant:
    return Variant(sku=sku, options=(sku,))


def _stream_of(merchant: str, product: str, command: Command) -> str:
    """That of the SKU holds whose it is, and what was imported of it."""
    of_sku = isinstance(command, AssignSku | FreeSku | ImportProduct)
    return product_stream(merchant, command.sku if of_sku else product)  # type: ignore[attr-defined]


def _selling(merchant: str, product: str, skus: tuple[str, ...]) -> Step:
    async def step(node: Node) -> Group:
        now, ids = node.clock.now(), {"product_id": product}
        commands: list[Command] = [DraftProduct(**ids, details=Details(name=product, options=OPTIONS))]
        for sku in skus:
            price = {"channel": CHANNEL, "currency": CURRENCY, "price_cents": FIRST_CENTS}
            commands += [
                ImportProduct(sku=sku),
                AddVariant(**ids, variant=_variant(sku)),
                AssignSku(sku=sku, **ids),
                SetPrice(**ids, sku=sku, **price, valid_from=now, now=now),
            ]
        commands += [ActivateProduct(**ids), PublishProduct(**ids, channel=CHANNEL)]
        return Group(tuple(Target(_stream_of(merchant, product, each), each) for each in commands))

    return step


def _pricing(offer: PlannedOffer) -> Step:
    product = _product_of(offer.sku)

    async def step(node: Node) -> Group:
        now = node.clock.now()
        price = SetPrice(
            product_id=product,
            sku=offer.sku,
            channel=CHANNEL,
            currency=CURRENCY,
            price_cents=offer.price_cents,
            valid_from=now if offer.kind == "now" else now + timedelta(seconds=offer.in_s),
            now=now,
        )
        return one(product_stream(offer.merchant, product), price)

    return step


def _withdrawing(offer: PlannedOffer, setting: Step, stream: str) -> Step:
    """Staff is told no where it holds by then."""

    async def step(node: Node) -> Group:
        (set_price,) = (target.command for target in (await setting(node)).targets)
        assert isinstance(set_price, SetPrice)
        kept = {name: getattr(set_price, name) for name in ("product_id", "sku", "channel", "currency")}
        withdraw = WithdrawPrice(**kept, valid_from=set_price.valid_from, now=node.clock.now())
        return one(stream, withdraw)

    return step


def _shipping(merchant: str, cents: int) -> Group:
    method = ShippingMethod(method=METHOD, currency=CURRENCY, amount_cents=cents)
    return one(
        storefront_stream(merchant),
        SetStorefront(settings=StorefrontSettings(guests=True, shipping=(method,))),
    )
