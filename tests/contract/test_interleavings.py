"""Are the Postgres log and its twin one and the same, whatever is appended in whatever order?

Rounds of appends are sent to Postgres at the same time. Their outcomes must be those of the twin in *some*
order of the round; in the end both logs must hold the same rows, bit for bit (the clock stands still).
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from eventstore.log import Append, Appended, Outcome
from eventstore.memory import MemoryLog
from eventstore.postgres import PostgresLog
from tests.contract.appends import StillClock, an_append, append_all, to_stream

NAMES = ("order-{}.1", "order-{}.2", "stock-{}.1")
_examples = itertools.count(1)


@dataclass(frozen=True)
class Wish:
    """An append, but for the number of the example, which makes its names its own."""

    command: int
    merchant: int
    streams: tuple[tuple[str, int, int], ...]

    def append(self, example: int) -> Append:
        return an_append(
            *(to_stream(name.format(example), version, count) for name, version, count in self.streams),
            command_id=UUID(int=example << 64 | self.command),
            merchant=f"m{self.merchant}",
            fingerprint=repr(self).encode(),
            answer=repr(self.streams).encode(),
        )


STREAMS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 3), st.integers(1, 2)),
    max_size=3,
    unique_by=lambda stream: stream[0],
).map(tuple)
WISHES = st.builds(Wish, st.integers(1, 6), st.integers(1, 2), STREAMS)
ROUNDS = st.lists(st.lists(WISHES, min_size=1, max_size=4), min_size=1, max_size=6)


@pytest.fixture
async def postgres_log(database: str) -> AsyncIterator[PostgresLog]:
    async with await PostgresLog.connect(database, StillClock()) as log:
        yield log


@given(rounds=ROUNDS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_both_logs_are_one(postgres_log: PostgresLog, rounds: list[list[Wish]]) -> None:
    example = next(_examples)
    base = await postgres_log.head()
    done: list[Append] = []
    for wishes in rounds:
        appends = [wish.append(example) for wish in wishes]
        outcomes = [_from(base, each) for each in await append_all(postgres_log, appends)]
        event(f"conflicts: {sum(not isinstance(each, Appended) for each in outcomes)}")
        done += await _explained(done, appends, outcomes)
    twin, _ = await _twin(done)
    found = [each._replace(position=each.position - base) for each in await postgres_log.read(base)]
    assert found == await twin.read(0)
    names = [(name.format(example), after) for name in NAMES for after in (0, 1)]
    positions = [[each.position for each in events] for events in await twin.read_streams(names)]
    assert [
        [each.position - base for each in events] for events in await postgres_log.read_streams(names)
    ] == positions


def _from(base: int, outcome: Outcome) -> Outcome:
    """The outcome, were the log empty before the example."""
    if not isinstance(outcome, Appended):
        return outcome
    first, last = outcome.first_position - base, outcome.last_position - base
    return replace(outcome, first_position=first, last_position=last)


async def _explained(
    done: Sequence[Append], appends: Sequence[Append], outcomes: Sequence[Outcome]
) -> Sequence[Append]:
    """An order of these appends in which the twin answers the same."""
    found = dict(zip(map(id, appends), outcomes, strict=True))
    for order in itertools.permutations(appends):
        _, answers = await _twin([*done, *order])
        if answers[len(done) :] == [found[id(each)] for each in order]:
            return order
    raise AssertionError(f"no order of {appends} explains {outcomes}")


async def _twin(appends: Sequence[Append]) -> tuple[MemoryLog, list[Outcome]]:
    twin = MemoryLog(StillClock())
    return twin, [await twin.append(each) for each in appends]
