"""What is a read model made of? A pure `project`, the statements that merge its rows, and its tables.

Each has a module and a `.sql` file of its own name. In the SQL, `_g0` at the end of a table's name stands
for the generation that is worked on: a rebuild fills `orders_g3` beside `orders_g2`, which the view `orders`
shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from domain.aggregates import OF_AN_ORDER
from domain.kernel import Event, Fact
from domain.streams import order_stream
from eventstore.partitions import Partitions, partition_of
from eventstore.queries import load_queries

Rows = Mapping[str, Sequence[Any]]
"""Statement -> rows: slotted dataclasses or named tuples, whose fields are its parameters, an array each."""
_GENERATION = re.compile(r"_g0\b")


@dataclass(frozen=True, slots=True)
class ReadModel:
    """`project` gets the facts of `events` only, in order, and returns rows in the order of their merging.

    A read model whose `version` is not that of its live generation is built anew.
    """

    name: str
    tables: tuple[str, ...]
    events: tuple[type[Event], ...]
    project: Callable[[Sequence[Fact]], Rows]
    version: int = 1
    personal: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Table -> its columns in plain text of a person; such a table has a column `subject`."""
    sums: bool = False
    """Whether what is of one order, or one event of no order, adds to its rows whatever the others do."""
    shared_rows: bool = False
    """Whether keys of several partitions share rows: those who move parts of it take turns at these."""

    @property
    def team(self) -> str:
        """Who can follow it: workers of the same version share it, whichever generation is live."""
        return f"projection:{self.name}:v{self.version}"

    def follower(self, generation: int) -> str:
        """The name of its checkpoint."""
        return f"projection:{self.name}:g{generation}"

    def tables_of(self, generation: int | str) -> list[str]:
        return [table_of(table, generation) for table in self.tables]


def table_of(table: str, generation: int | str) -> str:
    """The name of a table's generation; a word instead of a number names a temporary one."""
    return f"{table}_g{generation}" if isinstance(generation, int) else f"{table}_{generation}"


@cache
def _source(name: str) -> Any:
    return load_queries("projections", f"{name}.sql")


@cache
def statement(model: str, name: str, generation: int | str) -> bytes:
    """A statement of the read model's `.sql` file, for the tables of that generation."""
    text: str = getattr(_source(model), name).sql
    ending = f"_g{generation}" if isinstance(generation, int) else f"_{generation}"
    return _GENERATION.sub(ending, text).encode()


def order_key(fact: Fact) -> str:
    """Whose turn it is: facts of one order stay in order, also when one of them is parked.

    Facts of an order and of what is about it (its payments, its parcels …) share the order's key; any other
    has its stream's.
    """
    if fact.category in OF_AN_ORDER:
        return f"{fact.merchant}/{fact.event.order_id}"  # type: ignore[attr-defined]
    return fact.stream


_FOR_ALL = ("erasure",)
"""What concerns the rows of any key: every worker takes it, in its place among its own."""
_NOT_BY_STREAM = OF_AN_ORDER.difference({"order"}).union(_FOR_ALL)


@lru_cache(maxsize=65536)
def partition_in_stream(stream: str) -> int | None:
    """The partition of a stream's facts, where the stream alone tells it."""
    category = stream.partition("-")[0]
    return None if category in _NOT_BY_STREAM else partition_of(stream)


def concerns(partitions: Partitions, fact: Fact) -> bool:
    """Whether it is for who has these partitions: a fact of one of their keys, or one that is for all."""
    return fact.category in _FOR_ALL or partition_of_fact(fact) in partitions


def partition_of_fact(fact: Fact) -> int:
    """Facts of one key (see `order_key`) are in one partition: that of the order, or of their stream.

    Those that are for all have none.
    """
    partition = partition_in_stream(fact.stream)
    if partition is None:
        order_id: str = fact.event.order_id  # type: ignore[attr-defined]
        partition = partition_in_stream(order_stream(fact.merchant, order_id))
        assert partition is not None
    return partition
