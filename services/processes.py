"""Each process of ours, from its settings to its end: what runs in it, and how it outlives its servers.

A process imports what it alone needs when it begins: nine of them start at once on a machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import psycopg
import structlog
import uvloop
from psycopg_pool import PoolTimeout

from eventstore.checkpoints import LeaseLost
from eventstore.log import EpochChanged
from eventstore.roles import Role
from eventstore.tasks import TaskGroup
from services.collector import spare_the_collector
from services.logs import say_where_tasks_wait
from services.settings import Settings

if TYPE_CHECKING:
    from services.context import ProcessContext

Main = Callable[["ProcessContext"], Awaitable[None]]
RETRY_SECONDS = 0.5
EPOCH_SECONDS = 1.0
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, LeaseLost, OSError, TimeoutError)
"""Failures of infrastructure, which end by themselves; anything else ends the process."""

logger = structlog.get_logger()


async def persist(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run again and again while infrastructure fails; each start takes up where the last one committed."""
    while True:
        try:
            await run()
        except* AWAY as failures:
            logger.warning("waiting", part=name, error=str(failures.exceptions[0]))
        await asyncio.sleep(RETRY_SECONDS)


async def end_with_the_epoch(context: ProcessContext) -> None:
    """Look once in a while. Raises EpochChanged when another epoch was minted: the next start is in that one;
    and when the log has fewer events than before.

    A server that was restored without a new epoch is waited for: to start again would change nothing.
    """
    ours, seen = context.log.identity, 0
    while True:
        await asyncio.sleep(EPOCH_SECONDS)
        try:
            present, _ = await context.log.present()
            before, seen = seen, await context.log.head()
        except AWAY:
            continue
        if seen < before:
            raise EpochChanged(
                f"the log ended at {before}, and ends at {seen} now: it was restored meanwhile"
            )
        if present != ours:
            raise EpochChanged(
                f"the log is {present.name} now, and not {ours.name}: this process ends with it"
            )


async def erase_whoever_was(context: ProcessContext) -> None:
    """Before it serves: a log that was restored may know a person who was erased since."""
    from services.audit.erasure import erase_again  # noqa: PLC0415
    from services.audit.erasure_list import ErasureList  # noqa: PLC0415

    async with context.pool.connection() as connection:
        await erase_again(connection, ErasureList(context.settings.erasures()))


async def _as_long_as_the_epoch(context: ProcessContext, main: Main) -> None:
    async def work() -> None:
        try:
            await main(context)
        finally:
            watching.cancel()

    async with TaskGroup() as tasks:
        watching = tasks.create_task(end_with_the_epoch(context))
        tasks.create_task(work())


def run_process(
    name: str, settings: Settings, main: Main, role: Role = "write", *, follow: bool = True
) -> None:
    """Run `main` until SIGTERM or SIGINT, then leave in order.

    Raises EpochChanged when the log begins a new epoch: whoever supervises us starts us again, in that one.
    """
    from services.context import open_context  # noqa: PLC0415
    from services.restored import refuse_older_log  # noqa: PLC0415

    async def process() -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _cancel_once, task)
        loop.add_signal_handler(signal.SIGUSR1, say_where_tasks_wait)
        with contextlib.suppress(asyncio.CancelledError):
            async with open_context(settings, name, role, follow=follow) as context:
                await refuse_older_log(context.log, context.bus)
                await erase_whoever_was(context)
                await _as_long_as_the_epoch(context, main)

    spare_the_collector()
    uvloop.run(process())


def _cancel_once(task: asyncio.Task[None]) -> None:
    """A second signal must not break off what the first one has begun to end in order."""
    if not task.cancelling():
        task.cancel()


async def relay(context: ProcessContext) -> None:
    from services.relay import NotifiedCommits, Relay  # noqa: PLC0415

    commits = NotifiedCommits(context.database_url)
    await persist("relay", Relay(context.log, context.bus, context.log.database, commits).run)


