"""What may be asked of a merchant's warehouses from outside: to be registered, changed, closed and opened."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from commands.executor import Context, Done, Executor
from commands.fields import Body, Text, Warehouse
from commands.http import PROBLEMS, CommandRoute, Positioned, WantedCall, answers
from domain.kernel import one
from domain.streams import warehouses_stream
from domain.warehouse.network import (
    ChangeWarehouse,
    CloseWarehouse,
    NetworkCommand,
    OpenWarehouse,
    RegisterWarehouse,
)
from services.web.access import requires

router = APIRouter(prefix="/v1/warehouses", tags=["warehouses"], route_class=CommandRoute, responses=PROBLEMS)
WarehouseName = Annotated[Warehouse, Path(description="the warehouse", examples=["north"])]
_Short = Annotated[Text, Field(max_length=100)]
_EXAMPLE: dict[str, Any] = {"name": "North", "country": "BR", "state": "RJ", "zip_prefix": "20000"}


async def change_network(
    executor: Executor, command: NetworkCommand, context: Context, answer: bytes = b""
) -> Done:
    """Change what is known of a merchant's warehouses, or by which rules orders are allocated to them."""
    return await executor.execute(one(warehouses_stream(context.merchant), command), context, answer)


class WarehouseBody(Body):
    """Where it is: `state` as in the orders' `ship_to_state`, `zip_prefix` as in their customers'."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Annotated[Text, Field(max_length=200)] = ""
    country: _Short = Field("", description="ISO 3166-1, two letters", examples=["BR"])
    state: _Short = Field("", examples=["RJ"])
    zip_prefix: _Short = Field("", examples=["20000"])


class RegisterWarehouseBody(WarehouseBody):
    """A new warehouse; its name is the one that stock is kept under."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"warehouse": "north", **_EXAMPLE}]})

    warehouse: Warehouse


class WarehouseNoteBody(Body):
    """Why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "stocktaking"}]})

    note: Text = ""


class WarehouseAnswer(Positioned):
    """The warehouse that it was about."""

    warehouse: str = Field(examples=["north"])


@router.post(
    "",
    operation_id="register_warehouse",
    dependencies=[requires("warehouses:write")],
    summary="Register a warehouse",
    status_code=201,
    response_model=WarehouseAnswer,
    responses=answers(201, "The warehouse is registered, now or before"),
)
async def _register_warehouse(call: WantedCall, body: RegisterWarehouseBody) -> Response:
    """At most 50. It is open from the start; registered again with other data, it is refused (rule
    `warehouse_unique`).
    """
    await call.settings()
    command = RegisterWarehouse(**dict(body))
    return await call.carry_out(change_network, command, {"warehouse": body.warehouse}, status=201)


@router.put(
    "/{warehouse}",
    operation_id="change_warehouse",
    dependencies=[requires("warehouses:write")],
    summary="Change a warehouse",
    response_model=WarehouseAnswer,
    responses=answers(200, "It is as the body says"),
)
async def _change_warehouse(call: WantedCall, warehouse: WarehouseName, body: WarehouseBody) -> Response:
    """All of its data, as they are from now on; whether it is open stays as it is."""
    await call.settings()
    command = ChangeWarehouse(warehouse=warehouse, **dict(body))
    return await call.carry_out(change_network, command, {"warehouse": warehouse})


@router.post(
    "/{warehouse}/close",
    operation_id="close_warehouse",
    dependencies=[requires("warehouses:write")],
    summary="Close a warehouse",
    response_model=WarehouseAnswer,
    responses=answers(200, "No more orders are allocated to it"),
)
async def _close_warehouse(call: WantedCall, warehouse: WarehouseName, body: WarehouseNoteBody) -> Response:
    """Orders that were allocated to it stay. The last open one can't be closed while orders are allocated by
    rules (rule `one_warehouse_open`).
    """
    await call.settings()
    command = CloseWarehouse(warehouse=warehouse, note=body.note)
    return await call.carry_out(change_network, command, {"warehouse": warehouse})


@router.post(
    "/{warehouse}/open",
    operation_id="open_warehouse",
    dependencies=[requires("warehouses:write")],
    summary="Open a warehouse",
    response_model=WarehouseAnswer,
    responses=answers(200, "Orders may be allocated to it"),
)
async def _open_warehouse(call: WantedCall, warehouse: WarehouseName, body: WarehouseNoteBody) -> Response:
    """One that was closed before."""
    await call.settings()
    command = OpenWarehouse(warehouse=warehouse, note=body.note)
    return await call.carry_out(change_network, command, {"warehouse": warehouse})
