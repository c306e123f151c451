"""One simulation, from its seed to its verdict."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import structlog

from domain.order import Order
from domain.streams import cart_stream, order_stream
from eventstore.log import StoredEvent
from eventstore.tasks import end_tasks
from services.agents.reactions import Key
from services.agents.runner import FOLLOWER
from services.gateways.carrier import CARRIER_GATEWAY
from services.gateways.gateway import Account
from services.gateways.payment import PAYMENT_GATEWAY
from services.gateways.payment_words import account_of
from services.simulation import billed, closed, commerce, invariants, kept, oracles, priced, promised
from services.simulation.clock import SeededRandom
from services.simulation.draw import plan_of
from services.simulation.faults import Faults
from services.simulation.invariants import ENDED, History
from services.simulation.loop import SimulatedLoop
from services.simulation.plan import Plan, PlannedOrder
from services.simulation.poison import Poisoned, poison_is_parked, spoilt_keys
from services.simulation.read_models import read_models_equal_the_fold, spoilt_facts
from services.simulation.shop import Shop
from services.simulation.system import DOORS, SCHEDULERS, WORLDS, Parts, System
from services.worlds import carrier, stripe_objects
from services.worlds.payment_state import Payment

REST_SECONDS_MAX, TRADE_SECONDS_MAX = 1_200.0, 3_600.0
STEPS_MAX, STEPS_AN_ORDER = 500_000, 10_000
"""Far beyond what a history takes: whatever spins, ends."""
LOOK_SECONDS = 1.0
SOON = timedelta(seconds=30)
"""Deadlines and webhooks further off are waited for in the nights."""
NIGHTS_HOURS = (3, 8, 26, 26)
"""In the end so many hours go by, again and again: longer than anybody waits before he tries again."""
QUIET_LOOKS = 3
REPLAY_RATE = 0.25
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
    faults = faults or Faults()
    plan = plan or plan_of(random.stream("plan"), orders, faults.staff)
    outcome = Outcome(seed, plan)
    loop = SimulatedLoop(random.stream("schedule"), steps_max=STEPS_MAX + STEPS_AN_ORDER * len(plan.orders))
    system = System(loop, random, faults, parts or Parts())
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
    log = system.server.log
    choose = system.random.stream("shop").random
    shop = Shop(plan, system.ask, DOORS, system.posts, lambda: len(log.events), choose)
    troubling = asyncio.create_task(system.nemesis.run())
    system.start()
    async with asyncio.timeout(TRADE_SECONDS_MAX):
        await shop.trade(system.nemesis.faults)
    system.heal()
    await shop.misbehave(Faults())
    await _rest(system, outcome)
    for evening, hours in enumerate(NIGHTS_HOURS):
        await shop.see_to(evening)
        system.pass_by(hours * 3600)
        await _rest(system, outcome)
    for order in _open_orders(system, plan, shop):
        if order.parcel_fate != "never":
            outcome.violations.append(f"{order.order_id} does not end by itself")
        await shop.call_off(order)
    for hours in NIGHTS_HOURS:
        system.pass_by(hours * 3600)
        await _rest(system, outcome)
    outcome.seconds = loop.time() - began
    outcome.violations += _violations(system, plan, shop)
    if not outcome.violations and system.random.stream("replay").random() < REPLAY_RATE:
        await _replay(system, outcome)
    await end_tasks(troubling)


async def _replay(system: System, outcome: Outcome) -> None:
    """All that is derived is forgotten and made anew from the log: that adds nothing, and calls nobody."""
    log, asked = system.server.log, system.calls.made.copy()
    head = len(log.events)
    system.forget()
    for _ in range(int(REST_SECONDS_MAX / LOOK_SECONDS)):
        places = system.server.tables.of(FOLLOWER)
        if places and all(row.done >= head for _, row in places):
            break
        await asyncio.sleep(LOOK_SECONDS)
    system.caught_up.set()
    await _rest(system, outcome)
    outcome.violations += [f"a replay adds {e.type} to {e.stream}" for e in log.events[head:]]
    history = History(log.events[:head])
    outcome.violations += _read_models(system, history)
    open_ = kept.open_paths(history, system.parts.gateways)
    calls = (each for each in system.calls.made - asked if each[0] != "GET" or each[1] not in open_)
    outcome.violations += [f"a replay calls the provider: {each}" for each in calls]


def _open_orders(system: System, plan: Plan, shop: Shop) -> Iterator[PlannedOrder]:
    history = History(system.server.log.events)
    plan = priced.as_it_went(history, plan, shop.minds)
    for order in _sound(plan, _spoilt(system, history)).orders:
        state = history.states.get(order_stream(order.merchant, order.order_id), Order())
        if order.is_placed and state.status not in ENDED and not state.discrepancies:
            yield order


def _spoilt(system: System, history: History) -> dict[Key, list[int]]:
    return spoilt_keys(history, system.parts.agents, system.poison)


def _sound(plan: Plan, spoilt: Collection[Key]) -> Plan:
    """Without the orders that some agent can't go on with."""
    keys = {key for _, key in spoilt}
    orders = (each for each in plan.orders if keys.isdisjoint(_keys_of(each)))
    return plan.model_copy(update={"orders": tuple(orders)})


