"""What does a carrier do with a shipment, and what does it refuse?

Booking a shipment buys a label. The carrier then collects the parcel and scans it on its way; a label that
was never collected can be voided. Scans are told by webhook, in the order of the scenario, and never undo a
delivery.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from services.worlds.clock import Instant
from services.worlds.core import Core
from services.worlds.models import Id, Line, Model, Refused
from services.worlds.stage import (
    Fact,
    FactTold,
    PutScenarios,
    Stage,
    StageCommand,
    StageLine,
    decide_scenarios,
    decide_stage,
    evolve_stage,
    expect,
    forget,
    scenario_for,
    stable_id,
    tell,
    told,
)
from services.worlds.webhooks import Webhook

CARRIER_NAME = "Rollpost"

Status = Literal["label_bought", "voided", "in_transit", "delivered", "returned"]

# how far along a scan shows the parcel; an exception says nothing about where it is
STATUS_AFTER: dict[str, Status] = {
    "collected": "in_transit",
    "in_transit": "in_transit",
    "delivered": "delivered",
    "returned": "returned",
}
PROGRESS: tuple[Status, ...] = ("label_bought", "in_transit", "delivered", "returned")

# ---- requests


class BookShipment(Model):
    shipment_id: Id
    order_id: Id
    merchant: Id
    checkout: Id
    ship_to: dict[str, Any]
    units: Annotated[int, Field(ge=0, le=10**9)]


@dataclass(frozen=True, slots=True)
class VoidShipment:
    shipment_id: str


def _known_type(fact: Fact) -> Fact:
    """`shipment.collected` (the webhook's type) and `collected` (the scan's) are the same fact."""
    short = fact.type.removeprefix("shipment.")
    if short not in {*STATUS_AFTER, "exception"}:
        raise ValueError("type is none of collected, in_transit, delivered, returned, exception")
    return fact.model_copy(update={"type": short})


class ShipmentScenario(Model):
    shipment_id: Id
    checkout: Id
    facts: Annotated[
        tuple[Annotated[Fact, AfterValidator(_known_type)], ...], Field(max_length=100)
    ]  # none: it is never collected

    @property
    def subject(self) -> str:
        return self.shipment_id


ShipmentCommand = BookShipment | VoidShipment | PutScenarios | StageCommand

# ---- lines


class ShipmentScenarioSet(Line):
    kind: Literal["shipment_scenario_set"] = "shipment_scenario_set"
    scenario: ShipmentScenario


class ShipmentBooked(Line):
    kind: Literal["shipment_booked"] = "shipment_booked"
    request: BookShipment
    tracking_number: str
    on_wall_clock: bool
    facts: tuple[Fact, ...]
    at: Instant

    @property
    def wall_clock_subject(self) -> str | None:
        return self.request.shipment_id if self.on_wall_clock else None


class ShipmentVoided(Line):
    kind: Literal["shipment_voided"] = "shipment_voided"
    shipment_id: str
    at: Instant


ShipmentLine = ShipmentScenarioSet | ShipmentBooked | ShipmentVoided | StageLine

# ---- state


@dataclass(frozen=True, slots=True)
class Scan:
    scan_id: str
    type: str
    happened_at: datetime | None


@dataclass(frozen=True, slots=True)
class Shipment:
    number: int  # 1, 2, 3 … in the order of booking
    request: BookShipment
    tracking_number: str
    status: Status = "label_bought"
    scans: tuple[Scan, ...] = ()


@dataclass(slots=True)
class Shipments:
    """Without a scenario the carrier comes and delivers after these times, on the wall clock."""

    collect_after_s: float = 2
    deliver_after_s: float = 4
    stage: Stage = field(default_factory=Stage)
    shipments: dict[str, Shipment] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    # each shipment as its booking was answered
    booked: dict[str, Shipment] = field(default_factory=dict)

    def first_answer(self, shipment_id: str) -> Shipment:
        return self.booked[shipment_id]


def render(shipment: Shipment) -> dict[str, Any]:
    """A shipment as answers show it."""
    return {
        "shipment_id": shipment.request.shipment_id,
        "carrier": CARRIER_NAME,
        "tracking_number": shipment.tracking_number,
        "status": shipment.status,
        "scans": [_render(scan) for scan in shipment.scans],
        "voided": shipment.status == "voided",
    }


def _render(scan: Scan) -> dict[str, Any]:
    return {"scan_id": scan.scan_id, "type": scan.type, "happened_at": scan.happened_at}


# ---- decisions


def decide(command: ShipmentCommand, state: Shipments, now: datetime) -> tuple[Line, ...]:
    match command:
        case BookShipment():
            return _book(command, state, now)
        case VoidShipment(shipment_id=shipment_id):
            return _void(shipment_id, state, now)
        case PutScenarios(scenarios=scenarios):
            return decide_scenarios(scenarios, state.stage, state.shipments, ShipmentScenarioSet)
        case _:
            return decide_stage(command, state.stage, now)


def _book(command: BookShipment, state: Shipments, now: datetime) -> tuple[Line, ...]:
    shipment = state.shipments.get(command.shipment_id)
    if shipment is not None:
        if shipment.request != command:
            raise Refused(422, "idempotency_key_reused", "this key was used before with another body")
        return ()
    scenario = scenario_for(command.shipment_id, command.checkout, state.stage)
    facts = scenario.facts if scenario is not None else _live_facts(state, now)
    booked = ShipmentBooked(
        request=command,
        tracking_number=tracking_number(command.shipment_id),
        on_wall_clock=scenario is None,
        facts=facts,
        at=now,
    )
    clock = now if booked.on_wall_clock else state.stage.clocks.get(command.checkout)
    return (booked, *told(command.shipment_id, facts, clock, now))


def _live_facts(state: Shipments, now: datetime) -> tuple[Fact, ...]:
    collected_at = now + timedelta(seconds=state.collect_after_s)
    delivered_at = now + timedelta(seconds=state.deliver_after_s)
    return (
        Fact(type="collected", told_at=collected_at, happened_at=collected_at),
        Fact(type="delivered", told_at=delivered_at, happened_at=delivered_at),
    )


def tracking_number(shipment_id: str) -> str:
    """Two letters, twelve digits, two letters: the same for the same shipment."""
    return f"RP{int(stable_id('', shipment_id)[1:], 16) % 10**12:012d}TR"


def _void(shipment_id: str, state: Shipments, now: datetime) -> tuple[Line, ...]:
    shipment = state.shipments.get(shipment_id)
    if shipment is None:
        raise Refused(404, "shipment_not_found", f"there is no shipment {shipment_id}")
    match shipment.status:
        case "voided":
            return ()
        case "label_bought":
            return (ShipmentVoided(shipment_id=shipment_id, at=now),)
        case status:
            raise Refused(409, "shipment_collected", f"the shipment is {status}: too late to void its label")


# ---- evolution


def evolve(state: Shipments, line: ShipmentLine) -> Shipments:
    match line:
        case ShipmentBooked(request=request):
            state.ids.append(request.shipment_id)
            shipment = Shipment(len(state.ids), request, line.tracking_number)
            state.shipments[request.shipment_id] = state.booked[request.shipment_id] = shipment
            expect(
                state.stage,
                request.shipment_id,
                request.checkout,
                line.facts,
                on_wall_clock=line.on_wall_clock,
            )
        case ShipmentVoided(shipment_id=shipment_id):
            state.shipments[shipment_id] = replace(state.shipments[shipment_id], status="voided")
            forget(state.stage, shipment_id)
        case FactTold():
            _told(state, line)
        case ShipmentScenarioSet(scenario=scenario):
            state.stage.scenarios[scenario.shipment_id] = scenario
        case _:
            evolve_stage(state.stage, line)
    return state


def _told(state: Shipments, line: FactTold) -> None:
    before = state.shipments[line.subject]
    scan = Scan(stable_id("scan", line.subject, len(before.scans) + 1), line.fact.type, line.fact.happened_at)
    status = max(before.status, STATUS_AFTER.get(scan.type, before.status), key=PROGRESS.index)
    shipment = replace(before, status=status, scans=(*before.scans, scan))
    state.shipments[line.subject] = shipment
    webhook = Webhook(
        id=line.webhook_id,
        subject=line.subject,
        type=f"shipment.{scan.type}",
        created_at=line.at,
        checkout=shipment.request.checkout,
        merchant=shipment.request.merchant,
        data={
            "shipment_id": line.subject,
            "carrier": CARRIER_NAME,
            "tracking_number": shipment.tracking_number,
            "scan": _render(scan),
        },
    )
    tell(state.stage, line, webhook)


def carrier_core(*, collect_after_s: float = 2, deliver_after_s: float = 4) -> Core[Shipments]:
    return Core(
        kind="carrier",
        initial=partial(Shipments, collect_after_s, deliver_after_s),
        decide=decide,
        evolve=evolve,
        lines=TypeAdapter(Annotated[ShipmentLine, Field(discriminator="kind")]),
        scenario=ShipmentScenario,
    )
