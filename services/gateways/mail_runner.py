"""Sends the mails that the log requests, each at most once, and keeps the place.

A mail is begun by one transaction: the checkpoint moves past its request, a row says that it is open, and its
secret is taken out of the table. Only then is anything sent. So a mail that stands open when a worker starts
was begun by one that did not live to record the outcome: that is recorded as unknown, and the mail is not
sent again.
"""

from __future__ import annotations

import asyncio

from domain.kernel import Fact
from domain.mail import MailRequested
from eventstore.checkpoints import Checkpoint, LeaseLost, holding
from eventstore.feed import Feed
from eventstore.log import StoredEvent
from eventstore.pace import Pace
from eventstore.statements import Database
from eventstore.tasks import TaskGroup
from services.gateways.breaker import Patience
from services.gateways.mail_sender import ACTOR, MailSender
from services.gateways.trouble import task_group

GATEWAY = "mail"
MAIL_PATIENCE = Patience(attempts=8, pause_s_first=1.0)
IN_FLIGHT_MAX = 8
PAGE = 1_000
PAGE_SECONDS = 0.05
KEEP_SECONDS = 1.0
SECRET_DAYS = 1
_INTEREST = MailRequested.__name__


class MailRunner:
    """Follows the log for mail. `run` ends only by an error, or by being cancelled."""

    follower = ACTOR

    def __init__(self, sender: MailSender, feed: Feed, database: Database) -> None:
        self._sender = sender
        self._feed = feed
        self._database = database
        self._statements = database.statements("services.gateways", "mail.sql", "gateways.sql")

    async def run(self) -> None:
        async with holding(self._database, self.follower) as checkpoint:
            await self._statements.run("sweep_secrets", days=SECRET_DAYS)
            await self._settle_open()
            async with task_group() as tasks:
                await self._follow(checkpoint, tasks)

    async def _settle_open(self) -> None:
        """What the last worker began and did not end."""
        for _, _, *stored in await self._statements.run("load_calls", gateway=GATEWAY):
            fact = self._feed.fact(StoredEvent(*stored))
            await self._sender.record_unknown(fact)
            await self._close(fact)

    async def _follow(self, checkpoint: Checkpoint, tasks: TaskGroup) -> None:
        pace = Pace(PAGE_SECONDS)
        slots = asyncio.Semaphore(IN_FLIGHT_MAX)
        loop, taken = asyncio.get_running_loop(), checkpoint.position
        keep_at = loop.time() + KEEP_SECONDS
        while True:
            await pace.turn()
            page = await self._feed.page(taken, PAGE)
            checkpoint.check()
            for stored in page:
                if stored.type == _INTEREST:
                    await slots.acquire()
                    fact, sealed = await self._begin(checkpoint, stored)
                    tasks.create_task(self._see_through(fact, sealed, slots))
            taken = page[-1].position if page else taken
            # where nothing is sent, nothing is lost with our place: kept for who looks how far we are
            if not page or loop.time() >= keep_at:
                await self._keep(checkpoint, taken)
                keep_at = loop.time() + KEEP_SECONDS

    async def _begin(self, checkpoint: Checkpoint, stored: StoredEvent) -> tuple[Fact, bytes | None]:
        """Durably: from here on it is ours to send, and nobody's to send again."""
        fact = self._feed.fact(stored)
        rows = await self._statements.run(
            "take_mail",
            follower=self.follower,
            lease=checkpoint.lease,
            was=checkpoint.position,
            position=stored.position,
            gateway=GATEWAY,
            correlation=stored.correlation,
            mail_id=fact.event.mail_id,  # type: ignore[attr-defined]
        )
        is_ours, sealed = rows[0]
        if not is_ours:
            raise LeaseLost(f"{self.follower} is followed by another worker now")
        checkpoint.moved(stored.position)
        return fact, sealed

    async def _see_through(self, fact: Fact, sealed: bytes | None, slots: asyncio.Semaphore) -> None:
        try:
            await self._sender.see_through(fact, sealed)
            await self._close(fact)
        finally:
            slots.release()

    async def _close(self, fact: Fact) -> None:
        await self._statements.run("close_mail", gateway=GATEWAY, position=fact.position)

    async def _keep(self, checkpoint: Checkpoint, taken: int) -> None:
        """Commit without waiting for the disk: what was begun since has committed with it."""
        if taken == checkpoint.position:
            return
        await checkpoint.move(taken)
