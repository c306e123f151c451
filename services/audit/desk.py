"""What does an auditor ask, and what is answered? One desk, for the API and for the command line.

Whoever asks sees one merchant's events, or all; the database holds each read to it. Answers are JSON
values. Raises NotThere for what can't be asked for, with what can.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from eventstore.keyring import Keyring
from eventstore.seams import WallClock
from eventstore.statements import Pool
from projections.order.checkouts import CHECKOUTS
from projections.read_model import ReadModel
from services.audit.as_of import ProcessState, StreamState, Subject, state_at
from services.audit.as_of_models import ROWS_MAX, ReadModelAt, key_named, standing, table_named
from services.audit.difference import Change, row_changes, state_changes
from services.audit.filters import EventFilter
from services.audit.folding import columns_of
from services.audit.history import History, Reach
from services.audit.marks import changes_shown, resolved
from services.audit.named import NotThere, merchant_asked, named
from services.audit.shown import Opening, envelopes

CHANGES = 500
"""Changes in an answer: about so many, as those of one event come together."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose state it is: a stream's, an agent's process of a key, or rows of a table (of a key, if one is
    given)."""

    stream: str = ""
    agent: str = ""
    table: str = ""
    key: str = ""

    @property
    def merchant(self) -> str:
        """Whose it is, if the name of the stream or of the key tells it."""
        return merchant_asked({"stream": self.stream, "key": self.key})

    def subject(self) -> Subject:
        return StreamState(self.stream) if self.stream else ProcessState(self.agent, self.key)

    def rows_of(self, reach: Reach) -> tuple[ReadModel, str]:
        """The read model, and the key as it has it."""
        try:
            model, _ = table_named(self.table)
        except ValueError as error:
            raise NotThere("table", str(error)) from None
        if model is CHECKOUTS and reach.merchant:
            raise NotThere("table", "checkouts span merchants: they are for who may see all of these")
        return model, self.key and named("key", partial(key_named, model), self.key)


class Desk:
    """`pool` is of the role `audit`; as-of states take connections of `folding`, a pool of few."""

    def __init__(
        self, pool: Pool, folding: Pool, keyring: Keyring, reach: Reach | None = None, *, open_: bool = False
    ) -> None:
        self._clock = WallClock()  # as of which a moment is past; what the log holds tells its own times
        self.reach = reach or Reach()
        self.history = History(pool, self.reach)
        self.opening = Opening(keyring, open_=open_)
        self._folding = folding

    async def position(
        self, position: int | None, at: datetime | None, name: str = "position", at_name: str = "at"
    ) -> int:
        """The position that is meant: the one that is named, or the last at a time, or the head.

        Raises NotThere for a moment that is still to come: what the log will hold then nobody knows.
        """
        head = await self.history.head()
        if position is not None:
            if position > head:
                raise NotThere(name, f"the log ends at position {head}")
            return position
        if at is None:
            return head
        found = await self.history.position_at(at)
        if found >= head and at > (now := self._clock.now()):
            raise NotThere(at_name, f"{at.isoformat()} is still to come: it is {now.isoformat()}")
        return found

    async def events(self, wanted: EventFilter, after: int, until: int, limit: int) -> dict[str, Any]:
        """A page: `items`, how far the search came (`searched_until`), and whether that is the end."""
        found = await self.history.page(wanted, after, until, limit)
        return {
            "items": await envelopes(found.events, self.opening),
            "searched_until": found.reached,
            "whole": found.whole,
        }

    async def stream_of_events(
        self, wanted: EventFilter, after: int, until: int
    ) -> AsyncIterator[tuple[list[dict[str, Any]], int]]:
        """All of them, a few at a time, each time with how far the search came."""
        async for step in self.history.stream(wanted, after, until):
            yield await envelopes(step.events, self.opening), step.reached

    async def state(self, asked: Asked, position: int) -> dict[str, Any]:
        """An aggregate's or a process's state, and the event that made it; None of what was not there yet."""
        subject = asked.subject()
        moment = await state_at(self.history, self.opening, subject, position)
        event = moment.event
        return {
            **subject.named,
            "position": position,
            "events": moment.version,
            "made_by": event
            and {"position": event.position, "event_id": str(event.event_id), "type": event.type},
            "state": moment.state if moment.version else None,
        }

    async def rows(
        self,
        asked: Asked,
        position: int,
        limit: int,
        after: list[Any] | None = None,
        where: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Rows of a table by its key; `next` are the key values to go on after, None at the end."""
        async with self._standing(asked, position, where) as at:
            return await self._page(at, asked, limit, after, where)

    async def all_rows(
        self, asked: Asked, position: int, where: dict[str, str] | None = None, limit: int = ROWS_MAX
    ) -> AsyncIterator[dict[str, Any]]:
        """All of them, as pages of one fold."""
        after: list[Any] | None = None
        async with self._standing(asked, position, where) as at:
            while True:
                page = await self._page(at, asked, limit, after, where)
                yield page
                if (after := page["next"]) is None:
                    return

    @asynccontextmanager
    async def _standing(
        self, asked: Asked, position: int, where: dict[str, str] | None
    ) -> AsyncIterator[ReadModelAt]:
        model, key = asked.rows_of(self.reach)
        async with standing(self._folding, self.history, model, position, key) as at:
            known = await columns_of(at.connection, f"{asked.table}_asof")
            if unknown := set(where or ()).difference(known):
                raise NotThere("column", f"{asked.table} has no {unknown.pop()}; it has {', '.join(known)}")
            if sealed := set(where or ()).intersection(model.personal.get(asked.table, ())):
                raise NotThere(
                    "column", f"{sealed.pop()} is personal: it is sealed, so nothing is found by it"
                )
            yield at

    async def _page(
        self,
        at: ReadModelAt,
        asked: Asked,
        limit: int,
        after: list[Any] | None,
        where: dict[str, str] | None,
    ) -> dict[str, Any]:
        try:
            found, key = await at.rows(asked.table, limit + 1, after, where)
        except ValueError as error:
            raise NotThere("cursor", str(error)) from None
        shown = found[:limit]
        more = [shown[-1][column] for column in key] if len(found) > limit else None
        await resolved(self.history, self.opening, [(asked.table, row) for row in shown])
        return {
            "table": asked.table,
            "position": at.position,
            "folded_from": at.base,
            "parked": [{"key": name, "position": since} for name, since in sorted(at.parked.items())],
            "items": shown,
            "next": more,
        }

    async def changes(self, asked: Asked, first: int, last: int, limit: int = CHANGES) -> dict[str, Any]:
        """The changes from `first` to `last`, or as many as fit; `next_from` is where to go on, None at the
        end."""
        items: list[dict[str, Any]] = []
        async for part in self.all_changes(asked, first, last):
            items += part
            if len(items) > limit:
                break
        positions = [each["position"] for each in items]
        fits = positions[limit - 1] if len(items) > limit else last
        if len(items) > limit and positions[limit] == fits:  # what one event changed comes together
            earlier = [each for each in positions if each < fits]
            fits = earlier[-1] if earlier else fits
        whole = fits == last or len(items) <= limit
        return {
            "from": first,
            "to": last if whole else fits,
            "items": [each for each in items if each["position"] <= fits],
            "next_from": None if whole else fits,
        }

    async def all_changes(self, asked: Asked, first: int, last: int) -> AsyncIterator[list[dict[str, Any]]]:
        """All of them, those of a few events at a time."""
        if asked.table:
            model, key = asked.rows_of(self.reach)
            async for changes in row_changes(self._folding, self.history, model, first, last, key):
                yield await changes_shown(self.history, self.opening, changes)
            return
        part: list[Change] = []
        async for change in state_changes(self.history, self.opening, asked.subject(), first, last):
            if len(part) >= CHANGES and change.event.position != part[-1].event.position:
                yield [each.as_json() for each in part]
                part = []
            part.append(change)
        yield [each.as_json() for each in part]
