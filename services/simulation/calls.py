"""How were the providers called, and by whom? Who may not know whether a call was made, must ask first."""

from __future__ import annotations

from collections import Counter, defaultdict

from services.gateways.gateway import account_path
from services.gateways.payment_calls import DISPUTES, INTENTS, REFUNDS, intent_path, search_path
from services.simulation.process import Process
from services.worlds.stage import stable_id


class Calls:
    """All calls of a history. `hasty` tells of those that were made once more without asking.

    A worker that has not noticed yet that another one leads may repeat what that one calls for: the provider
    knows the key. In the same life, or for what was called for before it began, nobody may: a provider
    forgets keys after a while.
    """

    def __init__(self) -> None:
        self.made: Counter[tuple[str, str]] = Counter()
        """By method and path."""
        self.hasty: list[str] = []
        self._askers: dict[str, set[Process]] = defaultdict(set)
        self._callers: dict[str, tuple[Process, float]] = {}
        self._born: dict[Process, float] = {}

    def begin(self, process: Process, now: float) -> None:
        """A life of a caller."""
        self._born[process] = now

    def note(self, process: Process, now: float, method: str, path: str, key: str) -> None:
        self.made[method, path] += 1
        if method == "GET":
            self._askers[path].add(process)
            return
        caller, called = self._callers.get(f"{path} {key}", (None, now))
        doubtful = caller is process or called < self._born[process]
        if doubtful and not any(process in self._askers[each] for each in _accounts_of(path, key)):
            self.hasty.append(f"{path} was called again under the key {key}, and nobody had asked")
        self._callers[f"{path} {key}"] = process, now


def _accounts_of(path: str, key: str) -> tuple[str, ...]:
    """Where the provider shows what the call is about. A shipment has the key of the call that makes it; of a
    payment the key begins with our stream, and the provider's own name follows from that here."""
    if path.startswith((DISPUTES, INTENTS, REFUNDS)):
        stream = key.partition("/")[0]
        return search_path(stream), intent_path(stable_id("pi", stream))
    start, _, last = path.rpartition("/")
    return (account_path(path, key) if last == "shipments" else start,)
