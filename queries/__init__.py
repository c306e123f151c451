"""The read side of the API: `routers` are all of its routes (what they need: `queries.dependencies`)."""

from __future__ import annotations

from fastapi import APIRouter

from domain.contexts import exported
from queries import operator

routers: tuple[APIRouter, ...] = (*exported("queries", "ROUTERS"), operator.router)
