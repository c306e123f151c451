"""Was the log restored from a back-up, and nobody has said so? NATS may remember more of it than it holds."""

from __future__ import annotations

import asyncio

import structlog

from eventstore.bus import BusUnavailable
from eventstore.log import EpochChanged, Log
from services.bus import NatsBus

PATIENCE_SECONDS = 5.0
logger = structlog.get_logger()


async def refuse_older_log(log: Log, bus: NatsBus) -> None:
    """Raises EpochChanged if the bus holds an event of this epoch beyond the log's head.

    What is published was committed before. So the log has lost events since, and would give their positions
    to others. That NATS is away, or has forgotten, proves nothing.
    """
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            last = await bus.last_position()
    except (BusUnavailable, TimeoutError) as error:
        logger.info("bus_not_asked", error=str(error))
        return
    head = await log.head()
    if last > head:
        raise EpochChanged(
            f"the log {log.identity.name} ends at {head}, but NATS has its event {last}: it was restored from"
            " a back-up. Begin a new epoch with `tillroll migrate --new-epoch`, then start again"
        )
