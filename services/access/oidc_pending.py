"""Where does a sign-in wait while its person is at the provider? Sealed, in a cookie of their browser.

Whoever holds the cookie is the browser that began: an answer that comes to another browser finds nothing to
belong to. It is good for one answer, and for ten minutes.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from dataclasses import asdict, dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from eventstore.seams import Clock
from services.access.oidc import Begun

VALID_S = 600
SEALED_LENGTH_MAX = 3_500
USED_MAX = 50_000
_NONCE = 12


@dataclass(frozen=True, slots=True)
class Pending:
    """A begun sign-in: with which provider, where it comes back to, and where the person goes then."""

    provider: str
    redirect_uri: str
    return_to: str
    state: str
    nonce: str
    verifier: str
    until: int

    def begun(self) -> Begun:
        return Begun("", self.state, self.nonce, self.verifier)


class PendingSeal:
    """Seals what waits, opens it while it is valid, and knows what was used."""

    def __init__(self, secret: bytes, clock: Clock) -> None:
        key = HKDF(SHA256(), 32, salt=None, info=b"tillroll oidc pending sign-in").derive(secret)
        self._key = AESGCM(key)
        self._clock = clock
        self._used: OrderedDict[bytes, None] = OrderedDict()

    def seal(self, provider: str, redirect_uri: str, return_to: str, begun: Begun) -> str:
        until = int(self._clock.now().timestamp()) + VALID_S
        pending = Pending(provider, redirect_uri, return_to, begun.state, begun.nonce, begun.verifier, until)
        nonce = os.urandom(_NONCE)
        sealed = self._key.encrypt(nonce, json.dumps(asdict(pending)).encode(), provider.encode())
        return urlsafe_b64encode(nonce + sealed).decode()

    def open(self, provider: str, sealed: str) -> Pending | None:
        """What was sealed here for this provider, unless it is too old or was used."""
        if len(sealed) > SEALED_LENGTH_MAX:
            return None
        try:
            raw = urlsafe_b64decode(sealed)
            plain = self._key.decrypt(raw[:_NONCE], raw[_NONCE:], provider.encode())
        except (ValueError, InvalidTag):
            return None
        pending = Pending(**json.loads(plain))
        is_late = self._clock.now().timestamp() >= pending.until
        return None if is_late or _mark(pending) in self._used else pending

    def use(self, pending: Pending) -> None:
        """From now on it is gone, in this process; in others, its code was used at the provider."""
        self._used[_mark(pending)] = None
        if len(self._used) > USED_MAX:
            self._used.popitem(last=False)


def _mark(pending: Pending) -> bytes:
    return sha256(pending.state.encode()).digest()
