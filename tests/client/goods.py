"""A shop's goods: warehouses and rules, what is bought and comes short, what is moved and what is counted."""

from __future__ import annotations

from tillroll_client.api.catalogue import activate_product, draft_product, publish_product
from tillroll_client.api.merchant import get_merchant, set_merchant_terms, set_merchant_time_zone
from tillroll_client.api.purchase_orders import (
    close_purchase_order,
    get_purchase_order,
    place_purchase_order,
    receive_purchase,
    resolve_purchase_discrepancy,
)
from tillroll_client.api.stock import list_stock, list_stock_movements
from tillroll_client.api.stocktakes import finish_stocktake, get_stocktake, record_count, start_stocktake
from tillroll_client.api.transfers import (
    get_transfer,
    plan_transfer,
    receive_transfer,
    resolve_transfer_discrepancy,
    ship_transfer,
)
from tillroll_client.api.warehouses import list_warehouses, register_warehouse, set_allocation_rules
from tillroll_client.models import (
    ChannelBody,
    DraftBody,
    FewestSplitsBody,
    FinishStocktakeBody,
    MerchantTermsBody,
    MerchantTimeZoneBody,
    NearestBody,
    PlacePurchaseOrderBody,
    PlanTransferBody,
    PriceAmountBody,
    PricedVariantBody,
    PurchaseDiscrepancyKind,
    PurchaseLineBody,
    ReceivedItemBody,
    ReceivePurchaseBody,
    ReceiveTransferBody,
    RecordCountBody,
    RegisterWarehouseBody,
    ResolvePurchaseBody,
    ResolvePurchaseBodyKind,
    ResolvePurchaseBodyResolution,
    ResolveTransferBody,
    ResolveTransferBodyKind,
    ResolveTransferBodyOutcome,
    SetAllocationRulesBody,
    SetAllocationRulesBodyWhenShort,
    ShipTransferBody,
    StartStocktakeBody,
    TransferLineBody,
)

from tests.client.shop import CHANNEL, WAIT, Shop, good

SKU, NAME, PRICE_CENTS = "BOWL-BLUE", "Bowl, blue", 2500
TIME_ZONE = "America/Sao_Paulo"
OWN, NORTH = "main", "north"


def set_up(shop: Shop) -> None:
    """The days and terms of the merchant, where it keeps its goods and how it spreads orders."""
    api = shop.api
    good(set_merchant_time_zone.sync(client=api, body=MerchantTimeZoneBody(TIME_ZONE)))
    terms = MerchantTermsBody(reservation_valid_s=86_400, authorization_valid_s=5 * 86_400)
    at = good(set_merchant_terms.sync(client=api, body=terms)).position
    merchant = good(get_merchant.sync(client=api, tillroll_min_position=at, prefer=WAIT))
    assert (merchant.time_zone, merchant.reservation_valid_s) == (TIME_ZONE, 86_400), merchant
    for name, state in ((OWN, "SP"), (NORTH, "RJ")):
        body = RegisterWarehouseBody(name, country="BR", state=state)
        at = good(register_warehouse.sync(client=api, body=body)).position
    asked = list_warehouses.sync(client=api, is_open=True, tillroll_min_position=at, prefer=WAIT)
    assert {each.warehouse for each in good(asked).items} == {OWN, NORTH}, asked
    rules = SetAllocationRulesBody(
        [FewestSplitsBody("fewest_splits"), NearestBody("nearest")],
        when_short=SetAllocationRulesBodyWhenShort.SHIP_AVAILABLE,
    )
    good(set_allocation_rules.sync(client=api, body=rules))
    variant = PricedVariantBody(SKU, prices=[PriceAmountBody(CHANNEL, "BRL", PRICE_CENTS)])
    product = DraftBody(name=NAME, product_id="BOWL", variants=[variant])
    good(draft_product.sync(client=api, body=product))
    good(publish_product.sync("BOWL", client=api, body=ChannelBody(CHANNEL)))
    good(activate_product.sync("BOWL", client=api))


