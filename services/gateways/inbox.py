"""What becomes of a webhook: kept on the disk before it is answered, then matched with its stream.

Webhooks come late, twice and out of order, and sometimes before what they are about: one that matches nothing
yet stays, and is tried again. All that are at hand go through each step together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import psycopg
import structlog

from commands.executor import Context, Executor
from domain.kernel import Command, one
from eventstore.log import EpochChanged
from eventstore.pace import Pace
from eventstore.seams import Clock, key_id
from eventstore.statements import Database
from services.gateways.gateway import Gateway, Unavailable
from services.gateways.moments import Moment, Moments
from services.gateways.provider import Provider
from services.gateways.trouble import OUR_TROUBLE, task_group

BATCH_MAX = 256
ID_MAX, NAME_MAX = 200, 1_000
"""Characters of a webhook's id, and of the stream and the checkout that it names."""
IN_HAND_SECONDS = 30.0
POLL_SECONDS = 0.5
KEEP_SECONDS = 0.015
MATCH_SECONDS = 0.02
PAUSE_S_FIRST, PAUSE_S_MAX = 0.5, 600.0
_NOT_STORABLE = (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)
logger = structlog.get_logger()


class InboxUnavailable(Exception):
    """The webhook could not be kept: whoever sent it must send it again."""


