"""`tillroll up`: everything on one machine, started in order, watched, and stopped with it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from eventstore.postgres import PostgresLog
from eventstore.roles import ROLES, Role, let_in
from eventstore.schema import migrate
from services.bus import NatsBus
from services.embedded import NatsServer, PostgresServer, ServerFailed, check_database, check_nats
from services.limit_settings import PREFIX
from services.listening import API, CARRIER_WORLD, PAYMENT_WORLD, WEBHOOKS, check_free, reserve_port
from services.master_key import prove_master_key
from services.ready import wait_until_ready
from services.restored import refuse_older_log
from services.runfile import read_run, remove_run, write_run
from services.settings import Settings
from services.supervisor import Status, Supervisor

PROCESSES: dict[str, tuple[Role, ...]] = {
    "relay": ("write",),
    "projector": ("project",),
    "agents": ("write",),
    "gateways": ("write",),
    "scheduler": ("write", "access"),
    "sealer": ("write", "seal"),
    "api": ("write", "query", "access", "audit"),
}
"""What runs, and as whom it works in the database."""
WORLDS = ("payment", "carrier")


def choose_ports(settings: Settings, held: ExitStack) -> dict[str, int]:
    """By setting: what it says, or where it is 0 a port that nobody else reserves until `held` is closed."""
    inside = ("webhook_port", "payment_world_port", "carrier_world_port")
    hosts = {**dict.fromkeys(inside, settings.internal_host), "api_port": settings.api_host}
    ports: dict[str, int] = {name: getattr(settings, name) for name in hosts}
    for name, host in hosts.items():
        if not ports[name]:
            reserved = held.enter_context(reserve_port(host, besides=ports.values()))
            ports[name] = reserved.getsockname()[1]
    return ports


def _chosen(settings: Settings, ports: dict[str, int], database_url: str, nats_url: str) -> Settings:
    """The settings with every address filled in."""
    host = settings.internal_host
    chosen: dict[str, Any] = {
        **ports,
        "database_url": database_url,
        "nats_url": nats_url,
        "webhook_url": settings.webhook_url or f"http://{host}:{ports['webhook_port']}",
        "payment_url": settings.payment_url or f"http://{host}:{ports['payment_world_port']}",
        "carrier_url": settings.carrier_url or f"http://{host}:{ports['carrier_world_port']}",
    }
    return settings.model_copy(update=chosen)


def check_addresses(settings: Settings) -> None:
    """Before anything is started: raises CannotListen if somebody else has an address that was asked for."""
    check_free(settings.api_host, settings.api_port, API)
    host = settings.internal_host
    check_free(host, settings.webhook_port, WEBHOOKS)
    check_free(host, settings.payment_world_port, PAYMENT_WORLD)
    check_free(host, settings.carrier_world_port, CARRIER_WORLD)


@asynccontextmanager
async def running(settings: Settings, *, echo: bool = False) -> AsyncIterator[System]:
    """What becomes the whole system by its `start`, and is stopped at the end of the block.

    A signal leaves the block at whatever it awaits. It may come while the system starts, so that is awaited
    in the block. Raises ServerFailed or CannotListen before anything is started.
    """
    if settings.data_dir.exists() and not settings.data_dir.is_dir():
        raise ServerFailed(f"TILLROLL_DATA_DIR: {settings.data_dir} is not a directory")
    if read_run(settings.data_dir) is None:  # else its servers' locks say that it runs already
        check_addresses(settings)
    try:
        with ExitStack() as held:
            system = System(settings, choose_ports(settings, held), echo=echo)
            async with system.supervisor:
                yield system
    finally:
        remove_run(settings.data_dir)


class System:
    """All servers and processes of one machine, under one supervisor; see `running`."""

    def __init__(self, settings: Settings, ports: dict[str, int], *, echo: bool) -> None:
        self._settings = settings
        self._ports = ports
        self.supervisor = Supervisor(settings.data_dir, echo=echo, on_change=self._tell)

    async def start(self) -> Settings:
        """Up, migrated and answering: its settings with all addresses.

        Raises ServerFailed for a server, NotReady if a process never comes to work.
        """
        database_url, nats_url = await self._start_servers()
        migrate(database_url)
        chosen = _chosen(self._settings, self._ports, database_url, nats_url)
        await _refuse_older_log(database_url, nats_url)
        let_in(database_url, chosen.role_passwords())
        await prove_master_key(chosen)
        self._settings = chosen.of_roles(*ROLES)  # from here on nobody is the owner of the schema
        await self._start_processes()
        await wait_until_ready(self._settings, self.supervisor)
        return self._settings

    async def _start_servers(self) -> tuple[str, str]:
        """The addresses of Postgres and NATS: of those that the settings name, or of our own."""
        database_url, nats_url = self._settings.database_url, self._settings.nats_url
        data_dir = self._settings.data_dir
        if database_url:
            await check_database(database_url)
        else:
            database_url = await self.supervisor.add_server("postgres", PostgresServer(data_dir))
        if nats_url:
            await check_nats(nats_url)
        else:
            nats_url = await self.supervisor.add_server("nats", NatsServer(data_dir))
        return database_url, nats_url

    async def _start_processes(self) -> None:
        chosen = self._settings
        outside = chosen.of_roles().model_copy(update={"nats_url": None})
        for kind in WORLDS:
            await self._start(outside, f"world-{kind}", "world", kind)
        for name, process in _processes(chosen):
            await self._start(chosen.of_roles(*PROCESSES[process]), name, process)

    async def _start(self, settings: Settings, name: str, *arguments: str) -> None:
        argv = [sys.executable, "-m", "services.cli", *arguments]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        environment = inherited | settings.environment() | {"PGAPPNAME": f"tillroll {name}"}
        await self.supervisor.add(name, argv, environment)

    def _tell(self, status: dict[str, Status]) -> None:
        settings = self._settings
        if settings.write_url and settings.nats_url:
            values = settings.model_dump(mode="json", exclude_none=True, exclude={"data_dir"})
            write_run(settings.data_dir, values, status)


def _processes(settings: Settings) -> Iterator[tuple[str, str]]:
    """By name; of those that share their work, as many as are wanted."""
    yield from zip(PROCESSES, PROCESSES, strict=True)
    for process, wanted in (("projector", settings.projectors), ("agents", settings.agents)):
        yield from ((f"{process}-{number}", process) for number in range(2, wanted + 1))


async def _refuse_older_log(database_url: str, nats_url: str) -> None:
    """Before any process begins to write. Raises EpochChanged."""
    async with await PostgresLog.connect(database_url) as log:
        bus = NatsBus(nats_url, log.identity, "up")
        try:
            await refuse_older_log(log, bus)
        finally:
            await bus.close()
