"""What do the providers know of our payments and parcels that the log does not? They are asked, not called.

Every day, and after a restore: what a provider told the log that was lost, it was thanked for, and tells no
second time. Its facts are recorded as its webhook's would be; what is known already changes nothing. Where
the books differ all the same, or the provider has a charge that we never asked for, a discrepancy is opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta

import structlog

from commands.executor import Context
from domain.kernel import Command, Fact, one
from eventstore.codec import decode
from eventstore.tasks import TaskGroup
from services.console import results
from services.context import ProcessContext, open_context
from services.gateways.gateway import Account, Gateway, Unavailable
from services.gateways.moments import Moments
from services.gateways.provider import Provider, open_http
from services.gateways.providers import provider_of
from services.gateways.registered import GATEWAYS
from services.settings import Settings

AT_ONCE = 16
DAY_SECONDS, FIRST_SECONDS, DAYS_BACK = 86_400.0, 600.0, 8
"""The first one some minutes after the start; further back than authorisations last: none is missed. What
happens by itself later, a dispute or a refund that comes back, the provider lists."""
logger = structlog.get_logger()
TIMEOUT_S = 10.0


@dataclass(slots=True)
class Reconciled:
    """What a provider was asked about; of these: never heard of, told news of, given no answer. Beside
    these: comparisons that opened or closed a discrepancy, charges that we never asked for."""

    asked: int = 0
    unknown: int = 0
    changed: int = 0
    unanswered: int = 0
    differing: int = 0
    foreign: int = 0


async def reconcile_all(settings: Settings, days: int) -> int:
    """0 if every provider has answered."""
    unanswered = 0
    async with open_context(settings, "reconcile", follow=False) as context, open_http() as http:
        for gateway in GATEWAYS:
            provider = provider_of(gateway, settings, http, timeout_s=TIMEOUT_S)
            found = await reconcile(context, gateway, provider, days)
            results.print(
                f"{gateway.name}: asked {found.asked:,}, news of {found.changed:,}, unknown there"
                f" {found.unknown:,}, unanswered {found.unanswered:,}, differences {found.differing:,},"
                f" charges unknown here {found.foreign:,}"
            )
            unanswered += found.unanswered
    return 1 if unanswered else 0


async def reconcile(context: ProcessContext, gateway: Gateway, provider: Provider, days: int) -> Reconciled:
    """Ask about each payment, or parcel, that was requested in the last `days` days of live trade."""
    statements = context.log.database.statements("services.gateways", "reconcile.sql")
    types = [kind.__name__ for kind in gateway.interests]
    rows = await statements.run("read_requested", types=types, days=days)
    found, places, streams = Reconciled(), asyncio.Semaphore(AT_ONCE), set[str]()

    async def ask(position: int) -> None:
        async with places:
            (stored,) = await context.log.read(position - 1, 1)
            streams.add(stored.stream)
            try:
                await _ask(context, gateway, provider, decode(stored), found)
            except Unavailable as error:
                logger.warning("not_reconciled", stream=stored.stream, error=str(error))
                found.unanswered += 1

    async with TaskGroup() as tasks:
        for (position,) in rows:
            tasks.create_task(ask(position))
    if gateway.unknown:
        try:
            await _find_unknown(context, gateway, provider, days, found)
            await _find_late(context, gateway, provider, streams, found)
        except Unavailable as error:
            logger.warning("charges_not_listed", gateway=gateway.name, error=str(error))
            found.unanswered += 1
    return found


async def _find_unknown(
    context: ProcessContext, gateway: Gateway, provider: Provider, days: int, found: Reconciled
) -> None:
    """Go through what was begun at the provider, page by page: what is of no stream of ours is recorded."""
    since = context.clock.now() - timedelta(days=days)
    moments = Moments(context.log.database, context.clock)
    async for page in provider.pages(since):
        listed = {str(each[gateway.subject]): each for each in page}
        ours = [name for name in listed if name.startswith(f"{gateway.category}-")]
        known = await moments.of(ours) if ours else {}
        for name in sorted(listed.keys() - known.keys()):
            await _record_unknown(context, gateway, listed[name], found)


async def _find_late(
    context: ProcessContext, gateway: Gateway, provider: Provider, asked: set[str], found: Reconciled
) -> None:
    """What was requested earlier, and may have changed since: of those `asked` about it is known by now."""
    async for account in provider.late(context.clock.now()):
        stream = str(account[gateway.subject])
        (events,) = await context.log.read_streams([(stream, 0)], 1)
        if events and stream not in asked:
            found.asked += 1
            try:
                await _hear(context, gateway, decode(events[0]), account, found)
            except Unavailable as error:
                logger.warning("not_reconciled", stream=stream, error=str(error))
                found.unanswered += 1


async def _record_unknown(
    context: ProcessContext, gateway: Gateway, account: Account, found: Reconciled
) -> None:
    assert gateway.unknown is not None
    try:
        merchant, stream, command = gateway.unknown(account)
    except (LookupError, TypeError, ValueError) as error:
        logger.warning("charge_not_understood", gateway=gateway.name, error=str(error))
        return
    command_id = context.ids.new()
    told = Context(
        command_id=command_id,
        merchant=merchant,
        actor=gateway.actor,
        correlation=f"reconciliation:{command_id}",
        causation=f"reconciliation:{command_id}",
        occurred_at=context.clock.now(),
    )
    done = await context.executor.execute(one(stream, command), told)
    found.foreign += bool(done.events)


async def _ask(
    context: ProcessContext, gateway: Gateway, provider: Provider, fact: Fact, found: Reconciled
) -> None:
    found.asked += 1
    (known,) = await context.executor.states.load([fact.stream])
    account = await provider.ask(gateway.where(fact, known.state))
    if account is None or account.get(gateway.subject) != fact.stream:
        found.unknown += 1
        await _compare(context, gateway, fact, None, found)
        return
    await _hear(context, gateway, fact, account, found)


async def _hear(
    context: ProcessContext, gateway: Gateway, fact: Fact, account: Account, found: Reconciled
) -> None:
    """Record what it says that is news; then the books are to agree."""
    try:
        command = gateway.record(fact.stream, account)
    except (
        LookupError,
        TypeError,
        ValueError,
    ) as error:  # of one account: the others are asked about all the same
        raise Unavailable(f"its answer can't be read: {type(error).__name__}") from error
    if command is not None:
        news = await _tell(context, gateway, fact, command)
        found.changed += news  # not in one line with `await`: others count meanwhile
    await _compare(context, gateway, fact, account, found)


async def _compare(
    context: ProcessContext, gateway: Gateway, fact: Fact, account: Account | None, found: Reconciled
) -> None:
    """Now that its facts are known: do the books agree?"""
    (state,) = await context.executor.states.load([fact.stream])
    command = gateway.differences(fact.stream, account, state.state)
    if command is not None:
        news = await _tell(context, gateway, fact, command)
        found.differing += news


async def _tell(context: ProcessContext, gateway: Gateway, fact: Fact, command: Command) -> bool:
    """Whether it was news."""
    told = Context(
        command_id=context.ids.new(),
        merchant=fact.merchant,
        actor=gateway.actor,
        correlation=fact.correlation,
        causation=fact.event_id,
        occurred_at=context.clock.now(),
    )
    done = await context.executor.execute(one(fact.stream, command), told)
    return bool(done.events)


class DailyReconciliation:
    """Asks every provider once a day; what two of them find, running side by side, is recorded once."""

    def __init__(
        self,
        context: ProcessContext,
        providers: Mapping[str, Provider],
        pause_s: float = DAY_SECONDS,
        first_s: float = FIRST_SECONDS,
    ) -> None:
        self._context = context
        self._providers = providers
        self._pause_s = pause_s
        self._first_s = first_s

    async def run(self) -> None:
        await asyncio.sleep(self._first_s)
        while True:
            for gateway in GATEWAYS:
                if gateway.unknown:  # the others' books are their scans
                    found = await reconcile(self._context, gateway, self._providers[gateway.name], DAYS_BACK)
                    logger.info("reconciled", gateway=gateway.name, **asdict(found))
            await asyncio.sleep(self._pause_s)
