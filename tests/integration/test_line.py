"""Does a line to Postgres notice that the server is gone, on the event loop of our processes?"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psycopg
import pytest
import uvloop

from eventstore.connections import connect
from eventstore.line import Line
from services.embedded import PostgresServer


async def call_a_crashing_server(data_dir: Path) -> None:
    """Call a backend that ends with a word of its own and the call unread; raises what the call raises."""
    server = PostgresServer(data_dir, fsync=False)
    dsn = await server.start()
    try:
        other = await psycopg.AsyncConnection.connect(dsn)
        connection = await connect(dsn)
        connection.pgconn.prepare(b"one", b"SELECT 1")
        backend, line = connection.info.backend_pid, Line(connection)
        try:
            os.kill(backend, signal.SIGSTOP)
            os.kill(other.info.backend_pid, signal.SIGKILL)
            while await _is_there(dsn):  # once it takes nobody any more, all backends were told to end
                pass
            calling = asyncio.create_task(line.call(b"one", []))
            await asyncio.sleep(0)  # it is sent, and nobody reads it
            os.kill(backend, signal.SIGCONT)
            await calling
        finally:
            await line.close()
            await other.close()
            while not await _is_there(dsn):  # a stop amid its recovery would take it a minute
                await asyncio.sleep(0.05)
    finally:
        await server.stop()


async def _is_there(dsn: str) -> bool:
    try:
        await (await psycopg.AsyncConnection.connect(dsn)).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_call_that_the_server_never_read_fails_when_the_server_crashes(tmp_path: Path) -> None:
    with pytest.raises(psycopg.OperationalError, match="closed the connection"):
        uvloop.run(call_a_crashing_server(tmp_path))
