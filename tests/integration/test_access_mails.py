"""How much can somebody send to another's mailbox, or try at the routes for a new password?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventstore import tasks
from services.web.rate_counts import RateCounts
from services.web.rates import Policies, Rates
from tests.integration.access_client import Doors, doors
from tests.integration.api_client import problem

ANA, BOB = "ana@example.com", "bob@elsewhere.example"
RESET = "/v1/auth/password-reset"
CONFIRM = {"token": "tlr_su_" + "x" * 43, "password": "a new roll of paper"}


@pytest.fixture
async def door(database: str, tmp_path: Path) -> AsyncIterator[Doors]:
    async with doors(database, tmp_path) as found:
        await found.user(ANA, "m1", "owner")
        yield found


async def letters_to(door: Doors, address: str) -> int:
    await door.access.later.settle()
    return sum(to == address for to, _, _ in door.letters.sent)


async def test_many_who_ask_at_once_send_one_mail(door: Doors) -> None:
    answers = await asyncio.gather(*(door.post(RESET, body={"email": ANA}) for _ in range(40)))
    assert Counter(answer.status_code for answer in answers) == {202: 40}
    assert await letters_to(door, ANA) == 1
    door.clock.move(seconds=59)
    await door.post(RESET, body={"email": ANA})
    assert await letters_to(door, ANA) == 1
    door.clock.move(seconds=1)
    await door.post(RESET, body={"email": ANA})
    assert await letters_to(door, ANA) == 2


@pytest.mark.parametrize("joined", [False, True])
async def test_many_invitations_of_one_address_send_one_mail(door: Doors, joined: bool) -> None:
    if joined:
        await door.user(BOB, "m2", "auditor")
    ana = await door.token(ANA)
    invite = {"email": BOB, "role": "auditor"}
    answers = await asyncio.gather(*(door.post("/v1/users", ana, invite) for _ in range(10)))
    assert Counter(answer.status_code for answer in answers) == {201: 10}
    assert await letters_to(door, BOB) == 1
    # invitations keep no reset from anybody
    await door.post(RESET, body={"email": BOB})
    assert await letters_to(door, BOB) == 2
    door.clock.move(minutes=1)
    assert (await door.post("/v1/users", ana, invite)).status_code == 201
    assert await letters_to(door, BOB) == 3


async def test_an_address_asks_for_so_many_resets_and_tries_so_many_tokens(door: Doors) -> None:
    rates = Policies(sign_in_address="6 per hour", sign_in_account="100 per hour")
    door.app.state.rates = Rates(RateCounts(), rates)
    for number in range(3):
        assert (await door.post(RESET, body={"email": f"a{number}@example.com"})).status_code == 202
        problem(await door.post(f"{RESET}/confirm", body=CONFIRM), 422, "invalid-input")
    for path, body in ((RESET, {"email": ANA}), (f"{RESET}/confirm", CONFIRM)):
        refused = await door.post(path, body=body)
        assert problem(refused, 429, "rate-limited")["policy"] == "sign-in-address"
        assert refused.headers["retry-after"]


async def test_so_many_resets_are_asked_for_an_account_and_sign_in_stays_open(door: Doors) -> None:
    rates = Policies(sign_in_address="100 per hour", sign_in_account="3 per hour")
    door.app.state.rates = Rates(RateCounts(), rates)
    for address in (ANA, "ANA@example.com", f" {ANA}"):
        assert (await door.post(RESET, body={"email": address})).status_code == 202
    refused = problem(await door.post(RESET, body={"email": ANA}), 429, "rate-limited")
    assert refused["policy"] == "sign-in-account"
    await door.sign_in(ANA)


async def test_what_was_begun_after_an_answer_is_done_though_others_insist_on_the_end(
    door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "INSIST_SECONDS", 0.0)
    sent: list[str] = []

    async def send() -> None:
        await asyncio.sleep(0.1)
        sent.append(ANA)

    door.access.later.do("a letter", send())
    closing = asyncio.create_task(door.access.close())
    await asyncio.sleep(0)
    await tasks.end_tasks(closing)
    assert sent == [ANA]
