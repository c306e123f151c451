"""What do the providers know of our payments and parcels that the log does not? They are asked, not called.

For after a restore: what a provider told the log that was lost, it was thanked for, and tells no second time.
Its facts are recorded as its webhook's would be; what is known already changes nothing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from commands.executor import Context
from domain.kernel import Fact, one
from eventstore.codec import decode
from eventstore.tasks import TaskGroup
from services.console import results
from services.context import ProcessContext, open_context
from services.gateways.carrier_routes import over_http
from services.gateways.gateway import Gateway, Unavailable
from services.gateways.provider import Provider, open_http
from services.gateways.registered import GATEWAYS
from services.settings import Settings

AT_ONCE = 16
logger = structlog.get_logger()
TIMEOUT_S = 10.0


@dataclass(slots=True)
class Reconciled:
    """What a provider was asked about; of these: never heard of, told news of, given no answer."""

    asked: int = 0
    unknown: int = 0
    changed: int = 0
    unanswered: int = 0


async def reconcile_all(settings: Settings, days: int) -> int:
    """0 if every provider has answered."""
    unanswered = 0
    async with open_context(settings, "reconcile", follow=False) as context, open_http() as http:
        for gateway in GATEWAYS:
            url = settings.provider_url(gateway.name)
            provider = over_http(url, settings.carrier_urls, http, timeout_s=TIMEOUT_S)
            found = await reconcile(context, gateway, provider, days)
            results.print(
                f"{gateway.name}: asked {found.asked:,}, news of {found.changed:,}, unknown there"
                f" {found.unknown:,}, unanswered {found.unanswered:,}"
            )
            unanswered += found.unanswered
    return 1 if unanswered else 0


async def reconcile(context: ProcessContext, gateway: Gateway, provider: Provider, days: int) -> Reconciled:
    """Ask about each payment, or parcel, that was requested in the last `days` days of live trade."""
    statements = context.log.database.statements("services.gateways", "reconcile.sql")
    types = [kind.__name__ for kind in gateway.interests]
    rows = await statements.run("read_requested", types=types, days=days)
    found, places = Reconciled(), asyncio.Semaphore(AT_ONCE)

    async def ask(position: int) -> None:
        async with places:
            (stored,) = await context.log.read(position - 1, 1)
            try:
                await _ask(context, gateway, provider, decode(stored), found)
            except Unavailable as error:
                logger.warning("not_reconciled", stream=stored.stream, error=str(error))
                found.unanswered += 1

    async with TaskGroup() as tasks:
        for (position,) in rows:
            tasks.create_task(ask(position))
    return found


async def _ask(
    context: ProcessContext, gateway: Gateway, provider: Provider, fact: Fact, found: Reconciled
) -> None:
    found.asked += 1
    account = await provider.ask(gateway.where(fact))
    if account is None or account.get(gateway.subject) != fact.stream:
        found.unknown += 1
        return
    try:
        command = gateway.record(fact.stream, account)
    except (
        LookupError,
        TypeError,
        ValueError,
    ) as error:  # of one account: the others are asked about all the same
        raise Unavailable(f"its answer can't be read: {type(error).__name__}") from error
    if command is None:
        return
    told = Context(
        command_id=context.ids.new(),
        merchant=fact.merchant,
        actor=gateway.actor,
        correlation=fact.correlation,
        causation=fact.event_id,
        occurred_at=context.clock.now(),
    )
    done = await context.executor.execute(one(fact.stream, command), told)
    found.changed += bool(done.events)
