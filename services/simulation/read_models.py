"""Is every read model the fold of the log? Each says which facts it took, beside the rows it makes of them.

What no row tells, the positions do: each event that is a read model's own was merged once, those of a key in
their order, in one transaction with the checkpoint that passed over it; or it is parked, for a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from struct import iter_unpack
from typing import NamedTuple
from zlib import crc32

from domain.kernel import Fact
from projections.columns import Column
from projections.page import Follow
from projections.read_model import ReadModel, Rows, order_key
from services.simulation.invariants import History
from services.simulation.poison import Parked, Poisoned
from services.simulation.projected import REFUSED
from services.simulation.tables import Tables

TAKEN = "taken"
"""The statement that keeps which facts were merged."""
GENERATION = 1
"""The only one of each read model: nothing is rebuilt here."""
_HEAD_BYTES = 20


class Taken(NamedTuple):
    """The row of a fact that was merged."""

    position: int


def watched(models: Sequence[ReadModel], poison: float) -> tuple[ReadModel, ...]:
    """The read models, which say what they took, and fail on some events for ever."""
    return tuple(replace(model, project=_watching(model, poison)) for model in models)


def _watching(model: ReadModel, poison: float) -> Callable[[Sequence[Fact]], Rows]:
    def project(facts: Sequence[Fact]) -> Rows:
        spoilt = _poisoned(model, facts, poison)
        for fact in spoilt:
            if _raises(fact):
                raise Poisoned(f"{model.name} fails on position {fact.position}")
        rows = {TAKEN: [Taken(fact.position) for fact in facts], **model.project(facts)}
        return {**rows, REFUSED: [Taken(fact.position) for fact in spoilt]}

    return project


def _poisoned(model: ReadModel, facts: Sequence[Fact], rate: float) -> list[Fact]:
    """Those of these that the read model fails on."""
    salt, limit = crc32(model.team.encode()), rate * 2**32
    return [fact for fact in facts if _number_of(fact.event_id) ^ salt < limit] if rate else []


@lru_cache(maxsize=65536)
def _number_of(event_id: str) -> int:
    return crc32(event_id.encode())


def _raises(fact: Fact) -> bool:
    """Half of it, the handler fails on; of the other half the database does not take the rows."""
    return fact.position % 2 == 0


def spoilt_facts(history: History, models: Sequence[ReadModel], rate: float) -> set[Parked]:
    """What must be parked: of a key the first event that its read model fails on, and all that come after."""
    parked: set[Parked] = set()
    for model in models:
        own = _own(model, history)
        begin: dict[str, int] = {}
        for fact in _poisoned(model, own, rate):
            begin.setdefault(order_key(fact), fact.position)
        for fact in own if begin else ():
            key = order_key(fact)
            if fact.position >= begin.get(key, fact.position + 1):
                parked.add((_follower(model), key, fact.position))
    return parked


def read_models_equal_the_fold(
    history: History, models: Sequence[ReadModel], tables: Tables, spoilt: set[Parked]
) -> Iterator[str]:
    """What was merged into each is what it makes of the log: each fact once, in order per key."""
    key_of = [order_key(fact) for fact in history.facts]
    for model in models:
        own = {fact.position for fact in _own(model, history)}
        parked = {at for follower, _, at in spoilt if follower == _follower(model)}
        wanted = own - parked
        latest: dict[str, int] = {}
        for at in taken(model, tables):
            if at not in own:
                yield f"{model.name} took position {at}, which is not its own"
                continue
            key = key_of[at - 1]
            if at not in wanted:
                why = "which is parked" if at in parked else "more than once"
                yield f"{model.name} took position {at}, {why}"
            elif at < latest.get(key, 0):
                yield f"{model.name} took position {at} after {latest[key]}, of the same key"
            wanted.discard(at)
            latest[key] = at
        yield from (f"{model.name} never took position {at}" for at in sorted(wanted))


def taken(model: ReadModel, tables: Tables) -> Iterator[int]:
    """The positions that were merged, in the order of the commits."""
    for call in tables.merged_into(model.name, GENERATION):
        if call.name == TAKEN:
            column: Column = call.arguments["position"]
            yield from (at for _, at in iter_unpack(">iq", column.data[_HEAD_BYTES:]))


def _own(model: ReadModel, history: History) -> list[Fact]:
    kinds = frozenset(model.events)
    return [fact for fact in history.facts if type(fact.event) in kinds]


def _follower(model: ReadModel) -> str:
    return Follow(model, GENERATION).follower
