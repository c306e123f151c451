"""Does a merchant erase its own customers over HTTP, with a reason, once, and nobody else's?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio

from commands.personal import subject_of
from domain.erasure import SubjectErased
from domain.permissions import PLATFORM
from eventstore.codec import decode
from services.access.users import Wanted
from services.audit.erasure_console import NotErased, Wish, erase
from services.embedded import NatsServer, PostgresServer
from services.gateways.mail import mail_subject
from tests.integration.api_client import an_order, problem
from tests.integration.projections_trade import setting_up
from tests.integration.walls import EVERYTHING, World, fresh_database, world
from tests.patience import HANGS

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/v1/audit/erasures"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(
    postgres_server: PostgresServer,
    nats_server: NatsServer,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    directory = tmp_path_factory.mktemp("erasing")
    with fresh_database(postgres_server, migrated_template) as database:
        async with world(database, nats_server.url, directory) as opened:
            for merchant in ("m1", "m2"):
                last = await opened.append(merchant, setting_up(merchant))
            await opened.shown(await opened.key(PLATFORM), last)
            yield opened


async def order(found: World, person: str, *, merchant: str = "m1", over: bool = True) -> str:
    """An order of the person, which is cancelled if it shall be over; the person's pseudonym."""
    key = await found.key(merchant)
    customer = {"customer_id": person, "zip_prefix": "01310", "city": f"city of {person}"}
    placed = await found.ask("POST", "/v1/orders", key, merchant, an_order(customer=customer))
    assert placed.status_code == 201, placed.text
    if over:
        path = f"/v1/orders/{placed.json()['order_id']}/cancel"
        placed = await found.ask("POST", path, key, merchant, {"reason": "customer"})
        assert placed.status_code == 200, placed.text
    await found.shown(key, placed.headers["Tillroll-Position"], merchant)
    return subject_of(found.app.state.keyring, merchant, person)


async def ask(found: World, secret: str, merchant: str = "m1", **body: Any) -> httpx.Response:
    return await found.ask("POST", PATH, secret, merchant, {"reason": "asked for", **body})


async def test_a_dry_run_tells_and_erases_nothing(found: World) -> None:
    subject = await order(found, "dry")
    owner, head = await found.signed_in("owner", "m1"), await found.trade.log.head()
    told = await ask(found, owner, customer="dry", dry_run=True)
    assert told.status_code == 200, told.text
    answer = told.json()
    assert (answer["subject"], answer["erased"], answer["erased_at"]) == (subject, False, None)
    assert (answer["orders"], answer["plain_rows"], answer["against"]) == (1, 1, {})
    assert "back-ups" in answer["remains"]
    assert await found.trade.log.head() == head
    assert not found.app.state.keyring.is_erased(subject)


async def test_it_is_done_once_and_said_who_and_why(found: World) -> None:
    subject = await order(found, "gone")
    owner = await found.signed_in("owner", "m1")
    first = await ask(found, owner, customer="gone")
    assert first.status_code == 200, first.text
    answer = first.json()
    user = await found.user("owner", "m1")
    assert (answer["erased"], answer["reason"], answer["actor"]) == (True, "asked for", f"user:{user}")
    again = await ask(found, await found.key("m1"), subject=subject, reason="once more")
    same = {"reason", "actor", "erased_at", "position", "subject"}
    assert {name: again.json()[name] for name in same} == {name: answer[name] for name in same}
    facts = [decode(each) for each in await found.trade.log.read(0, 10_000)]
    (said,) = [fact for fact in facts if fact.event == SubjectErased(subject=subject, reason="asked for")]
    assert (said.merchant, said.actor) == ("m1", f"user:{user}")
    await found.shown(owner, answer["position"])
    orders = (await found.ask("GET", "/v1/orders", owner)).text
    assert "gone" not in orders
    async with await psycopg.AsyncConnection.connect(found.database) as connection:
        shown = "SELECT customer_id, ship_to_city, ship_to_state FROM orders WHERE subject = %s"
        rows = await (await connection.execute(shown, (subject,))).fetchall()
    assert rows == [(None, None, "SP")]
    listed = (await found.ask("GET", PATH, owner)).json()["items"][0]
    assert (listed["subject"], listed["actor"], listed["position"]) == (
        subject,
        f"user:{user}",
        said.position,
    )
    customer = {"customer_id": "gone", "zip_prefix": "01310", "city": "x"}
    refused = await found.ask("POST", "/v1/orders", owner, body=an_order(customer=customer))
    assert problem(refused, 409, "conflict")["rule"] == "customer_not_erased"


async def test_two_persons_with_one_idempotency_key_are_both_erased(found: World) -> None:
    """The key is for the client's retries; whoever else it comes again for must be erased, too."""
    owner, key = await found.signed_in("owner", "m1"), {"Idempotency-Key": "erase-1"}
    for person in ("twice-a", "twice-b"):
        subject = await order(found, person)
        body = {"reason": "asked for", "customer": person}
        answer = await found.ask("POST", PATH, owner, "m1", body, headers=key)
        assert answer.status_code == 200, answer.text
        position = int(answer.json()["position"].rpartition(".")[2])
        (stored,) = await found.trade.log.read(position - 1, 1)
        assert decode(stored).event == SubjectErased(subject=subject, reason="asked for")
        await found.shown(owner, answer.headers["Tillroll-Position"])
        orders = await found.ask("GET", "/v1/orders?limit=200", owner, "m1")
        assert f"city of {person}" not in orders.text


