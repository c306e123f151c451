"""How much is worked on at once, and for how long? A bounded number of requests, each with a budget of time.

Who is one too many is answered 503 at once, with when to come back. A request that only waits for something
(a read model, the next event of a stream) rests meanwhile: it gives its place away and its time stands still.

    async with resting(request):
        await something
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from starlette.requests import Request

from services.web.asgi import ASGIApp, Message, Receive, Scope, Send, refuse, state_of
from services.web.budgets import Budgets, OutOfTime
from services.web.problems import try_later
from services.web.slots import NoSlot, Slots

RETRY_SECONDS = 1.0
_OVERLOADED = try_later("there is too much to do just now", RETRY_SECONDS, kind="overloaded")
_TOO_LONG = try_later(
    "it took too long and was given up; a command may have been done: send it again, with the same"
    " Idempotency-Key",
    RETRY_SECONDS,
    kind="took-too-long",
)


@dataclass(frozen=True, slots=True)
class WorkBounds:
    """How many work, wait to work (and for how long), rest; how long one may take."""

    working_max: int = 100
    waiting_max: int = 256
    wait_seconds: float = 2.0
    resting_max: int = 500
    budget_seconds: float = 35.0


class WorkLimits:
    """Lets requests in. The `spared` paths have a few places of their own: somebody asks how we are."""

    def __init__(
        self, app: ASGIApp, bounds: WorkBounds | None = None, *, spared: Collection[str] = ()
    ) -> None:
        self._app = app
        self.bounds = bounds or WorkBounds()
        self.slots = Slots(
            self.bounds.working_max,
            waiting_max=self.bounds.waiting_max,
            wait_seconds=self.bounds.wait_seconds,
        )
        self._spared = {
            path: Slots(4, waiting_max=16, wait_seconds=self.bounds.wait_seconds) for path in spared
        }
        self.budgets = Budgets(self.bounds.budget_seconds)
        self.resting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        slots = self._spared.get(scope["path"], self.slots)
        try:
            await slots.take()
        except NoSlot:
            await refuse(_OVERLOADED, scope, receive, send)
            return
        piece = PieceOfWork(self, slots)
        try:
            await self._work(piece, scope, receive, send)
        finally:
            if piece.holds:
                slots.give()

    async def _work(self, piece: PieceOfWork, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        state_of(scope)["work"] = piece
        try:
            with piece.budget:
                await self._app(scope, receive, send_noting)
        except OutOfTime:
            if started:
                raise  # the server ends the connection: half an answer is none
            await refuse(_TOO_LONG, scope, receive, send)


class PieceOfWork:
    """One request in the work: `request.state.work`."""

    __slots__ = ("_limits", "_slots", "budget", "holds")

    def __init__(self, limits: WorkLimits, slots: Slots) -> None:
        self._limits = limits
        self._slots = slots
        self.holds = True
        self.budget = limits.budgets.begin()

    @asynccontextmanager
    async def rest(self) -> AsyncIterator[None]:
        """Without a place in the work, and without using up time; bounded by who rests.

        Raises a 503 problem where too many rest, or where no place comes free afterwards.
        """
        self.check_room()
        left = self.budget.pause()
        self._limits.resting += 1
        self._give()
        try:
            yield
        finally:
            self._limits.resting -= 1
            self.budget.go_on(left)
        await self._take_back()

    def check_room(self) -> None:
        """Raises a 503 problem where too many rest."""
        if self._limits.resting >= self._limits.bounds.resting_max:
            raise try_later("too many wait already", RETRY_SECONDS, kind="overloaded")

    def _give(self) -> None:
        self.holds = False
        self._slots.give()

    async def _take_back(self) -> None:
        try:
            await self._slots.take(back=True)
        except NoSlot:
            raise try_later("there is too much to do just now", RETRY_SECONDS, kind="overloaded") from None
        self.holds = True


def check_room_to_rest(request: Request) -> None:
    """Before an answer begins that rests while it goes on. Raises a 503 problem where too many rest."""
    work: PieceOfWork | None = getattr(request.state, "work", None)
    if work:
        work.check_room()


def resting(request: Request) -> AbstractAsyncContextManager[None]:
    """For what a route only waits for; without `WorkLimits` there is nothing to give away."""
    work: PieceOfWork | None = getattr(request.state, "work", None)
    return work.rest() if work else nullcontext()
