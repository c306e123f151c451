"""What do all commands of inventory share? One append over several stocks, and what they are named by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from commands.executor import Context, Done, Executor
from commands.http import Call, Handler
from commands.names import Named, Source
from domain.kernel import Command, Group, Target
from domain.streams import order_stream, stock_stream, warehouses_stream
from services.web.problems import invalid

NAMED_MAX = 10
"""Of a merchant's warehouses, as many are told."""


def to_stock(merchant: str, command: Any) -> Target:
    return Target(stock_stream(merchant, command.sku, command.warehouse), command)


def together(first: Target, *others: Target) -> Handler[Any]:
    """Have all of these carried out, or none: where one is refused, so is the whole."""

    async def carry_out(executor: Executor, _: Command, context: Context, answer: bytes) -> Done:
        return await executor.execute(Group((first, *others)), context, answer)

    return carry_out


async def order_correlation(call: Call, order_id: str) -> str:
    """What the order belongs to, so that what comes of the command does too; empty if there is no order."""
    (events,) = await call.parts.log.read_streams([(order_stream(call.merchant, order_id), 0)], 1)
    return events[0].correlation if events else ""


async def check_warehouse(call: Call, warehouse: str, skus: Iterable[str], name: str = "warehouse") -> None:
    """New stock lies where the merchant has a warehouse: a 422 problem of the body's field `name` for any
    other. Who has registered none may use any name, and what lies anywhere else stays within reach."""
    stocks = [stock_stream(call.merchant, sku, warehouse) for sku in skus]
    network, *known = await call.parts.executor.states.load([warehouses_stream(call.merchant), *stocks])
    places = network.state.places
    if places and warehouse not in places and not any(each.version for each in known):
        some = ", ".join(sorted(places)[:NAMED_MAX])
        detail = f"there is no warehouse {warehouse}; there are {some}: register another first"
        raise invalid(name, detail, where="body")


def stocks_named(
    merchant: str, skus: Mapping[Source, str], warehouses: Mapping[Source, str]
) -> Iterator[Named]:
    """The stocks of these SKUs in these warehouses, each with the fields that it is named by."""
    for sku_source, sku in skus.items():
        for warehouse_source, warehouse in warehouses.items():
            named = {sku_source: sku, warehouse_source: warehouse}
            yield stock_stream(merchant, sku, warehouse), named
