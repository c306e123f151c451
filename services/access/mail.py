"""How does a message reach a user? Through whatever sends mail; the access services know this much of it."""

from __future__ import annotations

from typing import Protocol

import structlog

logger = structlog.get_logger()


class Mailer(Protocol):
    async def send(self, to: str, subject: str, text: str) -> None:
        """Takes a message over; it may hold a token, and so stands in no log line."""


class NoMail:
    """A `Mailer` where nothing is sent: what it is given is dropped, and the log says so much."""

    async def send(self, to: str, subject: str, text: str) -> None:
        logger.warning("mail_not_sent", subject=subject)
