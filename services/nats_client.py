"""A client of NATS that leaves no socket behind."""

from __future__ import annotations

import asyncio
from typing import Any

from nats.aio.client import Client


class NatsClient(Client):
    """nats-py forgets the connection of an attempt that failed, one that opens while it closes, and its own
    where closing it is cancelled."""

    async def _connect_to_server(self, s: Any) -> None:
        self._drop_transport()
        await super()._connect_to_server(s)
        if self.is_closed:  # its `wait_for` may have swallowed the cancellation
            self._drop_transport()
            raise asyncio.CancelledError

    async def close(self) -> None:
        try:
            await super().close()
        finally:
            self._drop_transport()

    def _drop_transport(self) -> None:
        if self._transport:
            self._transport.close()  # type: ignore[no-untyped-call]