def _placeable(plan: Plan, sound: Plan) -> Plan:
    """With the orders that no agent must place."""
    able = {order.order_id for order in sound.orders}
    orders = (order for order in plan.orders if not order.cart or order.order_id in able)
    return plan.model_copy(update={"orders": tuple(orders)})


def _keys_of(order: PlannedOrder) -> Iterator[str]:
    yield order_stream(order.merchant, order.order_id)
    if order.cart:
        yield cart_stream(order.cart.merchant, order.cart.cart_id)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _rest(system: System, outcome: Outcome) -> None:
    """Until nothing is left to do; what is far off is left alone. Once something is wrong, nobody waits."""
    if outcome.violations:
        return
    until = system.loop.time() + REST_SECONDS_MAX
    quiet, before = 0, -1
    while quiet < QUIET_LOOKS:
        await asyncio.sleep(LOOK_SECONDS)
        head = len(system.server.log.events)
        left = next(_left(system, system.clock.now() + SOON), None)
        quiet = quiet + 1 if left is None and head == before else 0
        before = head
        if system.loop.time() > until:
            outcome.violations.append(f"no rest in {REST_SECONDS_MAX:.0f} s: {left}")
            return


def _left(system: System, horizon: datetime) -> Iterator[str]:
    yield from (f"{name} is away" for name in WORLDS if name not in system.outsides)
    outstanding = {
        name: len(outside.world.state.stage.unacknowledged) for name, outside in system.outsides.items()
    }
    yield from invariants.nothing_is_left(system.server.log, system.server.tables, outstanding, horizon)
    deadlines = system.server.tables.deadlines.rows.items()
    yield from (f"deadline {key} is to come" for key, row in deadlines if row.due_at < horizon)


def _violations(system: System, plan: Plan, shop: Shop) -> Iterator[str]:
    history = History(system.server.log.events)
    plan = priced.as_it_went(history, plan, shop.minds)
    spoilt = _spoilt(system, history)
    sound = _sound(plan, spoilt)
    payments = system.outsides["payment-world"].world.state
    shipments = system.outsides["carrier-world"].world.state
    parcels = [(each.request.shipment_id, each) for each in shipments.shipments.values()]
    yield from invariants.log_is_whole(history)
    yield from invariants.tenants_are_apart(history)
    yield from invariants.stock_is_never_oversold(history)
    yield from invariants.stock_moves_once(history)
    yield from invariants.promises_are_whole(history)
    yield from invariants.deliveries_count_once(history, plan)
    yield from invariants.orders_are_as_planned(history, _placeable(plan, sound))
    yield from invariants.answers_are_kept(history, shop.answered)
    yield from invariants.orders_end(history, sound)
    yield from invariants.money_is_conserved(history, sound, payments)
    yield from invariants.parcels_agree(history, shipments)
    yield from invariants.nothing_is_shipped_twice(history, shipments)
    yield from oracles.deliveries_stand(history, shipments)
    yield from _as_the_events_say(system, history, plan)
    yield from _of_commerce(history, sound, spoilt)
    yield from _of_prices(history, shop, spoilt)
    yield from _promises(system, history, shop)
    yield from kept.all_is_known(history, PAYMENT_GATEWAY, payments.payments.items(), _shown)
    yield from kept.all_is_known(history, CARRIER_GATEWAY, parcels, carrier.render)
    yield from invariants.agents_equal_the_fold(history, system.parts.agents, system.server.tables, spoilt)
    yield from _read_models(system, history)
    yield from _left(system, datetime.max.replace(tzinfo=UTC))


