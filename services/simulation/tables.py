"""What followers keep, in memory: the twin of the statements in `agents.sql`, `gateways.sql` and
`scheduler.sql`, and of those in `places.py` and `projected.py`, name by name.

Each method is one statement, so it is atomic. What a statement does not have on the disk when it answers may
be taken back by a crash of the server, the last of it first, as it is with `synchronous_commit = off`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import orjson

from eventstore.memory import MemoryLog
from eventstore.seams import Clock
from eventstore.statements import Rows
from projections.session import Call
from services.simulation.projected import Projected
from services.simulation.table import Table, Undo

T = TypeVar("T")


class Recorded(NamedTuple):
    """A reaction; its key in the table is (agent, position)."""

    commands: bytes
    key: str
    resend: bool


class AttemptsRow(NamedTuple):
    """Its key in the table is the first partition."""

    last: int
    resuming: bool
    position: int
    attempts: int


class DeadlineRow(NamedTuple):
    merchant: str
    correlation: str
    clock: str
    causation: str
    due_at: datetime


class CallRow(NamedTuple):
    attempts: int
    next_at: datetime


class WebhookRow(NamedTuple):
    stream: str
    correlation: str
    body: bytes
    attempts: int
    next_at: datetime
    matched: bool


class Tables(Projected):
    """One database's; `run` is a statement, `write` a transaction of several, `crash` is the server's."""

    def __init__(self, log: MemoryLog, clock: Clock) -> None:
        super().__init__(self._changed, clock)
        self._log = log
        self._volatile: list[Undo] = []
        """How to take back what is not on the disk yet, the oldest first."""
        self._commits: list[int] = []
        """Where each commit begins in it."""
        self.processes: Table[tuple[str, str], bytes] = Table(self._changed)
        self.reactions: Table[tuple[str, int], Recorded] = Table(self._changed)
        self.agent_attempts: Table[int, AttemptsRow] = Table(self._changed)
        self.deadlines: Table[tuple[str, str, str], DeadlineRow] = Table(self._changed)
        self.business_clocks: Table[str, datetime] = Table(self._changed)
        self.calls: Table[tuple[str, int], CallRow] = Table(self._changed)
        self.inbox: Table[tuple[str, str], WebhookRow] = Table(self._changed)
        self.by_name = {name: each for name, each in vars(self).items() if isinstance(each, Table)}
        self._tables = tuple(self.by_name.values())

    def run(self, name: str, arguments: dict[str, Any], *, relaxed: bool = False) -> Rows:
        """The statement of that name: all of it, or an error and nothing."""
        return self.transaction(lambda: self._do(Call(name, arguments)), _relaxed(name, arguments, relaxed))

    def write(self, calls: Sequence[Call]) -> None:
        """Several in one transaction: see `projections.session.Session.write`."""
        relaxed = any(_relaxed(call.name, call.arguments) for call in calls)
        self.transaction(lambda: [self._do(call) for call in calls], relaxed)

    def transaction(self, work: Callable[[], T], relaxed: bool = False) -> T:
        """What `work` returns: all of it is done, or there is an error and nothing."""
        start = len(self._volatile)
        try:
            found = work()
        except BaseException:
            self._take_back(start)
            raise
        if len(self._volatile) > start:  # else it has nothing to bring to the disk, nor what was before it
            if relaxed:
                self._commits.append(start)
            else:
                self.sync()
        return found

    def _do(self, call: Call) -> Rows:
        for table in self._tables:
            if table.touched:
                table.touched.clear()
        if call.model:
            return self.merge_rows(call)
        rows: Rows = getattr(self, call.name)(**call.arguments)
        return rows

    def sync(self) -> None:
        """Everything is on the disk, as it is after any commit that waits for it."""
        self._volatile.clear()
        self._commits.clear()

    def crash(self, lost: int) -> None:
        """The server dies: the last `lost` of the commits that are not on the disk are gone."""
        if lost and self._commits:
            self._take_back(self._commits[-min(lost, len(self._commits))])
        self.sync()

    @property
    def unsynced(self) -> int:
        """How many commits a crash might take back."""
        return len(self._commits)

    def _changed(self, undo: Undo) -> None:
        self._volatile.append(undo)

    def _take_back(self, start: int) -> None:
        while len(self._volatile) > start:
            self._volatile.pop()()

    # ---- agents.sql

    def load_processes(self, agents: Sequence[str], keys: Sequence[str]) -> Rows:
        wanted = zip(agents, keys, strict=True)
        return [(*key, state) for key in wanted if (state := self.processes.get(key)) is not None]

    def load_parked_keys(self, followers: Sequence[str]) -> Rows:
        return list(dict.fromkeys((f, key) for f, key, _ in self.parked.rows if f in followers))

    def load_unfinished(self, agents: Sequence[str], done: int, position: int) -> Rows:
        found = [
            (agent, at, row.key, row.commands)
            for (agent, at), row in self.reactions.rows.items()
            if agent in agents
            and (done < at <= position or row.resend)
            and (f"agent:{agent}", row.key, at) not in self.parked.rows
        ]
        return sorted(found, key=lambda row: row[1])

    def load_attempts(self) -> Rows:
        return [(first, *row) for first, row in sorted(self.agent_attempts.rows.items())]

    def count_attempts(
        self, firsts: Sequence[int], lasts: Sequence[int], resuming: bool, position: int, attempts: int
    ) -> Rows:
        for first, last in zip(firsts, lasts, strict=True):
            self.agent_attempts.upsert(first, AttemptsRow(last, resuming, position, attempts))
        for at, row in list(self.agent_attempts.rows.items()):
            if any(first < at and row.last <= last for first, last in zip(firsts, lasts, strict=True)):
                self.agent_attempts.delete(at)
        return ()

    def withdraw_attempts(
        self,
        firsts: Sequence[int],
        lasts: Sequence[int],
        resumings: Sequence[bool],
        positions: Sequence[int],
        attempts: Sequence[int],
    ) -> Rows:
        for first, *begun in zip(firsts, lasts, resumings, positions, attempts, strict=True):
            row = self.agent_attempts.get(first)
            if row is not None and row == tuple(begun):
                self.agent_attempts.update(first, row._replace(attempts=row.attempts - 1))
        return ()

    def record_reactions(
        self,
        follower: str,
        firsts: Sequence[int],
        lasts: Sequence[int],
        leases: Sequence[int],
        was: int,
        position: int,
        done: int,
        resend: bool,
        **pages: Any,
    ) -> Rows:
        held = self._parts(follower, firsts, lasts, leases, was)
        if not held or len(held) < len(firsts):
            self._lock(held)
            return ((False,),)
        for at, row in held:
            self._put(at, row._replace(position=position, done=done))
        # Postgres carries the other parts of a statement out from the last to the first
        for parker, key, at, error in _rows(
            pages, "parked_agents", "parked_keys", "parked_positions", "parked_errors"
        ):
            self.parked.insert((parker, key, at), error)
        self._ask(pages)
        for whose in _rows(pages, "withdrawn_agents", "withdrawn_keys", "withdrawn_names"):
            self.deadlines.delete(whose)
        for agent, at, _, key, _, commands in _rows(
            pages, "reaction_agents", "reaction_positions", "reaction_events", "reaction_keys",
            "rule_versions", "reaction_commands",
        ):  # fmt: skip
            self.reactions.insert((agent, at), Recorded(commands, key, resend))
        for agent, key, state in _rows(pages, "process_agents", "keys", "states"):
            self.processes.upsert((agent, key), state)
        return ((True,),)

    def _ask(self, pages: dict[str, Any]) -> None:
        for agent, key, name, merchant, correlation, clock, cause, due_at in _rows(
            pages, "deadline_agents", "deadline_keys", "deadline_names", "deadline_merchants",
            "deadline_correlations", "deadline_clocks", "deadline_causes", "due_at",
        ):  # fmt: skip
            self.deadlines.upsert(
                (agent, key, name), DeadlineRow(merchant, correlation, clock, cause, due_at)
            )

    def finish(
        self,
        follower: str,
        firsts: Sequence[int],
        lasts: Sequence[int],
        leases: Sequence[int],
        positions: Sequence[int],
    ) -> Rows:
        for first, last, lease, position in zip(firsts, lasts, leases, positions, strict=True):
            self._finish(follower, first, last, lease, position)
        return ()

    def _finish(self, follower: str, first: int, last: int, lease: int, position: int) -> bool:
        held = self._parts(follower, [first], [last], [lease], position)
        for at, row in held:
            self.checkpoints.update(at, row._replace(done=position))
        return bool(held)

    def end_resuming(
        self,
        follower: str,
        first: int,
        last: int,
        lease: int,
        position: int,
        agents: Sequence[str],
        positions: Sequence[int],
    ) -> Rows:
        if self._finish(follower, first, last, lease, position):
            for key in zip(agents, positions, strict=True):
                row = self.reactions.get(key)
                if row is not None and row.resend:
                    self.reactions.update(key, row._replace(resend=False))
        return ()

    def park(
        self,
        follower: str,
        first: int,
        last: int,
        lease: int,
        parker: str,
        key: str,
        positions: Sequence[int],
        errors: Sequence[str],
    ) -> Rows:
        row = self.checkpoints.get((follower, first))
        if row is None or (row.last, row.lease) != (last, lease):
            return ((False,),)
        self._lock([((follower, first), row)])
        for position, error in zip(positions, errors, strict=True):
            self.parked.add((parker, key, position), error)
        return ((True,),)

    # ---- scheduler.sql

    def due_deadlines(self, now: datetime, limit: int) -> Rows:
        parked = {key for follower, key, _ in self.parked.rows if follower == "scheduler"}
        wall: list[tuple[Any, ...]] = []
        played: list[tuple[Any, ...]] = []
        for (agent, key, name), row in self.deadlines.rows.items():
            if f"{agent} {key} {name}" in parked:
                continue
            clock = self.business_clocks.get(row.clock)
            if row.clock == "wall" and row.due_at <= now:
                wall.append((agent, key, name, *row))
            if clock is not None and row.due_at <= clock:
                played.append((agent, key, name, *row))
        return [*_first_due(wall, limit), *_first_due(played, limit)]

    def forget_deadlines(
        self,
        agents: Sequence[str],
        keys: Sequence[str],
        names: Sequence[str],
        causes: Sequence[str],
        due_at: Sequence[datetime],
    ) -> Rows:
        for *key, cause, due in zip(agents, keys, names, causes, due_at, strict=True):
            row = self.deadlines.get(tuple(key))  # type: ignore[arg-type]
            if row and (row.causation, row.due_at) == (cause, due):
                self.deadlines.delete(tuple(key))  # type: ignore[arg-type]
        return ()

    def park_deadlines(
        self, agents: Sequence[str], keys: Sequence[str], names: Sequence[str], errors: Sequence[str]
    ) -> Rows:
        for agent, key, name, error in zip(agents, keys, names, errors, strict=True):
            self.parked.add(("scheduler", f"{agent} {key} {name}", 0), error)
        return ()

    def set_business_clocks(self, clocks: Sequence[str], moments: Sequence[datetime]) -> Rows:
        for clock, moment in zip(clocks, moments, strict=True):
            self.business_clocks.upsert(clock, max(self.business_clocks.get(clock) or moment, moment))
        return ()

    # ---- gateways.sql

    def load_calls(self, gateway: str) -> Rows:
        written = range(1, len(self._log.events) + 1)
        found = sorted((at, row) for (name, at), row in self.calls.rows.items() if name == gateway)
        return [(row.attempts, row.next_at, *self._log.events[at - 1]) for at, row in found if at in written]

    def keep_place(
        self,
        follower: str,
        lease: int,
        was: int,
        position: int,
        gateway: str,
        closed: Sequence[int],
        **page: Any,
    ) -> Rows:
        commit = "off" if position > was else "on"
        if not self._move(follower, lease, was, position, position):
            return ((False, commit),)
        for at in closed:
            self.calls.delete((gateway, at))
        for at, _, attempts, next_at in _rows(page, "positions", "correlations", "attempts", "next_at"):
            self.calls.upsert((gateway, at), CallRow(attempts, next_at))
        return ((True, commit),)

    def load_moments(self, streams: Sequence[str]) -> Rows:
        found = []
        for stream in streams:
            event = self._log.last_of(stream)
            if event:
                clock = orjson.loads(event.metadata).get("clock")
                clock = "wall" if clock is None else clock
                now = self.business_clocks.get(clock)
                found.append((stream, event.merchant, event.correlation, event.occurred_at, clock, now))
        return found

    def receive_webhooks(
        self,
        providers: Sequence[str],
        ids: Sequence[str],
        streams: Sequence[str],
        correlations: Sequence[str],
        bodies: Sequence[bytes],
        seconds: float,
    ) -> Rows:
        due = self._in(seconds)
        arrived = zip(providers, ids, streams, correlations, bodies, strict=True)
        return [
            (provider, webhook_id)
            for provider, webhook_id, stream, correlation, body in arrived
            if self.inbox.add((provider, webhook_id), WebhookRow(stream, correlation, body, 0, due, False))
        ]

    def due_webhooks(self, seconds: float, limit: int) -> Rows:
        now = self._clock.now()
        due = [(key, row) for key, row in self.inbox.rows.items() if not row.matched and row.next_at <= now]
        due.sort(key=lambda each: each[1].next_at)
        for key, row in due[:limit]:
            self.inbox.put(key, row._replace(next_at=self._in(seconds)))
        return [(*key, row.stream, row.correlation, row.body, row.attempts) for key, row in due[:limit]]

    def release_webhooks(self) -> Rows:
        now = self._clock.now()
        for key, row in list(self.inbox.rows.items()):
            if not row.matched and row.next_at > now:
                self.inbox.put(key, row._replace(next_at=now))
        return ()

    def settle_webhooks(
        self,
        matched_providers: Sequence[str],
        matched_ids: Sequence[str],
        postponed_providers: Sequence[str],
        postponed_ids: Sequence[str],
        attempts: Sequence[int],
        pauses: Sequence[float],
    ) -> Rows:
        postponed = zip(postponed_providers, postponed_ids, attempts, pauses, strict=True)
        for provider, webhook_id, tried, pause_s in postponed:
            self._settle((provider, webhook_id), attempts=tried, next_at=self._in(pause_s))
        for key in zip(matched_providers, matched_ids, strict=True):
            self._settle(key, matched=True, body=b"")
        return (("off",),)

    def _settle(self, key: tuple[str, str], **changes: Any) -> None:
        row = self.inbox.get(key)
        if row:
            self.inbox.update(key, row._replace(**changes))


_RELAXED = frozenset({"move_checkpoint", "settle_webhooks", "begin_page"})
"""Statements whose text says that the commit does not wait for the disk."""


def _relaxed(name: str, arguments: Mapping[str, Any], relaxed: bool = False) -> bool:
    """`keep_place` says itself, whatever was said before."""
    if name == "keep_place":
        return bool(arguments["position"] > arguments["was"])
    return relaxed or name in _RELAXED


def _rows(page: dict[str, Any], *columns: str) -> Iterable[Any]:
    """The arrays of a statement as rows: `unnest`."""
    return zip(*(page[column] for column in columns), strict=True)


def _first_due(rows: list[tuple[Any, ...]], limit: int) -> list[tuple[Any, ...]]:
    return sorted(rows, key=lambda row: row[-1])[:limit]
