"""How does a world run as a process of its own?"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import uvicorn
import uvloop

from services.collector import spare_the_collector
from services.worlds.asgi import Application, Errors, Handler, problem
from services.worlds.carrier import carrier_core
from services.worlds.journal import Journal, JournalLocked
from services.worlds.payment import PAYMENT
from services.worlds.routes import carrier_routes, fault_of, payment_routes
from services.worlds.stripe_errors import errors
from services.worlds.webhooks import HttpPost, Sign, standard_signature, stripe_signature
from services.worlds.world import JournalUnreadable, World

Kind = Literal["payment", "carrier"]
STOP_WITHIN_S = 5


class JournalUnwritable(Exception):
    """The disk refused a write: nothing more may be answered, so the process ends."""


class AddressTaken(Exception):
    """Somebody else listens there, or the address is not ours."""


class _Server(uvicorn.Server):
    """Uvicorn raises the signal again once it has stopped; a world that was asked to stop ends well."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(
    kind: Kind,
    *,
    data_dir: Path,
    host: str,
    port: int,
    webhook_url: str,
    webhook_secret: str,
    api_key: str = "",
    collect_after_s: float = 2,
    deliver_after_s: float = 4,
) -> None:
    """Serve until SIGTERM or SIGINT; `listening on URL` on stdout says it is ready. Port 0: any free one.

    The payment provider's has Stripe's wire: its API key, if any, and its webhooks' signatures."""
    spare_the_collector()  # in haste it costs 40 us a request
    live_after_s = (collect_after_s, deliver_after_s)
    sign = stripe_signature if kind == "payment" else standard_signature
    told = webhook_url, sign(webhook_secret)
    try:
        uvloop.run(_run(kind, data_dir, (host, port), told, api_key, live_after_s))
    except (JournalLocked, JournalUnreadable, JournalUnwritable, AddressTaken) as error:
        raise SystemExit(f"{kind} world: {error}") from error


async def _run(
    kind: Kind,
    data_dir: Path,
    address: tuple[str, int],
    told: tuple[str, Sign],
    api_key: str,
    live_after_s: tuple[float, float],
) -> None:
    stopping, failures = asyncio.Event(), []

    def fail(error: OSError) -> None:
        failures.append(error)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    journal = Journal(data_dir / f"{kind}.ndjson", on_failure=fail)
    world, handler, refuse = _world(kind, journal, api_key, live_after_s)
    listener = _listen(address)
    world.start(HttpPost(*told))
    try:
        await _serve(Application(handler, fault_of(world), stopping, refuse), listener)
    finally:
        await world.stop()
    if failures:
        raise JournalUnwritable(f"{journal.path} could not be written: {failures[0]}")


def _world(
    kind: Kind, journal: Journal, api_key: str, live_after_s: tuple[float, float]
) -> tuple[World[Any], Handler, Errors]:
    match kind:
        case "payment":
            payments = World(PAYMENT, journal)
            return payments, payment_routes(payments, api_key), errors
        case "carrier":
            collect_after_s, deliver_after_s = live_after_s
            core = carrier_core(collect_after_s=collect_after_s, deliver_after_s=deliver_after_s)
            shipments = World(core, journal)
            return shipments, carrier_routes(shipments), problem


def _listen(address: tuple[str, int]) -> socket.socket:
    try:
        return socket.create_server(address, backlog=1024)
    except OSError as error:
        raise AddressTaken(f"cannot listen on {address[0]}:{address[1]}: {error}") from error


async def _serve(application: Application, listener: socket.socket) -> None:
    """Until `stopping`; then no new connections, and what is in hand gets its answer."""
    server = _Server(
        uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=75,  # longer than clients keep theirs, or they write into a closing connection
            date_header=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
    )

    async def stop() -> None:
        await application.stopping.wait()
        server.should_exit = True

    stop_when_asked = asyncio.ensure_future(stop())
    host, port = listener.getsockname()[:2]
    print(f"listening on http://{host}:{port}", flush=True)  # the socket takes connections already
    try:
        await server.serve([listener])
    finally:
        stop_when_asked.cancel()
