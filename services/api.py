"""The HTTP API: which routes are there, how is it served, and how does it end?"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import socket
from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import Protocol

import psycopg
import structlog
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from starlette.routing import BaseRoute

import commands
import queries
from commands.executor import Executor, TooMuchContention
from commands.product.importing import Importer
from domain.contexts import exported
from eventstore.keyring import Keyring
from eventstore.log import EpochChanged, Log, LogUnavailable
from eventstore.postgres import make_pool
from eventstore.seams import Clock, Ids
from queries.waiting import ProjectionsWaiter
from services.access.composition import access_of
from services.access.oidc import open_oidc
from services.access.oidc_routes import make_router as make_oidc_router
from services.access.routers import ROUTERS as ACCESS_ROUTERS
from services.access.routers import TAGS as ACCESS_TAGS
from services.access.sign_in_by import SignInBy
from services.audit.composition import ROUTERS as AUDIT_ROUTERS
from services.audit.composition import TAGS as AUDIT_TAGS
from services.audit.composition import open_desk
from services.audit.erasure import Erasures
from services.audit.erasure_list import ErasureList
from services.audit.erasure_restore import until_followed
from services.audit.looked import Looks
from services.audit.witness import witnesses_in
from services.context import ProcessContext
from services.health import router as health_router
from services.limit_settings import LimitSettings
from services.limits import connection_bounds, harden
from services.listening import API, listen
from services.parked_routes import router as parked_router
from services.rates import SharedRates
from services.web.access import NobodyGate, install_rules
from services.web.connections import guarded
from services.web.parameters import refuse_unknown_parameters
from services.web.problems import install_problems, try_later
from services.web.rates import RatedGate
from services.web.serving import Server, serve

STOP_SECONDS = 10
READ_CONNECTIONS, ACCESS_CONNECTIONS = 8, 4
RETRY_SECONDS = 2.0
DESCRIPTION = """\
Commands say what shall happen, queries what has. Who asks signs in, or sends an API key, as
`Authorization: Bearer …`. Whose data it is about is the merchant of who asks; who acts for several names one
in the header `Tillroll-Merchant`.

