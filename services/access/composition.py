"""What does a process make of all this? One `Access`: the gate that knows who asks, and the routes."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from commands.executor import Executor
from eventstore.keyring import Keyring
from eventstore.log import Log
from eventstore.seams import Clock, Ids
from eventstore.statements import Pool
from services.access import routes, routes_keys, routes_me, routes_password, routes_platform, routes_users
from services.access.mail import Mailer
from services.access.parts import Parts
from services.access.policy import Policy
from services.context import ProcessContext
from services.gateways.mail import Mails
from services.gateways.mail_secrets import MailSeal, PostgresMailSecrets
from services.settings import Settings

ROUTERS = (
    routes.router,
    routes_me.router,
    routes_password.router,
    routes_users.router,
    routes_keys.router,
    routes_platform.router,
)
TAGS = [
    {"name": "auth", "description": "Who are you? Sign-in, sessions, passwords, second factors."},
    {"name": "users", "description": "Who may do what: members of a merchant, and users of the platform."},
    {"name": "keys", "description": "Ways in for programs."},
]
"""For the OpenAPI document."""


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

    @property
    def routers(self) -> tuple[APIRouter, ...]:
        return ROUTERS

    def install(self, app: FastAPI) -> None:
        """What the routes and their rules find in `app.state`; the routers are for the app to include."""
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