async def test_whose_orders_are_under_way_is_kept_until_that_is_overruled(found: World) -> None:
    await order(found, "busy", over=False)
    owner = await found.signed_in("owner", "m1")
    told = (await ask(found, owner, customer="busy", dry_run=True)).json()
    assert told["against"] == {"orders_are_over": "1 of its orders are under way"}
    refusal = problem(await ask(found, owner, customer="busy"), 409, "conflict")
    assert refusal["rule"] == "orders_are_over"
    assert "despite orders_are_over" in refusal["detail"]
    unknown = problem(await ask(found, owner, customer="busy", despite=["what"]), 409, "conflict")
    assert "there is no rule what" in unknown["detail"]
    dry = problem(await ask(found, owner, customer="busy", despite=["what"], dry_run=True), 409, "conflict")
    assert dry["detail"] == unknown["detail"], "not that it would be erased"
    done = await ask(found, owner, customer="busy", despite=["orders_are_over"])
    assert done.json()["erased"]
    (listed,) = (await found.ask("GET", f"{PATH}?limit=1", owner)).json()["items"]
    assert listed["despite"] == ["orders_are_over"]


async def test_nobody_is_erased_who_is_not_known_here(found: World) -> None:
    subject = await order(found, "theirs", merchant="m2")
    owner = await found.signed_in("owner", "m1")
    for body in ({"customer": "nobody"}, {"customer": "theirs"}, {"subject": subject}, {"subject": "0" * 32}):
        refusal = problem(await ask(found, owner, **body), 404, "not-found")
        assert refusal["rule"] == "subject_exists"
    assert not await erased(found, subject)
    # an admin of the platform reaches every merchant, and says which
    admin = await found.signed_in("admin", PLATFORM)
    assert (await ask(found, admin, "m2", subject=subject)).json()["erased"]
    assert subject not in (await found.ask("GET", PATH, owner)).text


async def test_a_user_is_disabled_and_erased_and_the_address_is_free_again(
    found: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its mails as well; whoever comes back by that address is somebody new, and gets mail."""
    address = "gone-for-good@example.com"
    access, keyring = found.access, found.app.state.keyring
    own = EVERYTHING
    user_id = await access.users.invite(address, "m1", Wanted("auditor"), own, actor="test", mail=False)
    before = await mail_subject(keyring, address)
    mails = found.settings.data_dir / "mail"
    mails.mkdir(exist_ok=True)
    (mails / "theirs.eml").write_text(f"To: {address}\nSubject: x\n\nx")
    (mails / ".half.partial").write_text(f"To: {address}\nSubj")
    (mails / "anothers.eml").write_text("To: another@example.com\nSubject: x\n\nx")
    wish = Wish(user=address, reason="asked for")
    await erase(found.settings, replace(wish, dry_run=True), as_json=True)
    assert await access.addresses.user_of(address) == user_id
    capsys.readouterr()
    await erase(found.settings, replace(wish, user=f" {address} "), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["erased"], told["of_address"]) == (True, before)
    user = await access.facts.user(user_id)
    assert user.disabled
    async with asyncio.timeout(HANGS):
        while await access.addresses.of_user(user_id):
            await asyncio.sleep(0.05)
    assert [path.name for path in mails.iterdir()] == ["anothers.eml"]
    assert await access.addresses.user_of(address) is None
    again = await access.users.invite(address, "m1", Wanted("auditor"), own, actor="test", mail=False)
    assert again != user_id
    assert await access.addresses.of_user(again) == address
    assert await mail_subject(keyring, address) != before
    with pytest.raises(NotErased, match=r"there is no user nobody@example\.com"):
        await erase(found.settings, replace(wish, user="nobody@example.com"), as_json=True)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(reason="x"), "name one person"),
        (Wish(subject="s", user="u", reason="x"), "name one person"),
        (Wish(customer="c", reason="x"), "whose customer"),
        (Wish(customer="c", merchant="m1", reason="x"), "no data subject .* is known"),
        (Wish(customer="c", merchant="m1"), "say why"),
        (Wish(customer="c", merchant="m1", reason=" \n"), "say why"),
        (Wish(customer="c", merchant="m1", reason="x", despite=("no",), dry_run=True), "there is no rule no"),
    ],
)
async def test_the_command_says_what_is_missing(found: World, wish: Wish, said: str) -> None:
    with pytest.raises(NotErased, match=said):
        await erase(found.settings, wish, as_json=True)


async def erased(found: World, subject: str) -> bool:
    async with await psycopg.AsyncConnection.connect(found.database) as connection:
        asked = "SELECT wrapped_key IS NULL FROM data_keys WHERE subject = %s"
        row = await (await connection.execute(asked, (subject,))).fetchone()
    assert row
    return bool(row[0])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"customer": "c", "subject": "0" * 32},
        {"subject": "short"},
        {"customer": "c", "reason": ""},
        {"customer": "c", "mine": 1},
    ],
)
async def test_what_is_not_understood_is_said(found: World, body: dict[str, Any]) -> None:
    problem(await ask(found, await found.key("m1"), **body), 422, "invalid-input")


async def test_where_the_list_cannot_be_written_nothing_is_erased(found: World) -> None:
    subject = await order(found, "unlisted")
    noted = found.settings.erasures()
    kept = noted.read_bytes() if noted.exists() else b""
    noted.unlink(missing_ok=True)
    noted.mkdir()
    try:
        refusal = problem(await ask(found, await found.key("m1"), subject=subject), 503, "unavailable")
        assert "TILLROLL_ERASURES_FILE" in refusal["detail"]
        assert not await erased(found, subject)
    finally:
        noted.rmdir()
        noted.write_bytes(kept)
    assert (await ask(found, await found.key("m1"), subject=subject)).json()["erased"]
    last = json.loads(Path(noted).read_bytes().splitlines()[-1])
    assert last["subject"] == subject
