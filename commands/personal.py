"""Whose personal data is it, and is it still allowed to keep it?"""

from __future__ import annotations

from domain.kernel import Value
from domain.personal import Sealed
from eventstore.keyring import Keyring, customer_subject
from eventstore.seams import Ids
from services.web.problems import conflict


def subject_of(keyring: Keyring, merchant: str, person: str) -> str:
    """The pseudonym of a merchant's customer: two merchants' customers are two people, also by one id."""
    return customer_subject(keyring, merchant, person)


async def sealed(keyring: Keyring, ids: Ids, subject: str, customer: Value) -> Sealed:
    """What is personal, under the subject's key; a 409 problem for a person who was erased."""
    await keyring.ensure({subject})
    try:
        return keyring.seal(subject, customer, ids)
    except ValueError:
        raise conflict(
            "customer_not_erased", "this customer was erased; a returning one needs an id of its own"
        ) from None
