"""How do parcels come to the carrier in a simulation, but that it fetches them? Picked, and in manifests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial

from domain.carrier import HandOver, PutOnManifest, Shipment
from domain.carrier.manifest import CloseManifest, HandOverManifest
from domain.kernel import Group, Target, one
from domain.order import CancelOrder
from domain.streams import manifest_stream, order_stream, pick_list_stream, shipment_stream
from domain.warehouse.pick_list import (
    CancelPickList,
    HandOverPickList,
    PackOrder,
    PickLine,
    PickList,
    PickUnits,
    ReleasePickList,
    ShortPick,
    StagePickList,
    StartPicking,
)
from services.simulation.acts import Act, Step, as_it_is
from services.simulation.desk import is_confirmed
from services.simulation.node import Node
from services.simulation.plan import BY_RULES, PlannedManifest, PlannedOrder

PARCELS_MIN, PARCELS_MAX = 2, 8
WAREHOUSE = "main"
NOBODY = "nobody"
"""Where no parcel is ready: the manifest lists one that there is not, and is refused."""


def acts_of(manifest: PlannedManifest, orders: Sequence[PlannedOrder]) -> Iterator[Act]:
    """It is closed over what has a label by then; what it lists is handed over, whatever became of it."""
    mine = [order.order_id for order in orders if order.merchant == manifest.merchant]
    stream = manifest_stream(manifest.merchant, manifest.name)

    async def is_time(node: Node) -> bool:
        return len((await _ready(node, manifest.merchant, mine))[1]) >= PARCELS_MIN

    async def close(node: Node) -> Group:
        carrier, parcels = await _ready(node, manifest.merchant, mine)
        command = CloseManifest(
            manifest_id=manifest.name,
            carrier=carrier,
            warehouse=WAREHOUSE,
            shipments=tuple(parcels),
            now=node.clock.now(),
        )
        place = {"manifest_id": manifest.name, "carrier": carrier, "warehouse": WAREHOUSE}
        return _over(
            Target(stream, command),
            manifest,
            [PutOnManifest(shipment_id=parcel, **place) for parcel in parcels],
        )

    async def hand_over(node: Node) -> Group:
        (loaded,) = await node.executor.states.load([stream])
        now, parcels = node.clock.now(), loaded.state.shipments or (NOBODY,)
        command = HandOverManifest(manifest_id=manifest.name, shipments=parcels, now=now)
        given = [HandOver(shipment_id=each, manifest_id=manifest.name, now=now) for each in parcels]
        return _over(Target(stream, command), manifest, given)

    async def cancel(node: Node) -> Group:
        (loaded,) = await node.executor.states.load([stream])
        (first, *_) = loaded.state.shipments or (NOBODY,)
        return one(order_stream(manifest.merchant, first), CancelOrder(order_id=first, reason="customer"))

    yield Act(manifest.look_after_s, "close", close, is_time)
    if manifest.one_is_cancelled:
        yield Act(0.0, "cancel one of", cancel)
    yield Act(manifest.handed_over_after_s, "hand over", hand_over)


def picking_of(order: PlannedOrder) -> Iterator[Act]:
    """Staff fetches what is to leave from the first warehouse of the order's plan, as far as it is there, and
    packs it. Without a plan it makes a list by hand."""
    pick_list_id = f"{order.order_id}.1"
    ids, stream = {"pick_list_id": pick_list_id}, pick_list_stream(order.merchant, pick_list_id)

    async def is_released(node: Node) -> bool:
        (loaded,) = await node.executor.states.load([stream])
        return bool(loaded.state.status != "none")

    async def pick(node: Node) -> Group:
        (loaded,) = await node.executor.states.load([stream])
        picked = _picked(loaded.state, order.short_units)
        found = [PickUnits(**ids, line=line, picked=units) for line, (units, _) in picked.items() if units]
        lost = [ShortPick(**ids, line=line, short=units) for line, (_, units) in picked.items() if units]
        return Group(tuple(Target(stream, each) for each in (StartPicking(**ids), *found, *lost)))

    async def pack(node: Node) -> Group:
        (loaded,) = await node.executor.states.load([stream])
        all_short = any(loaded.state.short.values()) and not any(loaded.state.picked.values())
        return one(stream, CancelPickList(**ids) if all_short else PackOrder(**ids))

    if order.merchant != BY_RULES:
        yield Act(
            order.picked_after_s or 0.0,
            "list",
            _listing(order, pick_list_id),
            partial(is_confirmed, order=order),
        )
    yield Act(order.picked_after_s or 0.0, "pick", pick, is_released)
    yield Act(1.0, "pack", pack)
    for name, command in (
        ("stage", StagePickList(**ids)),
        ("give away", HandOverPickList(**ids)),
    ):
        yield Act(1.0, name, as_it_is(one(stream, command)))


def _picked(found: PickList, short_units: int) -> dict[int, tuple[int, int]]:
    """By line: units that are there, and units that are not."""
    picked: dict[int, tuple[int, int]] = {}
    for number, line in found.lines.items():
        short = 0 if picked else min(short_units, line.quantity)
        picked[number] = (line.quantity - short, short)
    return picked


def _listing(order: PlannedOrder, pick_list_id: str) -> Step:
    """All of the order as it was placed, once it is confirmed; else there is nothing to list, nor to pick."""
    lines = enumerate(order.lines, 1)
    stream = pick_list_stream(order.merchant, pick_list_id)
    release = ReleasePickList(
        pick_list_id=pick_list_id,
        order_id=order.order_id,
        warehouse=WAREHOUSE,
        lines=tuple(PickLine(line=number, sku=each.sku, quantity=each.quantity) for number, each in lines),
    )

    async def step(node: Node) -> Group:
        (loaded,) = await node.executor.states.load([order_stream(order.merchant, order.order_id)])
        confirmed = loaded.state.status == "confirmed"
        return one(stream, release if confirmed else StartPicking(pick_list_id=pick_list_id))

    return step


def _over(
    first: Target, manifest: PlannedManifest, parcels: Sequence[PutOnManifest] | Sequence[HandOver]
) -> Group:
    streams = (shipment_stream(manifest.merchant, each.shipment_id) for each in parcels)
    return Group((first, *map(Target, streams, parcels)))


async def _ready(node: Node, merchant: str, parcels: Sequence[str]) -> tuple[str, list[str]]:
    """The carrier that has most of those with a label that are listed nowhere, and which these are."""
    loaded = await node.executor.states.load([shipment_stream(merchant, each) for each in parcels])
    by_carrier: dict[str, list[str]] = defaultdict(list)
    for parcel, found in zip(parcels, loaded, strict=True):
        shipment: Shipment = found.state
        listed = shipment.manifest_id or shipment.dispatched or shipment.void != "no"
        if shipment.tracking_number and not listed:
            by_carrier[shipment.labels[shipment.booking].carrier].append(parcel)
    most = max(by_carrier, key=lambda name: (len(by_carrier[name]), name), default=NOBODY)
    return most, by_carrier.get(most, [NOBODY])[:PARCELS_MAX]