class NotUnderstood(ValueError):
    """The webhook does not say what it is about."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """`attempts` counts the times that it matched nothing."""

    provider: str
    id: str
    stream: str
    correlation: str
    body: bytes
    attempts: int = 0

    @property
    def key(self) -> tuple[str, str]:
        return self.provider, self.id


_Arrival = tuple[Webhook, "asyncio.Future[None]"]


@dataclass(slots=True)
class _Settled:
    """What came of a batch: matched, or put off for some seconds."""

    matched: list[Webhook] = field(default_factory=list)
    postponed: list[tuple[Webhook, int, float]] = field(default_factory=list)

    def put_off(self, webhook: Webhook) -> None:
        pause_s = min(PAUSE_S_MAX, PAUSE_S_FIRST * 2.0 ** min(webhook.attempts, 30))
        self.postponed.append((webhook, webhook.attempts + 1, pause_s))

    def arguments(self) -> dict[str, Any]:
        return {
            "matched_providers": [each.provider for each in self.matched],
            "matched_ids": [each.id for each in self.matched],
            "postponed_providers": [each.provider for each, _, _ in self.postponed],
            "postponed_ids": [each.id for each, _, _ in self.postponed],
            "attempts": [attempts for _, attempts, _ in self.postponed],
            "pauses": [pause_s for _, _, pause_s in self.postponed],
        }


class Inbox:
    """Takes the webhooks of all `gateways` while `run` runs. Several inboxes on one table do no harm.

    `providers`, by their gateways' names, are asked whose a webhook is that does not say.
    """

    def __init__(
        self,
        gateways: Iterable[Gateway],
        executor: Executor,
        database: Database,
        clock: Clock,
        providers: Mapping[str, Provider] | None = None,
    ) -> None:
        self.gateways: Mapping[str, Gateway] = {each.name: each for each in gateways}
        self._executor = executor
        self._statements = database.statements("services.gateways", "gateways.sql")
        self._moments = Moments(database, clock)
        self._providers = providers or {}
        self._arrivals: list[_Arrival] = []
        self._arrived = asyncio.Event()
        self._unmatched: list[Webhook] = []
        self._matchable = asyncio.Event()
        self._closed = False

    async def receive(self, provider: str, webhook_id: str, body: bytes) -> None:
        """Return once the webhook is on the disk; a repeated one changes nothing.

        Its id may be in its body. Raises NotUnderstood, InboxUnavailable.
        """
        gateway = self.gateways[provider]
        webhook, where = _parse(gateway, webhook_id, body)
        if where:
            webhook = await self._attributed(gateway, webhook, where)
        _check_lengths(gateway, webhook)
        if self._closed:
            raise InboxUnavailable("the inbox is closed")
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals.append((webhook, kept))
        self._arrived.set()
        await kept

    async def _attributed(self, gateway: Gateway, webhook: Webhook, where: str) -> Webhook:
        """With the stream and the checkout of the account that it is about: asked for before it is kept, as
        whether anything of a checkout is still to come is known by these."""
        try:
            account = await self._providers[gateway.name].ask(where)
        except (KeyError, Unavailable) as error:
            raise InboxUnavailable(f"{webhook.id} does not say whose it is, nor does anybody else") from error
        if account is None:
            raise NotUnderstood(f"{webhook.id} is of nothing that its provider knows")
        stream = gateway.stream_of(account)
        return replace(webhook, stream=stream, correlation=account.get("checkout") or stream)

    async def run(self) -> None:
        """Ends only by an error that no waiting helps against, or by being cancelled."""
        self._closed = False
        self._unmatched.clear()  # they are all on the disk, from where they are taken up
        try:
            async with task_group() as tasks:
                tasks.create_task(self._keep_arrivals())
                tasks.create_task(self._match_all())
                await self._take_up()
        finally:
            self._closed = True
            _answer(self._arrivals, InboxUnavailable("the inbox is closed"))
            self._arrivals = []

    async def _keep_arrivals(self) -> None:
        """Group commit: while one batch is being written, the next one gathers."""
        pace = Pace(KEEP_SECONDS)
        while True:
            await self._arrived.wait()
            await pace.turn()
            batch, self._arrivals = self._arrivals[:BATCH_MAX], self._arrivals[BATCH_MAX:]
            if not self._arrivals:
                self._arrived.clear()
            try:
                await self._keep_batch(batch)
            finally:
                _answer(batch, InboxUnavailable("the inbox is closed"))

    async def _keep_batch(self, batch: Sequence[_Arrival]) -> None:
        """All in one statement; one by one where the database can't hold something of one of them."""
        try:
            await self._keep([webhook for webhook, _ in batch])
            _answer(batch)
        except _NOT_STORABLE as error:
            if len(batch) == 1:
                logger.warning("webhook_not_storable", webhook=batch[0][0].id, error=str(error))
                _answer(batch, NotUnderstood("it holds what can't be kept"))
            else:
                for each in batch:
                    await self._keep_batch([each])
        except psycopg.Error as error:
            logger.warning("webhooks_not_kept", count=len(batch), error=str(error))
            _answer(batch, InboxUnavailable(str(error)))

    async def _keep(self, webhooks: Sequence[Webhook]) -> None:
        arguments = {
            "providers": [each.provider for each in webhooks],
            "ids": [each.id for each in webhooks],
            "streams": [each.stream for each in webhooks],
            "correlations": [each.correlation for each in webhooks],
            "bodies": [each.body for each in webhooks],
            "seconds": IN_HAND_SECONDS,
        }
        new = {each.key: each for each in reversed(webhooks)}
        rows = await self._statements.run("receive_webhooks", **arguments)
        self._hand_over([new[provider, webhook_id] for provider, webhook_id in rows])

    def _hand_over(self, webhooks: Sequence[Webhook]) -> None:
        if webhooks:
            self._unmatched.extend(webhooks)
            self._matchable.set()

    async def _take_up(self) -> None:
        """Again and again, hand over what is due: what the last run left, and what matched nothing before."""
        released = False
        while True:
            try:
                if not released:
                    await self._statements.run("release_webhooks")
                    released = True
                rows = await self._statements.run("due_webhooks", seconds=IN_HAND_SECONDS, limit=BATCH_MAX)
            except psycopg.Error as error:
                logger.warning("webhooks_not_taken_up", error=str(error))
                rows = []
            self._hand_over([Webhook(*row) for row in rows])
            await asyncio.sleep(0 if len(rows) == BATCH_MAX else POLL_SECONDS)

    async def _match_all(self) -> None:
        pace = Pace(MATCH_SECONDS)
        while True:
            await self._matchable.wait()
            await pace.turn()
            batch, self._unmatched = self._unmatched[:BATCH_MAX], self._unmatched[BATCH_MAX:]
            if not self._unmatched:
                self._matchable.clear()
            try:
                settled = await self._match(batch)
                # not waited for on the disk: what is matched a second time was appended under the same id
                await self._statements.run("settle_webhooks", **settled.arguments())
            except psycopg.Error as error:
                logger.warning("webhooks_not_matched", count=len(batch), error=str(error))

    async def _match(self, batch: Sequence[Webhook]) -> _Settled:
        """Webhooks of one stream in the order of arrival, streams side by side."""
        moments = await self._moments.of(each.stream for each in batch)
        settled = _Settled()
        by_stream: dict[str, list[Webhook]] = {}
        for webhook in batch:
            if webhook.stream in moments:
                by_stream.setdefault(webhook.stream, []).append(webhook)
            else:
                settled.put_off(webhook)
        async with task_group() as tasks:
            for stream, webhooks in by_stream.items():
                tasks.create_task(self._append_all(webhooks, moments[stream], settled))
        return settled

    async def _append_all(self, webhooks: Sequence[Webhook], moment: Moment, settled: _Settled) -> None:
        for webhook in webhooks:
            try:
                matched = await self._append(webhook, moment)
            except OUR_TROUBLE as error:
                # perhaps it was appended: it is due again later, under the same id
                logger.warning("webhook_waits_for_the_log", webhook=webhook.id, error=str(error))
                continue
            except EpochChanged:
                raise
            except Exception:
                logger.exception("webhook_broke", webhook=webhook.id)  # it must not stop the others
                matched = False
            if matched:
                settled.matched.append(webhook)
            else:
                settled.put_off(webhook)

    async def _append(self, webhook: Webhook, moment: Moment) -> bool:
        """Whether it is recorded. A refusal would be repeated from the ledger, so each attempt has an id."""
        gateway = self.gateways[webhook.provider]
        try:
            command = _command(gateway, webhook)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            logger.warning("webhook_not_understood", webhook=webhook.id, error=str(error))
            return False
        if command is None:
            return True
        context = Context(
            command_id=key_id("webhook", webhook.provider, webhook.id, str(webhook.attempts)),
            merchant=moment.merchant,
            actor=gateway.actor,
            correlation=moment.correlation,
            causation=webhook.id,
            occurred_at=moment.occurred_at,
            clock=moment.clock,
        )
        done = await self._executor.execute(one(webhook.stream, command), context)
        return done.refused is None


