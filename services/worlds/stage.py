"""Which facts are there to tell, when is one due, and which were told and not acknowledged yet?

The pure core that both worlds share. A *subject* is a payment or a shipment. Its facts are told in the
order of its scenario, each once the business clock of its checkout has reached `told_at`. There is one
stage a world, and it is changed in place: it is far too big to be copied for each line.
"""

from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from itertools import takewhile
from typing import Any, Literal, Protocol

from services.worlds.clock import Instant
from services.worlds.faults import Faults, FaultsSet
from services.worlds.models import Id, Line, Model, Refused
from services.worlds.webhooks import Webhook


class Fact(Model):
    """What the outside will say: not before `told_at`, with `happened_at` as it stands (None: unknown)."""

    type: str
    told_at: Instant
    happened_at: Instant | None = None
    reason: str | None = None


class Scenario(Protocol):
    @property
    def subject(self) -> str: ...
    @property
    def checkout(self) -> str: ...


# ---- requests of the control API


@dataclass(frozen=True, slots=True)
class PutScenarios:
    scenarios: Sequence[Scenario]


class MoveClocks(Model):
    clocks: dict[Id, Instant]


@dataclass(frozen=True, slots=True)
class PutFaults:
    faults: Faults


@dataclass(frozen=True, slots=True)
class Acknowledge:
    webhook_id: str


@dataclass(frozen=True, slots=True)
class TellDue:
    """Time has passed (or the process has restarted): tell what is due of these subjects."""

    subjects: Sequence[str]


StageCommand = MoveClocks | PutFaults | Acknowledge | TellDue


# ---- lines


class ClockMoved(Line):
    kind: Literal["clock_moved"] = "clock_moved"
    checkout: str
    to: Instant


class FactTold(Line):
    """From here on the world shows the fact, and a webhook is on its way."""

    kind: Literal["fact_told"] = "fact_told"
    subject: str
    webhook_id: str
    fact: Fact
    at: Instant


class WebhookAcknowledged(Line):
    kind: Literal["webhook_acknowledged"] = "webhook_acknowledged"
    webhook_id: str


StageLine = ClockMoved | FactTold | WebhookAcknowledged | FaultsSet


# ---- state


@dataclass(slots=True)
class Untold:
    """What is still to be told of one subject."""

    checkout: str
    facts: deque[Fact]
    on_wall_clock: bool
    told: int = 0


@dataclass(slots=True)
class Stage:
    clocks: dict[str, datetime] = field(default_factory=dict)
    scenarios: dict[str, Scenario] = field(default_factory=dict)
    untold: dict[str, Untold] = field(default_factory=dict)
    # the subjects of each checkout that have something to tell, as an ordered set
    waiting: dict[str, dict[str, None]] = field(default_factory=dict)
    unacknowledged: dict[str, Webhook] = field(default_factory=dict)
    outstanding: dict[str, int] = field(default_factory=dict)
    # how many facts were told of a subject of which nothing is left to tell: its webhooks are numbered on
    told: dict[str, int] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    def time_of(self, checkout: str, now: datetime) -> datetime:
        return self.clocks.get(checkout, now)


def stable_id(prefix: str, *parts: object) -> str:
    """An id that looks like a provider's own, and is the same after every replay."""
    digest = blake2b("\n".join(map(str, parts)).encode(), digest_size=12).hexdigest()
    return f"{prefix}_{digest}"


# ---- decisions


def decide_stage(command: StageCommand, stage: Stage, now: datetime) -> tuple[Line, ...]:
    match command:
        case MoveClocks():
            return tuple(
                line for checkout, to in command.clocks.items() for line in _move(checkout, to, stage, now)
            )
        case TellDue():
            return tuple(line for subject in command.subjects for line in tell_due(subject, stage, now))
        case Acknowledge(webhook_id=webhook_id):
            known = webhook_id in stage.unacknowledged
            return (WebhookAcknowledged(webhook_id=webhook_id),) if known else ()
        case PutFaults(faults=faults):
            return () if faults == stage.faults else (FaultsSet(faults=faults),)


