"""How do the tests of projections get goods into a log? Bought, moved and counted, decided one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from domain.aggregates import aggregate_of
from domain.inventory import (
    AllocateStock,
    CancelExpectedStock,
    CountStock,
    ExpectStock,
    MoveStock,
    ReceiveStock,
    RecordShortPick,
    ReleaseStock,
    ReserveStock,
    RestoreReservation,
    SendStock,
    SetStockRules,
    SettleCount,
    ShipStock,
    StartCount,
    StockRules,
    WriteOffStock,
)
from domain.inventory.purchase_order import (
    ClosePurchaseOrder,
    PlacePurchaseOrder,
    PurchaseLine,
    ReceivedItem,
    ReceivePurchase,
    ResolvePurchaseDiscrepancy,
)
from domain.inventory.stocktake import RecordCount, StartStocktake
from domain.inventory.transfer import (
    PlanTransfer,
    ReceiveTransfer,
    ResolveTransferDiscrepancy,
    ShipTransfer,
    TransferLine,
)
from domain.kernel import Command
from domain.streams import purchase_stream, stock_stream, stocktake_stream, transfer_stream
from tests.integration.projections_trade import START, Step


def inventory_lives(merchant: str) -> list[Step]:
    """What moves the numbers of inventory: decided, so that they are such as there can be."""
    north = {"sku": "A", "warehouse": "north"}
    rules = StockRules(safety_stock=1, backorder_limit=9, backorder_days=9, reorder_point=50)
    held = {**north, "order_id": f"{merchant}o2", "quantity": 3}
    waits = {**north, "order_id": f"{merchant}o8", "quantity": 4}
    until = {"now": START, "expires_at": START + timedelta(days=9)}
    stock: list[Command] = [
        SetStockRules(**north, rules=rules),
        SetStockRules(**north, rules=rules.model_copy(update={"safety_stock": 2, "reorder_point": 40})),
        ExpectStock(**north, reference="purchase p1", quantity=30),
        ReserveStock(**{**waits, **until, "quantity": 2}),
        ReceiveStock(**north, quantity=10, expected_by="purchase p1", reference="purchase p1, receipt r1"),
        ReceiveStock(**north, quantity=3, condition="damaged", expected_by="purchase p1"),
        ReceiveStock(**north, quantity=3, condition="quality_control"),
        MoveStock(**north, quantity=1, source="quality_control", target="available"),
        WriteOffStock(**north, quantity=1, source="damaged"),
        ReserveStock(**held, **until),
        AllocateStock(**held, now=START),
        RecordShortPick(**{**held, "quantity": 1}, reason="missing"),
        ShipStock(**{**held, "quantity": 2}),
        RestoreReservation(**{**held, "quantity": 1}),
        StartCount(**north, stocktake_id="k1"),
        SendStock(**north, quantity=1, reference="transfer t1"),
        CountStock(**north, stocktake_id="k1", counted=9, as_of="start"),
        ReserveStock(**{**waits, **until, "order_id": f"{merchant}o5", "quantity": 6}),
        ReserveStock(**{**waits, **until, "order_id": f"{merchant}o11", "quantity": 3}),
        ReleaseStock(**{**waits, "order_id": f"{merchant}o5", "quantity": 1}),
        CancelExpectedStock(**north, reference="purchase p1", quantity=2),
    ]
    other = {"sku": "A", "warehouse": "south"}
    south: list[Command] = [
        ReceiveStock(**other, quantity=5),
        StartCount(**other, stocktake_id="k1"),
        CountStock(**other, stocktake_id="k1", counted=4),
        SettleCount(**other, stocktake_id="k1"),
    ]
    lines = (PurchaseLine(sku="A", quantity=10, unit_cost_cents=3), PurchaseLine(sku="B", quantity=4))
    placed = {"supplier": "s", "warehouse": "north", "currency": "BRL", "lines": lines}
    items = (ReceivedItem(sku="A", quantity=9, damaged=2), ReceivedItem(sku="B", quantity=1))
    over = {"sku": "A", "kind": "over", "quantity": 1}
    purchase: list[Command] = [
        PlacePurchaseOrder(purchase_id="p1", **placed),
        ReceivePurchase(purchase_id="p1", receipt_id="r1", items=items),
        ResolvePurchaseDiscrepancy(purchase_id="p1", **over, resolution="accepted"),
        ClosePurchaseOrder(purchase_id="p1"),
    ]
    sent = (TransferLine(sku="A", quantity=10), TransferLine(sku="B", quantity=4))
    came = (TransferLine(sku="A", quantity=6), TransferLine(sku="B", quantity=5))
    missing = {"sku": "A", "kind": "missing"}
    transfer: list[Command] = [
        PlanTransfer(transfer_id="t1", source="north", target="south", lines=sent),
        ShipTransfer(transfer_id="t1"),
        ReceiveTransfer(transfer_id="t1", receipt_id="r1", lines=came, complete=True),
        ResolveTransferDiscrepancy(transfer_id="t1", **missing, quantity=1, outcome="lost"),
        ResolveTransferDiscrepancy(transfer_id="t1", **missing, quantity=2, outcome="found"),
    ]
    stocktake: list[Command] = [
        StartStocktake(stocktake_id="k1", warehouse="north", skus=("A", "B")),
        RecordCount(stocktake_id="k1", sku="A", counted=9),
    ]
    by_stream = {
        stock_stream(merchant, "A", "north"): stock,
        stock_stream(merchant, "A", "south"): south,
        purchase_stream(merchant, "p1"): purchase,
        transfer_stream(merchant, "t1"): transfer,
        stocktake_stream(merchant, "k1"): stocktake,
    }
    return [step for stream, commands in by_stream.items() for step in decided(stream, commands)]


def decided(stream: str, commands: Sequence[Command]) -> list[Step]:
    """What comes of the commands, one after the other."""
    aggregate = aggregate_of(stream)
    state, steps = aggregate.initial, []
    for command in commands:
        events = aggregate.decide(command, state)
        assert events, command
        state = aggregate.fold(events, state)
        steps += [(stream, event) for event in events]
    return steps
