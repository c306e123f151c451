"""The write side: what may be asked for, how it is carried out, and its HTTP routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.contexts import exported

if TYPE_CHECKING:
    from fastapi import APIRouter


def routers() -> tuple[APIRouter, ...]:
    """All contexts' routes of commands. Loaded when asked for: agents carry out commands too, and serve no
    HTTP."""
    return exported("commands", "ROUTERS")
