"""Which faults are there, and in which order does a seed inflict them?

Pure: the same seed and kinds give the same faults. How each is done stands in `strikes.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

SERVERS = ("postgres", "nats")
OURS = ("relay", "projector", "agents", "gateways", "scheduler", "sealer", "api")
WORLDS = ("world-payment", "world-carrier")
PROCESSES = (*SERVERS, *OURS, *WORLDS)
EVERYTHING, OUR_OWN = "everything", "all our processes"
LOADED, WAL = "tables", "tables and WAL"
TCP_SERVERS = ("nats", "api", "webhooks", "world-payment", "world-carrier")
LEASE_OUTLASTED = (5.5, 9.0)
"""Longer than the lease of a follower, which is 5 s: whoever wakes up after that has lost its place."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to whom; `seconds` is how long it lasts, 0 for what is over at once."""

    kind: str
    target: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: what it does, in a table's words, to whom it can be done, and how long it lasts."""

    what: str
    targets: tuple[str, ...]
    seconds: tuple[float, float] = (0.0, 0.0)
    own_ground: bool = False
    """Whether it needs a file system or a network of our own; see `ground.py`."""


KINDS = {
    "kill": Kind("kill -9", PROCESSES),
    "kill-all": Kind("kill -9, all at once", (EVERYTHING, OUR_OWN)),
    "kill-backend": Kind("kill -9, one Postgres backend of", OURS),
    "stop": Kind("SIGSTOP, then SIGCONT", PROCESSES, LEASE_OUTLASTED),
    "stop-backend": Kind("SIGSTOP, the Postgres backends of", OURS, LEASE_OUTLASTED),
    "restart": Kind("stopped in good order", PROCESSES),
    "cut": Kind("connections reset", TCP_SERVERS, own_ground=True),
    "cut-postgres": Kind("Postgres connections ended of", OURS),
    "network": Kind("no TCP between any processes", ("loopback",), LEASE_OUTLASTED, own_ground=True),
    "wipe": Kind("storage wiped while it is down", ("nats",)),
    "disk": Kind("disk full of Postgres", (LOADED, WAL), (6.0, 12.0), own_ground=True),
}


def possible_kinds(*, own_ground: bool) -> tuple[str, ...]:
    """The kinds of fault that can be inflicted here."""
    return tuple(name for name, kind in KINDS.items() if own_ground or not kind.own_ground)


def plan(seed: int, kinds: Sequence[str]) -> Iterator[Fault]:
    """Without end. Each turn has every kind once, shuffled; a target comes again after all of its kind's."""
    chance = Random(seed)
    waiting: dict[str, list[str]] = {name: [] for name in kinds}
    while True:
        for name in chance.sample(kinds, len(kinds)):
            kind = KINDS[name]
            if not waiting[name]:
                waiting[name] = chance.sample(kind.targets, len(kind.targets))
            yield Fault(name, waiting[name].pop(), round(chance.uniform(*kind.seconds), 1))
