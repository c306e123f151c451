"""Does an unreachable server give an error that names the setting and hides the password?"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from subprocess import DEVNULL

import pytest

from services.embedded import (
    NatsServer,
    PostgresServer,
    Unreachable,
    check_database,
    check_nats,
)
from services.embedded.binaries import nats_program
from tests.integration.processes import Starter, appeared
from tests.patience import HANGS

NOBODY_LISTENS = "127.0.0.1:1"


async def test_servers_that_answer_pass(postgres_server: PostgresServer, nats_server: NatsServer) -> None:
    await check_database(postgres_server.dsn)
    await check_nats(nats_server.url)
    await check_nats(f"nats://{NOBODY_LISTENS},{nats_server.url}")  # one of a cluster is down


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"postgresql://clerk:hush@{NOBODY_LISTENS}/trade", "Connection refused"),
        ("postgresql://clerk:hush@no.such.host.invalid/trade", "no.such.host.invalid"),
        ("postgresql://clerk:hush@[::1:99/trade", "not an address"),
        ("/var/lib/hush", "not an address"),
    ],
)
async def test_an_unreachable_database_names_its_setting(url: str, reason: str) -> None:
    with pytest.raises(Unreachable, match=r"^TILLROLL_DATABASE_URL: ") as refused:
        await check_database(url)
    assert reason in str(refused.value)
    assert "embedded Postgres" in str(refused.value)
    assert "hush" not in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_wrong_password_is_told_but_not_shown(postgres_server: PostgresServer) -> None:
    with pytest.raises(Unreachable, match="password authentication failed") as refused:
        await check_database(postgres_server.dsn.replace("tillroll:", "tillroll:hush"))
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"nats://clerk:hush@{NOBODY_LISTENS}", "Connect call failed"),
        (f"nats://clerk:hush@{NOBODY_LISTENS},nats://127.0.0.1:2", "nats://127.0.0.1:1,nats://127.0.0.1:2"),
        ("nats://clerk:hush@127.0.0.1:port", "invalid"),
        ("hush:bar:baz", "invalid"),
    ],
)
async def test_an_unreachable_nats_names_its_setting(url: str, reason: str) -> None:
    with pytest.raises(Unreachable, match=r"^TILLROLL_NATS_URL: ") as refused:
        await check_nats(url)
    assert reason in str(refused.value)
    assert "embedded NATS" in str(refused.value)
    assert "hush" not in str(refused.value)


async def test_nats_without_jetstream_is_told(tmp_path: Path) -> None:
    arguments = [str(nats_program(None)), "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", str(tmp_path)]
    with Starter(arguments, stderr=DEVNULL) as server:
        ports = tmp_path / f"nats-server_{server.pid}.ports"
        assert await appeared(ports)
        with pytest.raises(Unreachable, match="JetStream is switched off"):
            await check_nats(json.loads(ports.read_text())["nats"][0])


async def test_who_stops_to_ask_a_silent_nats_hangs_up() -> None:
    hung_up = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()
        hung_up.set()

    connected = asyncio.Event()
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        asking = asyncio.create_task(check_nats(f"nats://127.0.0.1:{port}"))
        async with asyncio.timeout(HANGS):
            await connected.wait()
            await asyncio.sleep(0.2)  # so that it waits for a word by now
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await hung_up.wait()
