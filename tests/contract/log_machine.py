"""Does a log, whatever is asked of it and whatever befalls it, hold and answer what the models say?

The machine knows a log by its doors alone. In each round callers, followers and readers are at it together,
and perhaps a fault strikes. Then the truth is read beside the doors, rows and ledger, and judged: `explain`
finds the order in which the appends were done. Only what was not answered is open, and it is wholly there or
wholly not; all the rest is as strict as ever. On a failure the whole history is printed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.log import Append, Appended, Log, StoredEvent
from eventstore.tasks import drop_task
from tests.contract.log_calls import Call, Drafts, Key, Raised, told
from tests.contract.log_followers import Follower, Relay
from tests.contract.log_model import Model, explain, library_event
from tests.contract.log_plan import FED, QUIET_ROUNDS, READERS, ROUNDS, Caller, Fault, Look, Round, Steps
from tests.contract.log_views import Sight, check_page, check_whole, look
from tests.patience import HANGS


class System(Protocol):
    """A log to be tried: its doors, a look at the truth beside them, and what may befall it."""

    @property
    def doors(self) -> Sequence[Log]: ...

    @property
    def troubles(self) -> tuple[type[Exception], ...]:
        """What a door raises when a fault took the answer away."""

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run to the end, always on the same loop."""

    async def open(self) -> None:
        """A new, empty log."""

    async def close(self) -> None: ...

    async def strike(self, kind: str) -> None:
        """Let a fault happen."""

    async def mend(self) -> None:
        """All doors are open again, and nothing that was lost is still under way."""

    async def rows(self) -> list[StoredEvent]: ...

    async def ledger(self) -> Mapping[Key, Appended]: ...


