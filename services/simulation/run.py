"""One simulation, from its seed to its verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

import structlog

from domain.order import Order
from domain.streams import order_stream
from eventstore.log import StoredEvent
from eventstore.tasks import end_tasks
from services.simulation import invariants
from services.simulation.clock import SeededRandom
from services.simulation.faults import Faults
from services.simulation.invariants import ENDED, History
from services.simulation.loop import SimulatedLoop
from services.simulation.plan import Plan, PlannedOrder, plan_of
from services.simulation.shop import Shop
from services.simulation.system import DOORS, WORLDS, Parts, System

REST_SECONDS_MAX, TRADE_SECONDS_MAX = 1_200.0, 3_600.0
STEPS_MAX, STEPS_AN_ORDER = 500_000, 10_000
"""Far beyond what a history takes: whatever spins, ends."""
LOOK_SECONDS = 1.0
SOON = timedelta(seconds=300)
"""Deadlines further off were asked for by a clock that had jumped ahead; nobody waits for them."""
QUIET_LOOKS = 3
VIOLATIONS_MAX = 50


@dataclass(slots=True)
class Outcome:
    """What came of a simulation; it passed if `violations` is empty.

    `digest` is of the history (every event's hash, in order): the same for the same seed, plan and faults;
    `schedule` of the order in which everything ran. `seconds` are simulated.
    """

    seed: int
    plan: Plan
    digest: str = ""
    schedule: str = ""
    steps: int = 0
    seconds: float = 0.0
    deaths: int = 0
    events: Sequence[StoredEvent] = ()
    violations: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.violations


def simulate(
    seed: int,
    orders: int = 200,
    faults: Faults | None = None,
    *,
    plan: Plan | None = None,
    parts: Parts | None = None,
) -> Outcome:
    """Run the whole system on simulated time until trade is over and all is at rest, then check it all."""
    random = SeededRandom(seed)
    plan = plan or plan_of(random.stream("plan"), orders)
    outcome = Outcome(seed, plan)
    loop = SimulatedLoop(random.stream("schedule"), steps_max=STEPS_MAX + STEPS_AN_ORDER * len(plan.orders))
    system = System(loop, random, Faults() if faults is None else faults, parts or Parts())
    with _quiet_logs(outcome.violations):
        try:
            loop.run(_play(system, plan, outcome))
        except Exception as error:  # noqa: BLE001 - whatever ends a history before its time, it is wrong
            outcome.violations.append(f"broke off: {_innermost(error)!r}")
    log = system.server.log
    outcome.events = log.events
    outcome.digest = sha256(b"".join(event.leaf_hash for event in log.events)).hexdigest()
    outcome.schedule, outcome.steps, outcome.deaths = loop.digest, loop.steps, system.deaths
    outcome.violations = list(dict.fromkeys(outcome.violations))[:VIOLATIONS_MAX]
    return outcome


async def _play(system: System, plan: Plan, outcome: Outcome) -> None:
    loop = system.loop
    began = loop.time()
    shop = Shop(plan, system.ask, DOORS, system.random.stream("shop").random)
    troubling = asyncio.create_task(system.nemesis.run())
    system.start()
    async with asyncio.timeout(TRADE_SECONDS_MAX):
        await shop.trade()
    system.heal()
    await _rest(system, outcome)
    for order in _open_orders(system, plan):
        if order.parcel_fate != "never" and not _has_deadline(system, order):
            outcome.violations.append(f"{order.order_id} does not end by itself")
        await shop.call_off(order.merchant, order.order_id)
    await _rest(system, outcome)
    await end_tasks(troubling)
    outcome.seconds = loop.time() - began
    outcome.violations += _violations(system, plan, shop)


def _open_orders(system: System, plan: Plan) -> Iterator[PlannedOrder]:
    states = History(system.server.log.events).states
    for order in plan.orders:
        state = states.get(order_stream(order.merchant, order.order_id), Order())
        if state.status not in ENDED and not state.discrepancies:
            yield order


def _has_deadline(system: System, order: PlannedOrder) -> bool:
    """It will end by itself, at a time that a clock which had jumped ahead has set."""
    key = order_stream(order.merchant, order.order_id)
    return any(each == key for _, each, _ in system.server.tables.deadlines.rows)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _rest(system: System, outcome: Outcome) -> None:
    """Until nothing is left to do; deadlines that are far off are left alone."""
    until = system.loop.time() + REST_SECONDS_MAX
    quiet, before = 0, -1
    while quiet < QUIET_LOOKS:
        await asyncio.sleep(LOOK_SECONDS)
        head = len(system.server.log.events)
        left = next(_left(system, head), None)
        quiet = quiet + 1 if left is None and head == before else 0
        before = head
        if system.loop.time() > until:
            outcome.violations.append(f"no rest in {REST_SECONDS_MAX:.0f} s: {left}")
            return


def _left(system: System, head: int) -> Iterator[str]:
    outstanding = {
        name: len(system.outsides[name].world.state.stage.unacknowledged)
        for name in WORLDS
        if name in system.outsides
    }
    yield from invariants.nothing_is_left(head, system.server.tables, outstanding)
    horizon = system.clock.now() + SOON
    deadlines = system.server.tables.deadlines.rows.items()
    yield from (f"deadline {key} is to come" for key, row in deadlines if row.due_at < horizon)


def _violations(system: System, plan: Plan, shop: Shop) -> Iterator[str]:
    history = History(system.server.log.events)
    payments = system.outsides["payment-world"].world.state
    shipments = system.outsides["carrier-world"].world.state
    yield from invariants.log_is_whole(history)
    yield from invariants.tenants_are_apart(history)
    yield from invariants.stock_is_never_oversold(history)
    yield from invariants.stock_moves_once(history)
    yield from invariants.promises_are_whole(history, plan)
    yield from invariants.deliveries_count_once(history, plan)
    yield from invariants.orders_are_as_planned(history, plan)
    yield from invariants.answers_are_kept(history, shop.answered)
    yield from invariants.orders_end(history, plan)
    yield from invariants.money_is_conserved(history, plan, payments)
    yield from invariants.parcels_agree(history, shipments)
    yield from invariants.agents_equal_the_fold(history, system.parts.agents, system.server.tables)
    yield from _left(system, len(history.events))


class _quiet_logs:  # noqa: N801 - used as a function
    """Logs are not for the eyes; an error among them is a violation, unless it is told elsewhere."""

    def __init__(self, violations: list[str]) -> None:
        self._violations = violations

    def __enter__(self) -> None:
        self._before = structlog.get_config()
        structlog.configure(
            processors=[self._take],
            wrapper_class=structlog.make_filtering_bound_logger(40),
            cache_logger_on_first_use=False,
        )

    def __exit__(self, *_: object) -> None:
        structlog.configure(**self._before)

    def _take(self, _: Any, __: str, event: Any) -> Any:
        error = event.get("exc_info")
        self._violations.append(f"logged: {event} {error!r}")
        raise structlog.DropEvent
