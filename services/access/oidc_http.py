"""How is a sign-in provider asked over HTTP, so that whatever it answers can't hurt us?

Each answer has a time limit and a size limit, and is a JSON object. Redirects are not followed: the addresses
come from the discovery document, and nobody else may send us on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson
from yarl import URL

from services.loopback import is_loopback

ANSWER_BYTES_MAX = 256 * 1024
TIMEOUT_S = 5.0
CONNECTIONS_MAX = 16
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "tillroll"}


class OidcRefused(Exception):
    """The sign-in failed. The message is safe to show: it holds nothing that came from outside.

    `reason` is a stable name; `passing` says that trying again later may help.
    """

    def __init__(self, reason: str, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.passing = passing


def open_oidc_http(timeout_s: float = TIMEOUT_S) -> aiohttp.ClientSession:
    """A session for all sign-in providers of a process; close it at the end.

    What is compressed is not unpacked: a small answer must not become a large one.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        headers=_HEADERS,
        auto_decompress=False,
    )


async def fetch_object(
    http: aiohttp.ClientSession,
    url: URL,
    what: str,
    *,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The JSON object at `url`; with a `form`, what posting it brings. `what` names it in errors."""
    method = "GET" if form is None else "POST"
    try:
        async with http.request(method, url, data=form, headers=headers, allow_redirects=False) as response:
            status, content = response.status, await _read(response, what)
    except (aiohttp.ClientError, TimeoutError, OSError):
        message = f"the provider's {what} can't be reached; try again later"
        raise OidcRefused("unreachable", message, passing=True) from None
    _check_status(status, what)
    return _parsed(content, what)


async def _read(response: aiohttp.ClientResponse, what: str) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(16 * 1024):
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            response.close()
            raise OidcRefused("oversized", f"the provider's {what} is too large")
    return bytes(content)


def _check_status(status: int, what: str) -> None:
    if 300 <= status < 400:
        raise OidcRefused("redirected", f"the provider's {what} is a redirect, which is not followed")
    if status >= 500 or status == 429:
        message = f"the provider's {what} is out of order; try again later"
        raise OidcRefused("unreachable", message, passing=True)
    if status != 200:
        raise OidcRefused("provider-refused", f"the provider refused: its {what} answered with {status}")


def _parsed(content: bytes, what: str) -> dict[str, Any]:
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise OidcRefused("malformed", f"the provider's {what} is no JSON object")
    return parsed


def is_safe(url: URL, *, loopback: bool) -> bool:
    """Whether we may talk to it: over https, or in the clear where it can't leave this machine.

    `loopback` is true where the issuer itself is on loopback: others must not steer us there.
    """
    if not url.host or url.user or url.password or url.fragment:
        return False
    return (url.scheme == "https" and not is_loopback(url.host)) or (
        loopback and is_loopback(url.host) and url.scheme in {"http", "https"}
    )
