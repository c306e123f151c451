"""How do webhooks come in over HTTP: whose are they, are they signed, and when are they answered?

Who sends is known only once the body is there. So connections and bodies have the API's limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson
import structlog
import uvicorn

from services.gateways.inbox import Inbox, InboxUnavailable, NotUnderstood
from services.gateways.signatures import BadSignature, Verify
from services.limit_settings import LimitSettings
from services.limits import body_bounds, connection_bounds
from services.listening import WEBHOOKS, listen
from services.web.asgi import Receive, Scope, Send
from services.web.bodies import Bodies
from services.web.connections import guarded
from services.web.serving import Server, serve

BODY_BYTES_MAX = 2**20
STOP_WITHIN_S = 5
PREFIX = "/webhooks/"
Answer = tuple[int, bytes]
logger = structlog.get_logger()

_TITLES = {
    401: "Who sends this is not known",
    404: "Not found",
    405: "This method is not for this path",
    422: "The input is not valid",
    503: "Not ready; try again later",
}
_RECEIVED: Answer = 200, b"{}"


def _problem(status: int, kind: str, detail: str) -> Answer:
    """A problem document (RFC 9457)."""
    members = {"type": f"/problems/{kind}", "title": _TITLES[status], "status": status, "detail": detail}
    return status, orjson.dumps(members)


class WebhookApplication:
    """`POST /webhooks/PROVIDER` as an ASGI application; bare, since it has a single route."""

    def __init__(self, inbox: Inbox, verifiers: Mapping[str, Verify]) -> None:
        self._inbox = inbox
        self._verifiers = verifiers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: bytes = (await receive()).get("body", b"")  # whole, as `Bodies` hands it on
        status, content = await self._answer(scope, body)
        media_type = b"application/json" if status == 200 else b"application/problem+json"
        headers = [(b"content-type", media_type), (b"content-length", b"%d" % len(content))]
        if status == 503:
            headers.append((b"retry-after", b"1"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        path: str = scope["path"]
        provider = path.removeprefix(PREFIX)
        verify = self._verifiers.get(provider)
        if verify is None or not path.startswith(PREFIX):
            return _problem(404, "not-found", f"webhooks go to {PREFIX}{{{', '.join(self._verifiers)}}}")
        if scope["method"] != "POST":
            return _problem(405, "method-not-allowed", "webhooks are sent with POST")
        headers = {
            name.decode(): value.decode("latin-1")
            for name, value in scope["headers"]
            if name.startswith((b"webhook-", b"stripe-"))
        }
        try:
            webhook_id = verify(body, headers)
        except BadSignature as error:
            logger.warning("webhook_not_signed", provider=provider, error=str(error))
            return _problem(401, "bad-signature", f"the signature does not fit: {error}")
        return await self._receive(provider, webhook_id, body)

    async def _receive(self, provider: str, webhook_id: str, body: bytes) -> Answer:
        try:
            await self._inbox.receive(provider, webhook_id, body)
        except NotUnderstood as error:
            return _problem(422, "invalid", str(error))
        except InboxUnavailable:
            return _problem(503, "unavailable", "the webhook could not be kept")
        return _RECEIVED


class WebhookServer:
    """Listens as soon as it is made; `run` serves until it is cancelled. Port 0 takes a free one: see `url`.

    Raises CannotListen if the address can't be had.
    """

    def __init__(
        self,
        inbox: Inbox,
        verifiers: Mapping[str, Verify],
        host: str,
        port: int,
        limits: LimitSettings | None = None,
    ) -> None:
        limits = limits or LimitSettings()
        bodies = replace(body_bounds(limits), bytes_max=BODY_BYTES_MAX)
        self._application = Bodies(WebhookApplication(inbox, verifiers), bodies)
        self._protocol = guarded(connection_bounds(limits))
        self._listener = listen(host, port, WEBHOOKS)
        address = self._listener.getsockname()
        self.url = f"http://{address[0]}:{address[1]}"

    async def run(self) -> None:
        server = Server(
            uvicorn.Config(
                self._application,
                http=self._protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                date_header=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=STOP_WITHIN_S,
            )
        )
        await serve(server, self._listener)
