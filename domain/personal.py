"""Which fields of an event are personal, and the three forms that such a field takes.

A personal field is plain only between a command and the log, and in the read-model columns that declare it.
The log keeps it `Sealed` under the key of its data subject; when that key is destroyed it reads `Erased`.
An event with a personal field names the subject in its field `subject`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, model_serializer

from domain.kernel import Value


class Sealed(Value):
    """Ciphertext of a personal value: base64 of nonce and AES-256-GCM output."""

    sealed: str


class Erased(Value):
    """The value is gone for ever: the key of its data subject was destroyed."""

    erased: Literal[True] = True

    @model_serializer
    def _always_said(self) -> dict[str, bool]:
        """Also where defaults are left out, or what is stored would read as nothing at all."""
        return {"erased": True}


class PersonalField:
    """Marks a field that the codec seals before an event is hashed and stored."""


def _said(value: Any) -> Any:
    """Refuse `{}`, which would pass as `Erased` by its default: nobody was erased, somebody forgot to say."""
    if value == {}:
        raise ValueError("a personal value must not be empty")
    return value


T = TypeVar("T")
Personal = Annotated[
    Sealed | T | Annotated[Erased, BeforeValidator(_said)],
    Field(union_mode="left_to_right"),
    PersonalField(),
]
"""Sealed first, as all that is stored is: by trying every form, reading one would take four times as long.
No two forms have a field in common, so the first that fits is the only one."""


class Customer(Value):
    """Who bought, and where the parcel goes; the state (region) is not personal and stands apart.

    `name` is of who gets it, `street` may have several lines, `country` is two letters of ISO 3166-1, `note`
    is what is asked of who brings it. What nobody said is empty.
    """

    customer_id: str
    customer_unique_id: str
    zip_prefix: str
    city: str
    name: str = ""
    street: str = ""
    country: str = ""
    phone: str = ""
    email: str = ""
    note: str = ""


class EmailAddress(Value):
    """Where a user gets mail, as it was written."""

    address: str
