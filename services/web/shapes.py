"""Does a request have the shape of one that we serve? Its method, its host, and the length of its address."""

from __future__ import annotations

from collections.abc import Sequence

from services.web.asgi import ASGIApp, Receive, Scope, Send, refuse
from services.web.problems import Problem

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PATH_BYTES_MAX = 2048
QUERY_BYTES_MAX = 8192


class Shapes:
    """Refuses what has not. `hosts` are our names, `*.example.org` for all below it; without any: all."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts if not host.startswith("*."))
        self._below = tuple(host[1:].lower() for host in hosts if host.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if problem := self._problem(scope):
            await refuse(problem, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _problem(self, scope: Scope) -> Problem | None:
        if scope["method"] not in METHODS:
            detail = f"no path here takes {scope['method']}"
            return Problem(405, "method-not-allowed", detail, headers={"Allow": ", ".join(METHODS)})
        if len(scope.get("raw_path") or scope["path"]) > PATH_BYTES_MAX:
            return Problem(414, "address-too-long", f"a path holds at most {PATH_BYTES_MAX} bytes")
        if len(scope["query_string"]) > QUERY_BYTES_MAX:
            return Problem(414, "address-too-long", f"a query string holds at most {QUERY_BYTES_MAX} bytes")
        if (self._hosts or self._below) and not self._knows(_host_of(scope)):
            return Problem(400, "host-unknown", "the header Host names nobody who is served here")
        return None

    def _knows(self, host: str) -> bool:
        return host in self._hosts or host.endswith(self._below)


def _host_of(scope: Scope) -> str:
    """The name in the header Host, without its port."""
    for name, value in scope["headers"]:
        if name == b"host":
            host: str = value.decode("latin-1").lower()
            return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return ""
