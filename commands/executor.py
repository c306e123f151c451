"""How a command is carried out: load, decide, append; again from the start when someone was faster.

The ledger makes it safe to send a command twice: the same command id gets its first outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from weakref import WeakValueDictionary

import orjson

from commands.fold import State
from commands.states import States
from domain.aggregates import aggregate_of
from domain.kernel import Event, Group, Refused
from eventstore.codec import encode, subject_of
from eventstore.keyring import Keyring
from eventstore.log import Append, Appended, Conflict, Log, StreamAppend
from eventstore.seams import Ids
from eventstore.snapshots import Snapshots

ATTEMPTS = 50


class TooMuchContention(Exception):
    """Others changed the same streams first, again and again; nothing was done. Try again."""


@dataclass(frozen=True, slots=True)
class Context:
    """Whose command it is, what it belongs to and when it happens in business time.

    `causation` is the event or request that caused it; `clock` is `wall`, or the checkout on whose business
    clock it is played; `fingerprint` tells a repeated command from another with the same id. `failed_tries`:
    how often what it tells of was tried before, in vain; it stands in the events' metadata if it is not 0.
    """

    command_id: UUID
    merchant: str
    actor: str
    correlation: str
    causation: str
    occurred_at: datetime
    clock: str = "wall"
    fingerprint: bytes = b""
    failed_tries: int = 0

    def metadata(self) -> bytes:
        tries = {"failed_tries": self.failed_tries} if self.failed_tries else {}
        return orjson.dumps({"actor": self.actor, "clock": self.clock, **tries})


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a command. `refused` is the rule that it broke; then nothing was appended.

    `position` is the last position of its events, or the head's at that time if there were none.
    """

    position: int
    events: tuple[Event, ...] = ()
    repeated: bool = False
    fingerprint: bytes = b""
    answer: bytes = b""
    refused: Refused | None = None


@dataclass(slots=True)
class _Decision:
    """The events of a group by stream, each with the state that they were decided on."""

    by_stream: dict[str, tuple[State, list[Event]]] = field(default_factory=dict)

    def kept(self) -> dict[str, tuple[State, list[Event]]]:
        """Without empty streams; and if one says no, only those that say no."""
        filled = {stream: each for stream, each in self.by_stream.items() if each[1]}
        saying_no = {
            stream: (state, [event for event in events if event.refusal])
            for stream, (state, events) in filled.items()
            if any(event.refusal for event in events)
        }
        return saying_no or filled


class Executor:
    """Carries out groups of commands on a log; one for each process."""

    def __init__(self, log: Log, ids: Ids, keyring: Keyring, snapshots: Snapshots | None = None) -> None:
        self.states = States(log, snapshots)
        self._log = log
        self._ids = ids
        self._keyring = keyring
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def execute(self, group: Group, context: Context, answer: bytes = b"") -> Done:
        """Carry out a group, all or nothing. A refusal is an outcome too, and is kept in the ledger.

        Raises TooMuchContention, LogUnavailable, EpochChanged.
        """
        streams = list(dict.fromkeys(target.stream for target in group.targets))
        if all(target.command.creates for target in group.targets):
            return await self._attempt(group, streams, context, answer, creates=True)
        # commands of one process on the same stream take turns, as they would only conflict
        turns = [self._turns.setdefault(stream, asyncio.Lock()) for stream in sorted(streams)]
        taken: list[asyncio.Lock] = []
        try:
            for turn in turns:
                await turn.acquire()
                taken.append(turn)
            return await self._attempt(group, streams, context, answer, creates=False)
        finally:
            for turn in taken:
                turn.release()

    async def _attempt(
        self, group: Group, streams: list[str], context: Context, answer: bytes, *, creates: bool
    ) -> Done:
        states = self._cached(streams, creates)
        fresh = states is None
        for _ in range(ATTEMPTS):
            if states is None:
                states = dict(zip(streams, await self.states.load(streams), strict=True))
            try:
                decision = _decide(group, states)
            except Refused as refused:
                # checked by nobody: retaken on what is surely fresh before it is answered
                if fresh:
                    return await self._refuse(refused, context)
                states, fresh = None, True
                continue
            kept = decision.kept()
            if len(kept) < len(streams) and not fresh:
                # the append checks the versions of the streams that it adds to: of the others nobody would
                states, fresh = None, True
                continue
            outcome = await self._append(kept, context, answer)
            if isinstance(outcome, Conflict):
                states, fresh = None, True
                continue
            return self._done(kept, outcome)
        raise TooMuchContention(f"{', '.join(streams)}: others were faster {ATTEMPTS} times; try again")

    def _cached(self, streams: Sequence[str], creates: bool) -> dict[str, State] | None:
        """What is known without asking, or None if asking is needed."""
        states: dict[str, State] = {}
        for stream in streams:
            known = self.states.known(stream) or (self.states.initial(stream) if creates else None)
            if known is None:
                return None
            states[stream] = known
        return states

    async def _append(
        self, kept: dict[str, tuple[State, list[Event]]], context: Context, answer: bytes
    ) -> Appended | Conflict:
        subjects = {s for _, events in kept.values() for event in events if (s := subject_of(event))}
        if subjects:
            await self._keyring.ensure(subjects)
        appends = tuple(
            StreamAppend(
                stream, state.version, tuple(encode(event, self._ids, self._keyring) for event in events)
            )
            for stream, (state, events) in kept.items()
        )
        return await self._log.append(
            Append(
                command_id=context.command_id,
                merchant=context.merchant,
                correlation=context.correlation,
                causation=context.causation,
                occurred_at=context.occurred_at,
                streams=appends,
                metadata=context.metadata(),
                fingerprint=context.fingerprint,
                answer=answer,
            )
        )

    async def _refuse(self, refused: Refused, context: Context) -> Done:
        answer = orjson.dumps({"refused": {"rule": refused.rule, "message": refused.message}})
        outcome = await self._append({}, context, answer)
        assert isinstance(outcome, Appended)
        if outcome.repeated:
            return self._done({}, outcome)
        return Done(outcome.last_position, refused=refused, fingerprint=context.fingerprint, answer=answer)

    def _done(self, kept: dict[str, tuple[State, list[Event]]], outcome: Appended) -> Done:
        if outcome.repeated:
            refused = orjson.loads(outcome.answer).get("refused") if outcome.answer else None
            return Done(
                outcome.last_position,
                repeated=True,
                fingerprint=outcome.fingerprint,
                answer=outcome.answer,
                refused=Refused(refused["rule"], refused["message"]) if refused else None,
            )
        for stream, (state, events) in kept.items():
            self.states.applied(stream, state, events)
        return Done(outcome.last_position, tuple(e for _, events in kept.values() for e in events))


def _decide(group: Group, states: dict[str, State]) -> _Decision:
    """Decide each command on the state that those before it in the group have left."""
    decision = _Decision()
    evolved = {stream: state.state for stream, state in states.items()}
    for target in group.targets:
        aggregate = aggregate_of(target.stream)
        events = aggregate.decide(target.command, evolved[target.stream])
        evolved[target.stream] = aggregate.fold(events, evolved[target.stream])
        _, before = decision.by_stream.setdefault(target.stream, (states[target.stream], []))
        before.extend(events)
    return decision
