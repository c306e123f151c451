"""What can an auditor ask "why" of over HTTP? What happened to something, and what a number is made of.

Everything is read as the database's role for audits, bound to one merchant; only what belongs to no merchant,
such as a checkout of several, is for who reads audits of the whole platform.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from typing import Annotated, Any, Literal

import psycopg
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from psycopg_pool import PoolTimeout
from pydantic import AwareDatetime

from projections.generations import Connection
from services.audit.causes import Cause
from services.audit.causes_asked import (
    Bound,
    NothingThere,
    bound,
    why_event,
    why_order,
    why_payment,
    why_shipment,
    why_stock,
)
from services.audit.causes_read import TrailReader
from services.audit.drawing import as_svg
from services.audit.named import merchant_asked
from services.audit.numbers import explain
from services.audit.numbers_table import CannotExplain, CannotRead
from services.audit.why_shown import CauseNode, NumberExplained, number_as_json, tree_as_json
from services.web.access import Merchant, requires
from services.web.openapi import problem_responses
from services.web.positions import POSITION_HEADER, POSITION_RESPONSE_HEADER
from services.web.problems import Problem, try_later

RETRY_SECONDS = 1.0
EVENTS_MAX = 50_000
"""Of which one number is explained while somebody waits; the command line has more patience."""
router = APIRouter(prefix="/v1/audit", tags=["audit"], responses=problem_responses(404, 422, 503))
_AUDIT = [requires("audit:read")]
Name = Annotated[str, Path(max_length=200)]
As = Annotated[
    Literal["json", "svg"], Query(alias="as", description="a tree for machines, or a picture of it")
]
_TREE: dict[str, Any] = {
    "response_model": CauseNode,
    "responses": {
        200: {
            "description": "The tree of causes",
            "content": {"image/svg+xml": {"schema": {"type": "string"}}},
            "headers": POSITION_RESPONSE_HEADER,
        }
    },
    "dependencies": _AUDIT,
}


@router.get("/why/orders/{order_id}", operation_id="why_order", summary="Why an order is what it is", **_TREE)
async def _why_order(request: Request, merchant: Merchant, order_id: Name, shape: As = "json") -> Response:
    """Who gave the commands, which events came of them, what agents and gateways made of those, with each
    fact that a provider or carrier told; and what is not stored."""
    return await _tree(request, merchant, shape, lambda c: why_order(c, merchant, order_id))


@router.get(
    "/why/payments/{payment_id}",
    operation_id="why_payment",
    summary="What caused a payment's events",
    **_TREE,
)
async def _why_payment(
    request: Request, merchant: Merchant, payment_id: Name, shape: As = "json"
) -> Response:
    return await _tree(request, merchant, shape, lambda c: why_payment(c, merchant, payment_id))


@router.get(
    "/why/shipments/{shipment_id}",
    operation_id="why_shipment",
    summary="What caused a parcel's events",
    **_TREE,
)
async def _why_shipment(
    request: Request, merchant: Merchant, shipment_id: Name, shape: As = "json"
) -> Response:
    return await _tree(request, merchant, shape, lambda c: why_shipment(c, merchant, shipment_id))


@router.get(
    "/why/stock/{sku:path}/{warehouse}",
    operation_id="why_stock",
    summary="What caused the last events of a stock item",
    **_TREE,
)
async def _why_stock(
    request: Request, merchant: Merchant, sku: Name, warehouse: Name, shape: As = "json"
) -> Response:
    return await _tree(request, merchant, shape, lambda c: why_stock(c, merchant, sku, warehouse))


@router.get(
    "/why/events/{event}",
    operation_id="why_event",
    summary="What caused an event, and what it led to",
    **_TREE,
)
async def _why_event(
    request: Request,
    merchant: Merchant,
    event: Annotated[str, Path(max_length=50, description="its position in the log, or its id")],
    shape: As = "json",
) -> Response:
    """Of any event: of an order, of a cart or a scheduled price with its deadline, of a purchase order."""
    return await _tree(request, merchant, shape, lambda c: why_event(c, event))


async def key_of_request(
    day: Annotated[date | None, Query(examples=["2018-03-01"])] = None,
    currency: Annotated[str | None, Query(max_length=10, examples=["BRL"])] = None,
    sku: Annotated[str | None, Query(max_length=200)] = None,
    category: Annotated[str | None, Query(max_length=200)] = None,
    warehouse: Annotated[str | None, Query(max_length=200)] = None,
    order_id: Annotated[str | None, Query(max_length=200)] = None,
    line: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
    position: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    payment_id: Annotated[str | None, Query(max_length=200)] = None,
    call: Annotated[str | None, Query(max_length=50)] = None,
    reference: Annotated[str | None, Query(max_length=200)] = None,
    dispute_id: Annotated[str | None, Query(max_length=200)] = None,
    kind: Annotated[str | None, Query(max_length=200)] = None,
    about: Annotated[str | None, Query(max_length=200)] = None,
    method_id: Annotated[str | None, Query(max_length=200)] = None,
    shipment_id: Annotated[str | None, Query(max_length=200)] = None,
    scan_id: Annotated[str | None, Query(max_length=200)] = None,
    checkout_id: Annotated[str | None, Query(max_length=200)] = None,
    purchase_id: Annotated[str | None, Query(max_length=200)] = None,
    transfer_id: Annotated[str | None, Query(max_length=200)] = None,
    stocktake_id: Annotated[str | None, Query(max_length=200)] = None,
    carrier: Annotated[str | None, Query(max_length=60)] = None,
    service: Annotated[str | None, Query(max_length=60)] = None,
    version: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
    booking: Annotated[int | None, Query(ge=0, lt=2**31)] = None,
    manifest_id: Annotated[str | None, Query(max_length=200)] = None,
    invoice_id: Annotated[str | None, Query(max_length=200)] = None,
    cart_id: Annotated[str | None, Query(max_length=200)] = None,
    hold_id: Annotated[str | None, Query(max_length=200)] = None,
    note_id: Annotated[str | None, Query(max_length=200)] = None,
    tag: Annotated[str | None, Query(max_length=200)] = None,
    change_set_id: Annotated[str | None, Query(max_length=200)] = None,
    quarter: Annotated[AwareDatetime | None, Query(examples=["2018-03-01T12:15:00Z"])] = None,
    product_id: Annotated[str | None, Query(max_length=200)] = None,
    channel: Annotated[str | None, Query(max_length=60)] = None,
    pick_list_id: Annotated[str | None, Query(max_length=200)] = None,
    valid_from: Annotated[AwareDatetime | None, Query(examples=["2018-03-01T12:00:00Z"])] = None,
) -> dict[str, Any]:
    """The key of a row, by columns; as much of it as tells the row will do."""
    given = dict(locals())
    return {name: value for name, value in given.items() if value is not None}


Key = Annotated[dict[str, Any], Depends(key_of_request)]
Table = Annotated[str, Path(max_length=60, description="a table of a read model", examples=["sales_by_day"])]
ColumnName = Annotated[str, Query(max_length=60, description="one of its numbers", examples=["net_cents"])]
After = Annotated[int, Query(ge=0, lt=2**63, description="parts after this position: `more_after`")]
Whole = Annotated[bool, Query(description="look for the events in the whole log, whatever the key tells")]


@router.get(
    "/why/numbers/{table}",
    operation_id="why_number",
    summary="The events that make up a number of a read model",
    response_model=NumberExplained,
    responses={200: {"headers": POSITION_RESPONSE_HEADER}},
    dependencies=_AUDIT,
)
async def _why_number(
    request: Request, merchant: Merchant, table: Table, column: ColumnName, key: Key,
    after: After = 0, whole: Whole = False,
) -> Response:  # fmt: skip
    """Each with its part; they add up to the number, or the answer says that they don't: then the read model
    does not show what the log says."""
    of_merchant = {"merchant": merchant, **key}
    return await _number(request, Bound(merchant), table, of_merchant, column, after=after, whole=whole)


@router.get(
    "/platform/why/numbers/{table}",
    operation_id="why_number_of_platform",
    summary="The same of what belongs to no merchant",
    response_model=NumberExplained,
    responses={200: {"headers": POSITION_RESPONSE_HEADER}},
    dependencies=[requires("audit:read", "platform")],
)
async def _why_number_of_platform(
    request: Request, table: Table, column: ColumnName, key: Key,
    of: Annotated[str | None, Query(alias="merchant", max_length=100)] = None,
    after: After = 0, whole: Whole = False,
) -> Response:  # fmt: skip
    """Such as a checkout of several merchants; with `merchant` also what is one's."""
    request.state.about = merchant_asked({"merchant": of or ""})
    named = {"merchant": of, **key} if of else key
    return await _number(request, Bound(), table, named, column, after=after, whole=whole)


