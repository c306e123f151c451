"""How does a parked key go on, once its handler is mended? Its events are merged in order, and it is free."""

from __future__ import annotations

from eventstore.codec import decode
from eventstore.keyring import Keyring
from eventstore.log import Log
from eventstore.statements import Pool
from projections.advance import Advancer
from projections.generations import live_generations, run
from projections.page import Follow
from projections.read_model import ReadModel
from projections.read_models import READ_MODELS


async def retry_parked(
    pool: Pool,
    log: Log,
    keyring: Keyring,
    name: str,
    key: str,
    *,
    models: dict[str, ReadModel] = READ_MODELS,
) -> int:
    """Merge what is parked of a key of the live read model; how many events that were.

    All or nothing: what the handler, or the database, says against it is raised, and the key stays parked.
    Running projectors are fenced meanwhile, in all partitions, and then go on with the key by themselves.
    """
    model = models[name]
    async with pool.connection() as connection, connection.transaction():
        follow = Follow(model, (await live_generations(connection))[name].number)
        await run(connection, "lock_checkpoints", follower=follow.follower)
        parked = await run(connection, "read_parked_positions", follower=follow.follower, key=key)
        events = [event for (position,) in parked for event in await log.read(position - 1, 1)]
        advancer = Advancer(connection, keyring, decode)
        for work in await advancer.prepare([follow], events):
            if work.failure:
                raise work.failure
            await advancer.merge(work)
        await run(connection, "unpark", follower=follow.follower, key=key)
        await run(connection, "fence", follower=follow.follower)
    return len(parked)
