"""`tillroll user …`: how does the first user come in, and how does one help others without the API?"""

from __future__ import annotations

import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from domain.permissions import PLATFORM, on_platform, permissions_of
from domain.streams import merchant_stream
from eventstore.postgres import make_pool
from services.access.addresses import check_address
from services.access.composition import Access, access_of
from services.access.models_members import MemberAnswer
from services.access.parts import Parts
from services.access.users import Wanted
from services.context import open_context
from services.settings import Settings
from services.web.access import Grant
from services.web.problems import Problem

ACTOR = "console"
"""Who has the master key and the database may do everything: this is how the log names it."""
EVERYTHING = Grant("console", on_platform())
_PAGE = 200


class NotDone(Exception):
    """Nothing was changed; the message says why."""

    expected = True


@dataclass(frozen=True, slots=True)
class Added:
    """A user, and by what it comes in: a token to set a password with, or a password that was made up."""

    user_id: str
    email: str
    role: str
    merchant: str
    token: str = ""
    password: str = ""


async def add(
    access: Parts, email: str, role: str, merchant: str, *, generate_password: bool, password: str = ""
) -> Added:
    """Invite a user with a role at `merchant`, or on the platform where it is ''. Raises NotDone.

    Only who never had a password gets one made up (or the `password` that the caller made up): nobody is
    taken over by being added.
    """
    place = merchant or PLATFORM
    try:
        address = check_address(email)
        await _check(access, role, place)
        user_id = await access.users.invite(address, place, Wanted(role), EVERYTHING, actor=ACTOR, mail=False)
        joined = (await access.facts.user(user_id)).joined
        added = Added(user_id, address, role, merchant)
        if joined:
            return added
        token = await access.resets.make_token(user_id, "join", access.policy.invitation)
        if not generate_password:
            return Added(**asdict(added) | {"token": token})
        password = password or new_password()
        await access.resets.confirm(token, password)
        return Added(**asdict(added) | {"password": password})
    except Problem as problem:
        raise NotDone(problem.detail) from None


def new_password() -> str:
    return secrets.token_urlsafe(18)


async def _check(access: Parts, role: str, place: str) -> None:
    if not permissions_of(role, place):
        where = "the platform" if place == PLATFORM else "a merchant"
        raise NotDone(f"nobody is {role} on {where}: see `tillroll user add --help`")
    if place != PLATFORM:
        (state,) = await access.executor.states.load([merchant_stream(place)])
        if not state.state.registered:
            raise NotDone(f"there is no merchant {place}")


async def unlock(access: Parts, email: str) -> str:
    """End a lock-out; the user's id. Raises NotDone for an address that nobody has."""
    user_id = await access.addresses.user_of(email)
    if user_id is None or not (await access.facts.user(user_id)).invited:
        raise NotDone(f"there is no user {email}")
    await access.users.unlock(user_id, EVERYTHING, actor=ACTOR)
    return user_id


async def members(access: Parts, merchant: str) -> list[MemberAnswer]:
    """All members of `merchant`, or the platform's users where it is ''."""
    place = merchant or PLATFORM
    found: list[MemberAnswer] = []
    after: str | None = ""
    while after is not None:
        page, after = await access.users.members(place, after, _PAGE)
        found.extend(MemberAnswer.of(each, place) for each in page)
    return found


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Access]:
    async with (
        open_context(settings, "user", follow=False) as context,
        make_pool(settings.url("access"), max_size=2) as pool,
    ):
        access = access_of(context, pool)
        try:
            yield access
        finally:
            await access.close()


async def add_user(
    settings: Settings, email: str, role: str, merchant: str, *, generate_password: bool, as_json: bool
) -> None:
    async with opened(settings) as access:
        added = await add(access, email, role, merchant, generate_password=generate_password)
    if as_json:
        _print_json(asdict(added))
        return
    where = f"of {merchant}" if merchant else "of the platform"
    lines = [f"{added.email} is {role} {where} (user {added.user_id})."]
    if added.password:
        lines.append(f"Its password, shown only here: {added.password}")
    elif added.token:
        lines.append(f"Good for once, to set a password at /v1/auth/password-reset/confirm: {added.token}")
    else:
        lines.append("It has a password already, which stays as it is.")
    sys.stdout.write("\n".join(lines) + "\n")


async def list_users(settings: Settings, merchant: str, *, as_json: bool) -> None:
    async with opened(settings) as access:
        found = await members(access, merchant)
    if as_json:
        _print_json([each.model_dump() for each in found])
        return
    table = Table("user", "email", "role", "status")
    for each in found:
        table.add_row(each.user_id, each.email or "(erased)", each.role, each.status)
    Console().print(table)


async def unlock_user(settings: Settings, email: str) -> None:
    async with opened(settings) as access:
        user_id = await unlock(access, email)
    sys.stdout.write(f"{email} may try again (user {user_id}).\n")


def _print_json(value: Any) -> None:
    sys.stdout.write(orjson.dumps(value).decode() + "\n")
