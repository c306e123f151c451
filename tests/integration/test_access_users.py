"""Does nobody grant, take or see more than it has itself?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.permissions import PLATFORM
from domain.user import RoleGranted, RoleRevoked, UserInvited, UserJoined
from tests.integration.access_client import Doors, doors
from tests.integration.api_client import a_key, problem

NEW_PASSWORD = "a new roll of paper"


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors(database, tmp_path) as found:
        await found.user("ana@example.com", "m1", "owner")
        await found.user("eve@example.com", "m2", "owner")
        await found.user("root@example.com", PLATFORM, "admin")
        yield found


async def invite(door: Doors, token: str, email: str, role: str, **more: Any) -> httpx.Response:
    return await door.post("/v1/users", token, {"email": email, "role": role, **more})


async def test_who_is_invited_sets_a_password_and_comes_in(door: Doors) -> None:
    ana = await door.token("ana@example.com")
    response = await invite(door, ana, "New@example.com", "staff", permissions=["orders:read"])
    user_id = response.json()["user_id"]
    (member,) = [m for m in await members(door, ana) if m["email"] == "New@example.com"]
    assert member["status"] == "invited"
    await door.access.later.settle()
    token = door.letters.token("New@example.com")
    body = {"token": token, "password": NEW_PASSWORD}
    assert (await door.post("/v1/auth/password-reset/confirm", body=body)).json() == {"user_id": user_id}
    new = (await door.sign_in("new@example.com", password=NEW_PASSWORD))["access_token"]
    assert (await door.get("/v1/work/orders", new)).status_code == 200
    problem(await door.post("/v1/work/orders", new), 403, "forbidden")
    mine = [f for f in await door.facts() if f.stream == f"user-{user_id}"]
    assert [type(f.event) for f in mine[:3]] == [UserInvited, RoleGranted, UserJoined]
    assert [f.merchant for f in mine[:3]] == ["m1", "m1", PLATFORM]
    assert mine[0].actor.startswith("user:")


async def members(door: Doors, token: str, path: str = "/v1/users") -> list[dict[str, Any]]:
    response = await door.get(path, token)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def test_the_same_address_is_the_same_user_at_both_merchants(door: Doors) -> None:
    ana, eve = await door.token("ana@example.com"), await door.token("eve@example.com")
    first = await invite(door, ana, "bob@example.com", "auditor")
    again = await invite(door, ana, "BOB@example.com", "auditor")
    second = await invite(door, eve, "bob@EXAMPLE.com", "owner")
    assert first.json() == again.json() == second.json()
    assert len(await door.events(UserInvited)) == 4
    (bob,) = [m for m in await members(door, ana) if m["email"] == "bob@example.com"]
    # what it is elsewhere is not shown here
    assert (bob["role"], "members:write" in bob["permissions"]) == ("auditor", False)
    assert "m2" not in str(await members(door, ana))
    assert {m["email"] for m in await members(door, eve)} == {"eve@example.com", "bob@example.com"}


async def test_nobody_grants_more_than_it_has(door: Doors) -> None:
    await door.user("sam@example.com", "m1", "staff", "members:write", "members:read", "orders:read")
    sam = await door.token("sam@example.com")
    for role, permissions in (
        ("owner", []),
        ("auditor", []),
        ("customer", []),
        ("staff", ["orders:read", "orders:write"]),
        ("staff", ["users:write"]),
    ):
        more = {"permissions": permissions, "customer": "p1" if role == "customer" else ""}
        problem(await invite(door, sam, "x@example.com", role, **more), 403, "forbidden")
    granted = await invite(door, sam, "x@example.com", "staff", permissions=["orders:read"])
    assert granted.status_code == 201
    x = f"/v1/users/{granted.json()['user_id']}/grants"
    problem(await door.send("PUT", x, sam, {"role": "owner"}), 403, "forbidden")
    # nor does it take the role of who may do more, or its own up
    for email in ("ana@example.com", "sam@example.com"):
        path = f"/v1/users/{await door.access.addresses.user_of(email)}/grants"
        problem(await door.send("PUT", path, sam, {"role": "owner"}), 403, "forbidden")
    ana = f"/v1/users/{await door.access.addresses.user_of('ana@example.com')}/grants"
    body = {"role": "staff", "permissions": ["orders:read"]}
    problem(await door.send("PUT", ana, sam, body), 403, "forbidden")
    problem(await door.send("DELETE", ana, sam), 403, "forbidden")
    problem(
        await invite(door, sam, "ana@example.com", "staff", permissions=["orders:read"]), 403, "forbidden"
    )
    assert await door.events(RoleRevoked) == []


async def test_a_merchant_never_touches_the_platform_or_another(door: Doors) -> None:
    ana = await door.token("ana@example.com")
    problem(await invite(door, ana, "x@example.com", "admin"), 422, "invalid-input")
    problem(await invite(door, ana, "x@example.com", "operator"), 422, "invalid-input")
    for merchant, status, kind in (
        (PLATFORM, 422, "invalid-input"),  # no merchant's name, whoever asks
        ("m2", 403, "forbidden"),
        ("m3", 403, "forbidden"),
    ):
        body = {"email": "x@example.com", "role": "owner"}
        problem(await door.post("/v1/users", ana, body, merchant=merchant), status, kind)
    root = await door.access.addresses.user_of("root@example.com")
    eve = await door.access.addresses.user_of("eve@example.com")
    for stranger in (root, eve, "0" * 32):
        path = f"/v1/users/{stranger}/grants"
        problem(await door.send("PUT", path, ana, {"role": "owner"}), 404, "not-found")
        problem(await door.send("DELETE", path, ana), 404, "not-found")
        for verb in ("disable", "enable", "unlock"):
            problem(await door.post(f"/v1/platform/users/{stranger}/{verb}", ana), 403, "forbidden")
    problem(await door.get("/v1/platform/users", ana), 403, "forbidden")
    assert (await door.get("/v1/auth/me", await door.token("root@example.com"))).status_code == 200


async def test_not_even_the_platform_takes_its_own_name_for_a_merchant(door: Doors) -> None:
    root = await door.token("root@example.com")
    body = {"email": "x@example.com", "role": "owner"}
    problem(await door.post("/v1/users", root, body, merchant=PLATFORM), 422, "invalid-input")
    problem(await door.post("/v1/users", root, body, merchant="m3"), 400, "merchant-unknown")
    assert (await invite_at(door, root, "m1")).status_code == 201


async def invite_at(door: Doors, token: str, merchant: str) -> httpx.Response:
    return await door.post("/v1/users", token, {"email": "y@example.com", "role": "owner"}, merchant=merchant)


async def test_the_platform_has_users_of_its_own(door: Doors) -> None:
    root = await door.token("root@example.com")
    body = {"email": "op@example.com", "role": "operator"}
    user_id = (await door.post("/v1/platform/users", root, body)).json()["user_id"]
    listed = await members(door, root, "/v1/platform/users")
    assert {m["role"] for m in listed} == {"admin", "operator"}
    path = f"/v1/platform/users/{user_id}/grants"
    assert (await door.send("PUT", path, root, {"role": "auditor"})).status_code == 200
    assert (await door.send("DELETE", path, root)).status_code == 200
    problem(await door.send("DELETE", path, root), 404, "not-found")
    events = [e for e in await door.events(RoleGranted) if e.user_id == user_id]
    assert [(e.merchant, e.role) for e in events] == [(PLATFORM, "operator"), (PLATFORM, "auditor")]
    problem(await door.post("/v1/platform/users", root, {**body, "role": "owner"}), 422, "invalid-input")


async def test_who_is_disabled_is_out_until_enabled(door: Doors) -> None:
    root = await door.token("root@example.com")
    signed_in = await door.sign_in("ana@example.com")
    ana = await door.access.addresses.user_of("ana@example.com")
    assert (await door.post(f"/v1/platform/users/{ana}/disable", root)).status_code == 200
    problem(await door.get("/v1/auth/me", signed_in["access_token"]), 401, "unauthenticated")
    problem(await door.try_sign_in("ana@example.com"), 401, "sign-in-refused")
    assert (await door.post(f"/v1/platform/users/{ana}/enable", root)).status_code == 200
    problem(await door.get("/v1/auth/me", signed_in["access_token"]), 401, "unauthenticated")
    await door.sign_in("ana@example.com")
    problem(await door.post(f"/v1/platform/users/{'0' * 32}/disable", root), 404, "not-found")


async def test_nobody_shuts_out_or_lets_in_who_may_do_more(door: Doors) -> None:
    root = await door.access.addresses.user_of("root@example.com")
    ana = await door.access.addresses.user_of("ana@example.com")
    key = await a_key(door.app, PLATFORM, "users:write", "orders:read")
    for verb in ("disable", "enable", "unlock"):
        for more in (root, ana):
            problem(await door.post(f"/v1/platform/users/{more}/{verb}", key), 403, "forbidden")
    await door.sign_in("root@example.com")
    await door.user("sam@example.com", "m1", "staff", "orders:read")
    sam = await door.access.addresses.user_of("sam@example.com")
    for verb in ("disable", "enable", "unlock"):
        assert (await door.post(f"/v1/platform/users/{sam}/{verb}", key)).status_code == 200
    await door.sign_in("sam@example.com")


async def test_nothing_that_is_not_asked_for_is_taken(door: Doors) -> None:
    ana = await door.token("ana@example.com")
    for more in (
        {"merchant": "m2"},
        {"user_id": "0" * 32},
        {"joined": True},
        {"platform": True},
        {"permissions": ["Orders:Read"]},
        {"email": "no address"},
        {"email": "a@b@c"},
        {"email": "a\n@b.c"},
        {"email": "\uff41na@example.com"},
    ):
        body = {"email": "x@example.com", "role": "owner", **more}
        problem(await door.post("/v1/users", ana, body), 422, "invalid-input")
    for role, rule in (("customer", "customer_has_subject"), ("staff", "role_of_place")):
        refused = await invite(door, ana, "x@example.com", role)
        assert problem(refused, 409, "conflict")["rule"] == rule


async def test_a_customer_is_limited_to_one_person(door: Doors) -> None:
    await door.user("cara@example.com", "m1", "customer", subject="p1")
    got = await door.get("/v1/work/orders", await door.token("cara@example.com"))
    assert got.json()["subject"] == "p1"
    problem(await door.get("/v1/users", await door.token("cara@example.com")), 403, "forbidden")


async def test_lists_go_on(door: Doors) -> None:
    ana = await door.token("ana@example.com")
    for number in range(4):
        await invite(door, ana, f"n{number}@example.com", "auditor")
    gone = await door.access.addresses.user_of("n1@example.com")
    await door.send("DELETE", f"/v1/users/{gone}/grants", ana)
    seen: list[str] = []
    path = "/v1/users?limit=2"
    while path:
        page = (await door.get(path, ana)).json()
        seen += [each["email"] for each in page["items"]]
        path = f"/v1/users?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert sorted(seen) == ["ana@example.com", "n0@example.com", "n2@example.com", "n3@example.com"]
