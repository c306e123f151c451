"""How does what happened to a user or a key get into the log, with whom it was done by?"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from commands.executor import Context, Done, Executor
from domain.api_key import ApiKey
from domain.kernel import Command, Group, Target
from domain.permissions import PLATFORM
from domain.streams import api_key_stream, user_stream
from domain.user import User
from eventstore.seams import Clock, Ids
from services.web.problems import Problem, conflict

SYSTEM = "access"
"""The actor of what nobody asked for, such as a lock-out."""


class Facts:
    """Carries out commands on the streams of users and keys, and reads their states."""

    def __init__(self, executor: Executor, clock: Clock, ids: Ids) -> None:
        self._executor = executor
        self._clock = clock
        self._ids = ids
        self.told: Callable[[], None] = lambda: None
        """Called after something changed; the gate looks everybody up anew then."""

    async def of_user(
        self,
        user_id: str,
        *commands: Command,
        actor: str,
        merchant: str = PLATFORM,
        command_id: UUID | None = None,
    ) -> Done:
        """`merchant` is whom it is about. Raises a 404 or 409 problem where the user's state refuses it."""
        return await self._record(user_stream(user_id), commands, actor, merchant, command_id)

    async def of_key(self, key_id: str, *commands: Command, actor: str, merchant: str) -> Done:
        return await self._record(api_key_stream(key_id), commands, actor, merchant, None)

    async def _record(
        self, stream: str, commands: tuple[Command, ...], actor: str, merchant: str, command_id: UUID | None
    ) -> Done:
        group = Group(tuple(Target(stream, command) for command in commands))
        done = await self._executor.execute(group, self.context(merchant, actor, command_id))
        self.told()
        if done.refused:
            if done.refused.rule.endswith("_exists"):
                raise Problem(404, "not-found", done.refused.message, rule=done.refused.rule)
            raise conflict(done.refused.rule, done.refused.message)
        return done

    def context(self, merchant: str, actor: str, command_id: UUID | None = None) -> Context:
        """Of a command that belongs to nothing but itself."""
        command_id = command_id or self._ids.new()
        causation = f"request:{command_id}"
        return Context(command_id, merchant, actor, causation, causation, self._clock.now())

    async def user(self, user_id: str) -> User:
        """As it is now; that of nobody for an unknown one."""
        (state,) = await self._executor.states.load([user_stream(user_id)])
        return state.state  # type: ignore[no-any-return]

    async def users(self, user_ids: list[str]) -> list[User]:
        states = await self._executor.states.load([user_stream(each) for each in user_ids])
        return [each.state for each in states]

    async def keys(self, key_ids: list[str]) -> list[ApiKey]:
        states = await self._executor.states.load([api_key_stream(each) for each in key_ids])
        return [each.state for each in states]

    async def user_at(self, user_id: str, version: int) -> User:
        """As it is at `version` or later; without asking the log where that is known."""
        known = self._executor.states.known(user_stream(user_id))
        return known.state if known and known.version >= version else await self.user(user_id)

    async def key_at(self, key_id: str, version: int) -> ApiKey:
        known = self._executor.states.known(api_key_stream(key_id))
        return known.state if known and known.version >= version else (await self.keys([key_id]))[0]
