"""Which key seals what? Each purpose has its own, derived from the master key."""

from __future__ import annotations

import hmac
import os
import secrets
import unicodedata
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
TOKEN_BYTES = 32


def normalised(address: str) -> str:
    """The form by which two ways of writing an address are one."""
    return unicodedata.normalize("NFC", address).strip().lower()


def digest_of(token: str) -> bytes:
    """Of a token with so many random bits that nobody guesses it: a plain hash is enough."""
    return sha256(token.encode("utf-8", "replace")).digest()


def fresh_token(prefix: str) -> str:
    """256 random bits behind a prefix that tells people and scanners what it is."""
    return prefix + secrets.token_urlsafe(TOKEN_BYTES)


class Seals:
    """Made of the master key (32 bytes), which itself is used for nothing here."""

    def __init__(self, master_key: bytes) -> None:
        self._master_key = master_key
        self._addresses = self._key("email addresses")
        self._csrf = self._key("csrf")
        self._identities = self._key("identities at providers")
        self._recovery = self._key("recovery codes")

    @property
    def oidc(self) -> bytes:
        """What seals a sign-in that is under way at a provider."""
        return self._key("oidc")

    def _key(self, purpose: str) -> bytes:
        return hmac.digest(self._master_key, b"tillroll access: " + purpose.encode(), "sha256")

    def address(self, address: str) -> bytes:
        """What stands for an address: the same for all its spellings, and meaningless without the key."""
        return hmac.digest(self._addresses, normalised(address).encode(), "sha256")

    def identity(self, subject: str) -> str:
        """What stands in the log for the name that a provider knows somebody by, which may be an address."""
        return hmac.digest(self._identities, subject.encode("utf-8", "replace"), "sha256").hex()

    def recovery_code(self, user_id: str, code: str) -> bytes:
        return hmac.digest(self._recovery, f"{user_id}\x00{code}".encode(), "sha256")

    def csrf(self, session_id: str) -> str:
        """What a browser must say beside its cookie; it can't be worked out from the cookie."""
        return hmac.digest(self._csrf, session_id.encode(), "sha256").hex()

    def seal(self, purpose: str, owner: str, plain: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._key(purpose)).encrypt(nonce, plain, owner.encode())

    def open(self, purpose: str, owner: str, sealed: bytes) -> bytes:
        """Raises WrongMasterKey where another key sealed it, or for somebody else."""
        try:
            return AESGCM(self._key(purpose)).decrypt(sealed[:_NONCE], sealed[_NONCE:], owner.encode())
        except InvalidTag:
            raise WrongMasterKey(
                f"a stored secret ({purpose}) was sealed under another master key:"
                " put the right file back (TILLROLL_MASTER_KEY_FILE)"
            ) from None


class WrongMasterKey(Exception):
    """The database and the master key do not belong together."""

    expected = True