def _parse(gateway: Gateway, webhook_id: str, body: bytes) -> tuple[Webhook, str]:
    """The webhook, and where its provider is to be asked about it, if it does not say what it is of."""
    try:
        message = orjson.loads(body)
        stream, checkout, where = gateway.names(message)
        webhook_id = webhook_id or message["id"]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise NotUnderstood(f"it does not say what it is about: {error!r}") from error
    if not all(isinstance(text, str) for text in (webhook_id, stream, checkout)):
        raise NotUnderstood(f"id, checkout and {gateway.subject} must be text")
    return Webhook(gateway.name, webhook_id, stream, checkout, body), where


def _check_lengths(gateway: Gateway, webhook: Webhook) -> None:
    lengths = (webhook.id, ID_MAX), (webhook.stream, NAME_MAX), (webhook.correlation, NAME_MAX)
    if any(len(text) > length_max or "\0" in text for text, length_max in lengths):
        limits = f"the id has at most {ID_MAX} characters, checkout and {gateway.subject} {NAME_MAX}"
        raise NotUnderstood(f"{limits}; none is a NUL")


def _command(gateway: Gateway, webhook: Webhook) -> Command | None:
    if not webhook.stream.startswith(f"{gateway.category}-"):
        raise NotUnderstood(f"{webhook.stream} is none of its streams")
    return gateway.told(webhook.stream, gateway.read(orjson.loads(webhook.body)))


def _answer(batch: Sequence[_Arrival], error: Exception | None = None) -> None:
    for _, kept in batch:
        if kept.done():
            continue  # whoever sent it has gone away
        if error:
            kept.set_exception(error)
        else:
            kept.set_result(None)
