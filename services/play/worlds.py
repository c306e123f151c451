"""What the play tells the worlds, and asks them: scenarios, clocks, and what they have still to tell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import aiohttp
import orjson
import structlog

from services.settings import Settings

RETRY_SECONDS = 0.3
TIMEOUT_SECONDS = 30
logger = structlog.get_logger()


class Worlds:
    """The control doors of both worlds. A world that is away is asked again until it is back."""

    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        self._payment = f"{settings.payment_url}/control"
        self._carrier = f"{settings.carrier_url}/control"
        self._http = http

    async def tell_scenarios(self, payments: Sequence[Any], shipments: Sequence[Any]) -> None:
        """Thousands at once; each world keeps them in its journal before it answers."""
        await asyncio.gather(
            *(
                self._send("PUT", f"{url}/scenarios", b"\n".join(map(orjson.dumps, scenarios)) + b"\n")
                for url, scenarios in ((self._payment, payments), (self._carrier, shipments))
                if scenarios
            )
        )

    async def set_clocks(self, clocks: Mapping[str, str]) -> None:
        """Move checkouts' clocks forward; facts that are due by then are told from now on."""
        body = orjson.dumps({"clocks": clocks})
        await asyncio.gather(
            *(self._send("POST", f"{url}/clock", body) for url in (self._payment, self._carrier))
        )

    async def outstanding(self) -> set[str]:
        """The checkouts about which a world has something to tell that was not acknowledged yet."""
        answers = await asyncio.gather(
            *(self._send("GET", f"{url}/outstanding", None) for url in (self._payment, self._carrier))
        )
        return set(_checkouts(answers))

    async def _send(self, method: str, url: str, body: bytes | None) -> Any:
        while True:
            try:
                timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
                async with self._http.request(method, url, data=body, timeout=timeout) as answer:
                    content = await answer.read()
                    if answer.status < 500:
                        answer.raise_for_status()
                        return orjson.loads(content) if content else None
                    problem = f"{answer.status} {content[:200].decode(errors='replace')}"
            except (aiohttp.ClientResponseError, aiohttp.InvalidURL):  # asking again would not help
                raise
            except (aiohttp.ClientError, TimeoutError) as error:  # also an answer that was cut off by a kill
                problem = str(error) or type(error).__name__
            logger.warning("world_away", url=url, problem=problem)
            await asyncio.sleep(RETRY_SECONDS)


def _checkouts(answers: Iterable[Any]) -> Iterable[str]:
    for answer in answers:
        yield from answer["checkouts"]
