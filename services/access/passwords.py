"""Is this the password? Hashing is made to be dear, so it has a thread of its own and a bounded queue.

An address that nobody has costs as much as one with a wrong password: then a dummy is verified.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from services.access.policy import Policy
from services.access.seals import normalised
from services.web.problems import invalid, try_later

T = TypeVar("T")
LENGTH_MIN, LENGTH_MAX = 12, 256
_BUSY_SECONDS = 2.0
_PART_LENGTH_MIN = 5


def check_password(password: str, address: str, field: str = "password") -> None:
    """A 422 problem for a password that is too easy: short, or made of the address."""
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise invalid(field, f"a password has {LENGTH_MIN} to {LENGTH_MAX} characters", where="body")
    plain, own = normalised(password), normalised(address)
    local = own.partition("@")[0]
    if plain == own or own in plain or (len(local) >= _PART_LENGTH_MIN and local in plain):
        raise invalid(field, "a password must not hold the address that it belongs to", where="body")
    if len(set(plain)) < _PART_LENGTH_MIN:
        raise invalid(field, "this password has too few different characters", where="body")


class Passwords:
    """Argon2id by pwdlib. `turn` first: who holds one may hash and verify."""

    def __init__(self, policy: Policy) -> None:
        hasher = Argon2Hasher(policy.hash_time, policy.hash_memory_kib, policy.hash_lanes)
        self._hashes = PasswordHash((hasher,))
        self._threads = ThreadPoolExecutor(policy.hashing, thread_name_prefix="passwords")
        self._turns = asyncio.Semaphore(policy.hashing)
        self._waiting_max = policy.hashing_waiting
        self._waiting = 0
        self.verified = 0
        """How many were; the same for every try, whoever it is for."""

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    @cached_property
    def _dummy(self) -> str:
        return self._hashes.hash(secrets.token_urlsafe())

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """So few at once, and so few who wait, that sign-ins can't exhaust the machine; else a 503."""
        if self._waiting >= self._waiting_max:
            raise try_later("too many sign in at this moment", _BUSY_SECONDS, kind="busy")
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._hashes.hash(_plain(password)))

    async def verify(self, password: str, known: str | None) -> tuple[bool, str | None]:
        """Whether it is the one, and its hash anew where the cost has risen since. None: nobody's."""

        def check() -> tuple[bool, str | None]:
            dummy = self._dummy  # made by whoever comes first, known address or not
            right, newer = self._hashes.verify_and_update(_plain(password), known or dummy)
            return (right, newer) if known else (False, None)

        self.verified += 1
        return await self._run(check)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _plain(password: str) -> str:
    """The same characters, whichever keyboard typed them."""
    return unicodedata.normalize("NFKC", password)
