"""What comes of purchase orders, transfers and stocktakes, above all where they do not go as planned?"""

from __future__ import annotations

from domain.inventory.purchase_order import (
    PURCHASE,
    CancelPurchaseOrder,
    ClosePurchaseOrder,
    PlacePurchaseOrder,
    PurchaseDiscrepancyOpened,
    PurchaseDiscrepancyResolved,
    PurchaseLine,
    PurchaseOrderCancelled,
    PurchaseOrderClosed,
    PurchaseOrderPlaced,
    PurchaseReceived,
    ReceivedItem,
    ReceivePurchase,
    ResolvePurchaseDiscrepancy,
)
from domain.inventory.stocktake import (
    STOCKTAKE,
    CancelStocktake,
    FinishStocktake,
    RecordCount,
    StartStocktake,
    StocktakeCancelled,
    StocktakeCounted,
    StocktakeFinished,
    StocktakeStarted,
)
from domain.inventory.transfer import (
    TRANSFER,
    CancelTransfer,
    PlanTransfer,
    ReceiveTransfer,
    ResolveTransferDiscrepancy,
    ShipTransfer,
    TransferCancelled,
    TransferDiscrepancyOpened,
    TransferDiscrepancyResolved,
    TransferLine,
    TransferPlanned,
    TransferReceived,
    TransferShipped,
)
from tests.specification import Specification

purchase, transfer, stocktake = Specification(PURCHASE), Specification(TRANSFER), Specification(STOCKTAKE)
PO = {"purchase_id": "po1"}
ORDERED = PurchaseOrderPlaced(
    **PO,
    supplier="ACME",
    warehouse="main",
    currency="BRL",
    lines=(PurchaseLine(sku="A", quantity=10), PurchaseLine(sku="B", quantity=5)),
)
T = {"transfer_id": "t1"}
TEN = (TransferLine(sku="A", quantity=10),)
PLANNED = TransferPlanned(**T, source="main", target="north", lines=TEN)
SENT = TransferShipped(**T, lines=TEN)
K = {"stocktake_id": "k1"}
STARTED = StocktakeStarted(**K, warehouse="main", skus=("A", "B"))


def came(receipt: str, *items: ReceivedItem) -> ReceivePurchase:
    return ReceivePurchase(**PO, receipt_id=receipt, items=items)


def received(receipt: str, *items: ReceivedItem) -> PurchaseReceived:
    return PurchaseReceived(**PO, receipt_id=receipt, items=items)


def test_a_purchase_order_is_part_received() -> None:
    part = ReceivedItem(sku="A", quantity=4)
    done = purchase.given(ORDERED).when(came("r1", part))
    done.then(received("r1", part))
    assert done.state.received == {"A": 4}
    again = purchase.given(ORDERED, received("r1", part)).when(came("r1", part))
    again.then_refused("receipt_unique")


def test_more_than_was_ordered_is_received_and_a_discrepancy() -> None:
    given = purchase.given(ORDERED, received("r1", ReceivedItem(sku="A", quantity=8)))
    more = ReceivedItem(sku="A", quantity=5)
    over = PurchaseDiscrepancyOpened(**PO, sku="A", kind="over", quantity=3, receipt_id="r2")
    given.when(came("r2", more)).then(received("r2", more), over)
    yet = purchase.given(ORDERED, received("r2", ReceivedItem(sku="A", quantity=13)), over)
    assert yet.when(came("r3", ReceivedItem(sku="A", quantity=1))).state.open == {"over A": 4}


def test_damaged_goods_are_a_discrepancy() -> None:
    item = ReceivedItem(sku="A", quantity=8, damaged=2)
    purchase.given(ORDERED).when(came("r1", item)).then(
        received("r1", item),
        PurchaseDiscrepancyOpened(**PO, sku="A", kind="damaged", quantity=2, receipt_id="r1"),
    )