def _move(checkout: str, to: datetime, stage: Stage, now: datetime) -> Iterable[Line]:
    clock = stage.clocks.get(checkout)
    if clock is not None and to <= clock:
        return  # a clock never goes back, and a repeated request changes nothing
    yield ClockMoved(checkout=checkout, to=to)
    for subject in stage.waiting.get(checkout, ()):
        untold = stage.untold[subject]
        clock = now if untold.on_wall_clock else to
        yield from told(subject, untold.facts, clock, now, before=untold.told)


def tell_due(subject: str, stage: Stage, now: datetime) -> Iterable[FactTold]:
    untold = stage.untold.get(subject)
    if untold is not None:
        clock = now if untold.on_wall_clock else stage.clocks.get(untold.checkout)
        yield from told(subject, untold.facts, clock, now, before=untold.told)


def told(
    subject: str, facts: Iterable[Fact], clock: datetime | None, now: datetime, *, before: int = 0
) -> Iterable[FactTold]:
    """The facts that are due by `clock` (None: none is), after `before` earlier ones.

    A fact that is due waits for those before it in the list.
    """
    if clock is None:
        return
    due = takewhile(lambda fact: fact.told_at <= clock, facts)
    for number, fact in enumerate(due, before + 1):
        yield FactTold(subject=subject, webhook_id=stable_id("evt", subject, number), fact=fact, at=now)


def decide_scenarios(
    scenarios: Sequence[Any], stage: Stage, existing: Container[str], line: Callable[..., Line]
) -> tuple[Line, ...]:
    """A scenario may be replaced until its subject exists; all of the request are taken, or none."""
    changed = [scenario for scenario in scenarios if stage.scenarios.get(scenario.subject) != scenario]
    late = [scenario.subject for scenario in changed if scenario.subject in existing]
    if late:
        raise Refused(
            409, "scenario_too_late", f"already begun without this scenario: {', '.join(late[:10])}"
        )
    return tuple(line(scenario=scenario) for scenario in changed)


def scenario_for(subject: str, checkout: str, stage: Stage) -> Any:
    scenario = stage.scenarios.get(subject)
    if scenario is not None and scenario.checkout != checkout:
        detail = (
            f"the scenario of {subject} belongs to checkout {scenario.checkout}, the request to {checkout}"
        )
        raise Refused(409, "scenario_of_another_checkout", detail)
    return scenario


# ---- evolution


def evolve_stage(stage: Stage, line: StageLine) -> Stage:
    """All of these lines but FactTold, whose webhook only the subject's own world can write."""
    match line:
        case ClockMoved():
            stage.clocks[line.checkout] = line.to
        case WebhookAcknowledged():
            _acknowledge(stage, line.webhook_id)
        case FaultsSet():
            stage.faults = line.faults
    return stage


def expect(stage: Stage, subject: str, checkout: str, facts: Sequence[Fact], *, on_wall_clock: bool) -> None:
    """The subject exists: from now on these facts may be told, after those that it waits to tell."""
    untold = stage.untold.get(subject)
    if untold is not None:
        untold.facts.extend(facts)
    elif facts:
        told_before = stage.told.pop(subject, 0)
        stage.untold[subject] = Untold(checkout, deque(facts), on_wall_clock, told_before)
        stage.waiting.setdefault(checkout, {})[subject] = None


def forget(stage: Stage, subject: str) -> None:
    """Nothing more will be told of this subject."""
    untold = stage.untold.pop(subject, None)
    if untold is not None:
        if untold.told:
            stage.told[subject] = untold.told
        waiting = stage.waiting[untold.checkout]
        del waiting[subject]
        if not waiting:
            del stage.waiting[untold.checkout]


def tell(stage: Stage, line: FactTold, webhook: Webhook) -> None:
    untold = stage.untold[line.subject]
    first = untold.facts.popleft()
    assert first == line.fact, f"the journal tells {line.fact} of {line.subject}, where {first} is next"
    untold.told += 1
    if not untold.facts:
        forget(stage, line.subject)
    stage.unacknowledged[webhook.id] = webhook
    stage.outstanding[webhook.checkout] = stage.outstanding.get(webhook.checkout, 0) + 1


def _acknowledge(stage: Stage, webhook_id: str) -> None:
    checkout = stage.unacknowledged.pop(webhook_id).checkout
    stage.outstanding[checkout] -= 1
    if not stage.outstanding[checkout]:
        del stage.outstanding[checkout]
