"""What of the auditor's desk is in the API: its routes, and the connections that they read by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from eventstore.postgres import make_pool
from services.audit.erasure_routes import router as erasure_router
from services.audit.follow import HEART_BEAT_SECONDS, News, Streams
from services.audit.history_routes import router as history_router
from services.audit.looked_routes import router as looked_router
from services.audit.proof_routes import router as proof_router
from services.audit.state_routes import router as state_router
from services.audit.why_routes import router as why_router
from services.settings import Settings

ROUTERS = (history_router, state_router, why_router, proof_router, erasure_router, looked_router)
TAGS = [
    {
        "name": "audit",
        "description": "What happened, how it stood at any moment, what made the difference, why it is so,"
        " what proves that nothing was altered, who was erased, and who looked.",
    }
]
READING, FOLDING = 6, 2
"""Connections: what reads pages and causes, and what holds read models as they stood."""


@asynccontextmanager
async def open_desk(app: FastAPI, settings: Settings) -> AsyncIterator[None]:
    """What the routes find in `app.state`: as the role that sees a merchant's history, or all of it."""
    url, seconds = settings.url("audit"), settings.query_seconds
    async with (
        make_pool(url, max_size=READING, statement_seconds=seconds) as reading,
        make_pool(url, max_size=FOLDING, statement_seconds=seconds) as folding,
        News(url).running() as news,
    ):
        app.state.audit_pool = reading
        app.state.folding_pool = folding
        app.state.news = news
        app.state.streams = Streams()
        app.state.heart_beat_seconds = HEART_BEAT_SECONDS
        yield