def test_what_is_missing_when_it_is_closed_is_a_discrepancy() -> None:
    given = purchase.given(ORDERED, received("r1", ReceivedItem(sku="A", quantity=10)))
    short = PurchaseDiscrepancyOpened(**PO, sku="B", kind="short", quantity=5)
    given.when(ClosePurchaseOrder(**PO)).then(short, PurchaseOrderClosed(**PO))
    closed = purchase.given(ORDERED, PurchaseOrderClosed(**PO))
    closed.when(ClosePurchaseOrder(**PO)).then_nothing()
    assert "closed" in closed.when(came("r9", ReceivedItem(sku="A", quantity=1))).then_refused(
        "receive_open_purchase"
    )


def test_a_discrepancy_is_resolved_as_it_is() -> None:
    short = PurchaseDiscrepancyOpened(**PO, sku="B", kind="short", quantity=5)
    given = purchase.given(ORDERED, short, PurchaseOrderClosed(**PO))

    def resolve(quantity: int, resolution: str) -> ResolvePurchaseDiscrepancy:
        return ResolvePurchaseDiscrepancy(
            **PO, sku="B", kind="short", quantity=quantity, resolution=resolution
        )

    given.when(resolve(5, "credited")).then(
        PurchaseDiscrepancyResolved(**PO, sku="B", kind="short", quantity=5, resolution="credited")
    )
    given.when(resolve(4, "credited")).then_refused("discrepancy_as_it_is")
    given.when(resolve(5, "returned")).then_refused("resolution_fits")
    purchase.given(ORDERED).when(resolve(5, "credited")).then_refused("discrepancy_exists")


def test_a_purchase_order_is_cancelled_before_anything_came() -> None:
    purchase.given(ORDERED).when(CancelPurchaseOrder(**PO)).then(PurchaseOrderCancelled(**PO))
    part = received("r1", ReceivedItem(sku="A", quantity=1))
    assert "close" in purchase.given(ORDERED, part).when(CancelPurchaseOrder(**PO)).then_refused(
        "cancel_before_receipt"
    )
    purchase.given(ORDERED, PurchaseOrderCancelled(**PO)).when(CancelPurchaseOrder(**PO)).then_nothing()
    purchase.given().when(CancelPurchaseOrder(**PO)).then_refused("purchase_exists")


def test_odd_purchase_orders_and_receipts_are_refused() -> None:
    twice = (PurchaseLine(sku="A", quantity=1), PurchaseLine(sku="A", quantity=2))
    place = PlacePurchaseOrder(**PO, supplier="ACME", warehouse="main", currency="BRL", lines=twice)
    purchase.given().when(place).then_refused("purchase_skus_unique")
    purchase.given(ORDERED).when(place).then_refused("purchase_id_unique")
    given = purchase.given(ORDERED)
    given.when(came("r1", ReceivedItem(sku="C", quantity=1))).then_refused("receive_what_was_ordered")
    given.when(came("r1", ReceivedItem(sku="A", quantity=0))).then_refused("receipt_skus_unique")


def arrived(quantity: int, receipt: str = "r1", *, complete: bool = False) -> ReceiveTransfer:
    lines = (TransferLine(sku="A", quantity=quantity),) if quantity else ()
    return ReceiveTransfer(**T, receipt_id=receipt, lines=lines, complete=complete)


def test_10_sent_8_arrived() -> None:
    given = transfer.given(PLANNED, SENT)
    missing = TransferDiscrepancyOpened(**T, sku="A", kind="missing", quantity=2)
    eight = TransferReceived(**T, receipt_id="r1", lines=(TransferLine(sku="A", quantity=8),), complete=True)
    given.when(arrived(8, complete=True)).then(eight, missing)
    opened = transfer.given(PLANNED, SENT, eight, missing)

    def resolve(quantity: int, outcome: str) -> ResolveTransferDiscrepancy:
        return ResolveTransferDiscrepancy(**T, sku="A", kind="missing", quantity=quantity, outcome=outcome)

    lost = TransferDiscrepancyResolved(**T, sku="A", kind="missing", quantity=1, outcome="lost")
    opened.when(resolve(1, "lost")).then(lost)
    rest = transfer.given(PLANNED, SENT, eight, missing, lost)
    assert rest.when(resolve(1, "found")).state.open == {}
    rest.when(resolve(2, "found")).then_refused("discrepancy_as_it_is")
    rest.when(resolve(1, "accepted")).then_refused("resolution_fits")


