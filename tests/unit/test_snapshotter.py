"""When is a snapshot taken, and which one does a load begin at? Only at one that could not be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from commands import snapshotter as module
from commands.fold import Folder, State
from commands.snapshotter import SNAPSHOT_EVENTS, Snapshotter
from commands.states import PROBE, States
from domain.inventory import STOCK, Stock, StockReceived
from eventstore.codec import encode
from eventstore.keyring import Keyring, MemoryKeyStore
from eventstore.log import STREAM_LIMIT, Append, Content, StreamAppend
from eventstore.memory import MemoryLog
from eventstore.seams import RandomIds
from eventstore.snapshots import MemorySnapshots, Snapshot, encode_state, form_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STREAM = "stock-m.a.main"
LIE = Stock(on_hand=10**6)
"""A state that no load may give, and that tells where a load began."""


class CountingLog(MemoryLog):
    """Counts the events that are read to fold them."""

    count = 0

    async def read_contents(
        self, wanted: Sequence[tuple[str, int]], limit: int = STREAM_LIMIT
    ) -> list[list[Content]]:
        found = await super().read_contents(wanted, limit)
        self.count += sum(map(len, found))
        return found


async def grow(log: MemoryLog, events: int, version: int = 0) -> None:
    ids, keyring = RandomIds(), Keyring(bytes(32), MemoryKeyStore())
    received = StockReceived(sku="a", warehouse="main", quantity=1)
    new = tuple(encode(received, ids, keyring) for _ in range(events))
    await log.append(Append(ids.new(), "m", "c", "c", NOW, (StreamAppend(STREAM, version, new),)))


async def kept(log: MemoryLog, version: int, /, **changed: Any) -> MemorySnapshots:
    """Snapshots with a lie about that version: a load that begins there is found out by it."""
    ((event,),) = await log.read_streams([(STREAM, version - 1)], 1)
    lie = Snapshot(STREAM, version, event.leaf_hash, form_of(STOCK), encode_state(STOCK, LIE))
    snapshots = MemorySnapshots(log)
    await snapshots.keep(lie._replace(**changed))
    return snapshots


async def load(log: MemoryLog, snapshots: MemorySnapshots | None) -> State:
    (state,) = await States(log, snapshots).load([STREAM])
    return state


async def test_a_load_begins_at_the_snapshot() -> None:
    log = CountingLog()
    await grow(log, 1_000)
    snapshots = await kept(log, 990)
    log.count = 0
    state = await load(log, snapshots)
    assert (state.version, state.state.on_hand) == (1_000, LIE.on_hand + 10)
    assert log.count == PROBE + 10, "the probe, and the rest"


@pytest.mark.parametrize(
    "changed",
    [
        {"form": f"2{form_of(STOCK)[1:]}"},
        {"form": f"{STOCK.evolve_version}.{'0' * 16}"},
        {"leaf_hash": bytes(32)},
        {"version": 1_001},
        {"version": 989},
        {"state": b"{"},
        {"state": b'{"on_hand": "many"}'},
    ],
    ids=["fold", "shape", "event", "ahead", "other event", "no JSON", "no state"],
)
async def test_a_load_passes_over_a_snapshot_that_may_be_wrong(changed: dict[str, Any]) -> None:
    """Of another fold or shape, of another event or of none, or none at all."""
    log = MemoryLog()
    await grow(log, 1_000)
    state = await load(log, await kept(log, 990, **changed))
    assert (state.version, state.state.on_hand) == (1_000, 1_000)


async def test_a_short_stream_is_not_asked_for_a_snapshot() -> None:
    log = CountingLog()
    await grow(log, PROBE - 1)
    assert (await load(log, await kept(log, 5))).state.on_hand == PROBE - 1


async def test_who_loads_or_appends_takes_one_when_the_stream_has_grown_by_enough() -> None:
    log = MemoryLog()
    snapshots = MemorySnapshots(log)
    states = States(log, snapshots)
    await grow(log, SNAPSHOT_EVENTS)
    (state,) = await states.load([STREAM])
    await states.rest()
    assert snapshots.kept[STREAM].version == SNAPSHOT_EVENTS
    taken = []
    for version in range(SNAPSHOT_EVENTS, 2 * SNAPSHOT_EVENTS + 50, 50):
        await grow(log, 50, version)
        states.applied(STREAM, state, [StockReceived(sku="a", warehouse="main", quantity=1)] * 50)
        await states.rest()
        state = states.known(STREAM) or state
        taken.append(snapshots.kept[STREAM].version)
    assert set(taken) == {SNAPSHOT_EVENTS, 2 * SNAPSHOT_EVENTS}
    assert (await load(log, snapshots)).state == (await load(log, None)).state


async def test_a_failure_is_nobodys_but_its_own_and_is_tried_again_later() -> None:
    class Broken(MemorySnapshots):
        async def load(self, wanted: Sequence[tuple[str, str]]) -> dict[str, Snapshot]:
            raise OSError("away")

        async def keep(self, snapshot: Snapshot) -> None:
            raise OSError("away")

    log = MemoryLog()
    await grow(log, 1_000)
    states = States(log, Broken(log))
    with capture_logs() as logs:
        (state,) = await states.load([STREAM])
        await states.rest()
    assert state.state.on_hand == 1_000
    assert {each["event"] for each in logs} == {"snapshots_not_read", "snapshot_not_taken"}


async def test_a_state_that_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    await grow(log, 10)
    snapshots = MemorySnapshots(log)
    snapshotter = Snapshotter(log, snapshots, Folder(), every=10)
    monkeypatch.setattr(module, "SNAPSHOT_BYTES_MAX", 10)
    snapshotter.grown(STREAM, State(10, Stock(on_hand=10)))
    await snapshotter.rest()
    assert snapshots.kept == {}
