"""The keys of data subjects: personal values are sealed under them, and gone when they are destroyed.

A subject is a pseudonym (keyed hash of a person's id). Its key, 256 random bits, is kept in the database
wrapped by the master key, which lives outside. AES-256-GCM throughout; the subject is the associated data.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any, Protocol, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from domain.kernel import Value
from domain.personal import Erased, Sealed
from eventstore.queries import load_queries
from eventstore.seams import Ids

V = TypeVar("V", bound=Value)
_NONCE = 12
CACHED_KEYS = 20_000
KEPT_LOADS = 4
"""However small the cache: a page's keys outlast the next pages', which may be read ahead of it."""


class KeyStore(Protocol):
    """Where wrapped keys are kept, apart from the log."""

    async def load(self, subjects: list[str]) -> dict[str, bytes | None]:
        """The wrapped keys of those subjects that are known; None for an erased one."""

    async def create(self, wrapped: dict[str, bytes]) -> dict[str, bytes | None]:
        """Keep these for subjects that are new; what stands for each of them afterwards."""


class MemoryKeyStore:
    """The twin of `PostgresKeyStore`."""

    def __init__(self) -> None:
        self.keys: dict[str, bytes | None] = {}

    async def load(self, subjects: list[str]) -> dict[str, bytes | None]:
        return self.found(subjects)

    async def create(self, wrapped: dict[str, bytes]) -> dict[str, bytes | None]:
        return self.kept(wrapped)

    def found(self, subjects: Iterable[str]) -> dict[str, bytes | None]:
        return {subject: self.keys[subject] for subject in subjects if subject in self.keys}

    def kept(self, wrapped: dict[str, bytes]) -> dict[str, bytes | None]:
        for subject, key in wrapped.items():
            self.keys.setdefault(subject, key)
        return self.found(wrapped)


class PostgresKeyStore:
    """Wrapped keys in the table `data_keys`."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[TupleRow]]) -> None:
        self._pool = pool
        self._queries = load_queries("eventstore", "keys.sql")

    async def load(self, subjects: list[str]) -> dict[str, bytes | None]:
        return await self._fetch(self._queries.load_keys.sql, {"subjects": subjects})

    async def create(self, wrapped: dict[str, bytes]) -> dict[str, bytes | None]:
        arguments = {"subjects": list(wrapped), "keys": list(wrapped.values())}
        kept = await self._fetch(self._queries.create_keys.sql, arguments)
        missed = [each for each in wrapped if each not in kept]  # made by another process meanwhile
        return kept | (await self.load(missed) if missed else {})

    async def _fetch(self, sql: str, arguments: dict[str, Any]) -> dict[str, bytes | None]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(sql.encode(), arguments, prepare=True)
            return {} if cursor.description is None else {row[0]: row[1] for row in await cursor.fetchall()}


