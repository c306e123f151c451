"""What is decided about prices: which are set, withdrawn, and hold by now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from domain.kernel import Refused
from domain.product.commands import SetPrice, WithdrawPrice
from domain.product.events import PriceApplied, PriceSet, PriceWithdrawn, ProductEvent
from domain.product.price_history import PricePoint, point_at
from domain.product.state import Product, price_key
from domain.product.values import PRICES_MAX, SCHEDULED_MAX
from domain.product.variants import known_variant


def set_price(command: SetPrice, product: Product) -> tuple[ProductEvent, ...]:
    known_variant(command.product_id, command.sku, product)
    if command.valid_from < command.now:
        raise Refused(
            "price_not_backdated",
            f"the price would hold from {command.valid_from.isoformat()}, which is past: what was shown then"
            " stays what it was; set it from now on",
        )
    points = product.prices.get(price_key(command.sku, command.channel, command.currency), ())
    held = point_at(points, command.valid_from)
    if held == PricePoint(valid_from=command.valid_from, price_cents=command.price_cents):
        return ()
    if held and held.price_cents == command.price_cents and command.valid_from == command.now:
        return ()
    if sum(each.valid_from > command.now for each in points) >= SCHEDULED_MAX:
        raise Refused("prices_bounded", f"{SCHEDULED_MAX} prices are scheduled for it, which is the most")
    if sum(map(len, product.prices.values())) >= PRICES_MAX:
        raise Refused(
            "prices_bounded", f"its variants have {PRICES_MAX} prices this month, which is the most"
        )
    return (_price_set(command),)


def _price_set(command: SetPrice) -> PriceSet:
    told = dict(command)
    return PriceSet(**{name: value for name, value in told.items() if name != "now"}, set_at=command.now)


def withdraw(command: WithdrawPrice, product: Product) -> tuple[ProductEvent, ...]:
    points = product.prices.get(price_key(command.sku, command.channel, command.currency), ())
    if all(each.valid_from != command.valid_from for each in points):
        return ()
    if command.valid_from <= command.now:
        raise Refused(
            "price_not_backdated",
            f"the price of {command.valid_from.isoformat()} holds or has held; set another one instead",
        )
    told = {name: value for name, value in dict(command).items() if name != "now"}
    return (PriceWithdrawn(**told),)


def applicable(product_id: str, product: Product, now: datetime) -> Iterator[PriceApplied]:
    for key, points in product.prices.items():
        point, applied = point_at(points, now), product.applied.get(key)
        if point and (applied is None or applied < point.valid_from):
            channel, currency, sku = key.split("/", 2)
            yield PriceApplied(
                product_id=product_id, sku=sku, channel=channel, currency=currency, **dict(point)
            )