async def _tree(
    request: Request, merchant: str, shape: str, why: Callable[[Connection], Awaitable[Cause]]
) -> Response:
    async with _reading(request, Bound(merchant)) as connection:
        as_of = _as_of(request, await TrailReader(connection).head())
        root = await why(connection)
    if shape == "svg":
        return Response(as_svg(root), media_type="image/svg+xml", headers=as_of)
    return Response(tree_as_json(root), media_type="application/json", headers=as_of)


async def _number(
    request: Request, to: Bound, table: str, key: dict[str, Any], column: str, **options: Any
) -> Response:
    async with _reading(request, to) as connection:
        explained = await explain(connection, table, key, column, events_max=EVENTS_MAX, **options)
    as_of = _as_of(request, explained.position)
    return Response(number_as_json(explained), media_type="application/json", headers=as_of)


def _as_of(request: Request, position: int) -> dict[str, str]:
    """Up to where in the log an answer looks, so that it can be cited."""
    return {POSITION_HEADER: request.app.state.identity.token(position)}


@asynccontextmanager
async def _reading(request: Request, to: Bound) -> AsyncIterator[Connection]:
    """What goes wrong, as problems."""
    try:
        async with bound(request.app.state.audit_pool, to) as connection:
            yield connection
    except NothingThere as error:
        raise Problem(404, "not-found", str(error)) from None
    except CannotRead as error:
        raise Problem(409, "cannot-fold", str(error)) from None
    except CannotExplain as error:
        raise Problem(
            404 if error.missing else 422, "not-found" if error.missing else "invalid-input", str(error)
        ) from None
    except psycopg.errors.UndefinedTable:
        raise try_later("the read models are not made yet: the projector makes them", RETRY_SECONDS) from None
    except psycopg.errors.QueryCanceled:
        raise try_later("it took too long; ask for less", RETRY_SECONDS, kind="took-too-long") from None
    except (psycopg.OperationalError, PoolTimeout, OSError):
        raise try_later("the database can't be reached", RETRY_SECONDS) from None
    except psycopg.DataError:
        detail = "a parameter holds what no text or number of ours can hold"
        raise Problem(422, "invalid-input", detail) from None
