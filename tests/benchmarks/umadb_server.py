"""How does UmaDB run beside ours? The server of the wheel `umadb`, on loopback, durable as it comes."""

from __future__ import annotations

import asyncio
import os
import socket
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import umadb

from services.embedded.children import spawn


@asynccontextmanager
async def umadb_server(directory: Path) -> AsyncIterator[str]:
    """Its address, once it answers; stopped at the end."""
    directory.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    program = Path(sysconfig.get_path("scripts")) / "umadb"
    arguments: list[str | Path] = [program, "--listen", address, "--db-path", directory / "uma.db"]
    with (directory / "log").open("ab") as log:
        server = spawn(arguments, environment=os.environ, output=log.fileno())
        try:
            while not _answers(address):
                assert server.alive, (directory / "log").read_text()
                await asyncio.sleep(0.05)
            yield address
        finally:
            await server.stop()


def _answers(address: str) -> bool:
    try:
        umadb.Client(f"http://{address}").head()
    except umadb.TransportError:
        return False
    return True
