"""An order that comes from two warehouses: it is picked, comes short, is handed over and paid in parts."""

from __future__ import annotations

from tillroll_client.api.allocations import get_allocation, list_allocations
from tillroll_client.api.manifests import close_manifest, hand_over_manifest, list_manifests
from tillroll_client.api.payments import get_payment
from tillroll_client.api.picking import (
    get_pick_list,
    hand_over_pick_list,
    list_pick_lists,
    pack_order,
    pick_units,
    short_pick,
    stage_pick_list,
    start_picking,
)
from tillroll_client.models import (
    CloseManifestBody,
    CustomerBody,
    FilledShipmentStatus,
    HandOverManifestBody,
    HandOverPickListBody,
    LineBody,
    ListPickListsStatusType0,
    OrderDetail,
    PackBody,
    PaymentBody,
    PaymentMovementCall,
    PickBody,
    PickList,
    PickListDetailStatus,
    PickShortBody,
    PickShortBodyReason,
    PlaceOrderBody,
    StageBody,
)

from tests.client.goods import NORTH, OWN, PRICE_CENTS, SKU
from tests.client.outside import World, parcel
from tests.client.shop import WAIT, Shop, good, reached, refused

ORDER, SECOND, CHECKOUT = "split", "split.parcel-2", "bought-in-two"
THERE, UNITS = 47, 60
CARRIER = "swift"


def sell_from_two(shop: Shop, carrier: World) -> None:
    """47 bowls of the one warehouse and 13 of the other, which gives one that is missing after all."""
    parcels = [parcel(each, day) for day, each in enumerate((ORDER, SECOND), 1)]
    carrier.stage(CHECKOUT, parcels)
    place(shop)
    check_plan(shop)
    (own,) = lists(shop, OWN)
    pick(shop, own, missing=1)
    north = reached(lambda: lists(shop, NORTH), lambda found: sum(each.units for each in found) == 14)
    for each in north:
        pick(shop, each, missing=0)
    for warehouse in (OWN, NORTH):
        send(shop, warehouse)
    for day in (1, 2):
        carrier.at_day(CHECKOUT, day)
    check_sent(shop, shop.completed(ORDER))


def place(shop: Shop) -> None:
    order = PlaceOrderBody(
        CustomerBody("c-60", city="São Paulo", zip_prefix="01310"),
        "BRL",
        [LineBody(SKU, UNITS, PRICE_CENTS)],
        order_id=ORDER,
        checkout_id=CHECKOUT,
        ship_to_state="SP",
        payments=[PaymentBody("credit_card", UNITS * PRICE_CENTS, "card")],
    )
    shop.place(order)
    reached(lambda: shop.order(ORDER), lambda order: len(labelled(order)) == 2)


def labelled(order: OrderDetail) -> list[str]:
    """Its parcels that have a label and have not left."""
    return [each.shipment_id for each in order.shipments if each.status is FilledShipmentStatus.LABEL_BOUGHT]


def check_plan(shop: Shop) -> None:
    """Why it comes from these warehouses."""
    plan = good(get_allocation.sync(ORDER, client=shop.api))
    assert {each.warehouse: each.quantity for each in plan.picks} == {OWN: THERE, NORTH: 13}, plan
    assert plan.rule == "only_choice", plan  # neither has sixty
    free = {each.warehouse: [stock.units for stock in each.free or []] for each in plan.candidates}
    assert free == {OWN: [THERE], NORTH: [49]}, plan
    (split,) = good(list_allocations.sync(client=shop.api, is_split=True)).items
    assert split.order_id == ORDER, split


def lists(shop: Shop, warehouse: str) -> list[PickList]:
    """What is to be picked there."""
    released = ListPickListsStatusType0.RELEASED
    return good(list_pick_lists.sync(client=shop.api, warehouse=warehouse, status=released)).items


def pick(shop: Shop, work: PickList, missing: int) -> None:
    """From its release until it stands at the door; what is missing is said."""
    api, name = shop.api, work.pick_list_id
    good(start_picking.sync(name, client=api))
    early = refused(pack_order.sync(name, client=api, body=PackBody()))
    assert (early.status, early.rule) == (409, "pack_what_is_picked"), early
    good(pick_units.sync(name, client=api, body=PickBody(1, work.units - missing)))
    if missing:
        short = PickShortBody(1, missing, PickShortBodyReason.MISSING, note="behind the shelf?")
        good(short_pick.sync(name, client=api, body=short))
    good(pack_order.sync(name, client=api, body=PackBody()))
    good(stage_pick_list.sync(name, client=api, body=StageBody("door 2")))
    at = good(hand_over_pick_list.sync(name, client=api, body=HandOverPickListBody("van 7"))).position
    done = good(get_pick_list.sync(name, client=api, tillroll_min_position=at, prefer=WAIT))
    assert done.status is PickListDetailStatus.HANDED_OVER, done
    assert (done.picked_units, done.short_units) == (work.units - missing, missing), done


def send(shop: Shop, warehouse: str) -> None:
    """The driver signs for what the manifest lists."""
    api, name = shop.api, f"van-{warehouse}"
    parcel_id, units = (ORDER, 46) if warehouse == OWN else (SECOND, 14)
    shop.reached(
        ORDER,
        lambda order: (parcel_id, units) in {(it.shipment_id, it.units_count) for it in order.shipments},
    )
    good(close_manifest.sync(name, client=api, body=CloseManifestBody(CARRIER, [parcel_id], warehouse)))
    signed = HandOverManifestBody(received_by="R. Lima")
    at = good(hand_over_manifest.sync(name, client=api, body=signed)).position
    asked = list_manifests.sync(client=api, warehouse=warehouse, tillroll_min_position=at, prefer=WAIT)
    (manifest,) = good(asked).items
    assert (manifest.parcels_count, manifest.received_by) == (1, "R. Lima"), manifest


def check_sent(shop: Shop, order: OrderDetail) -> None:
    """All parcels are delivered, and each was paid for when it left."""
    sent = {each.shipment_id: (each.status, each.units_count) for each in order.shipments}
    delivered = FilledShipmentStatus.DELIVERED
    assert sent == {ORDER: (delivered, 46), SECOND: (delivered, 14)}, order
    assert order.captured_cents == order.total_cents == UNITS * PRICE_CENTS, order
    (paid,) = order.payments
    payment = good(get_payment.sync(paid.payment_id, client=shop.api))
    captures = [each for each in payment.movements if each.call is PaymentMovementCall.CAPTURE]
    assert sorted(each.amount_cents or 0 for each in captures) == [35_000, 115_000], payment