async def agents(context: ProcessContext) -> None:
    from services.agents.registered import AGENTS  # noqa: PLC0415
    from services.agents.runner import AgentRunner  # noqa: PLC0415
    from services.parked_keys import PROJECTION  # noqa: PLC0415

    spare_the_collector()  # of what was just imported, too
    runner = AgentRunner(AGENTS, context.feed, context.executor, context.log.database, context.clock)
    async with TaskGroup() as tasks:
        tasks.create_task(_answering(context, lambda follower: not follower.startswith(PROJECTION)))
        await persist("agents", runner.run)


async def scheduler(context: ProcessContext) -> None:
    from eventstore.postgres import make_pool  # noqa: PLC0415
    from services.access.forgetting import keep_forgetting  # noqa: PLC0415
    from services.audit.looked import Looks, keep_forgetting_looks  # noqa: PLC0415
    from services.ledger import keep_sweeping  # noqa: PLC0415
    from services.scheduler import Scheduler  # noqa: PLC0415

    run = Scheduler(context.executor, context.log.database, context.clock).run
    knowing = make_pool(context.settings.url("access"), max_size=1)
    async with knowing, TaskGroup() as tasks:
        tasks.create_task(keep_sweeping(context.pool, context.clock, context.settings.ledger_days))
        tasks.create_task(keep_forgetting(knowing, context.clock))
        tasks.create_task(_saying_erasures(context))
        looks = Looks(knowing, context.clock)
        tasks.create_task(keep_forgetting_looks(looks, context.clock, context.settings.looks_days))
        await persist("scheduler", run)


async def _saying_erasures(context: ProcessContext) -> None:
    from services.audit.erasure import Erasures, keep_saying  # noqa: PLC0415
    from services.audit.erasure_list import ErasureList  # noqa: PLC0415

    noted = ErasureList(context.settings.erasures())
    erasures = Erasures(context.pool, context.executor, context.keyring, noted)
    await persist("erasures", lambda: keep_saying(erasures, context.pool, noted))


async def sealer(context: ProcessContext) -> None:
    from services.audit.sealer import run_sealer  # noqa: PLC0415

    await run_sealer(context, persist)


async def projector(context: ProcessContext) -> None:
    from projections.runner import ProjectionRunner  # noqa: PLC0415
    from projections.session import PostgresReadModels  # noqa: PLC0415
    from services.audit.as_of_kept import KeptStates  # noqa: PLC0415
    from services.audit.history_index import HistoryIndex  # noqa: PLC0415
    from services.parked_keys import PROJECTION  # noqa: PLC0415

    spare_the_collector()  # of what was just imported, too
    runner = ProjectionRunner(context.feed, PostgresReadModels(context.pool), context.keyring)
    async with TaskGroup() as tasks:
        tasks.create_task(_answering(context, lambda follower: follower.startswith(PROJECTION)))
        tasks.create_task(persist("history index", HistoryIndex(context.log, context.pool).run))
        tasks.create_task(persist("kept states", KeptStates(context.log, context.pool).run))
        await persist("projector", runner.run)


async def _answering(context: ProcessContext, mine: Callable[[str], bool]) -> None:
    """Carry out what people ask of the parked keys of those whom this process moves."""
    from services.agents.registered import AGENTS  # noqa: PLC0415
    from services.parked_keys import ParkedKeys, keep_answering  # noqa: PLC0415

    keys = ParkedKeys(context.pool, context.log, context.keyring, AGENTS)
    await persist("parked", lambda: keep_answering(keys, mine))


async def gateways(context: ProcessContext) -> None:
    from services.gateways.composition import run_gateways  # noqa: PLC0415

    await run_gateways(context, persist)


async def api(context: ProcessContext) -> None:
    from services.api import run_api  # noqa: PLC0415

    await run_api(context)


def world(kind: str, settings: Settings) -> None:
    """The payment provider's or the carrier's world."""
    from services.worlds.server import run  # noqa: PLC0415

    payment = kind == "payment"
    run(
        "payment" if payment else "carrier",
        data_dir=settings.data_dir / "worlds",
        host=settings.internal_host,
        port=settings.payment_world_port if payment else settings.carrier_world_port,
        webhook_url=f"{settings.webhook_url}/webhooks/{kind}",
        webhook_secret=settings.webhook_secret("payment" if payment else "carrier"),
        api_key=settings.payment_api_key() if payment else "",
    )