def buy(shop: Shop) -> None:
    """Of a hundred that were ordered 98 come, and two are missing for good."""
    api = shop.api
    order = PlacePurchaseOrderBody("Potter", "BRL", [PurchaseLineBody(SKU, 100, 900)], purchase_id="po1")
    good(place_purchase_order.sync(client=api, body=order))
    receipt = ReceivePurchaseBody([ReceivedItemBody(SKU, 98)], receipt_id="note-1")
    good(receive_purchase.sync("po1", client=api, body=receipt))
    at = good(close_purchase_order.sync("po1", client=api)).position
    bought = good(get_purchase_order.sync("po1", client=api, tillroll_min_position=at, prefer=WAIT))
    (short,) = bought.discrepancies
    assert (short.kind, short.open_) == (PurchaseDiscrepancyKind.SHORT, 2), bought
    credited = ResolvePurchaseBody(
        SKU, ResolvePurchaseBodyKind.SHORT, 2, ResolvePurchaseBodyResolution.CREDITED, note="credit note 7"
    )
    at = good(resolve_purchase_discrepancy.sync("po1", client=api, body=credited)).position
    bought = good(get_purchase_order.sync("po1", client=api, tillroll_min_position=at, prefer=WAIT))
    assert (bought.received_units, bought.discrepancies[0].open_) == (98, 0), bought


def move(shop: Shop) -> None:
    """Of fifty that go north one is lost on the way."""
    api = shop.api
    plan = PlanTransferBody(OWN, NORTH, [TransferLineBody(SKU, 50)], transfer_id="t1")
    good(plan_transfer.sync(client=api, body=plan))
    good(ship_transfer.sync("t1", client=api, body=ShipTransferBody()))
    arrived = ReceiveTransferBody(receipt_id="truck-1", lines=[TransferLineBody(SKU, 49)], complete=True)
    at = good(receive_transfer.sync("t1", client=api, body=arrived)).position
    moved = good(get_transfer.sync("t1", client=api, tillroll_min_position=at, prefer=WAIT))
    assert (moved.sent_units, moved.arrived_units, moved.discrepancies[0].open_) == (50, 49, 1), moved
    lost = ResolveTransferBody(SKU, ResolveTransferBodyKind.MISSING, 1, ResolveTransferBodyOutcome.LOST)
    at = good(resolve_transfer_discrepancy.sync("t1", client=api, body=lost)).position
    moved = good(get_transfer.sync("t1", client=api, tillroll_min_position=at, prefer=WAIT))
    assert (moved.lost_units, moved.discrepancies[0].open_) == (1, 0), moved


def count(shop: Shop) -> None:
    """48 should be there, and 47 are."""
    api = shop.api
    start = StartStocktakeBody([SKU], stocktake_id="may", warehouse=OWN)
    good(start_stocktake.sync(client=api, body=start))
    good(record_count.sync("may", client=api, body=RecordCountBody(SKU, 47)))
    at = good(finish_stocktake.sync("may", client=api, body=FinishStocktakeBody())).position
    taken = good(get_stocktake.sync("may", client=api, tillroll_min_position=at, prefer=WAIT))
    (counted,) = taken.counts
    assert (counted.expected, counted.counted, counted.difference) == (48, 47, -1), taken
    why_it_is_47(shop)


def why_it_is_47(shop: Shop) -> None:
    """The stock ledger tells each movement, and adds up to what is there."""
    (stock,) = good(list_stock.sync(client=shop.api, sku=SKU, warehouse=OWN)).items
    assert stock.on_hand == 47, stock
    moves = good(list_stock_movements.sync(client=shop.api, sku=SKU, warehouse=OWN)).items
    assert moves[0].on_hand == sum(each.on_hand_change for each in moves) == 47, moves
    assert sorted(each.on_hand_change for each in moves if each.on_hand_change) == [-50, -1, 98], moves
    assert all(each.causation and each.actor for each in moves), moves
