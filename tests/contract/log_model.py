"""What should the log hold and answer? The twin in memory and the library's recorder, step by step together.

The ledger says which appends were done, and in which order. `explain` makes the model do the same, one by
one, and wants every answer to be the model's at some moment between the call's beginning and its end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import pytest
from eventsourcing.persistence import IntegrityError
from eventsourcing.persistence import StoredEvent as LibraryEvent
from eventsourcing.popo import POPOApplicationRecorder

from eventstore.log import Append, Appended, Conflict, InvalidAppend, StoredEvent
from eventstore.memory import MemoryLog
from tests.contract.appends import StillClock
from tests.contract.log_calls import Answer, Call, Key, Raised, is_poison

Ledger = Mapping[Key, Appended]


class CheckViolation(Exception):
    """What the database says of poison."""


class CheckedLog(MemoryLog):
    """The twin, with the constraint that the tests' database has."""

    def _write(self, append: Append, recorded_at: datetime) -> None:
        if is_poison(append):
            raise CheckViolation
        super()._write(append, recorded_at)


class Model:
    """The log as it should be."""

    def __init__(self) -> None:
        self.twin = CheckedLog(StillClock())
        self.recorder = POPOApplicationRecorder()

    def versions(self) -> dict[str, int]:
        return {event.stream: event.version for event in self.twin.events}

    async def expects(self, append: Append) -> Answer:
        """What this append would be answered now; nothing is changed."""
        fork = CheckedLog(StillClock())
        fork.events, fork.ledger = list(self.twin.events), dict(self.twin.ledger)
        fork._streams = defaultdict(list, {name: list(own) for name, own in self.twin._streams.items()})
        try:
            outcome = await fork.append(append)
        except (InvalidAppend, CheckViolation) as error:
            return Raised(type(error).__name__)
        if isinstance(outcome, Conflict):
            self._recorder_refuses(append, outcome)
        return outcome

    async def apply(self, append: Append) -> Appended:
        """Do it, in both."""
        outcome = await self.twin.append(append)
        assert isinstance(outcome, Appended), f"it was done, where only this was right: {outcome}"
        new = self.twin.events[outcome.first_position - 1 : outcome.last_position]
        ids = self.recorder.insert_events(list(map(library_event, new)))
        assert list(ids or ()) == [event.position for event in new]
        return outcome

    def _recorder_refuses(self, append: Append, conflict: Conflict) -> None:
        """The library refuses a version that is taken (and takes a gap, which nobody asks of it here)."""
        (wrong,) = (each for each in append.streams if each.stream == conflict.stream)
        taken = self.recorder.select_events(wrong.stream, gt=wrong.expected_version, limit=1)
        if taken and taken[0].originator_version == wrong.expected_version + 1:
            before = self.recorder.max_notification_id()
            with pytest.raises(IntegrityError):
                self.recorder.insert_events(
                    [
                        LibraryEvent(each.stream, version, event.type, event.data)
                        for each in append.streams
                        for version, event in enumerate(each.events, each.expected_version + 1)
                    ]
                )
            assert self.recorder.max_notification_id() == before


def library_event(event: StoredEvent) -> LibraryEvent:
    return LibraryEvent(event.stream, event.version, event.type, event.data)


async def explain(model: Model, calls: Sequence[Call], ledger: Ledger, *, faulty: bool) -> None:
    """Move the model on over what the ledger has new; every answer must be right at some moment of its call.

    Only in a `faulty` round may an answer be missing, or an append's first answer be that of a repetition.
    """
    new = [key for key in ledger if key not in model.twin.ledger]
    new.sort(key=lambda key: (ledger[key].first_position, ledger[key].last_position))
    done = [_who_did(calls, key, ledger[key], faulty=faulty) for key in new]
    waiting = [call for call in calls if call.answer is not None and call not in done]
    for call in waiting:
        fresh = isinstance(call.answer, Appended) and not call.answer.repeated
        assert not fresh, f"answered as done, but it is not there: {call}"
    for moment in range(len(done) + 1):
        for call in tuple(waiting):
            if _fits(call, moment, done) and await model.expects(call.append) == _plain(call.answer):
                waiting.remove(call)
        if moment < len(done):
            call = done[moment]
            assert _fits(call, moment, done), f"done before it was sent, or after it was answered: {call}"
            outcome = await model.apply(call.append)
            entry = model.twin.ledger[call.key]
            assert ledger[call.key] == entry, f"the ledger says {ledger[call.key]} of {call}"
            known = (outcome, entry) if faulty else (outcome,)
            assert call.answer is None or call.answer in known, f"it was done as {outcome}: {call}"
    assert not waiting, "no moment explains " + "; ".join(map(str, waiting))


def _plain(answer: Answer | None) -> Answer | None:
    return Raised(answer.name) if isinstance(answer, Raised) else answer


def _who_did(calls: Sequence[Call], key: Key, entry: Appended, *, faulty: bool) -> Call:
    """Which call made an entry of the ledger: the one that was told so, else one whose answer was lost."""
    same = [
        call
        for call in calls
        if call.key == key
        and (call.append.fingerprint, call.append.answer) == (entry.fingerprint, entry.answer)
    ]
    assert same, f"the ledger has what nobody sent: {key} {entry}"
    told = [call for call in same if isinstance(call.answer, Appended) and not call.answer.repeated]
    assert len(told) <= 1, f"done twice: {'; '.join(map(str, told))}"
    assert told or faulty, f"done, and nobody was told: {'; '.join(map(str, same))}"
    return told[0] if told else min(same, key=lambda call: call.began)


def _fits(call: Call, moment: int, done: Sequence[Call]) -> bool:
    """Whether the call may have had its effect when so many of `done` were done."""
    earlier = [index for index, other in enumerate(done) if other.ended < call.began]
    later = [index for index, other in enumerate(done) if other.began > call.ended]
    return all(index < moment for index in earlier) and all(index >= moment for index in later)
