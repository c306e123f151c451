"""What does a carrier do with a shipment, and what does it refuse?

Booking a shipment buys a label. The carrier then collects the parcel and scans it on its way; a label that
was never collected can be voided. Scans are told by webhook, in the order of the scenario, and never undo a
delivery.

One world plays many carriers: the house's own, and any that is called by its name. A parcel is a thing, and
there is one of it: it bears the label of the latest booking, unless it was collected before. A carrier with a
name tells of each label as soon as it is bought: who has given up on an answer hears of it all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, TypeAdapter

from services.worlds.clock import Instant
from services.worlds.core import Core
from services.worlds.faults import befalls
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

NUMBERS = 10**12
"""Tracking numbers that there are; few of them are used again soon (`PUT /control/carriers`)."""

Status = Literal["label_bought", "voided", "in_transit", "delivered", "returned"]

# how far along a scan shows the parcel; an exception says nothing about where it is
STATUS_AFTER: dict[str, Status] = {
    "collected": "in_transit",
    "in_transit": "in_transit",
    "out_for_delivery": "in_transit",
    "available_for_pickup": "in_transit",
    "return_to_sender": "in_transit",
    "delivered": "delivered",
    "returned": "returned",
}
SAYS_NOTHING = ("pre_transit", "failure", "exception")
PROGRESS: tuple[Status, ...] = ("label_bought", "in_transit", "delivered", "returned")

# ---- requests


class Measures(Model):
    """Grams and millimetres; 0 is unknown."""

    weight_g: Annotated[int, Field(ge=0)] = 0
    length_mm: Annotated[int, Field(ge=0)] = 0
    width_mm: Annotated[int, Field(ge=0)] = 0
    height_mm: Annotated[int, Field(ge=0)] = 0


class BookShipment(Model):
    shipment_id: Id
    order_id: Id
    merchant: Id
    checkout: Id
    ship_to: dict[str, Any]
    units: Annotated[int, Field(ge=0, le=10**9)]
    booking: Annotated[int, Field(ge=1, le=10**6)] = 1
    service: Annotated[str, Field(max_length=100)] = ""
    measures: Measures | None = None
    price_cents: Annotated[int, Field(ge=0, le=10**15)] | None = None
    """What the client expects to pay; the carrier's own rates where it says nothing."""
    carrier: Annotated[str, Field(max_length=100)] = ""
    """From the path; empty is the house's."""

    @property
    def label(self) -> str:
        return label_of(self.carrier, account_of(self.shipment_id, self.booking))


def account_of(shipment_id: str, booking: int) -> str:
    """What the client calls a booking."""
    return shipment_id if booking == 1 else f"{shipment_id}~{booking}"


def label_of(carrier: str, account: str) -> str:
    """What this world calls it."""
    return f"{carrier}/{account}" if carrier else account


@dataclass(frozen=True, slots=True)
class VoidShipment:
    label: str


class SetCarriers(Model):
    """What `PUT /control/carriers` takes. `down`: carriers that answer nothing but errors. `refused`: what
    takes no parcel (`CARRIER` or `CARRIER/SERVICE`). `numbers`: how many tracking numbers a carrier has.
    `repeats`: what they refuse says to whom the parcel goes.
    """

    down: Annotated[tuple[Id, ...], Field(max_length=100)] = ()
    refused: Annotated[tuple[Id, ...], Field(max_length=100)] = ()
    numbers: Annotated[int, Field(ge=1, le=NUMBERS)] = NUMBERS
    repeats: bool = False


def _known_type(fact: Fact) -> Fact:
    """`shipment.collected` (the webhook's type) and `collected` (the scan's) are the same fact."""
    short = fact.type.removeprefix("shipment.")
    if short not in {*STATUS_AFTER, *SAYS_NOTHING}:
        raise ValueError(f"type is none of {', '.join((*STATUS_AFTER, *SAYS_NOTHING))}")
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


ShipmentCommand = BookShipment | VoidShipment | SetCarriers | PutScenarios | StageCommand

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
        return self.request.label if self.on_wall_clock else None


class ShipmentVoided(Line):
    kind: Literal["shipment_voided"] = "shipment_voided"
    shipment_id: str
    at: Instant


class CarriersSet(Line):
    kind: Literal["carriers_set"] = "carriers_set"
    carriers: SetCarriers


ShipmentLine = ShipmentScenarioSet | ShipmentBooked | ShipmentVoided | CarriersSet | StageLine

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
    # the label that each parcel bears
    borne: dict[str, str] = field(default_factory=dict)
    carriers: SetCarriers = field(default_factory=SetCarriers)

    def first_answer(self, label: str) -> Shipment:
        return self.booked[label]

    def bears(self, shipment_id: str) -> Shipment | None:
        """The label that the parcel bears now, if it is not voided."""
        label = self.borne.get(shipment_id)
        shipment = self.shipments[label] if label else None
        return shipment if shipment and shipment.status != "voided" else None


def render(shipment: Shipment) -> dict[str, Any]:
    """A shipment as answers show it."""
    return {
        **_known_by(shipment),
        "status": shipment.status,
        "scans": [_render(scan) for scan in shipment.scans],
        "voided": shipment.status == "voided",
    }


def _known_by(shipment: Shipment) -> dict[str, Any]:
    """Which parcel it is; the house's carrier says nothing of services and prices."""
    asked = shipment.request
    known: dict[str, Any] = {
        "shipment_id": asked.shipment_id,
        "carrier": asked.carrier or CARRIER_NAME,
        "tracking_number": shipment.tracking_number,
    }
    if asked.booking > 1:
        known["booking"] = asked.booking
    return {**known, "service": asked.service, "price_cents": price(asked)} if asked.carrier else known


