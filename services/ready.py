"""Is the whole system there? Each part answers as itself, or holds the lease of what it follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from eventstore.checkpoints import read_checkpoints
from eventstore.postgres import PostgresLog
from eventstore.shares import worker_name
from services.gateways.registered import GATEWAYS
from services.settings import Settings
from services.supervisor import Status, Supervisor

LOOK_SECONDS = 0.1
ANSWER_SECONDS_MAX = 5.0
READY_SECONDS_MAX = 180.0
ENDS_MAX = 3
FOLLOWERS = {
    "relay": ("relay",),
    "gateways": tuple(each.actor for each in GATEWAYS),
    "sealer": ("sealer",),
}
"""What each process holds the lease of while it works."""
SHARING = ("projector", "agents")
"""Processes that share theirs."""


class NotReady(Exception):
    """A process ends again and again, or does not come to its work."""

    expected = True


async def wait_until_ready(settings: Settings, supervisor: Supervisor) -> None:
    """Until every process and world answers. Raises NotReady with the names of those that do not."""
    missing = list(supervisor.status())
    try:
        async with asyncio.timeout(READY_SECONDS_MAX), _looking(settings) as look:
            while missing := await look.missing(supervisor.status()):
                _refuse_endless_ends(supervisor)
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        names = ", ".join(missing)
        raise NotReady(
            f"not ready after {READY_SECONDS_MAX:.0f} s: {names}; see {settings.data_dir / 'logs'}"
        ) from None


def _refuse_endless_ends(supervisor: Supervisor) -> None:
    for name, each in supervisor.status().items():
        if each["failed"] >= ENDS_MAX:
            raise NotReady(f"{name} ended {ENDS_MAX} times and never came to its work: see above")


class _Look:
    def __init__(self, settings: Settings, log: PostgresLog, http: aiohttp.ClientSession) -> None:
        self._settings = settings
        self._log = log
        self._http = http

    async def missing(self, status: dict[str, Status]) -> list[str]:
        """The processes that are not there yet."""
        return [*await self._without_lease(status), *[name async for name in self._silent()]]

    async def _without_lease(self, status: dict[str, Status]) -> list[str]:
        checkpoints = await read_checkpoints(self._log.pool)
        held = {each["follower"] for each in checkpoints if each["alive"]}
        sharing = {each["worker"] for each in checkpoints if each["alive"]}
        missing = [name for name, wanted in FOLLOWERS.items() if not held.issuperset(wanted)]
        return missing + [
            name
            for name, each in status.items()
            if name.startswith(SHARING) and worker_name(each["pid"] or 0) not in sharing
        ]

    async def _silent(self) -> AsyncIterator[str]:
        settings = self._settings
        api = await self._ask(f"http://{_reached(settings.api_host)}:{settings.api_port}/health")
        if api.get("log", {}).get("name") != self._log.identity.name:
            yield "api"
        for kind, url in (("payment", settings.payment_url), ("carrier", settings.carrier_url)):
            if (await self._ask(f"{url}/control/health")).get("kind") != kind:
                yield f"world-{kind}"

    async def _ask(self, url: str) -> dict[str, Any]:
        """What it answers, or nothing: another's answer is as good as none."""
        try:
            async with self._http.get(url) as response:
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return {}
        return answer if isinstance(answer, dict) else {}


@asynccontextmanager
async def _looking(settings: Settings) -> AsyncIterator[_Look]:
    patience = aiohttp.ClientTimeout(total=ANSWER_SECONDS_MAX)
    async with (
        await PostgresLog.connect(settings.url("write")) as log,
        aiohttp.ClientSession(timeout=patience) as http,
    ):
        yield _Look(settings, log, http)


def _reached(host: str) -> str:
    """Where to call somebody who listens on `host`: on every address is on loopback, too."""
    return "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - nobody listens here
