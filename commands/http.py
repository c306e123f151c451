"""How does a command come in over HTTP, and how is it answered?

A command's id is made of its `Idempotency-Key`, so that the ledger gives the same answer to the same request.
Every answer, also a refusal, says the position of the log that it was decided at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Protocol, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from commands.executor import Context, Done, Executor
from commands.names import check_names
from domain import merchant as domain_merchant
from domain.kernel import Command, Refused
from domain.streams import merchant_stream
from eventstore.keyring import Keyring
from eventstore.log import Log, LogIdentity
from eventstore.seams import Clock, Ids, key_id
from services.web.access import Allowed, Asked, forbidden
from services.web.positions import POSITION_HEADER, POSITION_RESPONSE_HEADER
from services.web.problems import Problem, conflict, invalid, problem_responses, unknown_merchant

KEY_HEADER = "Idempotency-Key"
C = TypeVar("C", bound=Command)
Handler = Callable[[Executor, C, Context, bytes], Awaitable[Done]]
PROBLEMS = problem_responses(404, 409, 413, 415, 503)
"""What any command may meet; for `responses=` of a router."""


class Positioned(BaseModel):
    """What every command answers with."""

    position: str = Field(
        description=f"the log's position after the command, as in the header {POSITION_HEADER}",
        examples=["0190c3f2a1b4.1.17"],
    )


def answers(status: int, description: str, **headers: str) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: its answer's description and headers (names with `_` for `-`)."""
    described = {name.replace("_", "-"): what for name, what in headers.items()}
    documented = {name: {"schema": {"type": "string"}, "description": d} for name, d in described.items()}
    return {status: {"description": description, "headers": POSITION_RESPONSE_HEADER | documented}}


class Parts(Protocol):
    """What the routes need of their process: `app.state`."""

    log: Log
    executor: Executor
    keyring: Keyring
    clock: Clock
    ids: Ids
    identity: LogIdentity


class CommandRequest(Request):
    """A request whose body was read, and is JSON if there is one. How large and how deep it may be is seen to
    before: `services.web.bodies`.
    """

    async def body(self) -> bytes:
        return self._body

    async def json(self) -> Any:
        return self._json

    async def read(self) -> None:
        """Read the body. Raises a 400 or 415 problem for what no command can be made of."""
        self._body = await super().body()
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self._body and kind != "application/json":
            raise Problem(415, "unsupported-media-type", "send JSON: Content-Type: application/json")
        try:
            self._json = orjson.loads(self._body) if self._body else None
        except orjson.JSONDecodeError as error:
            raise Problem(400, "malformed-json", f"the body is not JSON: {error}") from None

    def digest(self) -> bytes:
        """Equal for requests that ask the same: SHA-256 of method, path and body, its members sorted.

        Not to be kept: whoever guesses whom a body names finds it confirmed.
        """
        asked = f"{self.method} {self.scope['path']}\n".encode()
        return sha256(asked + orjson.dumps(self._json, option=orjson.OPT_SORT_KEYS)).digest()


class CommandRoute(APIRoute):
    """Reads the body first: with a limit, and with a parser that refuses what no database could store."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_command(request: Request) -> Response:
            command = CommandRequest(request.scope, request.receive)
            await command.read()
            return await handle(command)

        return handle_command


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a command over HTTP; `fingerprint` is empty where nobody can repeat it.

    `digest` is what the ledger keeps of a request that an older release answered; `in_path` are the
    fields that stood in the request's path.
    """

    parts: Parts
    asked: Asked
    command_id: UUID
    fingerprint: bytes
    digest: bytes
    in_path: frozenset[str]

    @property
    def merchant(self) -> str:
        return self.asked.merchant

    @property
    def own(self) -> str:
        """The one person that who asks may act for; empty for who may act for anybody."""
        return self.asked.grant.subject if self.asked.grant else ""

    def check_own(self, subject: str) -> None:
        """A 403 problem where who asks may act for one person only, and that is another one."""
        if self.own and self.own != subject:
            raise forbidden("orders:write of somebody else", self.merchant)

    def context(self, correlation: str = "") -> Context:
        """The command's context; by default it belongs to nothing but itself."""
        causation = f"request:{self.command_id}"
        return Context(
            command_id=self.command_id,
            merchant=self.merchant,
            actor=self.asked.principal.actor,
            correlation=correlation or causation,
            causation=causation,
            occurred_at=self.parts.clock.now(),
            fingerprint=self.fingerprint,
        )

    async def settings(self, *, fresh: bool = False) -> domain_merchant.Merchant:
        """The merchant's settings, `fresh` ones as they are now; a 400 problem if nobody registered it."""
        stream = merchant_stream(self.merchant)
        state = None if fresh else self.parts.executor.states.known(stream)
        if state is None:
            (state,) = await self.parts.executor.states.load([stream])
        if not state.state.registered:
            raise unknown_merchant(self.merchant)
        return state.state  # type: ignore[no-any-return]

    async def carry_out(
        self,
        handler: Handler[C],
        command: C,
        answer: Mapping[str, Any],
        *,
        status: int = 200,
        correlation: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Have `handler` do it, and answer with `answer` and the position, or as the first time.

        Raises a 404 or 409 problem for a refusal, 422 if the key was used for something else, or if names are
        too long.
        """
        check_names(self.merchant, command, self.in_path)
        done = await handler(self.parts.executor, command, self.context(correlation), orjson.dumps(answer))
        if done.repeated and done.fingerprint not in (self.fingerprint, self.digest):
            raise invalid(
                KEY_HEADER,
                "this key was used before, for another request; take a new key for a new request",
                where="header",
                kind="idempotency-key-reused",
            )
        position = self.parts.identity.token(done.position)
        if done.refused:
            raise refusal(done.refused, position)
        given = orjson.loads(done.answer) if done.repeated else answer
        return Response(
            orjson.dumps({**given, "position": position}),
            status,
            {POSITION_HEADER: position, **(headers or {})},
            "application/json",
        )


def refusal(refused: Refused, position: str) -> Problem:
    """404 for what is not there, else 409."""
    if refused.rule.endswith("_exists"):
        problem = Problem(404, "not-found", refused.message, rule=refused.rule)
    else:
        problem = conflict(refused.rule, refused.message)
    problem.headers[POSITION_HEADER] = position
    return problem


async def call_of_request(
    request: Request,
    asked: Allowed,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias=KEY_HEADER,
            min_length=1,
            max_length=255,
            description="a name of your own for this request: sent again with the same key, it is done once"
            " and gets the same answer. Without a key a repeated request is done again",
            examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
        ),
    ] = None,
) -> Call:
    parts: Parts = request.app.state
    in_path = frozenset(request.path_params)
    if idempotency_key is None:
        return Call(parts, asked, parts.ids.new(), b"", b"", in_path)
    assert isinstance(request, CommandRequest)
    # a key is its sender's own: nobody is told what another one asked for
    command_id = key_id("idempotency-key", asked.merchant, asked.principal.actor, idempotency_key)
    digest = request.digest()
    return Call(parts, asked, command_id, parts.keyring.fingerprint(digest), digest, in_path)


WantedCall = Annotated[Call, Depends(call_of_request)]
"""The type of a route's parameter that wants it."""
