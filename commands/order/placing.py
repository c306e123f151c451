"""What may be asked of an order from outside: to be placed, prepared, cancelled."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from fastapi import APIRouter, Response
from pydantic import Field

from commands.executor import Context, Done, Executor
from commands.http import PROBLEMS, Call, CommandRoute, WantedCall, answers
from commands.names import Named, Source
from commands.order.call import OrderAnswer, OrderId, cancelled_by, placing_of
from commands.order_body import CancelOrderBody, PlaceOrderBody
from commands.payment_method import check_stored
from commands.personal import sealed, subject_of
from domain.allocation import AllocationTerms
from domain.kernel import one
from domain.order import CancelOrder, PlaceOrder, StartPreparation, order_total
from domain.streams import (
    allocation_stream,
    encode_part,
    order_stream,
    parcel_id,
    payment_stream,
    pick_list_stream,
    shipment_stream,
    stock_stream,
    warehouses_stream,
)
from eventstore.seams import derived_id, key_id
from services.web.access import forbidden, requires

PICK_LISTS_MOST = 10**6
"""Pick lists of an order, for what their names may come to."""


async def place_order(executor: Executor, command: PlaceOrder, context: Context, answer: bytes = b"") -> Done:
    """Place an order; refused where it does not add up, or its id was used before."""
    return await executor.execute(
        one(order_stream(context.merchant, command.order_id), command), context, answer
    )


async def cancel_order(
    executor: Executor, command: CancelOrder, context: Context, answer: bytes = b""
) -> Done:
    """Cancel an order that is not shipped; what was held for it is let go, and its money given back."""
    return await executor.execute(
        one(order_stream(context.merchant, command.order_id), command), context, answer
    )


async def start_preparation(
    executor: Executor, command: StartPreparation, context: Context, answer: bytes = b""
) -> Done:
    """Say that a confirmed order is being prepared."""
    return await executor.execute(
        one(order_stream(context.merchant, command.order_id), command), context, answer
    )


router = APIRouter(prefix="/v1/orders", tags=["orders"], route_class=CommandRoute, responses=PROBLEMS)


class OrderPlacedAnswer(OrderAnswer):
    """The order as it was placed, with the ids that were made up for it."""

    checkout_id: str = Field(examples=["checkout-77"])
    payment_ids: list[str] = Field(
        description="in the order of the payments", examples=[["1001.card", "1001.voucher"]]
    )
    total_cents: int = Field(description="minor units of `currency`", examples=[12580])
    currency: str = Field(examples=["BRL"])


@router.post(
    "",
    operation_id="place_order",
    dependencies=[requires("orders:write")],
    summary="Place an order",
    status_code=201,
    response_model=OrderPlacedAnswer,
    responses=answers(
        201, "The order is placed; it is reserved, paid and shipped from here on", Location="its path"
    ),
)
async def _place_order(call: WantedCall, body: PlaceOrderBody) -> Response:
    """The order is placed on the merchant's terms of now. What was held for it, and what became of it, is
    told by the order itself: placing it only says that it was taken down.

    Payments must add up to lines with their shipping, plus surcharges, less shortfalls (rule
    `paid_equals_total`), unless the order is `on_account`. Prices are what the request says: so customers
    order through a cart (`POST /v1/carts`), where they are the shop's.
    """
    if call.own:
        raise forbidden("orders:write at prices of one's own; complete a cart instead", call.merchant)
    merchant, allocation = await gather(call.settings(fresh=True), _allocation(call, body))
    order_id = body.order_id or str(derived_id(call.command_id, "order"))
    checkout_id = body.checkout_id or str(key_id("checkout", call.merchant, order_id))
    subject = subject_of(call.parts.keyring, call.merchant, body.customer.person)
    order = order_stream(call.merchant, order_id)
    await check_stored(call, (each.method for each in body.payments), subject, makes=order)
    customer = await sealed(call.parts.keyring, call.parts.ids, subject, body.customer.to_domain())
    command = body.to_command(order_id, checkout_id, subject, customer, merchant.terms, allocation)
    answer = {
        "order_id": order_id,
        "checkout_id": checkout_id,
        "payment_ids": [portion.payment_id for portion in command.portions],
        "total_cents": order_total(command.lines, command.adjustments),
        "currency": command.currency,
    }
    location = {"Location": f"/v1/orders/{quote(order_id, safe='')}"}
    return await call.carry_out(
        place_order, command, answer, status=201, correlation=checkout_id, headers=location
    )


async def _allocation(call: Call, body: PlaceOrderBody) -> AllocationTerms | None:
    """By which rules its warehouses are chosen, as they are now; only here the zip prefix is in the clear."""
    (network,) = await call.parts.executor.states.load([warehouses_stream(call.merchant)])
    terms: AllocationTerms | None = network.state.terms_at(call.parts.clock.now(), body.customer.zip_prefix)
    return terms


@router.post(
    "/{order_id}/cancel",
    operation_id="cancel_order",
    dependencies=[requires("orders:write")],
    summary="Cancel an order",
    response_model=OrderAnswer,
    responses=answers(200, "The order is cancelled, now or before"),
)
async def _cancel_order(call: WantedCall, order_id: OrderId, body: CancelOrderBody) -> Response:
    """An order can be cancelled until it is shipped (rule `cancel_before_shipping`). Its stock is released,
    its payments are voided, or refunded where they were captured.
    """
    await call.settings()
    command = CancelOrder(order_id=order_id, reason=body.reason, note=body.note)
    correlation = await cancelled_by(call, order_id, body.reason)
    return await call.carry_out(cancel_order, command, {"order_id": order_id}, correlation=correlation)


@router.post(
    "/{order_id}/prepare",
    operation_id="start_preparation",
    dependencies=[requires("orders:fulfil")],
    summary="Start to prepare an order",
    response_model=OrderAnswer,
    responses=answers(200, "The order is being prepared, since now or before"),
)
async def _start_preparation(call: WantedCall, order_id: OrderId) -> Response:
    """A milestone on the way from confirmed to shipped: somebody is picking and packing it. Takes no body."""
    await call.settings()
    command = StartPreparation(order_id=order_id)
    correlation, _ = await placing_of(call.parts.log, order_stream(call.merchant, order_id))
    return await call.carry_out(start_preparation, command, {"order_id": order_id}, correlation=correlation)


PARCELS_MOST = 999
"""More than any order is sent in: all but the first parcel are numbered, and their names must fit, too."""


def named_by_order(merchant: str, order: PlaceOrder) -> Iterator[Named]:
    """What the agents do for an order goes into streams of these names."""
    order_id: Mapping[Source, str] = {("body", "order_id"): order.order_id}
    yield shipment_stream(merchant, parcel_id(order.order_id, PARCELS_MOST)), order_id
    if order.allocation:
        yield from _named_by_allocation(merchant, order, order.allocation)
    for place, line in enumerate(order.lines):
        sku, warehouse = ("body", "lines", place, "sku"), ("body", "lines", place, "warehouse")
        yield stock_stream(merchant, line.sku, line.warehouse), {sku: line.sku, warehouse: line.warehouse}
    for place, portion in enumerate(order.portions):
        name = portion.payment_id.removeprefix(f"{order.order_id}.")
        payment_id: Source = ("body", "payments", place, "payment_id")
        yield payment_stream(merchant, portion.payment_id), {**order_id, payment_id: name}


def _named_by_allocation(merchant: str, order: PlaceOrder, terms: AllocationTerms) -> Iterator[Named]:
    """Any of the warehouses may be chosen; each has a pick list, and changes of the order make more."""
    order_id: Mapping[Source, str] = {("body", "order_id"): order.order_id}
    yield allocation_stream(merchant, order.order_id), order_id
    yield pick_list_stream(merchant, f"{order.order_id}.{PICK_LISTS_MOST}"), order_id
    longest = max((site.warehouse for site in terms.sites), key=lambda name: len(encode_part(name)))
    for place, line in enumerate(order.lines):
        yield stock_stream(merchant, line.sku, longest), {("body", "lines", place, "sku"): line.sku}
