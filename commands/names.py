"""Does all that a command is about fit the streams that are named by it, at once and by the agents later?

A stream's name has a limit, and percent-encoding makes three characters of a byte. So what is short enough
for its field may still be too long beside the others: it is refused at the door, never on an order's way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fastapi.exceptions import RequestValidationError

from domain.catalogue import ImportProduct, TranslateCategory
from domain.kernel import Command
from domain.merchant import RegisterMerchant, SetMerchantTerms
from domain.order import CancelOrder, PlaceOrder, StartPreparation
from domain.parked import RequestParkedRetry, RequestParkedSkip
from domain.stock import AdjustStock, ReceiveStock
from domain.streams import (
    category_stream,
    encode_part,
    merchant_stream,
    order_stream,
    parked_stream,
    payment_stream,
    product_stream,
    shipment_stream,
    stock_stream,
)
from eventstore.log import MAX_NAME_CHARACTERS
from services.web.access import HEADER

Field = tuple[str | int, ...]
"""Where a value came from: `("body", "lines", 0, "sku")`."""


def check_names(merchant: str, command: Command) -> None:
    """Raises a 422 problem that names the field to blame: of a name's parts the longest one."""
    for stream, parts in streams_of(merchant, command):
        if len(stream) > MAX_NAME_CHARACTERS:
            field = max(parts, key=lambda each: len(encode_part(parts[each])))
            detail = (
                f"too long: with the merchant and what else it is named by it makes {len(stream)} characters,"
                f" and {MAX_NAME_CHARACTERS} is the most; any but A-Z, a-z, 0-9, _ and ~ counts three a byte"
            )
            raise RequestValidationError([{"loc": field, "msg": detail, "type": "name_too_long"}])


def streams_of(merchant: str, command: Command) -> Iterator[tuple[str, Mapping[Field, str]]]:
    """Every stream that a command leads to, each with the fields of the request that it is named by."""
    match command:
        case PlaceOrder():
            yield from _streams_of_order(merchant, command)
        case CancelOrder(order_id=order_id) | StartPreparation(order_id=order_id):
            yield order_stream(merchant, order_id), {("path", "order_id"): order_id}
        case ReceiveStock(sku=sku, warehouse=warehouse) | AdjustStock(sku=sku, warehouse=warehouse):
            parts: Mapping[Field, str] = {("body", "sku"): sku, ("body", "warehouse"): warehouse}
            yield stock_stream(merchant, sku, warehouse), parts
        case ImportProduct(sku=sku):
            yield product_stream(merchant, sku), {("path", "sku"): sku}
        case TranslateCategory(category=category):
            yield category_stream(merchant, category), {("path", "category"): category}
        case RequestParkedRetry(follower=follower) | RequestParkedSkip(follower=follower):
            yield parked_stream(follower), {("body", "follower"): follower}
        case RegisterMerchant() | SetMerchantTerms():
            yield merchant_stream(merchant), {("header", HEADER): merchant}
        case _:
            raise AssertionError(f"nobody said what {type(command).__name__} leads to")


def _streams_of_order(merchant: str, order: PlaceOrder) -> Iterator[tuple[str, Mapping[Field, str]]]:
    whole: Mapping[Field, str] = {("body", "order_id"): order.order_id}
    yield order_stream(merchant, order.order_id), whole
    yield shipment_stream(merchant, order.order_id), whole
    for place, line in enumerate(order.lines):
        sku, warehouse = ("body", "lines", place, "sku"), ("body", "lines", place, "warehouse")
        yield stock_stream(merchant, line.sku, line.warehouse), {sku: line.sku, warehouse: line.warehouse}
    for place, portion in enumerate(order.portions):
        name = portion.payment_id.removeprefix(f"{order.order_id}.")
        parts = {**whole, ("body", "payments", place, "payment_id"): name}
        yield payment_stream(merchant, portion.payment_id), parts
