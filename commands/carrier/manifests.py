"""What may be asked of a manifest from outside: to be closed over parcels, and to be handed over."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict, Field

from commands.executor import Context, Done, Executor
from commands.fields import Body, Id, Text, Warehouse
from commands.http import PROBLEMS, CommandRoute, Positioned, WantedCall, answers
from domain.carrier import HandOver, LeaveBehind, PutOnManifest
from domain.carrier.manifest import PARCELS_MAX, CloseManifest, HandOverManifest, Manifest
from domain.carrier.rates import Name
from domain.kernel import Group, Target
from domain.streams import manifest_stream, shipment_stream
from services.web.access import requires
from services.web.problems import not_found


async def close_manifest(
    executor: Executor, command: CloseManifest, context: Context, answer: bytes = b""
) -> Done:
    """The manifest and each parcel of it in one append: no parcel stands in two."""
    listed = (
        Target(
            shipment_stream(context.merchant, shipment_id),
            PutOnManifest(
                shipment_id=shipment_id,
                manifest_id=command.manifest_id,
                carrier=command.carrier,
                warehouse=command.warehouse,
            ),
        )
        for shipment_id in dict.fromkeys(command.shipments)
    )
    manifest = Target(manifest_stream(context.merchant, command.manifest_id), command)
    return await executor.execute(Group((manifest, *listed)), context, answer)


async def hand_over_manifest(
    executor: Executor, command: HandOverManifest, context: Context, answer: bytes = b""
) -> Done:
    """The manifest and each parcel of it in one append: all are dispatched, but for those that stay."""
    ids, stay = {"manifest_id": command.manifest_id}, frozenset(command.left_behind)
    given = (
        Target(
            shipment_stream(context.merchant, shipment_id),
            LeaveBehind(shipment_id=shipment_id, **ids)
            if shipment_id in stay
            else HandOver(shipment_id=shipment_id, **ids, now=command.now),
        )
        for shipment_id in command.shipments
    )
    manifest = Target(manifest_stream(context.merchant, command.manifest_id), command)
    return await executor.execute(Group((manifest, *given)), context, answer)


class CloseManifestBody(Body):
    """The parcels that a carrier fetches from a warehouse: each has a label of it, and leaves from there."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"carrier": "swift", "warehouse": "main", "shipments": ["1001", "1001-b"]}]
        }
    )

    carrier: Name
    warehouse: Warehouse = "main"
    shipments: Annotated[tuple[Id, ...], Field(min_length=1, max_length=PARCELS_MAX)]


class HandOverManifestBody(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"received_by": "R. Lima"}]})

    received_by: Annotated[Text, Field(max_length=200)] = ""
    left_behind: Annotated[tuple[Id, ...], Field(max_length=PARCELS_MAX)] = Field(
        (),
        description="parcels of it that stay here, as their orders are held or cancelled, or go elsewhere;"
        " all of it, where nothing was fetched",
    )


class ManifestAnswer(Positioned):
    """The manifest that it was about."""

    manifest_id: str = Field(examples=["2026-05-04-main-swift"])


router = APIRouter(prefix="/v1/manifests", tags=["manifests"], route_class=CommandRoute, responses=PROBLEMS)
ManifestId = Annotated[Id, Path(description="the manifest", examples=["2026-05-04-main-swift"])]


@router.put(
    "/{manifest_id}",
    operation_id="close_manifest",
    dependencies=[requires("shipments:write")],
    summary="Close a manifest",
    response_model=ManifestAnswer,
    responses=answers(200, "The parcels are listed, now or before"),
)
async def _close_manifest(call: WantedCall, manifest_id: ManifestId, body: CloseManifestBody) -> Response:
    """At the end of a day, for one carrier at one warehouse: the parcels are those of `/v1/shipments` with
    `carrier`, `warehouse`, `status=label_bought` and `unlisted=true`. A parcel stands in one manifest (rule
    `manifested_once`); from here on its label can't be voided.
    """
    await call.settings()
    command = CloseManifest(manifest_id=manifest_id, now=call.parts.clock.now(), **dict(body))
    return await call.carry_out(close_manifest, command, {"manifest_id": manifest_id})


@router.post(
    "/{manifest_id}/hand-over",
    operation_id="hand_over_manifest",
    dependencies=[requires("shipments:write")],
    summary="Hand a manifest over",
    response_model=ManifestAnswer,
    responses=answers(200, "The carrier has its parcels, now or before"),
)
async def _hand_over(call: WantedCall, manifest_id: ManifestId, body: HandOverManifestBody) -> Response:
    """All its parcels are dispatched, whether the carrier scans them or not; but for those `left_behind`,
    which can be listed anew. A parcel must be whose order is held (rule `hand_over_not_held`), or which goes
    to another address by now (`hand_over_what_is_listed`).
    """
    await call.settings()
    stream = manifest_stream(call.merchant, manifest_id)
    (loaded,) = await call.parts.executor.states.load([stream])
    manifest: Manifest = loaded.state
    if not manifest.shipments:
        raise not_found("manifest", manifest_id)
    command = HandOverManifest(
        manifest_id=manifest_id,
        received_by=body.received_by,
        shipments=manifest.shipments,
        left_behind=body.left_behind,
        now=call.parts.clock.now(),
    )
    return await call.carry_out(hand_over_manifest, command, {"manifest_id": manifest_id})
