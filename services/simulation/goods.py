"""What does staff do with goods in a simulation? Buy, move and count them, a step one append over streams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.inventory import (
    CancelCount,
    CancelExpectedStock,
    CountStock,
    ExpectStock,
    ReceiveStock,
    SendStock,
    SetStockRules,
    SettleCount,
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
)
from domain.inventory.stocktake import FinishStocktake, RecordCount, StartStocktake
from domain.inventory.transfer import (
    PlanTransfer,
    ReceiveTransfer,
    ResolveTransferDiscrepancy,
    ShipTransfer,
    TransferLine,
)
from domain.kernel import Command, Group, Target
from domain.streams import purchase_stream, stock_stream, stocktake_stream, transfer_stream
from services.simulation.acts import Step, as_it_is
from services.simulation.node import Node
from services.simulation.plan import PlannedGoods

MAIN, NORTH = "main", "north"
WAITING = StockRules(backorder_limit=9, backorder_days=1)


def steps_of(goods: PlannedGoods) -> Iterator[Step]:
    """One after the other; each is made when its turn comes."""
    match goods.kind:
        case "backorders":
            rules = SetStockRules(sku=goods.sku, warehouse=MAIN, rules=WAITING)
            yield as_it_is(Group((_stock(goods, rules),)))
        case "purchase":
            yield from map(as_it_is, _purchase(goods))
        case "transfer":
            yield from map(as_it_is, _transfer(goods))
        case "stocktake":
            yield from _stocktake(goods)


def _stock(goods: PlannedGoods, command: Any) -> Target:
    return Target(stock_stream(goods.merchant, command.sku, command.warehouse), command)


def _together(goods: PlannedGoods, stream: str, first: Command, *stocks: Command) -> Group:
    return Group((Target(stream, first), *(_stock(goods, each) for each in stocks)))


def _purchase(goods: PlannedGoods) -> Iterator[Group]:
    stream, name = purchase_stream(goods.merchant, goods.name), goods.name
    place = {"sku": goods.sku, "warehouse": MAIN}
    line = PurchaseLine(sku=goods.sku, quantity=goods.quantity)
    order = PlacePurchaseOrder(
        purchase_id=name, supplier="ACME", warehouse=MAIN, currency="BRL", lines=(line,)
    )
    yield _together(goods, stream, order, ExpectStock(**place, reference=name, quantity=goods.quantity))
    half = goods.quantity // 2
    for receipt, units, damaged in (("1", half, 0), ("2", goods.quantity - half + goods.odd - 1, 1)):
        item = ReceivedItem(sku=goods.sku, quantity=units, damaged=damaged)
        receive = ReceivePurchase(purchase_id=name, receipt_id=receipt, items=(item,))
        came = {**place, "expected_by": name, "reference": f"{name} {receipt}"}
        stocks = [ReceiveStock(**came, quantity=units)] if units else []
        stocks += [ReceiveStock(**came, quantity=damaged, condition="damaged")] if damaged else []
        yield _together(goods, stream, receive, *stocks)
    close = ClosePurchaseOrder(purchase_id=name)
    yield _together(goods, stream, close, CancelExpectedStock(**place, reference=name))
    gone = WriteOffStock(**place, quantity=1, source="damaged", note=name)
    yield Group((_stock(goods, gone),))


def _transfer(goods: PlannedGoods) -> Iterator[Group]:
    stream, name = transfer_stream(goods.merchant, goods.name), goods.name
    units = {"sku": goods.sku, "quantity": goods.quantity, "reference": name}
    lines = (TransferLine(sku=goods.sku, quantity=goods.quantity),)
    yield _together(goods, stream, PlanTransfer(transfer_id=name, source=MAIN, target=NORTH, lines=lines))
    yield _together(
        goods,
        stream,
        ShipTransfer(transfer_id=name),
        SendStock(**units, warehouse=MAIN),
        ExpectStock(**units, warehouse=NORTH),
    )
    lost, there = min(goods.odd, goods.quantity), {"sku": goods.sku, "warehouse": NORTH}
    came = tuple(TransferLine(sku=goods.sku, quantity=each) for each in (goods.quantity - lost,) if each)
    receive = ReceiveTransfer(transfer_id=name, receipt_id="1", lines=came, complete=True)
    received = (
        ReceiveStock(**there, quantity=line.quantity, reference=f"{name} 1", expected_by=name)
        for line in came
    )
    yield _together(goods, stream, receive, *received)
    if lost:
        missing = {"sku": goods.sku, "kind": "missing", "quantity": lost}
        resolve = ResolveTransferDiscrepancy(transfer_id=name, **missing, outcome="lost")
        gone = CancelExpectedStock(**there, reference=name, quantity=lost)
        yield _together(goods, stream, resolve, gone)


def _stocktake(goods: PlannedGoods) -> Iterator[Step]:
    stream, name = stocktake_stream(goods.merchant, goods.name), goods.name
    place = {"sku": goods.sku, "warehouse": MAIN, "stocktake_id": name}
    start = StartStocktake(stocktake_id=name, warehouse=MAIN, skus=(goods.sku,))
    yield as_it_is(_together(goods, stream, start, StartCount(**place)))

    async def count(node: Node) -> Group:
        (loaded,) = await node.executor.states.load([stock_stream(goods.merchant, goods.sku, MAIN)])
        counted = max(0, loaded.state.on_hand - goods.odd)
        record = RecordCount(stocktake_id=name, sku=goods.sku, counted=counted)
        return _together(goods, stream, record, CountStock(**place, counted=counted))

    yield count
    finish = FinishStocktake(stocktake_id=name, counted=(goods.sku,))
    yield as_it_is(_together(goods, stream, finish, SettleCount(**place), CancelCount(**place)))
