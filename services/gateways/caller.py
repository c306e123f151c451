"""How does a request get its outcome recorded: by asking, by calling, or because it is known already?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from commands.executor import Context, Executor
from domain.kernel import Command, Fact, one
from domain.payment.method import MethodToken, PaymentMethod
from domain.personal import Customer, Sealed
from eventstore.codec import opened, subject_of
from eventstore.keyring import Keyring
from eventstore.seams import Clock, derived_id
from services.gateways.calls import Call
from services.gateways.gateway import Account, Gateway, LeftAlone, Request, Unavailable
from services.gateways.masking import said_of
from services.gateways.moments import Moments
from services.gateways.provider import Provider

logger = structlog.get_logger()


class Caller:
    """Carries out one call at a time for whoever asks; keeps nothing between them."""

    def __init__(
        self,
        gateway: Gateway,
        provider: Provider,
        executor: Executor,
        keyring: Keyring,
        moments: Moments,
        clock: Clock,
        check_held: Callable[[], None],
    ) -> None:
        """`check_held` raises LeaseLost unless it still is ours to call."""
        self._gateway = gateway
        self._provider = provider
        self._executor = executor
        self._keyring = keyring
        self._moments = moments
        self._clock = clock
        self._check_held = check_held

    def account_of(self, call: Call) -> str:
        """What it is about at the provider: calls about one account wait for one another."""
        return self._gateway.where(call.fact)

    async def carry_out(self, call: Call) -> None:
        """Return once the outcome is recorded, or none is to be recorded now.

        Raises Unavailable if there was no usable answer, LeaseLost if it may be another's to call by now, and
        what the executor and the database do.
        """
        state = await self._known(call)
        if self._is_over(call, state):
            return
        asked_first = call.doubtful
        command = await self._outcome(call, state)
        if command is not None:
            occurred_at = await self._occurred_at(call.fact, late=asked_first)
            await self._record(call.fact, command, occurred_at, "outcome", call.attempts)

    async def record_unavailable(self, call: Call) -> None:
        """Once for each request, however often this is called and by however many workers."""
        fact = call.fact
        command = self._gateway.unavailable(fact, call.failures)
        await self._record(fact, command, await self._occurred_at(fact, late=True), "unavailable")

    async def _known(self, call: Call) -> Any:
        """A state that knows of the request.

        A stale state is no harm: an answer that it does not know of yet is found by asking. One that does not
        know of the request says nothing of it: another worker may have led meanwhile.
        """
        known = None if call.doubtful else self._executor.states.known(call.fact.stream)
        knows = known is not None and known.version >= call.fact.version
        return known.state if known and knows else await self._state(call.fact)

    def _is_over(self, call: Call, state: Any) -> bool:
        """Whether there is nothing to ask for, or nothing any more."""
        gateway, event = self._gateway, call.fact.event
        return gateway.answered(event, state) or (not call.doubtful and gateway.unwanted(event, state))

    async def _state(self, fact: Fact) -> Any:
        """As the log has it now."""
        (state,) = await self._executor.states.load([fact.stream])
        return state.state

    async def _outcome(self, call: Call, state: Any) -> Command | None:
        """What to record. A provider that may know of the call is asked, and called only if it does not."""
        gateway, fact = self._gateway, call.fact
        path = gateway.where(fact, state)
        if call.doubtful:
            account = await self._provider.ask(path)
            if account is not None and gateway.shows(fact.event, self._ours(account, fact)):
                return gateway.record(fact.stream, account)
        fact = await self._opened(fact)
        if gateway.prepare:
            decided = await gateway.prepare(fact, self._executor, await self._occurred_at(fact, late=False))
            if decided is not None:
                return decided
        request = await self._with_token(fact, gateway.request(fact, state))
        request = await self._with_addressee(request, state)
        self._check_held()  # whoever leads now may have taken for never asked what we are about to ask for
        before, call.doubtful = call.doubtful, True
        try:
            answer = await self._provider.call(request)
        except LeftAlone:
            call.doubtful = before  # nobody was asked
            raise
        if answer.is_yes:
            return gateway.record(fact.stream, self._ours(answer.body, fact))
        logger.info("call_refused", gateway=gateway.name, call=request.name, reason=answer.reason)
        account = await self._provider.ask(path)
        if account is not None and gateway.shows(fact.event, self._ours(account, fact)):
            return gateway.record(fact.stream, account)
        return gateway.refused(fact, await self._state(fact), account, answer.reason)

    async def _opened(self, fact: Fact) -> Fact:
        """With the event's personal fields opened: here, and on the wire to the provider, only."""
        subject = subject_of(fact.event)
        if not subject:
            return fact
        await self._keyring.load((subject,))
        return fact._replace(event=opened(fact.event, self._keyring))

    async def _with_token(self, fact: Fact, request: Request) -> Request:
        """With what a stored method is charged by, where the call needs it."""
        stream = self._gateway.secret(fact)
        if not stream:
            return request
        token = await self._token(stream, fact.event.subject)  # type: ignore[attr-defined]
        return replace(request, body=self._gateway.with_secret(request, token))

    async def _with_addressee(self, request: Request, state: Any) -> Request:
        """With what the provider may repeat though the request does not tell it."""
        subject, recipient = self._gateway.addressee(state)
        if request.personal or not subject:
            return request
        await self._keyring.load((subject,))
        known = self._keyring.open(subject, recipient, Customer) if isinstance(recipient, Sealed) else None
        return replace(request, personal=said_of(known)) if isinstance(known, Customer) else request

    async def _token(self, stream: str, subject: str) -> MethodToken | None:
        """What a stored payment method is charged by; None where it is gone, or is somebody else's."""
        (state,) = await self._executor.states.load([stream])
        method: PaymentMethod = state.state
        if method.subject != subject or not isinstance(method.token, Sealed):
            return None
        await self._keyring.load((subject,))
        token = self._keyring.open(subject, method.token, MethodToken)
        return token if isinstance(token, MethodToken) else None

    def _ours(self, account: Account, fact: Fact) -> Account:
        if account.get(self._gateway.subject) != fact.stream:
            raise Unavailable(f"it speaks of something else than {fact.stream}")
        return account

    async def _occurred_at(self, fact: Fact, *, late: bool) -> datetime:
        """Live trade happens now. Played history stands still at its fact until its checkout is at rest,
        unless we come late to it: then its business clock may have moved on."""
        if fact.clock == "wall":
            return self._clock.now()
        if not late:
            return fact.occurred_at
        moments = await self._moments.of((fact.stream,))
        return moments[fact.stream].occurred_at

    async def _record(
        self, fact: Fact, command: Command, occurred_at: datetime, what: str, failed_tries: int = 0
    ) -> None:
        command = await self._gateway.informed(fact, command, self._executor)
        context = Context(
            command_id=derived_id(UUID(fact.event_id), "gateway", self._gateway.name, what),
            merchant=fact.merchant,
            actor=self._gateway.actor,
            correlation=fact.correlation,
            causation=fact.event_id,
            occurred_at=occurred_at,
            clock=fact.clock,
            failed_tries=failed_tries,
        )
        done = await self._executor.execute(one(fact.stream, command), context)
        assert done.refused is None, f"a provider's fact is never refused: {done.refused}"
