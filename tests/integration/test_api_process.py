"""How does the API begin and end as a process of its own?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from services.api import run_api, running_app
from services.context import open_context
from services.listening import CannotListen, reserve_port
from services.settings import Settings
from tests.integration.api_client import a_key
from tests.patience import HANGS


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection, once somebody listens."""
    async with asyncio.timeout(HANGS):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)


@pytest.fixture
def port() -> Iterator[int]:
    """Nobody else's while the test runs."""
    with reserve_port("127.0.0.1") as reserved:
        yield reserved.getsockname()[1]


async def test_what_is_in_hand_gets_its_answer_and_no_more_is_taken(
    database: str, nats_url: str, tmp_path: Path, port: int
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=database, nats_url=nats_url, api_port=port)
    async with open_context(settings, "test", follow=False) as context:
        async with running_app(context) as app:
            key = await a_key(app)
        before = await context.log.head()
        serving = asyncio.create_task(run_api(context))
        reader, writer = await connected(port)
        body = orjson.dumps({"city": "Recife"})
        head = (
            "POST /v1/merchant HTTP/1.1\r\nHost: api\r\nTillroll-Merchant: m1\r\nExpect: 100-continue\r\n"
            f"Authorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 100")  # it waits for the body now
        serving.cancel()
        async with asyncio.timeout(HANGS):
            while True:
                try:
                    _, other = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    break
                other.close()
                await asyncio.sleep(0.05)
        writer.write(body)
        answer = await reader.read()
        writer.close()
        assert b"HTTP/1.1 201" in answer
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert await context.log.head() == before + 1


async def test_a_taken_port_names_the_setting(database: str, nats_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = Settings(data_dir=tmp_path, database_url=database, nats_url=nats_url, api_port=port)
        async with open_context(settings, "test", follow=False) as context:
            with pytest.raises(CannotListen, match="TILLROLL_API_PORT"):
                await run_api(context)