def price(asked: BookShipment) -> int:
    """Minor units: what was agreed on, else the carrier's own rate, by the started kilogram."""
    if asked.price_cents is not None:
        return asked.price_cents
    weight_g = asked.measures.weight_g if asked.measures else 0
    return rate(asked.service, weight_g)


def rate(service: str, weight_g: int) -> int:
    """What a carrier asks of somebody without a contract."""
    first, each_kg = (1_900, 450) if service == "express" else (900, 200)
    return first + each_kg * -(-weight_g // 1_000)


def _render(scan: Scan) -> dict[str, Any]:
    return {"scan_id": scan.scan_id, "type": scan.type, "happened_at": scan.happened_at}


# ---- decisions


def decide(command: ShipmentCommand, state: Shipments, now: datetime) -> tuple[Line, ...]:
    match command:
        case BookShipment():
            return _book(command, state, now)
        case VoidShipment(label=label):
            return _void(label, state, now)
        case SetCarriers():
            return () if command == state.carriers else (CarriersSet(carriers=command),)
        case PutScenarios(scenarios=scenarios):
            return decide_scenarios(scenarios, state.stage, state.shipments, ShipmentScenarioSet)
        case _:
            return decide_stage(command, state.stage, now)


def _book(command: BookShipment, state: Shipments, now: datetime) -> tuple[Line, ...]:
    shipment = state.shipments.get(command.label)
    if shipment is not None:
        if shipment.request != command:
            raise Refused(422, "idempotency_key_reused", "this key was used before with another body")
        return ()
    refused = {command.carrier, f"{command.carrier}/{command.service}"} & set(state.carriers.refused)
    if refused or befalls(state.stage.faults, "service_refused", command.label, command.service):
        whose = _repeated(command.ship_to, state)
        raise Refused(
            422, "service_refused", f"{command.service or 'this service'} is not offered for it{whose}"
        )
    scenario = scenario_for(command.shipment_id, command.checkout, state.stage)
    facts = scenario.facts if scenario is not None else _live_facts(state, now)
    if not _is_borne(command, state):
        facts = ()  # the parcel bears another label: nobody ever collects it here
    announced = (Fact(type="pre_transit", told_at=now, happened_at=now),) if command.carrier else ()
    booked = ShipmentBooked(
        request=command,
        tracking_number=tracking_number(command, state.carriers.numbers),
        on_wall_clock=scenario is None,
        facts=(*announced, *facts),
        at=now,
    )
    clock = now if booked.on_wall_clock else state.stage.clocks.get(command.checkout)
    first = tuple(told(command.label, announced, now, now))
    return (booked, *first, *told(command.label, facts, clock, now, before=len(first)))


def _is_borne(command: BookShipment, state: Shipments) -> bool:
    """Whether the parcel bears the label of this booking from now on."""
    before = state.bears(command.shipment_id)
    free = before is None or before.status == "label_bought"
    return free and (before is None or before.request.booking <= command.booking)


def _live_facts(state: Shipments, now: datetime) -> tuple[Fact, ...]:
    collected_at = now + timedelta(seconds=state.collect_after_s)
    delivered_at = now + timedelta(seconds=state.deliver_after_s)
    return (
        Fact(type="collected", told_at=collected_at, happened_at=collected_at),
        Fact(type="delivered", told_at=delivered_at, happened_at=delivered_at),
    )


def tracking_number(asked: BookShipment, numbers: int) -> str:
    """Two letters, twelve digits, two letters: the same for the same booking."""
    digits = int(stable_id("", asked.label)[1:], 16) % 10**12 % numbers
    return f"{(asked.carrier[:2] or 'RP').upper()}{digits:012d}TR"


def _void(label: str, state: Shipments, now: datetime) -> tuple[Line, ...]:
    shipment = state.shipments.get(label)
    if shipment is None:
        raise Refused(404, "shipment_not_found", f"there is no shipment {label}")
    match shipment.status:
        case "voided":
            return ()
        case "label_bought":
            return (ShipmentVoided(shipment_id=label, at=now),)
        case status:
            whose = _repeated(shipment.request.ship_to, state)
            raise Refused(
                409, "shipment_collected", f"the shipment is {status}: too late to void its label{whose}"
            )


def _repeated(ship_to: Mapping[str, Any], state: Shipments) -> str:
    said = (str(value) for name, value in ship_to.items() if name != "state")
    return f", to {', '.join(said)}" if state.carriers.repeats else ""


# ---- evolution


def evolve(state: Shipments, line: ShipmentLine) -> Shipments:
    match line:
        case ShipmentBooked():
            _booked(state, line)
        case ShipmentVoided(shipment_id=label):
            state.shipments[label] = replace(state.shipments[label], status="voided")
            forget(state.stage, label)
        case CarriersSet(carriers=carriers):
            state.carriers = carriers
        case FactTold():
            _told(state, line)
        case ShipmentScenarioSet(scenario=scenario):
            state.stage.scenarios[scenario.shipment_id] = scenario
        case _:
            evolve_stage(state.stage, line)
    return state


def _booked(state: Shipments, line: ShipmentBooked) -> None:
    asked, label = line.request, line.request.label
    before = state.bears(asked.shipment_id)
    if _is_borne(asked, state):
        if before:
            forget(state.stage, before.request.label)  # another label is on the parcel now
        state.borne[asked.shipment_id] = label
    state.ids.append(label)
    shipment = Shipment(len(state.ids), asked, line.tracking_number)
    state.shipments[label] = state.booked[label] = shipment
    expect(state.stage, label, asked.checkout, line.facts, on_wall_clock=line.on_wall_clock)


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
        data={**_known_by(shipment), "scan": _render(scan)},
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