A command takes an `Idempotency-Key` and answers with its position, `Tillroll-Position`. A query that
is given it as `Tillroll-Min-Position` shows what the command did. An error is a problem document (RFC 9457).
Amounts are integers in minor units of the currency beside them; times are RFC 3339 in UTC.
"""
TAGS = [
    *exported("commands", "TAGS"),
    *exported("queries", "TAGS"),
    *ACCESS_TAGS,
    *AUDIT_TAGS,
    {"name": "sign-in", "description": "Sign-in by somebody else: OpenID Connect."},
    {"name": "operator", "description": "What spans merchants: for who runs the system."},
    {"name": "system", "description": "Is it there, and what does it offer?"},
]
logger = structlog.get_logger()


class Parts(Protocol):
    """What the API is made over: a process context, or its twins in memory."""

    @property
    def log(self) -> Log: ...
    @property
    def executor(self) -> Executor: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ids(self) -> Ids: ...


def create_app(
    parts: Parts, settings: LimitSettings | None = None, further: Sequence[APIRouter] = ()
) -> FastAPI:
    """The whole API over the parts of a process, with its limits around it; its gate lets nobody in yet.

    `further` are routers that are made of settings. Raises RouteWithoutRule.
    """
    app = FastAPI(
        title="Tillroll",
        summary="A commerce backend that keeps every fact, in order, for ever",
        description=DESCRIPTION,
        version=importlib.metadata.version("tillroll"),
        openapi_tags=TAGS,
        redoc_url=None,
        redirect_slashes=False,  # an empty id is no way to ask for the whole list
        dependencies=[Depends(refuse_unknown_parameters)],
        routes=[*_routes()],
    )
    install_problems(app)
    _install_unavailable(app)
    share(app, parts)
    for router in further:
        app.include_router(router)
    install_rules(app)
    harden(app, settings or LimitSettings())
    return app


@cache
def _routes() -> Sequence[BaseRoute]:
    """Those that are the same in all applications of a process: to make them of what they declare takes a
    second, and a process of tests makes hundreds of applications.
    """
    router = APIRouter(dependencies=[Depends(refuse_unknown_parameters)])
    ours = (
        health_router,
        *commands.routers(),
        *queries.routers,
        parked_router,
        *ACCESS_ROUTERS,
        *AUDIT_ROUTERS,
    )
    for each in ours:
        router.include_router(each)
    return router.routes


@contextlib.asynccontextmanager
async def running_app(context: ProcessContext) -> AsyncIterator[FastAPI]:
    """The whole API with what runs beside it.

    Reads, and what asks who somebody is, go over connections of their own, which may do no more than that; so
    a heavy read keeps no command waiting.
    """
    settings = context.settings
    reading, knowing = settings.url("query"), settings.url("access")
    async with (
        make_pool(reading, max_size=READ_CONNECTIONS, statement_seconds=settings.query_seconds) as pool,
        ProjectionsWaiter(reading, pool).running() as waiter,
        make_pool(knowing, max_size=ACCESS_CONNECTIONS) as access_pool,
        make_pool(knowing, max_size=1) as looks_pool,
        make_pool(knowing, max_size=1) as seen_by,
        Looks(looks_pool, context.clock, seen_by=seen_by).running() as looks,
        open_oidc(settings, context.clock) as providers,
    ):
        access = access_of(context, access_pool)
        oidc = make_oidc_router(
            providers,
            access.seals.oidc,
            SignInBy(access),
            public_url=settings.public_url,
            clock=context.clock,
        )
        app = create_app(context, settings, (oidc,))
        access.install(app)
        app.state.gate = RatedGate(access.gate, app.state.rates)
        app.state.pool = pool
        app.state.write_pool, app.state.witnesses = context.pool, witnesses_in(settings.seal_witnesses)
        app.state.erasures = erasures_of(context)
        app.state.looks = looks
        app.state.projections_waiter = waiter
        try:
            async with (
                SharedRates(app.state.rate_counts, knowing).running(),
                open_desk(app, settings),
                Importer(
                    context.pool, context.executor, context.clock, asyncio.Event()
                ).running() as importer,
            ):
                app.state.importer = importer
                yield app
        finally:
            await access.close()


def erasures_of(context: ProcessContext) -> Erasures:
    noted = ErasureList(context.settings.erasures())
    return Erasures(context.pool, context.executor, context.keyring, noted)


def share(app: FastAPI, parts: Parts) -> None:
    """What routes find in `app.state`; `pool` and `projections_waiter` come with `running_app`."""
    app.state.gate = NobodyGate()
    app.state.log = parts.log
    app.state.identity = parts.log.identity
    app.state.executor = parts.executor
    app.state.keyring = parts.keyring
    app.state.clock = parts.clock
    app.state.ids = parts.ids


def _install_unavailable(app: FastAPI) -> None:
    """What ends by itself is a 503 that says when to come back."""

    async def answer(_: Request, error: Exception) -> Response:
        match error:
            case TooMuchContention():
                detail, kind = str(error), "contention"
            case EpochChanged():
                detail, kind = "the log was restored or promoted; it takes no writes yet", "epoch-changed"
            case _:
                logger.warning("log_unavailable", error=str(error))
                detail, kind = "the log can't be reached; if this was a command, send it again", "unavailable"
        return try_later(detail, RETRY_SECONDS, kind=kind).response()

    for kind in (TooMuchContention, EpochChanged, LogUnavailable, psycopg.OperationalError):
        app.add_exception_handler(kind, answer)


class _Server(Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Who follows the log is told that it ends: no answer of theirs would."""
        if news := getattr(self.config.app.state, "news", None):  # type: ignore[union-attr]
            news.end()
        await super().shutdown(sockets)


async def run_api(context: ProcessContext) -> None:
    """Serve until cancelled, once nobody shows who was erased; then take no new connections, and answer what
    is in hand.

    Raises CannotListen with a message that names the setting.
    """
    await until_followed(context.pool, erasures_of(context))
    listener = listen(context.settings.api_host, context.settings.api_port, API)
    async with running_app(context) as app:
        await serve(make_server(app, context.settings), listener)


def make_server(app: FastAPI, settings: LimitSettings | None = None) -> uvicorn.Server:
    """A server on the running loop; `serve([socket])` until its `should_exit` is set."""
    return _Server(
        uvicorn.Config(
            app,
            http=guarded(connection_bounds(settings or LimitSettings())),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,  # longer than clients keep theirs, or they write into a closing connection
            timeout_graceful_shutdown=STOP_SECONDS,
            backlog=1024,
        )
    )
