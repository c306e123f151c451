"""How is a mail that was begun seen through: made, handed over, again if that surely failed, and recorded?"""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from uuid import UUID

import structlog

from commands.executor import Context, Executor
from domain.kernel import Command, Fact, one
from domain.mail import Letter, MailRequested, RecordMailFailure, RecordMailSent, RecordMailUnknown
from eventstore.codec import opened
from eventstore.keyring import Keyring
from eventstore.seams import Clock, derived_id
from services.gateways.breaker import PATIENCE, Patience
from services.gateways.mail_message import NotWritable, make_message
from services.gateways.mail_secrets import MailSeal
from services.gateways.mail_transport import Delivery, Transport
from services.gateways.trouble import OUR_TROUBLE

ACTOR = "gateway:mail"
RECORD_SECONDS = 0.5
logger = structlog.get_logger()


class MailSender:
    """Sees one mail through at a time for whoever asks; keeps nothing between them."""

    def __init__(
        self,
        transport: Transport,
        seal: MailSeal,
        executor: Executor,
        keyring: Keyring,
        clock: Clock,
        sender: str,
        patience: Patience = PATIENCE,
    ) -> None:
        self._transport = transport
        self._seal = seal
        self._executor = executor
        self._keyring = keyring
        self._clock = clock
        self._sender = sender
        self._patience = patience

    async def see_through(self, fact: Fact, sealed: bytes | None) -> None:
        """Return once the outcome is in the log. `sealed` is the secret, as it was taken."""
        command = await self._outcome(fact, sealed)
        kind = type(command).__name__
        logger.info("mail_done", stream=fact.stream, outcome=kind, reason=getattr(command, "reason", ""))
        await self.record(fact, command)

    async def record(self, fact: Fact, command: Command) -> None:
        """For as long as it takes: what is known of a mail is known nowhere else."""
        context = Context(
            command_id=derived_id(UUID(fact.event_id), "mail", type(command).__name__),
            merchant=fact.merchant,
            actor=ACTOR,
            correlation=fact.correlation,
            causation=fact.event_id,
            occurred_at=self._clock.now(),
        )
        while True:
            try:
                await self._executor.execute(one(fact.stream, command), context)
            except OUR_TROUBLE as error:
                logger.warning("mail_waits_for_the_log", stream=fact.stream, error=type(error).__name__)
                await asyncio.sleep(RECORD_SECONDS)
            else:
                return

    async def record_unknown(self, fact: Fact) -> None:
        """It was begun by a worker that did not say what came of it."""
        logger.warning("mail_outcome_unknown", stream=fact.stream)
        await self.record(fact, RecordMailUnknown(mail_id=_request(fact).mail_id))

    async def _outcome(self, fact: Fact, sealed: bytes | None) -> Command:
        mail_id = _request(fact).mail_id
        try:
            message = await self._message(fact, sealed)
        except NotWritable as error:
            return RecordMailFailure(mail_id=mail_id, reason=str(error), attempts=0)
        attempts, delivery = await self._deliver(mail_id, message)
        match delivery.outcome:
            case "sent":
                return RecordMailSent(mail_id=mail_id, attempts=attempts)
            case "unknown":
                return RecordMailUnknown(mail_id=mail_id)
        return RecordMailFailure(mail_id=mail_id, reason=delivery.reason, attempts=attempts)

    async def _message(self, fact: Fact, sealed: bytes | None) -> EmailMessage:
        request = _request(fact)
        await self._keyring.load((request.subject,))
        letter = opened(request, self._keyring).letter  # type: ignore[attr-defined]
        if not isinstance(letter, Letter):
            raise NotWritable("erased")
        secret = self._seal.open(request.mail_id, sealed) if sealed else None
        if request.has_secret and secret is None:
            raise NotWritable("secret-gone")
        now = self._clock.now()
        return make_message(request.mail_id, request.template, letter, secret or "", self._sender, now)

    async def _deliver(self, mail_id: str, message: EmailMessage) -> tuple[int, Delivery]:
        """Try again only what was surely not taken."""
        attempts = 1
        while True:
            delivery = await self._transport.deliver(mail_id, message)
            if delivery.outcome != "postponed" or attempts >= self._patience.attempts:
                return attempts, delivery
            logger.info("mail_postponed", mail=mail_id, reason=delivery.reason, attempts=attempts)
            await asyncio.sleep(self._patience.pause_s(attempts, self._patience.throw()))
            attempts += 1


def _request(fact: Fact) -> MailRequested:
    assert isinstance(fact.event, MailRequested)
    return fact.event
