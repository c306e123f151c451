"""What a process of ours is made of: the log, the bus, the feed, the keys, an executor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from commands.executor import Executor
from eventstore.feed import Feed
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog
from eventstore.roles import Role
from eventstore.seams import Clock, Ids, RandomIds, WallClock
from eventstore.snapshots import PostgresSnapshots
from eventstore.statements import Pool
from services.audit.erasure_watch import forgetting_erased
from services.bus import NatsBus
from services.embedded.reachable import check_database, check_nats
from services.master_key import master_key_of_log
from services.settings import NotRunning, Settings


@dataclass(frozen=True, slots=True)
class ProcessContext:
    """The parts that processes share; `feed` runs only where it was asked for.

    `database_url`, `log` and `pool` are of the role that the process works as.
    """

    settings: Settings
    database_url: str
    log: PostgresLog
    bus: NatsBus
    feed: Feed
    keyring: Keyring
    executor: Executor
    pool: Pool
    clock: Clock
    ids: Ids


def _servers(settings: Settings, role: Role) -> tuple[str, str]:
    """Both addresses, or NotRunning with the name of the setting that is missing."""
    given = settings.database_url or getattr(settings, f"{role}_url")
    servers = {"TILLROLL_DATABASE_URL": given, "TILLROLL_NATS_URL": settings.nats_url}
    missing = [name for name, url in servers.items() if not url]
    if len(missing) == 1:
        (there,) = servers.keys() - missing
        raise NotRunning(
            f"{missing[0]} is not set, but {there} is: a server of your own needs the other, too"
        )
    if missing or not settings.nats_url:
        names = " and ".join(missing)
        raise NotRunning(
            f"nothing runs in {settings.data_dir}: start it with `tillroll up`, or set TILLROLL_DATA_DIR to"
            f" where it runs, or {names}"
        )
    return settings.url(role), settings.nats_url


@asynccontextmanager
async def open_context(
    settings: Settings, name: str, role: Role = "write", *, follow: bool = True
) -> AsyncIterator[ProcessContext]:
    """Open all parts for the process `name`, which works as `role`; `follow` starts its feed.

    Raises NotRunning, KeyRefused, or Unreachable with a message that names the setting.
    """
    database_url, nats_url = _servers(settings, role)
    given = f"{role}_url" if getattr(settings, f"{role}_url") else "database_url"
    await check_database(database_url, f"TILLROLL_{given.upper()}")
    await check_nats(nats_url)
    clock, ids = WallClock(), RandomIds()
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(await PostgresLog.connect(database_url))
        bus = NatsBus(nats_url, log.identity, name)
        stack.push_async_callback(bus.close)
        feed = Feed(log, bus)
        if follow:
            await stack.enter_async_context(feed.running())
        async with log.pool.connection() as connection:
            master_key = await master_key_of_log(settings, connection)
        keyring = Keyring(master_key, PostgresKeyStore(log.pool))
        if role in ("write", "project"):
            await stack.enter_async_context(forgetting_erased(database_url, keyring))
        executor = Executor(log, ids, keyring, PostgresSnapshots(log.pool))
        yield ProcessContext(settings, database_url, log, bus, feed, keyring, executor, log.pool, clock, ids)
