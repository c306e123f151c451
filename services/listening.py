"""Can this process listen there? If not: one line that says where, why, and which settings choose it."""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Collection, Sequence

BACKLOG = 1024
TRIES = 100
PORTS: Sequence[int] = range(20_000, 32_000)
"""Below those that systems give to connections that go out, which might take one before it is listened on."""
API = ("TILLROLL_API_HOST", "TILLROLL_API_PORT")
WEBHOOKS = ("TILLROLL_INTERNAL_HOST", "TILLROLL_WEBHOOK_PORT")
PAYMENT_WORLD = ("TILLROLL_INTERNAL_HOST", "TILLROLL_PAYMENT_WORLD_PORT")
CARRIER_WORLD = ("TILLROLL_INTERNAL_HOST", "TILLROLL_CARRIER_WORLD_PORT")


class CannotListen(Exception):
    """Somebody else listens there, or the address is not ours."""

    expected = True


def listen(host: str, port: int, chosen_by: tuple[str, str]) -> socket.socket:
    """A socket that takes connections from now on; port 0 takes a free one. Raises CannotListen."""
    try:
        listener = socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        settings = ", ".join(chosen_by)
        raise CannotListen(f"cannot listen on {host}:{port} ({settings}): {error.strerror}") from error
    # its connections have it, too: else the body of an answer may wait 40 ms until its head is acknowledged
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def check_free(host: str, port: int, chosen_by: tuple[str, str]) -> None:
    """Raises CannotListen if a process that is started now could not listen there."""
    listen(host, port, chosen_by).close()


def reserve_port(host: str, *, besides: Collection[int] = ()) -> socket.socket:
    """Bound to one of PORTS on which nobody listens, for who listens there later. Raises CannotListen.

    While it is open nobody else reserves that port, though who asks for it by its number may take it; and
    servers may listen there, once and again: on Linux those may whose socket has SO_REUSEADDR, as this has
    from when it is bound.
    """
    for port in random.SystemRandom().sample(PORTS, min(len(PORTS), TRIES)):
        if port in besides:
            continue
        reserved = socket.socket()
        try:
            reserved.bind((host, port))
        except OSError as error:
            reserved.close()
            if error.errno != errno.EADDRINUSE:
                raise CannotListen(f"cannot listen on {host}: {error.strerror}") from error
        else:
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return reserved
    raise CannotListen(f"no port of {PORTS[0]} to {PORTS[-1]} on {host} is free")
