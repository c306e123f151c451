"""How are facts told to the other side, in order, signed and until they are acknowledged?

The webhooks of one payment or shipment leave one after the other; those of different ones side by side.
Faults may delay, drop, repeat or reorder them.
"""

import asyncio
import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, Protocol

import aiohttp
import orjson
from standardwebhooks import Webhook as Signer

from services.worlds.clock import wall_now
from services.worlds.faults import Faults, befalls, delay_s, throw

IN_FLIGHT_MAX = 64
ATTEMPT_TIMEOUT_S = 10
BACKOFF_FIRST_S = 0.05
BACKOFF_MAX_S = 3.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Webhook:
    """A fact on its way: told, and not acknowledged yet."""

    id: str
    subject: str
    type: str
    created_at: datetime
    checkout: str
    merchant: str
    data: dict[str, Any]

    def body(self) -> bytes:
        return orjson.dumps(
            {
                "id": self.id,
                "type": self.type,
                "created_at": self.created_at,
                "checkout": self.checkout,
                "merchant": self.merchant,
                "data": self.data,
            },
            option=orjson.OPT_UTC_Z,
        )


class Post(Protocol):
    """Takes one webhook to the other side."""

    async def __call__(self, webhook: Webhook) -> bool:
        """Whether it was acknowledged (2xx)."""

    async def close(self) -> None: ...


# the headers that sign a webhook's body, sent now
Sign = Callable[[Webhook, bytes, datetime], dict[str, str]]


def standard_signature(secret: str) -> Sign:
    """The scheme of standardwebhooks.com; the secret is base64."""
    signer = Signer(secret)

    def sign(webhook: Webhook, body: bytes, sent_at: datetime) -> dict[str, str]:
        return {
            "webhook-id": webhook.id,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": signer.sign(webhook.id, sent_at, body.decode()),
        }

    return sign


def stripe_signature(secret: str) -> Sign:
    """The scheme of https://docs.stripe.com/webhooks/signature, `v1`; the secret is any text."""
    key = secret.encode()

    def sign(_: Webhook, body: bytes, sent_at: datetime) -> dict[str, str]:
        time = str(int(sent_at.timestamp()))
        signature = hmac.digest(key, time.encode() + b"." + body, "sha256").hex()
        return {"stripe-signature": f"t={time},v1={signature}"}

    return sign


class HttpPost:
    """Signed, over HTTP, to one URL."""

    def __init__(self, url: str, sign: Sign) -> None:
        self._url = url
        self._sign = sign
        self._in_flight = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=IN_FLIGHT_MAX),
            timeout=aiohttp.ClientTimeout(total=ATTEMPT_TIMEOUT_S),
        )

    async def close(self) -> None:
        await self._session.close()

    async def __call__(self, webhook: Webhook) -> bool:
        body = webhook.body()
        headers = {"content-type": "application/json", **self._sign(webhook, body, wall_now())}
        try:
            async with (
                self._in_flight,
                self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                await answer.read()  # an answer read to its end keeps the connection
                return 200 <= answer.status < 300
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False


class Courier:
    """Has webhooks posted; says `acknowledged` once for each that was answered with 2xx."""

    def __init__(
        self, post: Post, *, acknowledged: Callable[[str], None], faults: Callable[[], Faults]
    ) -> None:
        self._send = post
        self._acknowledged = acknowledged
        self._faults = faults
        self._lanes: dict[str, list[Webhook]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def post(self, webhook: Webhook) -> None:
        lane = self._lanes.get(webhook.subject)
        if lane is not None:
            lane.append(webhook)
            return
        self._lanes[webhook.subject] = [webhook]
        task = asyncio.get_running_loop().create_task(self._serve(webhook.subject))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Stop where we are: what was not acknowledged is sent again after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._send.close()

    async def _serve(self, subject: str) -> None:
        lane = self._lanes[subject]
        while lane:
            webhook = await self._next(lane)
            await self._deliver(webhook)
            lane.remove(webhook)
            self._acknowledged(webhook.id)
        del self._lanes[subject]

    async def _next(self, lane: list[Webhook]) -> Webhook:
        """The oldest; when the dice say so, the one after it, for which the oldest is held back a while."""
        faults = self._faults()
        oldest = lane[0]
        if not befalls(faults, "webhook_reorder", oldest.id):
            return oldest
        if len(lane) == 1:
            await asyncio.sleep(delay_s(faults, "webhook_reorder", oldest.id))
        return lane[1] if len(lane) > 1 else oldest

    async def _deliver(self, webhook: Webhook) -> None:
        for attempt in count(1):
            if await self._attempt(webhook, attempt):
                return
            if attempt % 10 == 0:
                logger.warning(
                    "webhook %s (%s) not acknowledged in %d attempts", webhook.id, webhook.type, attempt
                )
            longest_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(attempt - 1, 10))
            jitter = throw(self._faults(), "jitter", webhook.id, attempt)
            await asyncio.sleep(longest_s * (0.5 + jitter / 2))

    async def _attempt(self, webhook: Webhook, attempt: int) -> bool:
        faults = self._faults()
        if befalls(faults, "webhook_delay", webhook.id, attempt):
            await asyncio.sleep(delay_s(faults, "webhook_delay", webhook.id, attempt))
        if befalls(faults, "webhook_drop", webhook.id, attempt):
            return False
        if befalls(faults, "webhook_duplicate", webhook.id, attempt):
            return any(await asyncio.gather(self._send(webhook), self._send(webhook)))
        return await self._send(webhook)