def test_a_transfer_arrives_in_parts_and_ends_by_itself_once_all_is_there() -> None:
    part = TransferReceived(**T, receipt_id="r1", lines=(TransferLine(sku="A", quantity=4),), complete=False)
    transfer.given(PLANNED, SENT).when(arrived(4)).then(part)
    last = transfer.given(PLANNED, SENT, part).when(arrived(6, "r2"))
    assert (last.state.status, last.state.open) == ("received", {})
    transfer.given(PLANNED, SENT, part).when(arrived(6)).then_refused("receipt_unique")
    transfer.given(PLANNED, SENT, part).when(arrived(0, "r2")).then_refused("receipt_says_something")


def test_more_arrives_than_was_sent() -> None:
    done = transfer.given(PLANNED, SENT).when(arrived(12))
    assert done.events[1:] == (TransferDiscrepancyOpened(**T, sku="A", kind="surplus", quantity=2),)
    resolve = ResolveTransferDiscrepancy(**T, sku="A", kind="surplus", quantity=2, outcome="accepted")
    assert transfer.given(PLANNED, SENT, *done.events).when(resolve).state.open == {}


def test_ships_no_more_than_was_planned_and_once() -> None:
    transfer.given(PLANNED).when(ShipTransfer(**T)).then(SENT)
    eleven = ShipTransfer(**T, lines=(TransferLine(sku="A", quantity=11),))
    transfer.given(PLANNED).when(eleven).then_refused("ship_what_was_planned")
    transfer.given(PLANNED, SENT).when(ShipTransfer(**T)).then_refused("ship_planned_transfer")
    transfer.given(PLANNED).when(arrived(1)).then_refused("receive_shipped_transfer")


def test_a_transfer_is_cancelled_before_it_is_shipped() -> None:
    transfer.given(PLANNED).when(CancelTransfer(**T)).then(TransferCancelled(**T))
    transfer.given(PLANNED, TransferCancelled(**T)).when(CancelTransfer(**T)).then_nothing()
    transfer.given(PLANNED, SENT).when(CancelTransfer(**T)).then_refused("cancel_planned_transfer")
    same = PlanTransfer(**T, source="main", target="main", lines=TEN)
    transfer.given().when(same).then_refused("transfer_between_two")


def test_a_stocktake_ends_when_all_is_counted_or_left_out() -> None:
    counted = StocktakeCounted(**K, sku="A", counted=3)
    stocktake.given(STARTED).when(RecordCount(**K, sku="A", counted=3)).then(counted)
    given = stocktake.given(STARTED, counted)
    said = given.when(FinishStocktake(**K, counted=("A",))).then_refused("finish_what_is_counted")
    assert "1 are not counted (B)" in said
    given.when(FinishStocktake(**K, counted=("A",), left=("B",))).then(
        StocktakeFinished(**K, counted=("A",), left=("B",))
    )
    given.when(FinishStocktake(**K, counted=(), left=("A", "B"))).then_refused("finish_as_it_stands")


def test_only_what_is_listed_is_counted_and_only_meanwhile() -> None:
    count = RecordCount(**K, sku="C", counted=3)
    stocktake.given(STARTED).when(count).then_refused("count_what_is_listed")
    over = stocktake.given(STARTED, StocktakeCancelled(**K))
    over.when(RecordCount(**K, sku="A", counted=3)).then_refused("count_while_counting")
    over.when(CancelStocktake(**K)).then_nothing()
    over.when(FinishStocktake(**K, counted=())).then_refused("end_while_counting")
    stocktake.given().when(CancelStocktake(**K)).then_refused("stocktake_exists")
    start = StartStocktake(**K, warehouse="main", skus=("A", "A"))
    stocktake.given().when(start).then_refused("stocktake_skus_unique")
