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
    CancelPurchaseOrder,
    ClosePurchaseOrder,
    PlacePurchaseOrder,
    PurchaseLine,
    ReceivedItem,
    ReceivePurchase,
    ResolvePurchaseDiscrepancy,
)
from domain.inventory.stocktake import CancelStocktake, FinishStocktake, RecordCount, StartStocktake
from domain.inventory.transfer import (
    CancelTransfer,
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
        case "purchase" | "transfer" | "stocktake" if goods.called_off:
            yield from map(as_it_is, _called_off(goods))
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


def _called_off(goods: PlannedGoods) -> Iterator[Group]:
    """What is begun, and its end."""
    name, place = goods.name, {"sku": goods.sku, "warehouse": MAIN}
    match goods.kind:
        case "purchase":
            yield _ordered(goods)
            gone = CancelExpectedStock(**place, reference=name)
            stream = purchase_stream(goods.merchant, name)
            yield _together(goods, stream, CancelPurchaseOrder(purchase_id=name), gone)
        case "transfer":
            yield _planned(goods)
            stream = transfer_stream(goods.merchant, name)
            yield _together(goods, stream, CancelTransfer(transfer_id=name))
        case "stocktake":
            yield _started(goods)
            stream, count = stocktake_stream(goods.merchant, name), {**place, "stocktake_id": name}
            yield _together(goods, stream, CancelStocktake(stocktake_id=name), CancelCount(**count))


def _ordered(goods: PlannedGoods) -> Group:
    name, place = goods.name, {"sku": goods.sku, "warehouse": MAIN}
    line = PurchaseLine(sku=goods.sku, quantity=goods.quantity)
    order = PlacePurchaseOrder(
        purchase_id=name, supplier="ACME", warehouse=MAIN, currency="BRL", lines=(line,)
    )
    expected = ExpectStock(**place, reference=name, quantity=goods.quantity)
    return _together(goods, purchase_stream(goods.merchant, name), order, expected)


def _planned(goods: PlannedGoods) -> Group:
    name, lines = goods.name, (TransferLine(sku=goods.sku, quantity=goods.quantity),)
    plan = PlanTransfer(transfer_id=name, source=MAIN, target=NORTH, lines=lines)
    return _together(goods, transfer_stream(goods.merchant, name), plan)


def _started(goods: PlannedGoods) -> Group:
    start = StartStocktake(stocktake_id=goods.name, warehouse=MAIN, skus=(goods.sku,))
    count = StartCount(sku=goods.sku, warehouse=MAIN, stocktake_id=goods.name)
    return _together(goods, stocktake_stream(goods.merchant, goods.name), start, count)


def _purchase(goods: PlannedGoods) -> Iterator[Group]:
    stream, name = purchase_stream(goods.merchant, goods.name), goods.name
    place = {"sku": goods.sku, "warehouse": MAIN}
    yield _ordered(goods)
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
    returned = {"kind": "damaged", "quantity": 1, "resolution": "returned"}
    resolve = ResolvePurchaseDiscrepancy(purchase_id=name, sku=goods.sku, **returned)
    yield _together(goods, stream, resolve, gone)


def _transfer(goods: PlannedGoods) -> Iterator[Group]:
    stream, name = transfer_stream(goods.merchant, goods.name), goods.name
    units = {"sku": goods.sku, "quantity": goods.quantity, "reference": name}
    yield _planned(goods)
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
    yield as_it_is(_started(goods))

    async def count(node: Node) -> Group:
        (loaded,) = await node.executor.states.load([stock_stream(goods.merchant, goods.sku, MAIN)])
        counted = max(0, loaded.state.on_hand - goods.odd)
        record = RecordCount(stocktake_id=name, sku=goods.sku, counted=counted)
        return _together(goods, stream, record, CountStock(**place, counted=counted))

    yield count
    finish = FinishStocktake(stocktake_id=name, counted=(goods.sku,))
    yield as_it_is(_together(goods, stream, finish, SettleCount(**place), CancelCount(**place)))
