"""Does one get in with the right password, and does a wrong try tell nothing?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from domain.permissions import PLATFORM
from domain.user import UserLockedOut, UserUnlocked
from services.web.problems import Problem
from tests.integration.access_client import EVERYTHING, PASSWORD, Doors, doors
from tests.integration.api_client import problem

WRONG = "not the password of anyone"


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors(database, tmp_path) as found:
        await found.user("Ana@Example.com", "m1", "owner")
        yield found


async def test_signs_in_and_is_known(door: Doors) -> None:
    signed_in = await door.sign_in("ana@example.COM ")
    assert signed_in["refresh_token"].startswith("tlr_rt_")
    assert signed_in["expires_in"] == 300
    me = (await door.get("/v1/auth/me", signed_in["access_token"])).json()
    assert me["email"] == "Ana@Example.com"
    assert [(each["merchant"], each["role"]) for each in me["grants"]] == [("m1", "owner")]
    assert me["csrf_token"] is None
    orders = await door.get("/v1/work/orders", signed_in["access_token"])
    assert orders.json()["merchant"] == "m1"


async def test_the_answer_never_tells_whose_fault_it_was(door: Doors) -> None:
    """A wrong password, an unknown address, who never joined, who is disabled or locked out: one answer."""
    await door.user("off@example.com", "m1", "owner")
    off = (await door.access.addresses.user_of("off@example.com")) or ""
    await door.access.users.disable(off, EVERYTHING, actor="user:x")
    await door.access.addresses.claim("claimed@example.com")
    await door.user("locked@example.com", "m1", "owner")
    for _ in range(5):
        await door.try_sign_in("locked@example.com", WRONG)
    tries = (
        ("ana@example.com", WRONG),
        ("nobody@example.com", PASSWORD),
        ("claimed@example.com", PASSWORD),
        ("off@example.com", PASSWORD),
        ("locked@example.com", PASSWORD),
    )
    before = door.access.passwords.verified
    answers = [await door.try_sign_in(email, password) for email, password in tries]
    assert door.access.passwords.verified == before + len(tries), "each try costs a password's work"
    for answer in answers:
        problem(answer, 401, "sign-in-refused")
        assert (answer.content, told(answer)) == (answers[0].content, told(answers[0]))


def told(answer: httpx.Response) -> list[tuple[str, str]]:
    """All headers, but for how much of the rates is left: that counts down with each try."""
    return [
        (name, value.partition(";")[0] if name == "ratelimit" else value)
        for name, value in answer.headers.multi_items()
    ]


async def test_a_lock_out_doubles_is_a_fact_and_ends(door: Doors) -> None:
    for _ in range(5):
        problem(await door.try_sign_in("ana@example.com", WRONG), 401, "sign-in-refused")
    problem(await door.try_sign_in("ana@example.com"), 401, "sign-in-refused")
    door.clock.move(seconds=31)
    problem(await door.try_sign_in("ana@example.com", WRONG), 401, "sign-in-refused")
    door.clock.move(seconds=31)
    problem(await door.try_sign_in("ana@example.com"), 401, "sign-in-refused")
    door.clock.move(seconds=30)
    await door.sign_in("ana@example.com")
    locked = await door.events(UserLockedOut)
    assert [(event.until - locked[0].until).total_seconds() for event in locked] == [0, 61]
    # the right password wipes the slate
    for _ in range(4):
        await door.try_sign_in("ana@example.com", WRONG)
    await door.sign_in("ana@example.com")


async def test_who_is_locked_out_is_not_kept_out_by_others_who_go_on(door: Doors) -> None:
    for _ in range(30):
        await door.try_sign_in("ana@example.com", WRONG)
    door.clock.move(seconds=31)
    await door.sign_in("ana@example.com")
    assert len(await door.events(UserLockedOut)) == 1


async def test_an_admin_unlocks(door: Doors) -> None:
    await door.user("root@example.com", PLATFORM, "admin")
    token = await door.token("root@example.com")
    for _ in range(5):
        await door.try_sign_in("ana@example.com", WRONG)
    ana = await door.access.addresses.user_of("ana@example.com")
    await door.access.later.settle()
    assert (await door.post(f"/v1/platform/users/{ana}/unlock", token)).status_code == 200
    await door.sign_in("ana@example.com")
    assert len(await door.events(UserUnlocked)) == 1


async def test_unheard_of_fields_and_long_ones_are_refused(door: Doors) -> None:
    for more in ({"admin": True}, {"user_id": "x"}, {"session": "forever"}, {"code": "1" * 100}):
        problem(await door.try_sign_in("ana@example.com", **more), 422, "invalid-input")
    problem(await door.try_sign_in("ana@example.com", "x" * 300), 422, "invalid-input")
    form = await door.client.post("/v1/auth/sign-in", data={"email": "ana@example.com"})
    problem(form, 415, "unsupported-media-type")


async def test_an_access_token_is_good_for_five_minutes_and_by_its_signature_only(door: Doors) -> None:
    token = await door.token("ana@example.com")
    header, payload, signature = token.split(".")
    forged = [
        f"{header}.{payload}.{signature[:-6]}AAAAAA",
        f"{header}.{payload}.",
        f"eyJhbGciOiJub25lIn0.{payload}.",
        f"{header}.{payload[:-2]}.{signature}",
        "a.b.c",
        "",
        "tlr_key_",
    ]
    for each in forged:
        problem(await door.get("/v1/auth/me", each), 401, "unauthenticated")
    door.clock.move(minutes=4, seconds=59)
    assert (await door.get("/v1/auth/me", token)).status_code == 200
    door.clock.move(seconds=1)
    problem(await door.get("/v1/auth/me", token), 401, "unauthenticated")


async def test_keys_rotate_and_old_tokens_stay_good_until_they_are_over(door: Doors) -> None:
    door.clock.move(days=-1)
    await door.token("ana@example.com")
    door.clock.move(days=30, minutes=-1)
    old = await door.token("ana@example.com")
    (before,) = (await door.get("/.well-known/jwks.json")).json()["keys"]
    assert "d" not in before
    door.clock.move(minutes=2)
    new = await door.token("ana@example.com")
    kids = {key["kid"] for key in (await door.get("/.well-known/jwks.json")).json()["keys"]}
    assert len(kids) == 2
    assert before["kid"] in kids
    for token in (old, new):
        assert (await door.get("/v1/auth/me", token)).status_code == 200
    door.clock.move(minutes=15)
    (after,) = (await door.get("/.well-known/jwks.json")).json()["keys"]
    assert after["kid"] != before["kid"]


async def test_a_password_that_was_changed_meanwhile_begins_no_session(door: Doors) -> None:
    ana = await door.access.addresses.user_of("ana@example.com") or ""
    proof = await door.access.sign_in.prove(ana, PASSWORD, None)
    await door.access.resets.change(ana, "another roll of paper", proof=proof, but="")
    with pytest.raises(Problem) as refused:
        await door.access.sessions.begin(ana, "test", cookie=False, proof=proof)
    assert refused.value.status == 401
    assert await door.access.sessions.alive(ana) == []
