"""Logs and feeds with one mistake each, that event stores or their followers are known to make."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from eventstore.feed import Feed
from eventstore.log import PAGE, Append, Appended, Conflict, Outcome, StoredEvent
from tests.contract.log_model import CheckedLog


class NoVersions(CheckedLog):
    """Appends wherever the stream stands."""

    async def append(self, append: Append) -> Outcome:
        versions = {event.stream: event.version for event in self.events}
        streams = (
            replace(each, expected_version=versions.get(each.stream, 0), begins_anywhere=False)
            for each in append.streams
        )
        return await super().append(replace(append, streams=tuple(streams)))


class NoLedger(CheckedLog):
    """Keeps no ledger."""

    async def append(self, append: Append) -> Outcome:
        outcome = await super().append(append)
        self.ledger.pop((append.merchant, append.command_id), None)
        return outcome


class Again(CheckedLog):
    """Does a repeated command once more where its streams stand now."""

    async def append(self, append: Append) -> Outcome:
        if not self.ledger.pop((append.merchant, append.command_id), None):
            return await super().append(append)
        return await NoVersions.append(self, append)  # type: ignore[arg-type]


class VersionsFirst(CheckedLog):
    """Compares versions before it looks into the ledger: a retry is in conflict with itself."""

    async def append(self, append: Append) -> Outcome:
        key = (append.merchant, append.command_id)
        known = self.ledger.pop(key, None)
        outcome = await super().append(append) if known and append.streams else known
        if known:
            self.ledger[key] = known
        return outcome or await super().append(append)


class LastAnswer(CheckedLog):
    """Answers a repeated command with what it says now."""

    async def append(self, append: Append) -> Outcome:
        outcome = await super().append(append)
        if isinstance(outcome, Appended) and outcome.repeated:
            return replace(outcome, fingerprint=append.fingerprint, answer=append.answer)
        return outcome


class OneMerchant(CheckedLog):
    """Takes the command ids of all merchants for the same."""

    async def append(self, append: Append) -> Outcome:
        for (_, command_id), entry in self.ledger.items():
            if command_id == append.command_id:
                return entry
        return await super().append(append)


class Gaps(CheckedLog):
    """Takes positions from a sequence; who is refused has taken some all the same."""

    burned = 0

    async def append(self, append: Append) -> Outcome:
        outcome = await super().append(append)
        self.burned += isinstance(outcome, Conflict) and append.event_count
        return outcome

    def _write(self, append: Append, recorded_at: datetime) -> None:
        first = len(self.events)
        super()._write(append, recorded_at)
        for index in range(first, len(self.events)):
            self.events[index] = self.events[index]._replace(position=index + 1 + self.burned)


class HalfAConflict(CheckedLog):
    """Leaves what was right of an append that is refused."""

    async def append(self, append: Append) -> Outcome:
        outcome = await super().append(append)
        if isinstance(outcome, Conflict):
            versions = {event.stream: event.version for event in self.events}
            right = [each for each in append.streams if each.expected_version == versions.get(each.stream, 0)]
            self._write(replace(append, streams=tuple(right)), self._clock.now())
        return outcome


class OldReads(CheckedLog):
    """Reads from a copy that lags one event behind."""

    async def read(self, after: int, limit: int = PAGE) -> list[StoredEvent]:
        return self.events[:-1][after : after + limit]


class OtherLeaves(CheckedLog):
    """Hashes what it does not store."""

    def _write(self, append: Append, recorded_at: datetime) -> None:
        super()._write(append, recorded_at)
        for index in range(len(self.events) - append.event_count, len(self.events)):
            self.events[index] = self.events[index]._replace(metadata=b"{}")


class Trusting(Feed):
    """Takes a jump for the next event."""

    def _take(self, event: StoredEvent) -> None:
        if event.position > self.head:
            self._keep(event)
            self._announce()


class Twice(Feed):
    """Takes what it had before for news."""

    def _take(self, event: StoredEvent) -> None:
        if event.position <= self.head:
            self._keep(event)
        super()._take(event)


LOGS = (
    NoVersions, NoLedger, Again, VersionsFirst, LastAnswer, OneMerchant, Gaps, HalfAConflict,
    OldReads, OtherLeaves,
)  # fmt: skip
FEEDS = (Trusting, Twice)
