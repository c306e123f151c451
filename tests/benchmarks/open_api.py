"""The API without its doors, to measure against: nobody is asked who they are, nothing is limited.

Run as a process, with the owner's address for every role: what it reads passes by row-level security.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request

import commands
import queries
from domain.permissions import on_platform
from eventstore.postgres import make_pool
from queries.waiting import ProjectionsWaiter
from services.api import READ_CONNECTIONS, share
from services.context import ProcessContext
from services.health import router as health_router
from services.logs import configure_logs
from services.processes.running import run_process
from services.settings import Settings
from services.web.access import Grant, Principal
from services.web.problems import install_problems

EVERYBODY = Principal("user:everybody", "user", "everybody", platform=Grant("admin", on_platform()))


class OpenGate:
    """Takes everybody for the same."""

    async def principal_of(self, _: Request) -> Principal:
        return EVERYBODY


async def open_api(context: ProcessContext) -> None:
    app = FastAPI()
    install_problems(app)
    share(app, context)
    for router in (health_router, *commands.routers(), *queries.routers):
        app.include_router(router)
    app.state.gate = OpenGate()
    url = context.settings.url("query")
    async with (
        make_pool(url, max_size=READ_CONNECTIONS) as pool,
        ProjectionsWaiter(url, pool).running() as waiter,
    ):
        app.state.pool = pool
        app.state.projections_waiter = waiter
        await serve(app, context.settings)


async def serve(app: FastAPI, settings: Settings) -> None:
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        backlog=1024,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving


if __name__ == "__main__":
    assert Path.cwd().joinpath("tests").is_dir(), "from the root of the project"
    configure_logs()
    run_process("open-api", Settings(), open_api, "write", follow=False)
