"""Is the log whole, and is everything derived from it what it must be? `tillroll verify` answers.

Reads the log once: positions 1..n, versions 1..n in each stream, every leaf hash recomputed, every event
decodable; then the followers (nothing parked, nobody ahead of the log) and the read models against a fold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from domain.kernel import Fact
from eventstore.codec import UnknownEvent, decode
from eventstore.leaf import leaf_hash_of
from eventstore.log import StoredEvent
from projections.compare import compare
from services.context import ProcessContext

PAGE = 5_000
PROBLEMS_MAX = 100
Progress = Callable[[str, int, int], None]
"""(what, done, of how many)"""


@dataclass(slots=True)
class Verdict:
    """What was checked, and what is wrong (at most 100 problems are listed)."""

    events: int = 0
    streams: int = 0
    read_models: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.problems

    def wrong(self, problem: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)


async def verify(context: ProcessContext, progress: Progress) -> Verdict:
    """Check everything up to the head of this moment."""
    verdict = Verdict()
    await _verify_log(context, verdict, progress)
    await _verify_followers(context, verdict)
    await _verify_read_models(context, verdict, progress)
    return verdict


async def _verify_log(context: ProcessContext, verdict: Verdict, progress: Progress) -> None:
    head = await context.log.head()
    versions: dict[str, int] = {}
    position = 0
    async with context.pool.connection() as connection:
        while position < head:
            cursor = await connection.execute(_READ, (position, PAGE), prepare=True, binary=True)
            page = [StoredEvent(*row) for row in await cursor.fetchall()]
            if not page:
                verdict.wrong(f"the log ends at {position}, but its head is {head}")
                break
            for event in page:
                position = _verify_event(event, position, versions, verdict)
            progress("events", position, head)
    verdict.events, verdict.streams = position, len(versions)


_READ = """
SELECT position, stream, version, type, schema, data, merchant, correlation, causation, metadata, event_id,
       occurred_at, recorded_at, leaf_hash
FROM events WHERE position > %s ORDER BY position LIMIT %s
"""


def _verify_event(event: StoredEvent, before: int, versions: dict[str, int], verdict: Verdict) -> int:
    if event.position != before + 1:
        verdict.wrong(f"positions {before + 1} to {event.position - 1} are missing")
    expected = versions.get(event.stream, 0) + 1
    if event.version != expected:
        verdict.wrong(
            f"position {event.position}: {event.stream} has version {event.version}, not {expected}"
        )
    versions[event.stream] = event.version
    if leaf_hash_of(event) != event.leaf_hash:
        verdict.wrong(f"position {event.position} ({event.stream}): the leaf hash does not match the event")
    decoded = _decoded(event, verdict)
    if decoded and decoded.event.__class__.__name__ != event.type:
        verdict.wrong(f"position {event.position}: is no {event.type}")
    return event.position


def _decoded(event: StoredEvent, verdict: Verdict) -> Fact | None:
    try:
        return decode(event)
    except (UnknownEvent, ValueError) as error:
        verdict.wrong(f"position {event.position} ({event.type}): {error}")
        return None


async def _verify_followers(context: ProcessContext, verdict: Verdict) -> None:
    async with context.pool.connection() as connection:
        parked = await (await connection.execute(_PARKED)).fetchall()
        ahead = await (await connection.execute(_AHEAD)).fetchall()
        orphans = await (await connection.execute(_LEDGER)).fetchall()
    for follower, key, position, error in parked:
        verdict.wrong(f"{follower}: {key} is parked since position {position}: {error}")
    for follower, position in ahead:
        verdict.wrong(f"{follower} stands at {position}, beyond the log's head")
    for command_id, merchant, last in orphans:
        verdict.wrong(
            f"the ledger says that command {command_id} of {merchant} ended at {last}, beyond the head"
        )


_PARKED = """
SELECT follower, key, min(position), (array_agg(error ORDER BY position))[1]
FROM parked GROUP BY follower, key ORDER BY follower, key LIMIT 100
"""
_AHEAD = """
SELECT follower, position FROM checkpoints
WHERE position > (SELECT coalesce(max(position), 0) FROM events)
"""
_LEDGER = """
SELECT command_id, merchant, last_position FROM commands
WHERE last_position > (SELECT coalesce(max(position), 0) FROM events) LIMIT 100
"""


async def _verify_read_models(context: ProcessContext, verdict: Verdict, progress: Progress) -> None:
    compared = await compare(context.pool, context.log, context.keyring, progress=progress)
    verdict.read_models = compared.read_models
    for difference in compared.differences:
        verdict.wrong(difference)
