"""What is a gateway? What it asks an outside provider for, and what the provider's words mean to us.

All of it is pure, but for what `prepare` reads: `caller` makes the calls, `inbox` takes the webhooks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import quote

from commands.executor import Executor
from domain.kernel import Command, Event, Fact
from domain.payment.method import MethodToken

Account = dict[str, Any]
"""Everything that a provider says of one payment or shipment."""


REFUSALS = frozenset({400, 402, 404, 409, 410, 422})
"""Answers about what was asked; any other 4xx (not allowed, too many …) is about us."""
NOT_FOUND = 404
"""To a call that makes something new, or is about what is known to be there, it means that nobody listens."""


class Unavailable(Exception):
    """There is no usable answer; whether the call was carried out is unknown."""


class LeftAlone(Unavailable):
    """Nobody was asked: the provider failed again and again, and is left alone for a while."""


def gone(stream: str) -> Unavailable:
    """What is known to be there can't be unknown to the provider: whoever answered is somebody else."""
    return Unavailable(f"it knows nothing of {stream}, which it has told us of")


Prepare = Callable[[Fact, Executor, datetime], Awaitable[Command | None]]
Informed = Callable[[Fact, Command, Executor], Awaitable[Command]]


async def _as_it_is(_fact: Fact, command: Command, _executor: Executor) -> Command:
    return command


@dataclass(frozen=True, slots=True)
class Request:
    """A call that asks for something: its name, its path, its body, and the key that makes it safe to repeat.

    `refusals` are the statuses by which the provider says no; after any other failure it is tried again.
    `personal` is what the body tells of a person, which no reason or error repeats.
    """

    name: str
    path: str
    body: dict[str, Any]
    key: str
    refusals: frozenset[int] = REFUSALS
    personal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gateway:
    """One provider's side of one aggregate. The provider knows a payment or shipment by our stream's name.

    `interests` are the events that request something.
    `answered(event, state)`: the stream's state holds the answer already, or there is nothing to ask for.
    `unwanted(event, state)`: what was not asked for yet need not be. What may have been is seen through: a
    call that is still on its way would be carried out after we had looked away.
    `request(fact, state)`: the call to make; personal fields of the event are open or erased.
    `shows(event, account)`: the provider did what was requested, or decided not to.
    `record(stream, account)`: the command that records what the provider says; None if it says nothing yet.
    `refused(fact, state, account, reason)`: the same, where the provider would not do it; `account` is None
    where it knows of nothing. Raises Unavailable where a refusal is no outcome.
    `unavailable(fact, attempts)`: the command that records that it can't be reached.
    `secret(fact)`: the stream whose state holds a token that the call needs too; empty where it needs none.
    `with_secret(request, token)`: the call's body with it; None where it is gone.
    `wire`: in whose words it is called and its webhooks are signed: our own, or Stripe's.
    `differences(stream, account, state)`: what to record of a comparison of the books, its facts being known.
    `stream_of(account)`: the stream of an account, also of one that is none of ours.
    `unknown(account)`: merchant, stream and command for what the provider has, and we never asked for.
    `told(stream, data)`: the command for a webhook's data, which is what `read(message)` finds in it.
    `named(message)`: the stream and the checkout that a webhook is about, else where the provider is asked
    for an account that says so. Both raise LookupError, TypeError or ValueError for what makes no sense.
    `located(fact, state)`: where the provider shows what was asked for, if that is not `path` and the stream;
    the state is None where it is not known.
    `prepare(fact, executor, now)`: the command that decides about the request before anybody is called, by
    what else is in the log; None where there is nothing to decide. What it leads to is called for instead.
    `addressee(state)`: of whom the provider knows already, where the request itself tells of nobody: the data
    subject, and its sealed `Customer`.
    `informed(fact, command, executor)`: the command with what else is in the log, which its decision needs.
    """

    name: str
    category: str
    subject: str
    path: str
    interests: tuple[type[Event], ...]
    answered: Callable[[Event, Any], bool]
    unwanted: Callable[[Event, Any], bool]
    request: Callable[[Fact, Any], Request]
    shows: Callable[[Event, Account], bool]
    record: Callable[[str, Account], Command | None]
    refused: Callable[[Fact, Any, Account | None, str], Command | None]
    unavailable: Callable[[Fact, int], Command]
    told: Callable[[str, Account], Command | None]
    located: Callable[[Fact, Any], str] | None = None
    named: Callable[[Account], tuple[str, str, str]] | None = None
    read: Callable[[Account], Account] = lambda message: message["data"]
    wire: Literal["own", "stripe"] = "own"
    prepare: Prepare | None = None
    informed: Informed = _as_it_is
    addressee: Callable[[Any], tuple[str, Any]] = lambda _: ("", None)
    secret: Callable[[Fact], str] = lambda _: ""
    with_secret: Callable[[Request, MethodToken | None], dict[str, Any]] = lambda request, _: request.body
    differences: Callable[[str, Account | None, Any], Command | None] = lambda *_: None
    stream_of: Callable[[Account], str] = lambda account: str(account["stream"])
    unknown: Callable[[Account], tuple[str, str, Command]] | None = None

    @property
    def actor(self) -> str:
        """Who the log says did it; also the follower's name."""
        return f"gateway:{self.name}"

    def where(self, fact: Fact, state: Any = None) -> str:
        """Where the provider shows what the fact asked for, by the state where that is known."""
        return self.located(fact, state) if self.located else account_path(self.path, fact.stream)

    def names(self, message: Account) -> tuple[str, str, str]:
        """Of a webhook: the stream and the checkout, both empty where it does not say; then where to ask."""
        if self.named:
            return self.named(message)
        return message["data"][self.subject], message["checkout"], ""


def account_path(path: str, stream: str) -> str:
    """A stream's name holds percent signs of its own, so it is encoded once more."""
    return f"{path}/{quote(stream, safe='')}"
