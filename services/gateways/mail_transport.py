"""How does a mail leave us: as a file on this machine, or by SMTP? And what is known of it then?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

from services.embedded.directory import sync_directory
from services.loopback import is_loopback

TIMEOUT_S = 15.0
PORTS = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of one attempt.

    `sent`: it was taken. `refused`: it never will be. `postponed`: it was surely not taken, and may be some
    other time. `unknown`: it may have been. `reason` is a word of ours or a server's code, never a server's
    text, which may hold the address.
    """

    outcome: Literal["sent", "refused", "postponed", "unknown"]
    reason: str = ""


class Transport(Protocol):
    async def deliver(self, mail_id: str, message: EmailMessage) -> Delivery: ...


def open_transport(smtp_url: str | None, directory: Path) -> Transport:
    """By SMTP where a server was set, else files in the directory."""
    return SmtpTransport(smtp_url) if smtp_url else FileTransport(directory)


class FileTransport:
    """Writes each mail to a file that a person can open: until there is a mail server."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def deliver(self, mail_id: str, message: EmailMessage) -> Delivery:
        try:
            await asyncio.to_thread(self._write, mail_id, message.as_bytes(policy=SMTPUTF8))
        except OSError:
            return Delivery("postponed", "disk")
        return Delivery("sent")

    def _write(self, mail_id: str, content: bytes) -> None:
        """Whole or not at all, and only for our own eyes: it holds addresses and secrets."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self._directory / f".{mail_id}.partial"
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._directory / f"{mail_id}.eml")
        sync_directory(self._directory)


class SmtpTransport:
    """Hands each mail to one server: `smtps://` speaks TLS from the start, `smtp://` upgrades to it.

    In the clear only to this machine. `smtp://user:password@host:port`, percent-encoded.
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError("TILLROLL_SMTP_URL must read smtp://host:port or smtps://host:port")
        self._host = parts.hostname
        self._port = parts.port or PORTS[parts.scheme]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._is_tls = parts.scheme == "smtps"
        self._upgrades = not self._is_tls and not is_loopback(self._host)
        self._timeout_s = timeout_s
        self._tls = tls or ssl.create_default_context()

    async def deliver(self, mail_id: str, message: EmailMessage) -> Delivery:
        return await asyncio.to_thread(self._deliver, message)

    def _deliver(self, message: EmailMessage) -> Delivery:
        try:
            server = self._connected()
            try:
                return _hand_over(server, message)
            finally:
                # not `with`: what goes wrong with the goodbye must not hide what came of the mail
                with contextlib.suppress(OSError, smtplib.SMTPException):
                    server.quit()
                server.close()
        except smtplib.SMTPAuthenticationError as error:
            return Delivery("postponed", str(error.smtp_code))  # our setting is wrong, not the mail
        except smtplib.SMTPResponseException as error:
            return _refusal(error.smtp_code)
        except smtplib.SMTPNotSupportedError:
            return Delivery("postponed", "not-supported")  # no TLS, or no way to sign in
        except (OSError, smtplib.SMTPException):
            return Delivery("postponed", "unreachable")

    def _connected(self) -> smtplib.SMTP:
        where = (self._host, self._port)
        if self._is_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(*where, timeout=self._timeout_s, context=self._tls)
        else:
            server = smtplib.SMTP(*where, timeout=self._timeout_s)
        try:
            if self._upgrades:
                server.starttls(context=self._tls)
            if self._user:
                server.login(self._user, self._password)
        except BaseException:
            server.close()
            raise
        return server


def _hand_over(server: smtplib.SMTP, message: EmailMessage) -> Delivery:
    """Up to the last line of the text nothing is taken; after it, only the server's answer tells."""
    server.ehlo_or_helo_if_needed()
    sender, recipient = (message[name].addresses[0].addr_spec for name in ("From", "To"))
    plain = f"{sender}{recipient}".isascii()
    if not plain and not server.has_extn("smtputf8"):
        return Delivery("refused", "no-smtputf8")
    content = message.as_bytes(policy=SMTP if plain else SMTPUTF8)
    code, _ = server.mail(sender, [] if plain else ["SMTPUTF8"])
    if _is_yes(code):
        code, _ = server.rcpt(recipient)
    return _text_taken(server, content) if _is_yes(code) else _refusal(code)


def _text_taken(server: smtplib.SMTP, content: bytes) -> Delivery:
    try:
        code, _ = server.data(content)
    except smtplib.SMTPDataError as error:  # it did not want to see the text
        return _refusal(error.smtp_code)
    except (OSError, smtplib.SMTPException):
        return Delivery("unknown", "answer-lost")
    if 400 <= code < 600:
        return _refusal(code)
    return Delivery("sent") if _is_yes(code) else Delivery("unknown", "answer-odd")


def _is_yes(code: int) -> bool:
    return 200 <= code < 300


def _refusal(code: int) -> Delivery:
    return Delivery("refused" if 500 <= code < 600 else "postponed", str(code))
