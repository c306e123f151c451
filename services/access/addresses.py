"""Whose is an address, and what is a user's? Kept blinded to find, and sealed in the log to write to."""

from __future__ import annotations

from domain.personal import EmailAddress, Erased, Sealed
from domain.user import User
from eventstore.keyring import Keyring
from eventstore.seams import Ids
from services.access.facts import Facts
from services.access.seals import Seals
from services.access.store import Store
from services.web.problems import invalid

LENGTH_MAX = 254


class Addresses:
    def __init__(self, store: Store, seals: Seals, facts: Facts, keyring: Keyring, ids: Ids) -> None:
        self._store = store
        self._seals = seals
        self._facts = facts
        self._keyring = keyring
        self._ids = ids

    async def user_of(self, address: str) -> str | None:
        row = await self._store.row("user_of_address", digest=self._seals.address(address))
        return row["user_id"] if row else None

    async def claim(self, address: str) -> str:
        """The user of this address: who it is already, or somebody new."""
        digest = self._seals.address(address)
        row = await self._store.row("claim_address", digest=digest, user_id=self._ids.new().hex)
        user_id = row["user_id"] if row else await self.user_of(address)
        assert user_id
        return user_id

    async def sealed(self, user_id: str, address: str) -> tuple[str, Sealed]:
        """The user's data subject, and its address under that key."""
        subject = self._keyring.subject(f"user\x00{user_id}")
        await self._keyring.ensure({subject})
        value = EmailAddress(address=address.strip())
        return subject, self._keyring.seal(subject, value, self._ids)

    async def of_user(self, user_id: str) -> str | None:
        return (await self.of_users([await self._facts.user(user_id)]))[0]

    async def of_users(self, users: list[User]) -> list[str | None]:
        """Plain; None for who was erased, or never was."""
        await self._keyring.load({user.subject for user in users if isinstance(user.email, Sealed)})
        return [self._plain(user) for user in users]

    def _plain(self, user: User) -> str | None:
        email = user.email
        if isinstance(email, Sealed):
            email = self._keyring.open(user.subject, email, EmailAddress)
        return None if isinstance(email, Erased) else email.address


def check_address(address: str, field: str = "email") -> str:
    """The address as it is kept; a 422 problem for what no mail could reach.

    ASCII only, an international domain in its `xn--` form: else two people's addresses might count as one.
    """
    address = address.strip()
    local, at, domain = address.rpartition("@")
    printable = address.isascii() and address.isprintable() and " " not in address
    if not (local and at and domain and printable) or len(address) > LENGTH_MAX or "@" in local:
        raise invalid(field, "it is not an address like ana@example.com", where="body")
    return address
