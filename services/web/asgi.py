"""What do the doors in front of the application share? The types of ASGI, and how one answers by itself."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.web.problems import Problem

__all__ = ["ASGIApp", "Header", "Message", "Receive", "Scope", "Send", "refuse", "said_of", "state_of"]

Header = tuple[bytes, bytes]


def state_of(scope: Scope) -> dict[str, Any]:
    """What is kept for this request: `request.state` in a route."""
    state: dict[str, Any] = scope.setdefault("state", {})
    return state


def said_of(scope: Scope) -> list[Header]:
    """Headers that shall stand on the answer, whoever gives it: see `services.web.headers`."""
    said: list[Header] = state_of(scope).setdefault("said", [])
    return said


async def refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the problem, and go no further."""
    await problem.response()(scope, receive, send)
