"""Can this process listen there? If not: one line that says where, why, and which settings choose it."""

from __future__ import annotations

import socket

BACKLOG = 1024
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
        return socket.create_server((host, port), backlog=BACKLOG)
    except OSError as error:
        settings = ", ".join(chosen_by)
        raise CannotListen(f"cannot listen on {host}:{port} ({settings}): {error.strerror}") from error


def check_free(host: str, port: int, chosen_by: tuple[str, str]) -> None:
    """Raises CannotListen if a process that is started now could not listen there."""
    listen(host, port, chosen_by).close()
