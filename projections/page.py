"""What does a page of the log mean to a read model? Its facts, and the rows that its handler makes of them.

A worker that has some partitions only leaves out the facts of the others, as early as it can tell: the keys
of most events stand in their streams' names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache

from domain.aggregates import EVENT_TYPES
from domain.erasure import SubjectErased
from domain.kernel import Event, Fact
from eventstore.codec import opened, subjects_in
from eventstore.keyring import Keyring
from eventstore.log import StoredEvent
from eventstore.partitions import WHOLE, Partitions
from projections.columns import columns, forget_texts
from projections.read_model import ReadModel, concerns, order_key, partition_in_stream
from projections.read_models import OPENED
from projections.session import Call

TURN = 1_000
"""Events that are decoded in one go: a few milliseconds of work."""


@dataclass(slots=True)
class Follow:
    """A generation of a read model, and where it stands in its partitions while their lease is ours.

    `generation` is a word for a temporary one, which has no checkpoint. `attempts` is how often a page up to
    `careful_until` was begun and not ended; `counted` says that this worker's first page was counted.
    """

    model: ReadModel
    generation: int | str
    lease: int = 0
    position: int = 0
    partitions: Partitions = WHOLE
    parked: set[str] = field(default_factory=set)
    attempts: int = 0
    careful_until: int = 0
    counted: bool = False

    @property
    def follower(self) -> str:
        return f"projection:{self.model.name}:g{self.generation}"

    @property
    def turn(self) -> tuple[bool, str, Partitions]:
        """Its place among all that move in one transaction, the same for every worker: so none waits for
        another who waits for it. Rows that others may wait for come last."""
        return self.model.shared_rows, self.model.name, self.partitions


@dataclass(slots=True)
class Work:
    """What a page means to a read model: rows to merge, facts to queue behind a parked one, or a failure."""

    follow: Follow
    merges: list[Call]
    queued: list[tuple[Fact, str]]
    failure: Exception | None = None


def kinds_of(follows: Iterable[Follow]) -> frozenset[str]:
    """The names of all event types that some of these follow."""
    return frozenset().union(*(names_of(follow.model.events) for follow in follows))


@cache
def names_of(kinds: tuple[type[Event], ...]) -> frozenset[str]:
    return frozenset(kind.__name__ for kind in kinds)


async def decode_page(
    events: Sequence[StoredEvent],
    kinds: frozenset[str],
    fact_of: Callable[[StoredEvent], Fact],
    keyring: Keyring,
    ranges: Collection[Partitions] = (WHOLE,),
) -> list[Fact]:
    """The facts of those types in those partitions, with the personal fields that read models show in plain
    text.

    Raises UnknownEvent for a type that this code does not know, also where nobody asks for it.
    """
    if WHOLE not in ranges:
        events = [each for each in events if may_be_in(ranges, each) or each.type not in EVENT_TYPES]
    events = [each for each in events if each.type in kinds or each.type not in EVENT_TYPES]
    facts: list[Fact] = []
    for start in range(0, len(events), TURN):
        await asyncio.sleep(0)  # all else of the process has its turn, and the next page comes in
        facts += map(fact_of, events[start : start + TURN])
    if WHOLE not in ranges:
        facts = [fact for fact in facts if any(concerns(each, fact) for each in ranges)]
    _forget_erased(facts, keyring)
    sealed = [fact for fact in facts if type(fact.event) in OPENED]
    if not sealed:
        return facts
    await keyring.load(subjects_in(sealed))
    return [
        fact._replace(event=opened(fact.event, keyring)) if type(fact.event) in OPENED else fact
        for fact in facts
    ]


def _forget_erased(facts: Iterable[Fact], keyring: Keyring) -> None:
    """Before anything is opened: whoever is erased on this page is so on all of it, and after it."""
    for fact in facts:
        if isinstance(fact.event, SubjectErased):
            keyring.forget(fact.event.subject)
            forget_texts()


def may_be_in(ranges: Collection[Partitions], event: StoredEvent) -> bool:
    """False if the event's own stream tells that it is in none of these partitions."""
    partition = partition_in_stream(event.stream)
    return partition is None or any(partition in each for each in ranges)


def facts_in(partitions: Partitions, facts: Sequence[Fact]) -> Sequence[Fact]:
    if partitions == WHOLE:
        return facts
    return [fact for fact in facts if concerns(partitions, fact)]


class Page:
    """The facts of a page; those of some types are picked once for all who want the same."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._facts = facts
        self._present = {type(fact.event) for fact in facts}
        self._picked: dict[frozenset[type[Event]], list[Fact]] = {}

    def of(self, kinds: tuple[type[Event], ...]) -> list[Fact]:
        wanted = self._present.intersection(kinds)
        key = frozenset(wanted)
        if key not in self._picked:
            self._picked[key] = [fact for fact in self._facts if type(fact.event) in wanted] if wanted else []
        return self._picked[key]


def work_of(follow: Follow, page: Page) -> Work:
    """Run the handler on what is its own of a page; what it raises is kept as its failure."""
    work = Work(follow, [], [])
    own = page.of(follow.model.events)
    if follow.parked:
        keyed = [(fact, order_key(fact)) for fact in own]
        work.queued = [(fact, key) for fact, key in keyed if key in follow.parked]
        own = [fact for fact, key in keyed if key not in follow.parked]
    if own:
        try:
            for name, rows in follow.model.project(own).items():
                if rows:
                    work.merges.append(Call(name, columns(rows), follow.model.name, follow.generation))
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its own failure
            work.failure = error
    return work
