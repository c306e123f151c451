"""A manifest: what a carrier fetches from a warehouse, closed at the end of a day and handed over as a whole.

Each parcel of it says so in its own stream, in the same append: none stands in two manifests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeAlias

from pydantic import AwareDatetime, Field

from domain.carrier.rates import Name
from domain.kernel import Command, Decider, Event, Refused

PARCELS_MAX = 500
Id = Annotated[str, Field(min_length=1, max_length=200)]
Parcels = Annotated[tuple[Id, ...], Field(min_length=1, max_length=PARCELS_MAX)]


class ManifestClosed(Event):
    manifest_id: Id
    carrier: Name
    warehouse: Id
    shipments: Parcels
    closed_at: AwareDatetime


class ManifestHandedOver(Event):
    """`received_by`: who took the parcels, as it stands on the paper; `left_behind` are those that stayed:
    all of them, where nothing was fetched."""

    schema_version = 2

    manifest_id: Id
    carrier: Name
    warehouse: Id
    received_by: str = ""
    left_behind: Annotated[tuple[Id, ...], Field(max_length=PARCELS_MAX)] = ()
    happened_at: AwareDatetime


ManifestEvent: TypeAlias = ManifestClosed | ManifestHandedOver


class CloseManifest(Command):
    manifest_id: Id
    carrier: Name
    warehouse: Id
    shipments: Parcels
    now: AwareDatetime


class HandOverManifest(Command):
    """Part of a group: the others hand over each parcel of it (`shipments`), but for those that stay."""

    manifest_id: Id
    received_by: str = ""
    shipments: Parcels
    left_behind: Annotated[tuple[Id, ...], Field(max_length=PARCELS_MAX)] = ()
    now: AwareDatetime


ManifestCommand: TypeAlias = CloseManifest | HandOverManifest


@dataclass(frozen=True, slots=True)
class Manifest:
    status: Literal["none", "closed", "handed_over"] = "none"
    carrier: str = ""
    warehouse: str = ""
    shipments: tuple[str, ...] = ()


def _close(command: CloseManifest, manifest: Manifest) -> tuple[ManifestEvent, ...]:
    name = f"manifest {command.manifest_id}"
    if len(set(command.shipments)) < len(command.shipments):
        raise Refused("manifest_lists_once", "name each parcel once")
    if manifest.status == "none":
        fields = dict(command)
        now = fields.pop("now")
        return (ManifestClosed(**fields, closed_at=now),)
    same = (manifest.carrier, manifest.warehouse, manifest.shipments)
    if same == (command.carrier, command.warehouse, command.shipments):
        return ()
    raise Refused("manifest_closed_once", f"{name} is {manifest.status}, with other parcels: take a new one")


def _check_left_behind(manifest_id: str, shipments: tuple[str, ...], left_behind: tuple[str, ...]) -> None:
    name = f"manifest {manifest_id}"
    if unlisted := sorted(set(left_behind) - set(shipments)):
        raise Refused("left_behind_was_listed", f"{name} lists no parcel {', '.join(unlisted)}")


def decide(command: ManifestCommand, manifest: Manifest) -> tuple[ManifestEvent, ...]:
    match command:
        case CloseManifest():
            return _close(command, manifest)
        case HandOverManifest(manifest_id=manifest_id) if manifest.status == "none":
            raise Refused("manifest_exists", f"there is no manifest {manifest_id}")
        case HandOverManifest() if manifest.status == "handed_over":
            return ()
        case HandOverManifest(shipments=shipments) if shipments != manifest.shipments:
            raise Refused("manifest_as_read", f"{command.manifest_id} lists other parcels")
        case HandOverManifest(shipments=shipments, left_behind=left_behind):
            _check_left_behind(command.manifest_id, shipments, left_behind)
            return (
                ManifestHandedOver(
                    manifest_id=command.manifest_id,
                    carrier=manifest.carrier,
                    warehouse=manifest.warehouse,
                    received_by=command.received_by,
                    left_behind=left_behind,
                    happened_at=command.now,
                ),
            )


def evolve(manifest: Manifest, event: ManifestEvent) -> Manifest:
    match event:
        case ManifestClosed():
            return Manifest("closed", event.carrier, event.warehouse, event.shipments)
        case ManifestHandedOver():
            return replace(manifest, status="handed_over")


MANIFEST: Decider[ManifestCommand, ManifestEvent, Manifest] = Decider(
    "manifest",
    decide,
    evolve,
    Manifest(),
    events=ManifestEvent.__args__,
    commands=ManifestCommand.__args__,
    parts=("merchant", "manifest_id"),
)
