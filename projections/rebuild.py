"""How is a read model built anew while the old one serves? Beside it, then switched in one transaction.

A rebuild may be killed at any moment: until the switch nothing has changed for anyone, and what it left is
dropped by the next rebuild or the next start of the projector.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import psycopg
import structlog

from eventstore.keyring import Keyring
from eventstore.postgres import PostgresLog
from eventstore.statements import Pool
from projections.beside import Compared, compare_beside
from projections.fold import Fold, Progress, no_progress
from projections.generations import (
    drop_others,
    live_generations,
    lock_checkpoints,
    make_generation,
    make_live,
    make_missing,
    run,
    show,
    sole_builder,
    tidy,
)
from projections.page import Follow
from projections.read_model import ReadModel
from projections.read_models import READ_MODELS

NEAR = 500
"""Events that may be left for the switch, which holds the old generation up while it merges them."""
LOCK_TIMEOUT, SWITCH_ATTEMPTS = "2s", 120
VIEWS_TIMEOUT = "500ms"
"""Readers queue up behind who waits for a view. And it is less than the second after which Postgres looks for
a deadlock: else a reader who has one view, and wants another that we have, might be the one to be ended."""
logger = structlog.get_logger()


class RebuildRunning(Exception):
    """Another rebuild of the read model is running; wait for it."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """`position` is where the new generation stood when the views were switched to it.

    `compared` is how it differed, before that, from the one that served: the log is right.
    """

    name: str
    generation: int
    position: int
    compared: Compared


async def rebuild(
    pool: Pool,
    log: PostgresLog,
    keyring: Keyring,
    name: str,
    progress: Progress = no_progress,
    *,
    models: dict[str, ReadModel] = READ_MODELS,
    comparing: bool = True,
) -> Rebuilt:
    """Build the read model anew from the log, compare it with the one that serves, and switch to it.

    A running projector goes on with it.

    Raises KeyError for an unknown name, RebuildRunning if someone else is at it.
    """
    model = models[name]
    async with pool.connection() as connection, sole_builder(connection, name) as alone:
        if not alone:
            raise RebuildRunning(f"{name} is being rebuilt by someone else")
        await make_missing(connection, [model])
        await drop_others(connection, model)
        async with connection.transaction():
            await run(connection, "lock_registry")
            number = await make_generation(connection, model)
        fold = Fold(connection, log, keyring, [Follow(model, number)])
        while (head := await log.head()) - fold.position > NEAR:
            await fold.until(head, name, progress)
        await tidy(connection, model, number)
        compared = Compared(why_not="nobody asked")
        if comparing:
            await fold.until(await log.head(), name, progress)
            compared = await compare_beside(pool, fold, model, number)
        while (head := await log.head()) - fold.position > NEAR:
            await fold.until(head, name, progress)
        for attempt in count(1):
            try:
                await _switch(pool, fold, model, number)
                break
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                if attempt == SWITCH_ATTEMPTS:
                    raise
            await fold.until(await log.head(), name, progress)
        logger.info("read_model_switched", read_model=name, generation=number, position=fold.position)
        await drop_others(connection, model)
        return Rebuilt(name, number, fold.position, compared)


async def _switch(pool: Pool, fold: Fold, model: ReadModel, number: int) -> None:
    """With the old generation's checkpoints locked, catch up with the furthest, and switch the views.

    The checkpoints are removed, so that whoever moves the old generation fails its compare-and-set and looks
    again. A reader who holds the views for long must not hold everybody else up: the lock is not waited for
    longer than its time-out, then tried again.
    """
    async with pool.connection() as connection, connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
        await run(connection, "lock_registry")
        old = (await live_generations(connection))[model.name]
        old_at = max(await lock_checkpoints(connection, model.follower(old.number)))
        await fold.until(old_at, model.name)  # on its own connection, in transactions of its own
        (new_at,) = await lock_checkpoints(connection, model.follower(number))
        assert new_at == fold.position >= old_at, "the new generation must be at or past the old one"
        await make_live(connection, model, number)
        await connection.execute(f"SET LOCAL lock_timeout = '{VIEWS_TIMEOUT}'".encode())
        await show(connection, model, number)
        await run(connection, "remove_follower", follower=model.follower(old.number))
