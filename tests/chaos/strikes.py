"""How is each kind of fault inflicted on the real processes, and how does it end?

Each is a context: the fault is there inside of it, and over when it is left. What follows is the system's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.chaos.faults import EVERYTHING, OURS, WAL, Fault
from tests.chaos.ground import empty_disk, fill_disk, switch_network
from tests.chaos.sockets import reset_connections
from tests.chaos.system import System, wait_for

_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tillroll ' || %s ORDER BY pid"
BACKEND_SECONDS_MAX = 60.0
_END_BACKENDS = f"SELECT pg_terminate_backend(pid) FROM ({_BACKENDS}) AS backends"


def inflict(fault: Fault, system: System) -> float:
    """Do it, and end it; the moment, of the monotonic clock, at which it was over."""
    with _STRIKES[fault.kind](system, fault.target):
        time.sleep(fault.seconds)
    return time.monotonic()


def _at_once(
    strike: Callable[[System, str], None],
) -> Callable[[System, str], contextlib.AbstractContextManager[None]]:
    @contextmanager
    def struck(system: System, target: str) -> Iterator[None]:
        strike(system, target)
        yield

    return struck


def _kill(system: System, target: str) -> None:
    os.kill(system.pid(target), signal.SIGKILL)


def _kill_all(system: System, target: str) -> None:
    for name in system.run.processes if target == EVERYTHING else OURS:
        _kill(system, name)


def _kill_backend(system: System, target: str) -> None:
    """Postgres then ends all others, too, and recovers: shared memory may have been damaged."""
    os.kill(_backends(system, target)[0], signal.SIGKILL)


def _restart(system: System, target: str) -> None:
    """As an operator would; Postgres by its fast stop, the one that does not wait for clients."""
    os.kill(system.pid(target), signal.SIGINT if target == "postgres" else signal.SIGTERM)


def _wipe(system: System, target: str) -> None:
    """Stopped first, so that its supervisor starts it again only after all is gone."""
    pid = system.pid(target)
    os.kill(pid, signal.SIGSTOP)
    shutil.rmtree(system.data_dir / "nats" / "server" / "jetstream")
    os.kill(pid, signal.SIGKILL)


def _cut(system: System, target: str) -> None:
    settings = system.run.settings
    urls = {"nats": "nats_url", "world-payment": "payment_url", "world-carrier": "carrier_url"}
    if target in urls:
        port = urlsplit(str(settings[urls[target]])).port
    else:
        port = int(str(settings["api_port" if target == "api" else "webhook_port"]))
    assert port
    reset_connections(port)


def _cut_postgres(system: System, target: str) -> None:
    _backends(system, target)
    system.sql(_END_BACKENDS, target)


@contextmanager
def _stop(system: System, target: str) -> Iterator[None]:
    pid = system.pid(target)
    with _stopped([pid]), _stopped(_children(pid)):
        yield


@contextmanager
def _stop_backends(system: System, target: str) -> Iterator[None]:
    with _stopped(_backends(system, target)):
        yield


@contextmanager
def _no_network(_system: System, _target: str) -> Iterator[None]:
    switch_network(on=False)
    try:
        yield
    finally:
        switch_network(on=True)


@contextmanager
def _full_disk(system: System, target: str) -> Iterator[None]:
    """Tables can't grow: commands fail. With WAL at an end as well Postgres panics, and can't come back."""
    fill_disk(system.disk)
    try:
        if target == WAL:
            with contextlib.suppress(psycopg.OperationalError):
                system.sql("SELECT pg_switch_wal()")
        yield
    finally:
        empty_disk(system.disk)


_STRIKES: dict[str, Callable[[System, str], contextlib.AbstractContextManager[None]]] = {
    "kill": _at_once(_kill),
    "kill-all": _at_once(_kill_all),
    "kill-backend": _at_once(_kill_backend),
    "stop": _stop,
    "stop-backend": _stop_backends,
    "restart": _at_once(_restart),
    "cut": _at_once(_cut),
    "cut-postgres": _at_once(_cut_postgres),
    "network": _no_network,
    "wipe": _at_once(_wipe),
    "disk": _full_disk,
}


def _backends(system: System, process: str) -> list[int]:
    """There is one, or the strike would hit nothing: a process that starts anew needs a moment for it."""
    found: list[int] = []

    def connected() -> bool:
        found[:] = [pid for (pid,) in system.sql(_BACKENDS, process)]
        return bool(found)

    wait_for(f"a Postgres connection of {process}", connected, BACKEND_SECONDS_MAX)
    return found


@contextmanager
def _stopped(pids: list[int]) -> Iterator[None]:
    _send(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _send(pids, signal.SIGCONT)


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _children(parent: int) -> list[int]:
    """Its backends and workers, if it is Postgres."""
    return [
        int(child)
        for task in Path(f"/proc/{parent}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
