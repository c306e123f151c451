"""The write side: what may be asked for, how it is carried out, and its HTTP routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter


def routers() -> tuple[APIRouter, ...]:
    """All routes of commands. Loaded when asked for: agents carry out commands too, and serve no HTTP."""
    from commands import catalogue, merchant, order, stock  # noqa: PLC0415

    return (order.router, stock.router, merchant.router, catalogue.router)
