"""How does a decision become durable, visible and told?

A world is a core (pure) with a journal and a courier. The state in memory may run ahead of the disk by one
batch; whoever is to learn of it, by an answer or a webhook, waits for the disk first.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Generic

from pydantic import ValidationError

from services.worlds.clock import wall_now
from services.worlds.core import Core, StateT
from services.worlds.journal import Lines
from services.worlds.models import Line
from services.worlds.stage import Acknowledge, FactTold, TellDue
from services.worlds.webhooks import Courier, Post


class JournalUnreadable(Exception):
    """A line that is not the last one makes no sense: nothing is served from a journal that was altered."""


class World(Generic[StateT]):
    def __init__(self, core: Core[StateT], journal: Lines, now: Callable[[], datetime] = wall_now) -> None:
        self.core = core
        self.state = core.initial()
        self._journal = journal
        self._now = now
        self._courier: Courier | None = None
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        self._replay()

    def start(self, post: Post) -> None:
        """Take up what the last run left: webhooks not acknowledged, facts due by now, wall-clock plans."""
        self._courier = Courier(
            post,
            acknowledged=lambda webhook_id: self._record(Acknowledge(webhook_id)),
            faults=lambda: self.state.stage.faults,
        )
        for webhook in list(self.state.stage.unacknowledged.values()):
            self._courier.post(webhook)
        self._record(TellDue(tuple(self.state.stage.untold)))
        for subject in self.state.stage.untold:
            self._wait_for_wall_clock(subject)

    async def stop(self) -> None:
        for alarm in self._alarms.values():
            alarm.cancel()
        if self._courier is not None:
            await self._courier.close()
        self._journal.close()

    async def execute(self, command: Any) -> None:
        """Decide, or raise Refused; return once it is on the disk."""
        self._record(command)
        await self.settled()

    async def settled(self) -> None:
        """What is visible now is on the disk: call it before answering any question."""
        await self._journal.settled()

    def _replay(self) -> None:
        for number, data in enumerate(self._journal.replay(), 1):
            try:
                self.core.evolve(self.state, self.core.lines.validate_json(data))
            except (ValidationError, KeyError, AssertionError) as error:
                raise JournalUnreadable(f"{self._journal.name}, line {number}: {error}") from error

    def _record(self, command: Any) -> None:
        for line in self.core.decide(command, self.state, self._now()):
            self._append(line)

    def _append(self, line: Line) -> None:
        self.core.evolve(self.state, line)
        data = line.model_dump_json().encode()
        if isinstance(line, FactTold):
            self._journal.append(data, partial(self._send, line.webhook_id))
        else:
            self._journal.append(data)
        if line.wall_clock_subject is not None:
            self._wait_for_wall_clock(line.wall_clock_subject)

    def _send(self, webhook_id: str) -> None:
        assert self._courier is not None, "facts are only told after the start"
        self._courier.post(self.state.stage.unacknowledged[webhook_id])

    def _wait_for_wall_clock(self, subject: str) -> None:
        untold = self.state.stage.untold.get(subject)
        if untold is not None and untold.on_wall_clock:
            wait_s = (untold.facts[0].told_at - self._now()).total_seconds()
            loop = asyncio.get_running_loop()
            self._alarms[subject] = loop.call_later(max(0.0, wait_s), self._alarm, subject)

    def _alarm(self, subject: str) -> None:
        del self._alarms[subject]
        self._record(TellDue((subject,)))
        self._wait_for_wall_clock(subject)
