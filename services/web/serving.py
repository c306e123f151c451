"""How does a server end? It takes nobody new, and answers what is in hand, however often it is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

# of the loop. The first makes a transport, which asyncio can not once the listener is closed, and forgets to
# close (python/cpython#109564); the second tells the protocol
TURNS_UNTIL_KNOWN = 2


class Server(uvicorn.Server):
    """Signals are for who runs us: see `serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does, which asks those to end whom it knows: who was taken just now is known by then."""
        loop = asyncio.get_running_loop()
        for listener in (each for server in self.servers for each in server.sockets):
            loop.remove_reader(listener.fileno())
        for _ in range(TURNS_UNTIL_KNOWN):
            await asyncio.sleep(0)
        await super().shutdown(sockets)


async def serve(server: uvicorn.Server, listener: socket.socket) -> None:
    """Until cancelled; then until what is in hand is answered, or the server's own time for that is over.

    Who cancels may insist: that ends nothing sooner.
    """
    serving = asyncio.create_task(server.serve([listener]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        while not serving.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([serving])
        serving.result()
