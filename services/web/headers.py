"""Which headers does every answer have? Those that tell a browser to take it for nothing but what it is.

This stands outside of everything else, so that a refusal and an error have them, too. What an answer says by
itself goes first: a page that needs more than the strict policy says so.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256

from services.web.asgi import ASGIApp, Header, Message, Receive, Scope, Send, said_of

STRICT_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
HSTS_SECONDS = 2 * 365 * 24 * 3600
_ALWAYS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_NO_STORE: Header = (b"cache-control", b"no-store")
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class AnswerHeaders:
    """Adds them. `pages` are paths with a policy of their own, which may be stored; nothing else may be.

    `behind_tls` promises browsers that there will be TLS for two years (HSTS).
    """

    def __init__(
        self, app: ASGIApp, *, behind_tls: bool = False, pages: Mapping[str, str] | None = None
    ) -> None:
        self._app = app
        hsts = ((b"strict-transport-security", f"max-age={HSTS_SECONDS}".encode()),) if behind_tls else ()
        self._usual = (*_ALWAYS, *hsts, _NO_STORE, _policy(STRICT_POLICY))
        self._pages = {path: (*_ALWAYS, *hsts, _policy(text)) for path, text in (pages or {}).items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours = self._pages.get(scope["path"], self._usual)
        said = said_of(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers", ())
                names = {name for name, _ in given}
                message["headers"] = [*given, *(each for each in ours if each[0] not in names), *said]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _policy(text: str) -> Header:
    return (b"content-security-policy", text.encode())


def documentation_policy(page: bytes) -> str:
    """For the page of Swagger UI: assets from where it takes them, its own inline script by its hash."""
    hashes = " ".join(
        f"'sha256-{b64encode(sha256(script).digest()).decode()}'" for script in _INLINE_SCRIPT.findall(page)
    )
    return (
        f"default-src 'none'; script-src https://cdn.jsdelivr.net {hashes};"
        " style-src https://cdn.jsdelivr.net 'unsafe-inline'; connect-src 'self';"
        " img-src 'self' data: https://fastapi.tiangolo.com;"
        " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
