"""Does the first admin come in by the console, and does it take over nobody?"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domain.permissions import PLATFORM
from domain.user import RoleGranted, UserUnlocked
from services.access.console import NotDone, add, members, unlock
from services.cli import app
from tests.integration.access_client import PASSWORD, Doors, doors
from tests.integration.api_client import problem


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors(database, tmp_path) as found:
        yield found


async def test_the_first_admin_sets_a_password_by_a_token(door: Doors) -> None:
    added = await add(door.access, "root@example.com", "admin", "", generate_password=False)
    assert added.password == ""
    body = {"token": added.token, "password": PASSWORD}
    assert (await door.post("/v1/auth/password-reset/confirm", body=body)).status_code == 200
    token = await door.token("root@example.com")
    assert (await door.get("/v1/work/system", token)).status_code == 200
    (granted,) = await door.events(RoleGranted)
    assert (granted.merchant, granted.role) == (PLATFORM, "admin")
    assert {fact.actor for fact in await door.facts() if fact.category == "user"} >= {"console"}


async def test_a_password_is_made_up_once_and_for_who_has_none(door: Doors) -> None:
    added = await add(door.access, "ana@example.com", "owner", "m1", generate_password=True)
    await door.sign_in("ana@example.com", password=added.password)
    again = await add(door.access, "ana@example.com", "auditor", "", generate_password=True)
    assert (again.user_id, again.password, again.token) == (added.user_id, "", "")
    await door.sign_in("ana@example.com", password=added.password)
    (listed,) = await members(door.access, "m1")
    assert (listed.email, listed.role, listed.status) == ("ana@example.com", "owner", "active")


@pytest.mark.parametrize(
    ("email", "role", "merchant"),
    [
        ("x@example.com", "owner", ""),
        ("x@example.com", "admin", "m1"),
        ("x@example.com", "owner", "m3"),
        ("x@example.com", "owner", PLATFORM),
        ("x", "owner", "m1"),
    ],
)
async def test_what_makes_no_sense_is_refused(door: Doors, email: str, role: str, merchant: str) -> None:
    with pytest.raises(NotDone):
        await add(door.access, email, role, merchant, generate_password=True)
    assert await door.events(RoleGranted) == []


async def test_unlocks(door: Doors) -> None:
    await door.user("ana@example.com", "m1", "owner")
    for _ in range(5):
        await door.try_sign_in("ana@example.com", "not it at all")
    problem(await door.try_sign_in("ana@example.com"), 401, "sign-in-refused")
    await door.access.later.settle()
    await unlock(door.access, "ana@example.com")
    await door.sign_in("ana@example.com")
    assert len(await door.events(UserUnlocked)) == 1
    with pytest.raises(NotDone):
        await unlock(door.access, "nobody@example.com")


def test_the_command_itself(
    database: str, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILLROLL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TILLROLL_DATABASE_URL", database)
    monkeypatch.setenv("TILLROLL_NATS_URL", nats_url)
    command = ["user", "add", "root@example.com", "--role", "admin", "--generate-password", "--json"]
    added = CliRunner().invoke(app, command)
    assert added.exit_code == 0, added.output
    assert len(json.loads(added.stdout)["password"]) >= 20
    listed = CliRunner().invoke(app, ["user", "list", "--json"])
    assert [each["email"] for each in json.loads(listed.stdout)] == ["root@example.com"]
    unlocked = CliRunner().invoke(app, ["user", "unlock", "root@example.com"])
    assert unlocked.exit_code == 0
