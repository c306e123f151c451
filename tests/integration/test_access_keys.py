"""Does an API key let a program in with what it was given, until it is over?"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.api_key import ApiKeyIssued, ApiKeyRevoked
from domain.permissions import PLATFORM
from services.access.api_keys import PATTERN, key_id_of
from tests.integration.access_client import JSON, Doors, doors
from tests.integration.api_client import a_key, problem


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors(database, tmp_path) as found:
        await found.user("ana@example.com", "m1", "owner")
        yield found


async def issue(
    door: Doors, token: str, *permissions: str, path: str = "/v1/api-keys", **more: object
) -> JSON:
    body = {"name": "web shop", "permissions": list(permissions), **more}
    response = await door.post(path, token, body)
    assert response.status_code == 201, response.text
    assert response.headers["cache-control"] == "no-store"
    key: JSON = response.json()
    return key


async def test_lives_from_issue_to_revocation(door: Doors) -> None:
    ana = await door.token("ana@example.com")
    key = await issue(door, ana, "orders:read")
    assert PATTERN.fullmatch(key["key"])
    got = await door.get("/v1/work/orders", key["key"])
    assert got.json() == {"merchant": "m1", "actor": f"key:{key['key_id']}", "subject": ""}
    problem(await door.post("/v1/work/orders", key["key"]), 403, "forbidden")
    problem(await door.get("/v1/work/orders", key["key"], merchant="m2"), 403, "forbidden")
    (listed,) = (await door.get("/v1/api-keys", ana)).json()["items"]
    assert "key" not in listed
    assert listed["last_used_at"] is not None
    assert (await door.send("DELETE", f"/v1/api-keys/{key['key_id']}", ana)).status_code == 200
    unknown = f"{key['key'][:-1]}{'0' if key['key'][-1] != '0' else '1'}"
    for secret in (key["key"], unknown):
        refused = problem(await door.get("/v1/work/orders", secret), 401, "unauthenticated")
        assert "the API key that was sent is not known, or is over" in refused["detail"]
    (issued,) = await door.events(ApiKeyIssued)
    assert issued.issued_by.startswith("user:")
    assert len(await door.events(ApiKeyRevoked)) == 1
    facts = [fact for fact in await door.facts() if fact.category == "apikey"]
    assert {fact.merchant for fact in facts} == {"m1"}


async def test_is_over_when_it_expires_though_it_is_in_use(door: Doors) -> None:
    key = await issue(door, await door.token("ana@example.com"), "orders:read", expires_in_days=1)
    door.clock.move(hours=23, minutes=59, seconds=59.5)
    assert (await door.get("/v1/work/orders", key["key"])).status_code == 200
    door.clock.move(seconds=0.5)
    problem(await door.get("/v1/work/orders", key["key"]), 401, "unauthenticated")


async def test_its_last_use_is_written_once_a_minute(door: Doors) -> None:
    ana = await door.token("ana@example.com")
    key = await issue(door, ana, "orders:read")
    seen = []
    for _ in range(4):
        await door.get("/v1/work/orders", key["key"])
        (listed,) = (await door.get("/v1/api-keys", ana)).json()["items"]
        seen.append(listed["last_used_at"])
        door.clock.move(seconds=25)
    assert seen[0] == seen[1] == seen[2] != seen[3]


async def test_has_no_more_than_who_asks(door: Doors) -> None:
    await door.user("bob@example.com", "m1", "staff", "keys:write", "orders:read")
    bob = await door.token("bob@example.com")
    await issue(door, bob, "orders:read")
    unknown = {"name": "x", "permissions": ["orders:read", "fly:read"]}
    problem(await door.post("/v1/api-keys", bob, unknown), 422, "invalid-input")
    for beyond in ("orders:write", "users:write"):
        body = {"name": "x", "permissions": ["orders:read", beyond]}
        assert problem(await door.post("/v1/api-keys", bob, body), 403, "forbidden")["permission"] == beyond
    first = await issue(door, await door.token("ana@example.com"), "keys:write", "stock:read")
    body = {"name": "x", "permissions": ["orders:read"]}
    problem(await door.post("/v1/api-keys", first["key"], body), 403, "forbidden")
    await issue(door, first["key"], "stock:read")


async def test_another_merchants_key_is_not_there(door: Doors) -> None:
    await door.user("eve@example.com", "m2", "owner")
    eve, ana = await door.token("eve@example.com"), await door.token("ana@example.com")
    key = await issue(door, ana, "orders:read")
    problem(await door.send("DELETE", f"/v1/api-keys/{key['key_id']}", eve), 404, "not-found")
    assert (await door.get("/v1/api-keys", eve)).json()["items"] == []
    assert (await door.get("/v1/work/orders", key["key"])).status_code == 200
    problem(await door.get("/v1/api-keys", eve, merchant="m1"), 403, "forbidden")


async def test_one_for_the_platform_reaches_every_merchant(door: Doors) -> None:
    await door.user("root@example.com", PLATFORM, "admin")
    root = await door.token("root@example.com")
    key = await issue(door, root, "orders:read", "system:read", path="/v1/platform/api-keys")
    assert (await door.get("/v1/work/orders", key["key"], merchant="m2")).status_code == 200
    assert (await door.get("/v1/work/system", key["key"])).status_code == 200
    problem(
        await door.post("/v1/platform/api-keys", await door.token("ana@example.com"), {}), 403, "forbidden"
    )
    problem(await door.get("/v1/api-keys", root, merchant=PLATFORM), 422, "invalid-input")


async def test_has_no_password_and_no_sessions(door: Doors) -> None:
    key = await issue(door, await door.token("ana@example.com"), "orders:read")
    assert (await door.get("/v1/auth/me", key["key"])).json()["kind"] == "key"
    for method, path in (("GET", "/v1/auth/sessions"), ("POST", "/v1/auth/sign-out")):
        problem(await door.send(method, path, key["key"]), 403, "users-only")


async def test_lists_go_on(door: Doors) -> None:
    ana = await door.token("ana@example.com")
    made = [(await issue(door, ana, "orders:read"))["key_id"] for _ in range(5)]
    seen: list[str] = []
    path = "/v1/api-keys?limit=2"
    while path:
        page = (await door.get(path, ana)).json()
        seen += [each["key_id"] for each in page["items"]]
        path = f"/v1/api-keys?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert seen == sorted(made)


async def test_nothing_that_is_not_asked_for_is_taken(door: Doors) -> None:
    ana = await door.token("ana@example.com")
    for more in ({"merchant": "m2"}, {"key_id": "x"}, {"issued_by": "user:x"}, {"expires_in_days": 5000}):
        body = {"name": "x", "permissions": ["orders:read"], **more}
        problem(await door.post("/v1/api-keys", ana, body), 422, "invalid-input")


def test_a_key_with_a_wrong_check_is_none() -> None:
    key = "tlr_key_" + "0" * 32 + "_" + "1" * 64
    right = f"{zlib.crc32(key.encode()):08x}"
    assert key_id_of(f"{key}_{right}") == "0" * 32
    assert key_id_of(f"{key}_{right[::-1]}") is None
    for odd in ("", "tlr_key_", "tlr_key_x_y_z", key, f"{key}_é"):
        assert key_id_of(odd) is None


@pytest.mark.parametrize(("place", "path"), [("m1", "/v1/api-keys"), (PLATFORM, "/v1/platform/api-keys")])
async def test_no_key_revokes_one_that_may_do_more(door: Doors, place: str, path: str) -> None:
    small = await a_key(door.app, place, "keys:write")
    same = await a_key(door.app, place, "keys:write")
    large = await a_key(door.app, place, "keys:write", "orders:read")
    problem(await door.send("DELETE", f"{path}/{key_id_of(large)}", small), 403, "forbidden")
    assert (await door.get("/v1/auth/me", large)).status_code == 200
    assert (await door.send("DELETE", f"{path}/{key_id_of(same)}", small)).status_code == 200
    assert (await door.send("DELETE", f"{path}/{key_id_of(small)}", large)).status_code == 200
    assert await door.events(ApiKeyRevoked)
