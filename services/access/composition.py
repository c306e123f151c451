"""What does a process make of all this? One `Access`, with the gate that knows who asks.

Its routes stand in `routers.py`: who asks at the console needs none.
"""

from __future__ import annotations

from fastapi import FastAPI

from commands.executor import Executor
from eventstore.keyring import Keyring
from eventstore.log import Log
from eventstore.seams import Clock, Ids
from eventstore.statements import Pool
from services.access.mail import Mailer
from services.access.parts import Parts
from services.access.policy import Policy
from services.context import ProcessContext
from services.gateways.mail import Mails
from services.gateways.mail_secrets import MailSeal, PostgresMailSecrets
from services.settings import Settings


class Access(Parts):
    """Call `install(app)` before the app serves, and `await close()` after; `policy` is for tests."""

    def __init__(
        self,
        settings: Settings,
        log: Log,
        executor: Executor,
        keyring: Keyring,
        pool: Pool,
        clock: Clock,
        ids: Ids,
        mailer: Mailer,
        policy: Policy | None = None,
    ) -> None:
        chosen = policy or Policy.of(settings)
        super().__init__(settings.master_key(), chosen, log, executor, keyring, pool, clock, ids, mailer)

    def install(self, app: FastAPI) -> None:
        """What the routes and their rules find in `app.state`; the app includes the routers."""
        app.state.access = self
        app.state.gate = self.gate


def access_of(context: ProcessContext, pool: Pool) -> Access:
    """Of a process; `pool` is of the role `access`. Its mails go through the log and the gateways."""
    mails = Mails(
        context.executor,
        context.keyring,
        PostgresMailSecrets(context.pool),
        MailSeal(context.settings.master_key()),
        context.ids,
        context.clock,
    )
    return Access(
        context.settings,
        context.log,
        context.executor,
        context.keyring,
        pool,
        context.clock,
        context.ids,
        mails,
    )
