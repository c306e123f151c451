"""An API key: a program's way in, for one merchant or for the platform, with permissions of its own.

The key itself stands nowhere; its digest lives in a table of its own, never in the log. That nobody gives a
key more than it has is checked where the key is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias

from pydantic import AwareDatetime, Field

from domain.kernel import Command, Decider, Event, Refused
from domain.permissions import possible_at

Id = Annotated[str, Field(min_length=1, max_length=200)]


class ApiKeyIssued(Event):
    """`merchant` is PLATFORM for a key that reaches every merchant; `issued_by` names a principal."""

    key_id: Id
    name: Id
    merchant: Id
    permissions: tuple[str, ...]
    expires_at: AwareDatetime
    issued_by: Id


class ApiKeyRevoked(Event):
    key_id: Id


ApiKeyEvent: TypeAlias = ApiKeyIssued | ApiKeyRevoked


class IssueApiKey(Command):
    creates = True
    key_id: Id
    name: Id
    merchant: Id
    permissions: tuple[str, ...]
    expires_at: AwareDatetime
    issued_by: Id


class RevokeApiKey(Command):
    key_id: Id


ApiKeyCommand: TypeAlias = IssueApiKey | RevokeApiKey


@dataclass(frozen=True, slots=True)
class ApiKey:
    issued: ApiKeyIssued | None = None
    revoked: bool = False


def decide(command: ApiKeyCommand, key: ApiKey) -> tuple[ApiKeyEvent, ...]:
    match command:
        case IssueApiKey() if key.issued:
            return ()
        case IssueApiKey(merchant=merchant, permissions=permissions):
            wanted = set(permissions)
            if not wanted or wanted - possible_at(merchant):
                raise Refused("permissions_of_place", "a key has permissions, of those that can be had there")
            return (ApiKeyIssued(**dict(command) | {"permissions": tuple(sorted(wanted))}),)
        case RevokeApiKey(key_id=key_id) if key.issued is None:
            raise Refused("key_exists", f"there is no API key {key_id}")
        case RevokeApiKey(key_id=key_id):
            return () if key.revoked else (ApiKeyRevoked(key_id=key_id),)


def evolve(key: ApiKey, event: ApiKeyEvent) -> ApiKey:
    match event:
        case ApiKeyIssued():
            return replace(key, issued=event)
        case ApiKeyRevoked():
            return replace(key, revoked=True)


API_KEY: Decider[ApiKeyCommand, ApiKeyEvent, ApiKey] = Decider(
    "apikey",
    decide,
    evolve,
    ApiKey(),
    events=ApiKeyEvent.__args__,
    commands=ApiKeyCommand.__args__,
    parts=("key_id",),
)

AGGREGATES = (API_KEY,)
