"""The bus over NATS JetStream: one message an event, CloudEvents headers, in a short stream of this epoch.

NATS is a hint and no more: it may be slow, down or wiped. The stream keeps ten minutes or 256 MB, the old are
discarded; its name holds the log's id and epoch, so that messages of another life of the log are never taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from uuid import UUID

import nats.errors
import orjson
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy, DiscardPolicy, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import BadRequestError, NotFoundError

from domain.streams import encode_part
from eventstore.bus import BusUnavailable, OnDoubt, OnEvent
from eventstore.log import LogIdentity, StoredEvent
from eventstore.tasks import end_tasks
from services.nats_client import NatsClient

STREAM_SECONDS = 600
STREAM_BYTES = 256 * 2**20
PUBLISH_SECONDS = 10.0
_ENVELOPE = "Tillroll-Event"
_SUBJECTS_OVERLAP = 10065
logger = structlog.get_logger()


def subject_of(event: StoredEvent) -> str:
    """`tillroll.events.<merchant>.<category>.<type>`"""
    category = event.stream.partition("-")[0]
    return f"tillroll.events.{encode_part(event.merchant)}.{category}.{event.type}"


def headers_of(event: StoredEvent, identity: LogIdentity) -> dict[str, str]:
    """CloudEvents 1.0 in binary mode; what it has no name for stands in one header of our own as JSON."""
    rest = orjson.dumps(
        (
            event.position,
            event.version,
            event.schema,
            event.correlation,
            event.causation,
            event.metadata.decode(),
            event.occurred_at,
            event.recorded_at,
            event.leaf_hash.hex(),
            event.merchant,
        )
    )
    return {
        "Nats-Msg-Id": f"{identity.name}.{event.position}",
        "ce-specversion": "1.0",
        "ce-id": str(event.event_id),
        "ce-source": f"/tillroll/{identity.name}",
        "ce-type": event.type,
        "ce-subject": event.stream,
        "ce-time": event.occurred_at.isoformat(),
        _ENVELOPE: rest.decode(),
    }


def event_of(message: Msg, identity: LogIdentity) -> StoredEvent | None:
    """The event of a message, or None if it is another log's or another epoch's."""
    headers = message.headers or {}
    if headers.get("ce-source") != f"/tillroll/{identity.name}":
        return None
    position, version, schema, correlation, causation, metadata, occurred, recorded, leaf, merchant = (
        orjson.loads(headers[_ENVELOPE])
    )
    return StoredEvent(
        position,
        headers["ce-subject"],
        version,
        headers["ce-type"],
        schema,
        message.data,
        merchant,
        correlation,
        causation,
        metadata.encode(),
        UUID(headers["ce-id"]),
        datetime.fromisoformat(occurred),
        datetime.fromisoformat(recorded),
        bytes.fromhex(leaf),
    )


class NatsBus:
    """See `eventstore.bus.Bus`. Reconnects for ever; `close` it at the end."""

    def __init__(self, url: str, identity: LogIdentity, name: str) -> None:
        self._url = url
        self._identity = identity
        self._name = name
        self._client: Client | None = None
        self._connecting = asyncio.Lock()
        self._doubts: set[OnDoubt] = set()
        self._sequence = 0
        self.stream = f"TILLROLL_{identity.name.replace('.', '_')}"
        self._of_this_log = f"{self.stream.rpartition('_')[0]}_"

    async def close(self) -> None:
        if self._client:
            with suppress(Exception):
                await self._client.close()

    async def jetstream(self) -> JetStreamContext:
        """The connection's JetStream; connects, or waits for the reconnection."""
        async with self._connecting:
            if self._client is None:
                self._client = await self._connect()
        return self._client.jetstream(publish_async_max_pending=4000)

    async def _connect(self) -> Client:
        client = NatsClient()
        try:
            await client.connect(
                self._url.split(","),
                name=f"tillroll {self._name}",
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,  # type: ignore[arg-type]  # it sleeps so long
                connect_timeout=5,
                pending_size=64 * 2**20,
                disconnected_cb=self._doubted,
                reconnected_cb=self._doubted,
                error_cb=self._failed,
            )
        except BaseException:
            await client.close()  # the socket may be open already
            raise
        return client

    async def ensure_stream(self) -> None:
        """Make this epoch's stream, removing those of this log's other epochs; raises BusUnavailable."""
        try:
            await self._ensure_stream(await self.jetstream())
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise BusUnavailable(str(error) or type(error).__name__) from error

    async def _ensure_stream(self, jetstream: JetStreamContext) -> None:
        config = StreamConfig(
            name=self.stream,
            subjects=["tillroll.events.>"],
            max_age=STREAM_SECONDS,
            max_bytes=STREAM_BYTES,
            discard=DiscardPolicy.OLD,
            duplicate_window=120,
        )
        try:
            await jetstream.stream_info(self.stream)
        except NotFoundError:
            for stale in await jetstream.streams_info():
                if (stale.config.name or "").startswith(self._of_this_log):
                    await jetstream.delete_stream(stale.config.name or "")
            try:
                await jetstream.add_stream(config)
            except BadRequestError as error:
                if error.err_code == _SUBJECTS_OVERLAP:
                    raise BusUnavailable(
                        "another Tillroll log uses this NATS account: give TILLROLL_NATS_URL an account of"
                        " its own, or remove the other log's TILLROLL_* stream if nothing uses it any more"
                    ) from error

    async def last_position(self) -> int:
        """Of the newest event that this epoch's stream holds; 0 if it holds none. Raises BusUnavailable."""
        try:
            jetstream = await self.jetstream()
            found = await jetstream.get_last_msg(self.stream, "tillroll.events.>")
        except NotFoundError:
            return 0
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise BusUnavailable(str(error) or type(error).__name__) from error
        return int(orjson.loads((found.headers or {})[_ENVELOPE])[0])

    async def publish(self, events: Sequence[StoredEvent]) -> None:
        """The server takes the messages of a connection in order, so the acknowledgement of the last one is
        that of all, if the stream has grown by as many; else (after a reconnection) each is asked for.

        An acknowledgement for each costs the relay twice the CPU.
        """
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._publish(events)
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise BusUnavailable(str(error) or type(error).__name__) from error

    async def _publish(self, events: Sequence[StoredEvent]) -> None:
        jetstream = await self.jetstream()
        assert self._client is not None
        *first, last = events
        for event in first:
            headers = headers_of(event, self._identity)
            await self._client.publish(subject_of(event), event.data, headers=headers)
        sequence = await self._publish_acknowledged(jetstream, last)
        grown, self._sequence = sequence - self._sequence, sequence
        if grown != len(events):
            for event in first:
                again = await self._publish_acknowledged(jetstream, event)
                self._sequence = max(self._sequence, again)

    async def _publish_acknowledged(self, jetstream: JetStreamContext, event: StoredEvent) -> int:
        headers = headers_of(event, self._identity)
        acknowledged = await jetstream.publish(
            subject_of(event), event.data, headers=headers, timeout=PUBLISH_SECONDS
        )
        return acknowledged.seq

    @asynccontextmanager
    async def subscribe(self, on_event: OnEvent, on_doubt: OnDoubt) -> AsyncIterator[None]:
        """Keeps an ordered consumer going, whatever happens to NATS; in doubt the log is asked."""
        self._doubts.add(on_doubt)
        keeping = asyncio.create_task(self._keep_subscribed(on_event, on_doubt))
        try:
            yield
        finally:
            self._doubts.discard(on_doubt)
            await end_tasks(keeping)

    async def _keep_subscribed(self, on_event: OnEvent, on_doubt: OnDoubt) -> None:
        async def deliver(message: Msg) -> None:
            event = event_of(message, self._identity)
            if event:
                on_event(event)

        while True:
            try:
                jetstream = await self.jetstream()
                subscription = await jetstream.subscribe(
                    "tillroll.events.>",
                    stream=self.stream,
                    cb=deliver,
                    ordered_consumer=True,
                    config=ConsumerConfig(deliver_policy=DeliverPolicy.NEW),
                )
                try:
                    on_doubt()
                    await self._until_gone(jetstream)
                finally:
                    with suppress(nats.errors.Error, OSError):
                        await subscription.unsubscribe()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - the bus is a hint: without it the log is polled
                logger.debug("bus_unavailable", error=str(error))
            on_doubt()
            await asyncio.sleep(1.0)

    async def _until_gone(self, jetstream: JetStreamContext) -> None:
        """Returns when the stream is not there any more, as after its storage was wiped."""
        while True:
            await asyncio.sleep(5.0)
            try:
                await jetstream.stream_info(self.stream)
            except NotFoundError:
                return
            except (nats.errors.Error, OSError, TimeoutError):
                continue  # disconnected: the client comes back by itself, and so does its consumer

    async def _doubted(self) -> None:
        for on_doubt in self._doubts:
            on_doubt()

    async def _failed(self, error: Exception) -> None:
        logger.debug("bus_error", error=str(error))
