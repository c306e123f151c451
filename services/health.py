"""Is the API there and ready, and what does it offer?"""

from __future__ import annotations

import asyncio
from typing import Literal

import psycopg
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from services.web.access import public
from services.web.openapi import problem_responses
from services.web.problems import try_later

PATIENCE_SECONDS = 2.0
router = APIRouter(tags=["system"])


class LogHealth(BaseModel):
    """The log that is written to."""

    name: str = Field(description="its id and epoch, as in a position", examples=["0190c3f2a1b4.1"])
    head: int = Field(description="its highest position", examples=[17])


class Health(BaseModel):
    """An answer at all says that the process is alive; this one, that it is ready too."""

    status: Literal["ready"] = Field(examples=["ready"])
    log: LogHealth


class Root(BaseModel):
    """Where to go from here: paths by what they are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Tillroll", "version": "0.1.0"}]})

    name: str
    version: str
    links: dict[str, str]


@router.get(
    "/health",
    operation_id="get_health",
    dependencies=[public("whoever watches must see whether it is there")],
    summary="Is it ready?",
    responses={503: problem_responses(503)[503]},
)
async def get_health(request: Request) -> Health:
    """503 where the log can't be reached, or takes no writes: the process is alive, but of little use."""
    log = request.app.state.log
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await log.head()
            identity, same_server = await log.present()
    except (TimeoutError, OSError, psycopg.OperationalError):
        raise try_later("the log can't be reached", PATIENCE_SECONDS) from None
    if identity != log.identity or not same_server:
        detail = "the log was restored or promoted; it takes no writes yet"
        raise try_later(detail, PATIENCE_SECONDS, kind="epoch-changed")
    return Health(status="ready", log=LogHealth(name=log.identity.name, head=head))


@router.get(
    "/",
    operation_id="get_root",
    dependencies=[public("the way in, which says nothing")],
    summary="What is here?",
    responses={500: problem_responses(500)[500]},
)
async def get_root(request: Request) -> Root:
    """The way in for a person with a browser."""
    app = request.app
    links = {
        "openapi": app.openapi_url,
        "documentation": app.docs_url,
        "health": "/health",
        "orders": "/v1/orders",
        "stock": "/v1/stock",
    }
    return Root(name=app.title, version=app.version, links=links)
