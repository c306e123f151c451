"""How does Tillroll run a NATS with JetStream of its own?

    data_dir/nats/              0711  lock, server.conf (0600: it holds the password)
    data_dir/nats/server        0700  JetStream's store; the server's working directory

NATS is a fast hint, never the truth: its default of syncing to disk every two minutes is left as it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

from services.embedded.binaries import nats_program
from services.embedded.children import Child, ServerFailed, spawn
from services.embedded.directory import (
    Lock,
    appended,
    make_private,
    new_password,
    running_in,
    tail,
    write_private,
)
from services.embedded.identity import Identity, server_identity
from services.embedded.reachable import Unreachable, check_nats

USER = "tillroll"
START_S_MAX = 120.0
STOP_S_MAX = 15.0
LEFTOVERS_S_MAX = 10.0
POLL_INTERVAL_S = 0.02
ENVIRONMENT = {"PATH": os.defpath, "TZ": "UTC"}

# Limits of the store are far above what the relay's stream (256 MB) needs.
CONFIGURATION = """\
host: "127.0.0.1"
port: {port}
server_name: "tillroll"
ports_file_dir: "."
logtime_utc: true
authorization {{ user: "{user}", password: "{password}" }}
jetstream {{ store_dir: ".", max_memory_store: 256MB, max_file_store: 4GB }}
"""
ANY_FREE_PORT = -1


class NatsServer:
    """One embedded NATS on `data_dir`, on a loopback port that it picks at its first start and then keeps."""

    def __init__(self, data_dir: Path) -> None:
        self._home = data_dir.absolute() / "nats"
        self._store = self._home / "server"
        self._log = data_dir.absolute() / "logs" / "nats.log"
        self._lock = Lock(self._home / "lock", "NATS")
        self._password = new_password()
        self._port = ANY_FREE_PORT
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        """Of the running server, or None."""
        return self._child.pid if self._child and self._child.alive else None

    @property
    def url(self) -> str:
        """With user and password. The same after every restart of this object's server."""
        return f"nats://{USER}:{self._password}@127.0.0.1:{self._port}"

    async def start(self) -> str:
        """Start the server, wait until JetStream answers, and give its URL."""
        try:
            make_private(self._home, mode=0o711)
            self._lock.take()
            identity = self._identity()
            make_private(self._store, identity)
            await self._outlast_leftovers()
            self._child = self._spawn_server(identity)
            self._port = await self._listening(self._child)
            await check_nats(self.url)
        except (OSError, Unreachable) as error:
            await self.stop()
            raise ServerFailed(
                f"NATS could not be started in {self._home}: {error} (see {self._log})"
            ) from error
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def wait(self) -> int:
        """Until the server ends, however that comes about: its exit code."""
        if self._child is None:
            raise ServerFailed("NATS was not started")
        return await self._child.wait()

    async def stop(self) -> None:
        if self._child:
            await self._child.stop((signal.SIGTERM, STOP_S_MAX))
            self._child = None
        self._lock.release()

    def _identity(self) -> Identity | None:
        try:
            return server_identity(self._store)
        except LookupError as error:
            raise ServerFailed(str(error)) from None

    def _spawn_server(self, identity: Identity | None) -> Child:
        text = CONFIGURATION.format(port=self._port, user=USER, password=self._password)
        write_private(self._home / "server.conf", text, identity)
        for stale in self._store.glob("*.ports"):
            stale.unlink()
        with appended(self._log) as output:
            return spawn(
                [nats_program(identity), "--config", "../server.conf"],
                environment=ENVIRONMENT,
                output=output,
                # its data is a hint, and the next start checks it: no wait for a clean end
                death_signal=signal.SIGKILL,
                directory=self._store,
                identity=identity,
            )

    async def _listening(self, child: Child) -> int:
        """The port, from the file that the server writes once it listens: no port is picked and then lost."""
        file = self._store / f"nats-server_{child.pid}.ports"
        deadline = asyncio.get_running_loop().time() + START_S_MAX
        while True:
            try:
                return int(urlsplit(json.loads(file.read_text())["nats"][0]).port or 0)
            except (FileNotFoundError, ValueError):  # not there, or half written
                pass
            if not child.alive:
                raise ServerFailed(f"NATS did not start; {self._log} ends with:\n{tail(self._log)}")
            if asyncio.get_running_loop().time() > deadline:
                raise ServerFailed(f"NATS was not ready after {START_S_MAX:.0f} s: see {self._log}")
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _outlast_leftovers(self) -> None:
        """A server whose starter was just killed is given the moment that the kernel takes to end it."""
        deadline = asyncio.get_running_loop().time() + LEFTOVERS_S_MAX
        while leftovers := running_in(self._store, "nats-server"):
            if asyncio.get_running_loop().time() > deadline:
                raise ServerFailed(
                    f"NATS already runs in {self._store} as process {leftovers[0]}, and Tillroll did"
                    " not start it. Stop it, or set TILLROLL_DATA_DIR to another directory."
                )
            await asyncio.sleep(POLL_INTERVAL_S)
