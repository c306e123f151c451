"""Bugs in how read models are moved, planted one at a time: see `mutants.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

from eventstore.statements import Rows
from projections import advance, holding
from projections.advance import Advancer
from projections.holding import Holding
from projections.runner import ProjectionRunner
from services.simulation.system import Parts
from services.simulation.tables import Tables
from tests.simulation.planting import Mutant, changed


class UnfencedPages(Tables):
    """A page of read models moves whatever it names, wherever that stands and whoever has it."""

    def begin_page(
        self,
        followers: Sequence[str],
        firsts: Sequence[int],
        lasts: Sequence[int],
        leases: Sequence[int],
        was: int,
        position: int,
    ) -> Rows:
        for at in zip(followers, firsts, strict=True):
            row = self.checkpoints.get(at)
            if row is not None:
                self.checkpoints.put(at, row._replace(position=position, done=position))
        return ()


@contextmanager
def _greedy() -> Iterator[None]:
    """A worker merges the facts of all partitions, whoever has them."""
    decoding = changed(Advancer, "prepare", "self._keyring, ranges)", "self._keyring)")
    with decoding(), patch.object(advance, "facts_in", lambda _, facts: facts):
        yield


PROJECTION_MUTANTS = (
    Mutant(
        "rows come after their position",
        Parts(),
        planted=changed(
            Advancer,
            "_write",
            "await self._session.write(calls)",
            "await self._session.write(calls[:1]); await self._session.write(calls[1:])",
        ),
    ),
    Mutant(
        "rows come before their position",
        Parts(),
        planted=changed(
            Advancer,
            "_write",
            "await self._session.write(calls)",
            "await self._session.write(calls[1:]); await self._session.write(calls[:1])",
        ),
    ),
    Mutant("pages of read models are not fenced", Parts(tables=UnfencedPages), "all,pause=0.3"),
    Mutant("a worker merges the facts of others", Parts(), planted=_greedy),
    Mutant(
        "what comes after a parked fact is merged",
        Parts(),
        "all,poison=0.01",
        planted=changed(advance, "work_of", "if follow.parked:", "if False:"),
    ),
    Mutant(
        "who takes a read model forgets what is parked",
        Parts(),
        "all,poison=0.01",
        planted=changed(Holding, "_take", "parked.setdefault(follower, set()).add(key)", "pass"),
    ),
    Mutant(
        "what was prepared before a key was parked is merged",
        Parts(),
        "all,poison=0.03",
        planted=changed(
            ProjectionRunner,
            "_move",
            "if not await advancer.advance(group, events, works):",
            "if not await advancer.advance(group, events, works) and False:",
        ),
    ),
    Mutant(
        "parts become one wherever they stand",
        Parts(),
        planted=changed(
            holding, "adjoining", "return each.follower, each.position", "return each.follower, 0"
        ),
    ),
)