def _shown(theirs: Payment) -> Account:
    """A payment as the provider's answer would be understood."""
    disputes = [stripe_objects.dispute(theirs, each) for each in theirs.disputes]
    return account_of(stripe_objects.intent(theirs, (stripe_objects.REFUNDS,)), disputes)


def _as_the_events_say(system: System, history: History, plan: Plan) -> Iterator[str]:
    yield from oracles.stock_adds_up(history)
    yield from oracles.goods_are_accounted_for(history, plan)
    yield from oracles.promises_are_of_all(history)
    yield from oracles.goods_leave_for_a_reason(history)
    yield from oracles.what_is_sent_is_not_cancelled(history)
    yield from oracles.what_is_held_is_not_sent(history)
    yield from oracles.failures_have_a_reason(history, plan, system.outsides["payment-world"].world.state)
    yield from oracles.causes_are_named(history)
    back_s = max(system.clock.set_back_s[name] for name in SCHEDULERS)
    yield from oracles.deadlines_are_not_early(history, back_s)


def _of_commerce(history: History, sound: Plan, spoilt: Collection[Key]) -> Iterator[str]:
    yield from commerce.books_balance(history, spoilt)
    yield from commerce.one_order_a_checkout(history)
    yield from commerce.checkouts_end(history, sound)
    yield from commerce.change_sets_are_not_charged(history)
    yield from commerce.what_is_ordered_is_sent(history, sound)
    yield from commerce.pick_lists_end(history, sound)
    yield from commerce.labels_stand_in_one_manifest(history)
    yield from commerce.parcels_are_handed_over_once(history)
    yield from commerce.parcels_find_a_carrier(history)
    yield from promised.stock_follows_its_order(history)


def _of_prices(history: History, shop: Shop, spoilt: Collection[Key]) -> Iterator[str]:
    yield from billed.what_does_not_fit_is_found(history, shop.answered)
    yield from closed.suspended_carriers_get_no_parcel(history)
    yield from closed.closed_warehouses_get_no_order(history, shop.answered)
    yield from priced.orders_are_as_shown(history, shop.minds)
    yield from priced.prices_told_hold(history, shop.answered)
    yield from priced.prices_are_applied_at_their_time(history, spoilt)


def _read_models(system: System, history: History) -> Iterator[str]:
    """They, and what is parked of anybody."""
    models, tables = system.read_models, system.server.tables
    spoilt = spoilt_facts(history, models, system.poison)
    yield from read_models_equal_the_fold(history, models, tables, spoilt)
    yield from poison_is_parked(_spoilt(system, history), spoilt, tables)


def _promises(system: System, history: History, shop: Shop) -> Iterator[str]:
    tables, ledger, past = system.server.tables, system.server.log.ledger, kept.Past(history)
    yield from kept.log_is_of_commands(history, ledger)
    yield from kept.commands_are_done(history, past, tables, ledger)
    yield from kept.answers_were_right(past, shop.answered)
    yield from system.calls.hasty
    yield from kept.requests_are_answered(history, system.parts.gateways, _spoilt(system, history))
    for name, journal in system.journals.items():
        yield from kept.webhooks_are_kept(history, tables, WORLDS[name].kind, journal)


class _quiet_logs:  # noqa: N801 - used as a function
    """Logs are not for the eyes; an error among them is a violation, unless it is told elsewhere,
    as what is parked without a reason."""

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
        error = sys.exc_info()[1]
        if isinstance(error, Poisoned) or event["event"] == "parked":
            raise structlog.DropEvent
        self._violations.append(f"logged: {event} {error!r}")
        raise structlog.DropEvent
