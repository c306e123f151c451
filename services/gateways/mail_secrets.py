"""Where does a secret wait until its mail is sent? In a table of its own, sealed, until it is taken."""

from __future__ import annotations

import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from domain.streams import mail_stream
from eventstore.queries import load_queries
from eventstore.statements import Pool

_NONCE = 12
_QUERIES = load_queries("services.gateways", "mail.sql")


class MailSeal:
    """Seals secrets of mails under a key that is derived from the master key."""

    def __init__(self, master_key: bytes) -> None:
        self._key = AESGCM(HKDF(SHA256(), 32, salt=None, info=b"tillroll mail secrets").derive(master_key))

    def seal(self, mail_id: str, secret: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._key.encrypt(nonce, secret.encode(), mail_id.encode())

    def open(self, mail_id: str, sealed: bytes) -> str | None:
        """None if it was sealed for another mail, or under another master key."""
        try:
            return self._key.decrypt(sealed[:_NONCE], sealed[_NONCE:], mail_id.encode()).decode()
        except InvalidTag:
            return None


class MailSecrets(Protocol):
    """Where they are kept by those who request mails."""

    async def keep(self, mail_id: str, sealed: bytes) -> None:
        """Durably, once for each mail; a mail that was requested before keeps nothing more."""


class MemoryMailSecrets:
    """The twin of `PostgresMailSecrets`."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def keep(self, mail_id: str, sealed: bytes) -> None:
        self.kept.setdefault(mail_id, sealed)


class PostgresMailSecrets:
    """In the table `mail_secrets`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, mail_id: str, sealed: bytes) -> None:
        arguments = {"mail_id": mail_id, "stream": mail_stream(mail_id), "sealed": sealed}
        async with self._pool.connection() as connection:
            await connection.execute(_QUERIES.keep_secret.sql.encode(), arguments)
