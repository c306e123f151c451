"""Which streams does the bus take away, and whose messages does it drop, when a NATS is not ours alone?"""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from eventstore.bus import BusUnavailable
from eventstore.log import EpochChanged, LogIdentity, StoredEvent
from eventstore.postgres import PostgresLog
from services.bus import NatsBus
from services.restored import refuse_older_log
from tests.contract.appends import an_append, to_stream
from tests.patience import HANGS

OURS, OTHERS = UUID(int=1 << 100), UUID(int=2 << 100)


async def test_a_new_epoch_replaces_the_stream_of_the_old_one(nats_url: str) -> None:
    old, new = (NatsBus(nats_url, LogIdentity(OURS, epoch), "test") for epoch in (1, 11))
    try:
        await old.ensure_stream()
        await new.ensure_stream()
        await new.ensure_stream()
        streams = await (await new.jetstream()).streams_info()
        assert [each.config.name for each in streams] == [new.stream]
    finally:
        await old.close()
        await new.close()


async def test_the_stream_of_another_log_is_left_alone_and_the_error_says_so(nats_url: str) -> None:
    ours, other = (NatsBus(nats_url, LogIdentity(log, 1), "test") for log in (OURS, OTHERS))
    try:
        await other.ensure_stream()
        with pytest.raises(BusUnavailable, match=r"another Tillroll log.*TILLROLL_NATS_URL"):
            await ours.ensure_stream()
        streams = await (await ours.jetstream()).streams_info()
        assert [each.config.name for each in streams] == [other.stream]
    finally:
        await ours.close()
        await other.close()


async def test_a_message_of_another_epoch_is_dropped_though_the_stream_has_taken_it(
    database: str, nats_url: str
) -> None:
    """A relay that has not heard of the restore publishes an event of the lost log."""
    async with await PostgresLog.connect(database) as log:
        await log.append(an_append(to_stream("a-1")))
        (event,) = await log.read(0, 1)
    lost = event._replace(stream="a-lost")
    heard: list[str] = []
    arrived = asyncio.Event()

    def hear(each: StoredEvent) -> None:
        heard.append(each.stream)
        arrived.set()

    old, new = (NatsBus(nats_url, LogIdentity(OURS, epoch), "test") for epoch in (1, 2))
    try:
        await new.ensure_stream()
        doubted = asyncio.Event()
        async with new.subscribe(hear, doubted.set), asyncio.timeout(HANGS):
            await doubted.wait()
            await old.publish([lost])
            await new.publish([event])
            await arrived.wait()
        assert heard == ["a-1"]
    finally:
        await old.close()
        await new.close()


async def test_a_log_that_ends_before_what_was_published_is_refused(database: str, nats_url: str) -> None:
    async with await PostgresLog.connect(database) as log:
        bus = NatsBus(nats_url, log.identity, "test")
        try:
            await refuse_older_log(log, bus)  # there is no stream yet
            await log.append(an_append(to_stream("a-1")))
            published = await log.read(0, 1)
            await bus.ensure_stream()
            await refuse_older_log(log, bus)  # nor any message
            await bus.publish(published)
            await refuse_older_log(log, bus)
            await bus.publish([published[0]._replace(position=2, stream="a-lost")])
            with pytest.raises(EpochChanged, match=r"ends at 1.*its event 2.*migrate --new-epoch"):
                await refuse_older_log(log, bus)
        finally:
            await bus.close()


@pytest.mark.parametrize("greeting", [b"", b'INFO {"server_id":"x","max_payload":1048576}\r\n'])
async def test_who_gives_up_on_a_server_that_hangs_leaves_no_connection_behind(greeting: bytes) -> None:
    came, left = asyncio.Event(), asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        came.set()
        while await reader.read(1024):
            pass
        left.set()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        bus = NatsBus(f"nats://127.0.0.1:{port}", LogIdentity(OURS, 1), "test")
        connecting = asyncio.create_task(bus.jetstream())
        await came.wait()
        await asyncio.sleep(0.05)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        async with asyncio.timeout(HANGS):
            await left.wait()


async def test_an_attempt_to_come_back_that_fails_leaves_no_connection_behind() -> None:
    greeting = b'INFO {"server_id":"x","max_payload":1048576}\r\n'
    connections, left, third = 0, 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The first is taken and then dropped; whoever comes back is refused, but not hung up on."""
        nonlocal connections, left
        connections += 1
        writer.write(greeting)
        if connections == 1:
            await reader.readuntil(b"PING\r\n")
            writer.write(b"PONG\r\n")
        else:
            writer.write(b"-ERR 'not now'\r\n" * 2)
            if connections == 4:
                third.set()
            while await reader.read(1024):
                pass
            left += 1
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        bus = NatsBus(f"nats://127.0.0.1:{port}", LogIdentity(OURS, 1), "test")
        try:
            await bus.jetstream()
            async with asyncio.timeout(HANGS):
                await third.wait()
            assert left == 2
        finally:
            await bus.close()