class LogMachine(RuleBasedStateMachine):
    """The rules for any log; a subclass adds the faults that its system has."""

    feed_type = Feed

    def __init__(self, system: System) -> None:
        super().__init__()
        self.system = system
        self.model = Model()
        self.drafts = Drafts()
        self.followers = [Follower(f"the reader at door {door}", door) for door in range(READERS)]
        self.followers += [Follower(f"reader {number} of the feed", None) for number in range(FED)]
        self.lost: list[Append] = []
        self.story: list[str] = []
        self.failure: BaseException | None = None
        self._known = 0
        self._answers = 0
        self._ticks = 0
        self._sights: list[Sight] = []
        self._steps: list[tuple[Follower, int, int, int, Any]] = []
        self._open = AsyncExitStack()
        self.do(self._begin())

    def do(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it; if it fails, the failure tells the whole history."""
        try:
            self.system.run(_bounded(work))
        except BaseException as error:
            self.failure = self.failure or error
            error.add_note("\n".join(["the history:", *self.story]))
            raise

    async def _begin(self) -> None:
        await self.system.open()
        self._open.push_async_callback(self.system.close)

    @initialize(capacity=st.integers(1, 6), busy=st.sampled_from([0.0, 1e9]))
    def feed(self, capacity: int, busy: float) -> None:
        self.do(self._feed(capacity, busy))

    async def _feed(self, capacity: int, busy: float) -> None:
        bus = MemoryBus()
        self.relay = Relay(bus)
        self.fed = self.feed_type(self.system.doors[0], bus, capacity, busy)
        await self._open.enter_async_context(self.fed.running())

    @rule(plan=ROUNDS)
    def trade(self, plan: Round) -> None:
        self.do(self._play(plan, None))

    @rule(plan=QUIET_ROUNDS)
    def read(self, plan: Round) -> None:
        self.do(self._play(plan, None))

    @rule()
    def send_again(self) -> None:
        """What was not answered: the same commands, once more."""
        self.do(self._settle())

    def teardown(self) -> None:
        try:
            if not self.failure:
                self.do(self._end())
        finally:
            self.system.run(self._open.aclose())

    async def _end(self) -> None:
        await self._settle()
        rows = await self.system.rows()
        for follower in self.followers:
            await self._catch_up(follower, rows)

    async def _catch_up(self, follower: Follower, rows: Sequence[StoredEvent]) -> None:
        while len(follower.seen) < len(rows):
            page = await follower.step(self._reads(follower), 3)
            follower.check(rows)
            may_wait = follower.door is None and self.fed.head <= len(follower.seen)
            assert page or may_wait, f"{follower.name} gets nothing after {len(follower.seen)}"
        follower.check(rows)

    async def _settle(self) -> None:
        calls = [Call(0, append) for append in self.lost]
        self.lost = []
        self.story.append(f"what was lost is sent again: {len(calls)}")
        for call in calls:
            await self._call(call)
        await self._judge(calls, faulty=False)

    async def _play(self, plan: Round, fault: Fault | None) -> None:
        self.story.append(f"a round{f', {fault}' if fault else ''}, the bus does {plan.bus}")
        versions = self.model.versions()
        drafted = [
            [Call(each.door, self.drafts.append(wish, versions)) for wish in each.wishes]
            for each in plan.callers
        ]
        self._answers, self._sights, self._steps = 0, [], []
        tasks = [asyncio.create_task(self._caller(calls)) for calls in drafted]
        relaying = asyncio.create_task(self._relaying(plan.bus))
        watching = [self._look(each) for each in plan.looks] + [self._follow(each) for each in plan.steps]
        try:
            await asyncio.gather(*watching, self._strike(fault, plan.callers, tasks))
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await drop_task(relaying)  # a gap that it met is seen by whoever judges the rows
        await self.system.mend()
        await self._judge(
            [call for calls in drafted for call in calls if call.began], faulty=fault is not None
        )

    async def _caller(self, calls: Sequence[Call]) -> None:
        """One after another, until an answer is lost: then whoever waited for it is gone, too."""
        for call in calls:
            await self._call(call)
            if call.answer is None:
                return

    async def _call(self, call: Call) -> None:
        call.began = self._tick()
        try:
            call.answer = await self.system.doors[call.door].append(call.append)
        except self.system.troubles:
            return
        except Exception as error:  # noqa: BLE001 - which answers are right, the model says
            call.answer = Raised(type(error).__name__, str(error))
        call.ended = self._tick()
        self._answers += 1
        if isinstance(call.answer, Appended):
            self._known = max(self._known, call.answer.last_position)

    def _tick(self) -> int:
        self._ticks += 1
        return self._ticks

    async def _look(self, wanted: Look) -> None:
        known = self._known
        try:
            found = await look(self.system.doors[wanted.door], wanted, known)
        except Exception as error:  # noqa: BLE001 - judged with the rest
            self._sights.append(Sight(wanted, known, self._raised(error)))
            return
        self._sights.append(Sight(wanted, known, found))
        self._known = max(self._known, self._sights[-1].reaches)

    async def _follow(self, steps: Steps) -> None:
        follower = self.followers[steps.follower]
        for limit in steps.limits:
            known, after = self._known, len(follower.seen)
            try:
                page: Any = await follower.step(self._reads(follower), limit)
            except Exception as error:  # noqa: BLE001 - judged with the rest
                page = self._raised(error)
            self._steps.append((follower, known, after, limit, page))
            self._known = max(self._known, len(follower.seen))

    def _reads(self, follower: Follower) -> Log | Feed:
        return self.fed if follower.door is None else self.system.doors[follower.door]

    def _raised(self, error: Exception) -> Raised:
        return Raised(
            "trouble" if isinstance(error, self.system.troubles) else type(error).__name__, str(error)
        )

    async def _relaying(self, manners: Sequence[str]) -> None:
        while True:
            try:
                await self.relay.publish(self.system.doors[0], manners)
            except self.system.troubles as error:
                self.story.append(f"  the relay can't read: {error}")
            await asyncio.sleep(0.001)

    async def _strike(
        self, fault: Fault | None, callers: Sequence[Caller], tasks: Sequence[asyncio.Task[None]]
    ) -> None:
        if fault is None:
            return
        while self._answers < fault.after and not all(task.done() for task in tasks):
            await asyncio.sleep(0)
        await asyncio.sleep(fault.milliseconds / 1000)
        await self.system.strike(fault.kind)
        if fault.kind == "caller":
            for caller, task in zip(callers, tasks, strict=True):
                if caller.door == 1:
                    task.cancel()

    async def _judge(self, calls: Sequence[Call], *, faulty: bool) -> None:
        rows, ledger = await self.system.rows(), await self.system.ledger()
        self.story += [f"  {call}" for call in sorted(calls, key=lambda call: call.began)]
        self.story += [f"  {sight}" for sight in self._sights]
        self.story += [f"  {_step(*each)}" for each in self._steps]
        self.story.append(f"  the log ends at {len(rows)}, with {len(ledger)} commands")
        unanswered = [call.append for call in calls if call.answer is None]
        assert faulty or not unanswered, "an answer was lost, though nothing befell the log"
        self.lost += unanswered
        check_whole(rows)
        await explain(self.model, calls, ledger, faulty=faulty)
        assert rows == self.model.twin.events, "the rows are not the twin's"
        assert ledger == self.model.twin.ledger, "the ledger is not the twin's"
        self._as_the_library_says(rows)
        self._check_views(rows, faulty=faulty)

    def _as_the_library_says(self, rows: Sequence[StoredEvent]) -> None:
        recorder = self.model.recorder
        assert (recorder.max_notification_id() or 0) == len(rows)
        found = recorder.select_notifications(None, len(rows) + 1)
        assert [each.id for each in found] == [event.position for event in rows]
        for stream in {event.stream for event in rows}:
            own = [library_event(event) for event in rows if event.stream == stream]
            assert recorder.select_events(stream) == own

    def _check_views(self, rows: Sequence[StoredEvent], *, faulty: bool) -> None:
        for sight in self._sights:
            if not (faulty and isinstance(sight.found, Raised) and sight.found.name == "trouble"):
                sight.check(rows)
        for follower, known, after, limit, page in self._steps:
            if isinstance(page, Raised):
                excused = faulty and page.name == "trouble"
                assert excused, f"{follower.name} could not read: {told(page)}"
            elif follower.door is not None:
                check_page(rows, after, limit, known, page)
        for follower in self.followers:
            follower.check(rows)
        self._sights, self._steps = [], []


async def _bounded(work: Coroutine[Any, Any, None]) -> None:
    async with asyncio.timeout(HANGS):
        await work


def _step(follower: Follower, known: int, after: int, limit: int, page: Any) -> str:
    found = told(page) if isinstance(page, Raised) else [event.position for event in page]
    return f"{follower.name} knows {known}, steps {limit} after {after} -> {found}"