class Keyring:
    """Seals and opens values. `ensure` or `load` the subjects' keys first; sealing itself does no I/O."""

    def __init__(
        self,
        master_key: bytes,
        store: KeyStore,
        capacity: int = CACHED_KEYS,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        if len(master_key) != 32:
            raise ValueError("the master key must be 32 bytes")
        self._master_key = master_key
        self._wrap = AESGCM(master_key)
        self._pseudonym_key = hmac.digest(master_key, b"tillroll pseudonyms", "sha256")
        self._fingerprint_key = hmac.digest(master_key, b"tillroll fingerprints", "sha256")
        self._store = store
        self._capacity = capacity
        self._random = random
        self._keys: OrderedDict[str, AESGCM | None] = OrderedDict()
        self._doubted: set[str] = set()
        self._creating = asyncio.Lock()
        self._wanted: set[str] = set()

    def anew(self) -> Keyring:
        """The same keys, of which nothing is remembered: what was erased meanwhile is erased to it."""
        return Keyring(self._master_key, self._store, self._capacity, self._random)

    def subject(self, person: str) -> str:
        """The pseudonym of a person's id: stable, and meaningless without the master key."""
        return hmac.digest(self._pseudonym_key, person.encode(), sha256).hex()[:32]

    def fingerprint(self, digest: bytes) -> bytes:
        """What may be kept of a request that names a person: a guess is confirmed by the master key only."""
        return hmac.digest(self._fingerprint_key, digest, sha256)

    async def ensure(self, subjects: Iterable[str]) -> None:
        """Have the keys of these subjects, making those that do not exist."""
        asked = dict.fromkeys(subjects)
        wanted = [each for each in asked if not self._knows(each)]
        self._touch(asked)
        self._wanted.update(wanted)
        if wanted:
            async with self._creating:  # one makes the keys of all who wait, in one go
                batch, self._wanted = self._wanted.union(wanted), set()
                # in one order: none waits for another. (A set's `difference` would walk all keys there are.)
                if missing := sorted(each for each in batch if not self._knows(each)):
                    fresh = {each: self._wrapped(each, self._random(32)) for each in missing}
                    self._remember(await self._store.create(fresh))

    async def load(self, subjects: Iterable[str]) -> None:
        """Have the keys of these subjects; one that does not exist counts as erased."""
        self._remember(dict.fromkeys(await self._load(subjects)))

    def forget(self, subject: str) -> None:
        """The subject is erased: its key is gone from here at once, and an answer under way that still has it
        comes too late."""
        self._keys[subject] = None
        self._keys.move_to_end(subject)

    def forget_all(self) -> None:
        """Who was erased is not known for certain: whatever is wanted is asked for anew. What was asked for
        just now can still be sealed or opened."""
        self._doubted.update(self._keys)

    def seal(self, subject: str, value: Value, ids: Ids) -> Sealed:
        """Encrypt a value; an erased subject's is refused with ValueError."""
        key = self._keys[subject]
        if key is None:
            raise ValueError(f"data subject {subject} is erased; nothing more is kept about it")
        nonce = ids.nonce()
        plain = value.__pydantic_serializer__.to_json(value)
        return Sealed(sealed=b64encode(nonce + key.encrypt(nonce, plain, subject.encode())).decode())

    def open(self, subject: str, sealed: Sealed, kind: type[V]) -> V | Erased:
        """Decrypt a value of that kind, or say that it is erased."""
        key = self._keys[subject]
        if key is None:
            return Erased()
        raw = b64decode(sealed.sealed)
        plain = key.decrypt(raw[:_NONCE], raw[_NONCE:], subject.encode())
        return kind.__pydantic_validator__.validate_json(plain)  # type: ignore[no-any-return]

    async def _load(self, subjects: Iterable[str]) -> list[str]:
        wanted = dict.fromkeys(subjects)
        unknown = [each for each in wanted if not self._knows(each)]
        self._touch(wanted)
        if unknown:
            self._remember(await self._store.load(unknown))
        return [each for each in unknown if each not in self._keys]

    def is_erased(self, subject: str) -> bool:
        """Of a subject whose key was asked for."""
        return self._keys[subject] is None

    def _knows(self, subject: str) -> bool:
        return subject in self._keys and subject not in self._doubted

    def _wrapped(self, subject: str, key: bytes) -> bytes:
        nonce = self._random(_NONCE)
        return nonce + self._wrap.encrypt(nonce, key, subject.encode())

    def _remember(self, wrapped: dict[str, bytes | None]) -> None:
        for subject, key in wrapped.items():
            if subject in self._keys and self._keys[subject] is None:
                self._doubted.discard(subject)
                continue  # erased while this was asked: nobody comes back
            opened = key and AESGCM(_unwrapped(self._wrap, subject, key))
            self._keys[subject] = opened or None
            self._doubted.discard(subject)
        while len(self._keys) > max(self._capacity, KEPT_LOADS * len(wrapped)):
            subject, _ = self._keys.popitem(last=False)
            self._doubted.discard(subject)

    def _touch(self, subjects: Iterable[str]) -> None:
        """What is wanted now is forgotten last."""
        for subject in subjects:
            if subject in self._keys:
                self._keys.move_to_end(subject)


def customer_subject(keyring: Keyring, merchant: str, person: str) -> str:
    """The pseudonym of a merchant's customer: two merchants' customers are two people, also by one id."""
    return keyring.subject(f"{merchant}\x00{person}")


def unwrapped(master_key: bytes, subject: str, wrapped: bytes) -> bytes:
    """A data subject's key; InvalidTag if it was wrapped by another master key."""
    return _unwrapped(AESGCM(master_key), subject, wrapped)


def _unwrapped(wrap: AESGCM, subject: str, wrapped: bytes) -> bytes:
    return wrap.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], subject.encode())
