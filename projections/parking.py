"""How does a parked key of a read model go on: as it is, once its handler is mended, or without an event?

Running projectors are fenced meanwhile, in all partitions, and then go on with the key by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eventstore.codec import decode
from eventstore.keyring import Keyring
from eventstore.log import Log, StoredEvent
from eventstore.reading import read_those
from projections.advance import HANDLERS_OWN, Advancer, said
from projections.generations import Connection, live_generations, lock_checkpoints, run
from projections.page import Follow
from projections.read_model import ReadModel
from projections.read_models import OPENED
from projections.session import PostgresSession

TOGETHER = 500
"""Events that are merged at once, as long as none fails: the read model stands still meanwhile."""
_PRIVATE = frozenset(kind.__name__ for kind in OPENED)


class MadeByOtherCode(Exception):
    """The live generation is of another version of the read model: only code of that one knows its rows."""

    expected = True


@dataclass(frozen=True, slots=True)
class ParkedProjection:
    """The live generation of a read model, with its checkpoints locked until the transaction ends."""

    connection: Connection
    log: Log
    keyring: Keyring
    follow: Follow

    async def skip(self, key: str, position: int) -> bool:
        """Leave the key's first event out; False if that is another one, or the key is free."""
        whose = {"follower": self.follow.follower, "key": key}
        skipped = await run(self.connection, "skip_parked", **whose, position=position)
        if skipped:
            await run(self.connection, "fence", follower=self.follow.follower)
        return bool(skipped)

    async def go_on(self, key: str) -> tuple[int, str]:
        """Merge what waits, in order: how many events that were, and what stopped it, or ''."""
        whose = {"follower": self.follow.follower, "key": key}
        session = PostgresSession(self.connection)
        went_on, stopped, together = 0, "", TOGETHER
        waiting = [each for (each,) in await run(self.connection, "read_parked_positions", **whose)]
        while went_on < len(waiting):
            positions = waiting[went_on : went_on + together]
            stopped = await self._merge(session, await read_those(self.log.read, positions))
            if not stopped:
                await run(self.connection, "unpark", **whose, positions=positions)
                went_on += len(positions)
            elif len(positions) > 1:
                together = max(1, len(positions) // 8)
            else:
                await run(self.connection, "tell_error", **whose, position=positions[0], error=stopped)
                break
        if waiting:
            await run(self.connection, "fence", follower=self.follow.follower)
        return went_on, stopped

    async def _merge(self, session: PostgresSession, events: Sequence[StoredEvent]) -> str:
        """All of them and '', or none and what the handler, or the database, says against them."""
        (work,) = await Advancer(session, self.keyring, decode).prepare([self.follow], events)
        error: Exception | None = work.failure
        if not error:
            try:
                async with self.connection.transaction():
                    await session.execute(work.merges)
            except HANDLERS_OWN as refused:
                error = refused
        return said(error, private=any(each.type in _PRIVATE for each in events)) if error else ""


async def lock_parked(
    connection: Connection, log: Log, keyring: Keyring, model: ReadModel, follower: str
) -> ParkedProjection | None:
    """In the open transaction: nobody moves the read model meanwhile. None if it is not the live one.

    Raises MadeByOtherCode: then it is for others to do.
    """
    live = (await live_generations(connection)).get(model.name)
    if live is None or model.follower(live.number) != follower:
        return None
    if not await lock_checkpoints(connection, follower):
        return None  # it was switched at this moment
    if live.version != model.version:
        raise MadeByOtherCode(f"{model.name} is of version {live.version}, and this code's {model.version}")
    return ParkedProjection(connection, log, keyring, Follow(model, live.number))
