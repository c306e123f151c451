"""Do sign-ins leave the machine to others, and is a principal that is known found in no time?"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

from services.access.passwords import Passwords
from tests.integration.access_client import CHEAP, doors
from tests.integration.api_client import problem


async def test_few_are_hashed_at_once_and_few_wait(database: str, tmp_path: Path) -> None:
    policy = replace(CHEAP, hashing=1, hashing_waiting=3, failures=1000)
    async with doors(database, tmp_path, policy) as door:
        await door.user("ana@example.com", "m1", "owner")
        async with door.access.passwords.turn():
            tries = [asyncio.create_task(door.try_sign_in("ana@example.com")) for _ in range(8)]
            done, waiting = await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
            while len(done) < 5:
                done, waiting = await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED, timeout=0.01)
            for refused in done:
                assert problem(refused.result(), 503, "busy")
                assert int(refused.result().headers["retry-after"]) >= 1
            assert len(waiting) == 3
        answers = await asyncio.gather(*tries)
        assert Counter(answer.status_code for answer in answers) == {200: 3, 503: 5}
        await door.sign_in("ana@example.com")


async def test_a_turn_that_is_given_up_is_free_again() -> None:
    passwords = Passwords(replace(CHEAP, hashing=1, hashing_waiting=1))
    async with passwords.turn():
        waiting = asyncio.create_task(passwords.turn().__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    for _ in range(3):
        async with passwords.turn():
            assert await passwords.verify("x", await passwords.hash("x")) == (True, None)
    passwords.close()


async def test_a_hash_of_before_is_made_anew_when_its_password_comes(database: str, tmp_path: Path) -> None:
    async with doors(database, tmp_path) as door:
        await door.user("ana@example.com", "m1", "owner")
    async with doors(database, tmp_path, replace(CHEAP, hash_time=2)) as door:
        await door.sign_in("ana@example.com")
        await door.sign_in("ana@example.com")
        row = await door.access.store.row(
            "read_credential", user_id=await door.access.addresses.user_of("ana@example.com")
        )
        assert row
        assert ",t=2," in row["password_hash"]


async def test_who_is_known_costs_no_query(database: str, tmp_path: Path) -> None:
    async with doors(database, tmp_path) as door:
        await door.user("ana@example.com", "m1", "owner")
        token = await door.token("ana@example.com")
        await door.get("/v1/work/orders", token)
        asked, looked_up = door.access.store.asked, door.access.gate.looked_up
        for _ in range(50):
            assert (await door.get("/v1/work/orders", token)).status_code == 200
        assert (door.access.store.asked, door.access.gate.looked_up) == (asked, looked_up)
