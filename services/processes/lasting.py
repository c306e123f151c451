"""How does a process outlive its servers, and when does it end with its log?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from eventstore.checkpoints import LeaseLost
from eventstore.log import EpochChanged

if TYPE_CHECKING:
    from services.context import ProcessContext

RETRY_SECONDS = 0.5
EPOCH_SECONDS = 1.0
AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, LeaseLost, OSError, TimeoutError)
"""Failures of infrastructure, which end by themselves; anything else ends the process."""

logger = structlog.get_logger()


async def persist(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run again and again while infrastructure fails; each start takes up where the last one committed."""
    while True:
        try:
            await run()
        except* AWAY as failures:
            logger.warning("waiting", part=name, error=str(failures.exceptions[0]))
        await asyncio.sleep(RETRY_SECONDS)


async def end_with_the_epoch(context: ProcessContext) -> None:
    """Look once in a while. Raises EpochChanged when another epoch was minted: the next start is in that one;
    and when the log has fewer events than before.

    A server that was restored without a new epoch is waited for: to start again would change nothing.
    """
    ours, seen = context.log.identity, 0
    while True:
        await asyncio.sleep(EPOCH_SECONDS)
        try:
            present, _ = await context.log.present()
            before, seen = seen, await context.log.head()
        except AWAY:
            continue
        if seen < before:
            raise EpochChanged(
                f"the log ended at {before}, and ends at {seen} now: it was restored meanwhile"
            )
        if present != ours:
            raise EpochChanged(
                f"the log is {present.name} now, and not {ours.name}: this process ends with it"
            )
