"""Do workers, each of which computes its share alone, always arrive at one division of all partitions?

The machine plays a follower's checkpoints with the functions that the real ones are kept by; what the
database does with them is in `tests/integration/test_shares.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from eventstore.partitions import PARTITIONS, WHOLE, Partitions, covered, cut, partition_of, runs, share
from eventstore.shares import adjoining

ROUNDS_MAX = 4


@dataclass(slots=True)
class Row:
    """A checkpoint of one follower; `holder` 0 is nobody."""

    partitions: Partitions
    position: int = 0
    holder: int = 0
    lease: int = 0
    follower: str = "f"


@st.composite
def ranges(draw: st.DrawFn) -> Partitions:
    first = draw(st.integers(0, PARTITIONS - 1))
    return Partitions(first, draw(st.integers(first, PARTITIONS - 1)))


def test_keys_keep_their_partitions() -> None:
    """Checkpoints are stored by this hash: it may never change."""
    keys = ("order-m1.o1", "stock-m1.A%2D1.main", "merchant-m1", "é")
    assert [partition_of(key) for key in keys] == [42, 7, 40, 45]


def test_keys_are_spread_evenly() -> None:
    counts = [0] * PARTITIONS
    for number in range(64_000):
        counts[partition_of(f"order-m{number % 7}.o{number}")] += 1
    assert min(counts) > 800
    assert max(counts) < 1200


@given(st.integers(1, 200))
def test_shares_cover_every_partition_once_and_alike(count: int) -> None:
    shares = [each for index in range(count) if (each := share(index, count))]
    assert runs(shares) == [shares]
    assert covered(shares) == PARTITIONS
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert len(shares) == min(count, PARTITIONS)


@given(ranges(), ranges())
def test_what_is_cut_is_whole_together_and_lies_on_one_side_each(
    whole: Partitions, wanted: Partitions
) -> None:
    parts = cut(whole, wanted)
    assert runs(parts) == [parts]
    assert (parts[0].first, parts[-1].last) == (whole.first, whole.last)
    for part in parts:
        overlaps = part.first <= wanted.last and wanted.first <= part.last
        assert part.within(wanted) or not overlaps


class Workers(RuleBasedStateMachine):
    """Workers come, go, die, work and look, in any order, each with a list of the living that may be old."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = [Row(WHOLE)]
        self.living: list[int] = []
        self.seen: dict[int, list[int]] = {}
        self.last = 0
        self.taken = [0] * PARTITIONS  # up to where, by partition

    @initialize()
    def first(self) -> None:
        self.join()

    @rule()
    def join(self) -> None:
        self.last += 1
        self.living.append(self.last)
        self.seen[self.last] = list(self.living)

    @precondition(lambda self: self.living)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """By a word or without: what it held is free after a while."""
        dead = data.draw(st.sampled_from(self.living))
        self.living.remove(dead)
        del self.seen[dead]
        for row in self.rows:
            row.holder = 0 if row.holder == dead else row.holder

    @precondition(lambda self: self.living)
    @rule(data=st.data(), sees=st.booleans())
    def refresh(self, data: st.DataObject, sees: bool) -> None:
        worker = data.draw(st.sampled_from(self.living))
        if sees:
            self.seen[worker] = list(self.living)
        self._refresh(worker)

    @rule(data=st.data(), steps=st.integers(1, 3))
    def work(self, data: st.DataObject, steps: int) -> None:
        held = [row for row in self.rows if row.holder]
        if held:
            row = data.draw(st.sampled_from(held))
            self._move(row, row.position + steps)

    def _move(self, row: Row, position: int) -> None:
        row.position = position
        for partition in range(row.partitions.first, row.partitions.last + 1):
            self.taken[partition] = position

    def _refresh(self, worker: int) -> bool:
        """What `Holding.refresh` does; whether it changed anything."""
        before = [(row.partitions, row.holder, row.lease) for row in self.rows]
        wanted = share(self.seen[worker].index(worker), len(self.seen[worker]))
        for row in self.rows:
            if row.holder == worker and not row.partitions.within(wanted):
                row.holder = 0
        if wanted:
            self._take(worker, wanted)
        self._merge(worker)
        return before != [(row.partitions, row.holder, row.lease) for row in self.rows]

    def _take(self, worker: int, wanted: Partitions) -> None:
        for row in [row for row in self.rows if not row.holder]:
            overlaps = row.partitions.first <= wanted.last and wanted.first <= row.partitions.last
            if overlaps:
                self.rows.remove(row)
                for part in cut(row.partitions, wanted):
                    mine = part.within(wanted)
                    lease = row.lease + mine
                    self.rows.append(Row(part, row.position, worker if mine else 0, lease))

    def _merge(self, worker: int) -> None:
        for first, *rest in adjoining([row for row in self.rows if row.holder == worker]):
            first.partitions = Partitions(first.partitions.first, rest[-1].partitions.last)
            first.lease = 1 + max(row.lease for row in (first, *rest))
            self.rows = [row for row in self.rows if not any(row is each for each in rest)]

    @invariant()
    def every_partition_stands_in_one_row(self) -> None:
        ranges = [row.partitions for row in self.rows]
        assert covered(ranges) == PARTITIONS
        assert len(runs(ranges)) == 1

    @invariant()
    def a_row_stands_where_each_of_its_partitions_does(self) -> None:
        for row in self.rows:
            assert set(self.taken[row.partitions.first : row.partitions.last + 1]) == {row.position}

    def teardown(self) -> None:
        """Once all see the same, a few rounds give each its share, and then nothing moves any more."""
        if not self.living:
            return
        for worker in self.living:
            self.seen[worker] = list(self.living)
        for _ in range(ROUNDS_MAX):
            for worker in self.living:
                self._refresh(worker)
            end = max(row.position for row in self.rows)
            for row in self.rows:
                self._move(row, end)
        for worker in self.living:
            assert not self._refresh(worker)
        held = {row.holder: row.partitions for row in self.rows}
        assert len(held) == len(self.rows)
        assert held == {
            worker: part
            for index, worker in enumerate(self.living)
            if (part := share(index, len(self.living)))
        }


TestWorkers = Workers.TestCase
