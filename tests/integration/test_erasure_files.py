"""Where does an erased person still stand on the disk, and does a restore bring anybody back?"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.embedded import PostgresServer, owner_of_embedded
from services.embedded.copies import put_copy
from tests.integration.api_client import an_order
from tests.integration.system import tillroll, wait
from tests.integration.test_restore import Shop, run, shop

pytestmark = pytest.mark.slow
NAME, CITY = "marker-of-a-name-0815", "Marker of a city 0815"
CARRIER = "worlds"
"""What the carrier was told is the carrier's: its world stands for a company that is not us."""


def files_with(directory: Path, *markers: str) -> dict[str, list[str]]:
    """By the folder below `directory`: the files that hold one of these."""
    found: dict[str, list[str]] = {}
    for path in sorted(each for each in directory.rglob("*") if each.is_file() and not each.is_symlink()):
        if any(marker.encode() in content for content in _windows(path) for marker in markers):
            folder = path.relative_to(directory).parts[0]
            found.setdefault(folder, []).append(str(path.relative_to(directory)))
    return found


def _windows(path: Path) -> Iterator[bytes]:
    """Its content in pieces that overlap; files may come and go meanwhile."""
    rest = b""
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                yield rest + piece
                rest = piece[-100:]
    except FileNotFoundError:
        return


def place(shop: Shop, order_id: str) -> None:
    customer = {"customer_id": NAME, "zip_prefix": "01310", "city": CITY}
    answer = shop.client.post("/v1/orders", json=an_order(order_id=order_id, customer=customer))
    assert answer.status_code == 201, answer.text


async def without_compression(data_dir: Path) -> None:
    """From its first row on, the write-ahead log holds pages as they are: what is in it can be found."""
    server = PostgresServer(data_dir)
    try:
        async with await psycopg.AsyncConnection.connect(await server.start()) as connection:
            await connection.execute("ALTER ROLE ALL SET wal_compression = off")
    finally:
        await server.stop()


def analyze(data_dir: Path) -> None:
    """The planner keeps what is common in a column, such as the name of who bought twice."""
    owner = owner_of_embedded(data_dir)
    assert owner
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("ANALYZE")
        common = "SELECT count(*) FROM pg_stats WHERE most_common_vals::text LIKE %s"
        assert connection.execute(common, (f"%{NAME}%",)).fetchone() != (0,)


def write_pages(data_dir: Path) -> None:
    """What waits for the log to be written, or is torn by one of its pages, stands in a page of its table."""
    owner = owner_of_embedded(data_dir)
    assert owner
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CHECKPOINT")


def in_postgres(data_dir: Path) -> set[str]:
    """Where in its files: pages of tables, or the write-ahead log."""
    found = files_with(data_dir, NAME, CITY).get("postgres", [])
    return {"log" if "/pg_wal/" in name else "pages" for name in found}


def erase(shop: Shop, *more: str) -> tuple[int, Any]:
    wish = ("--merchant", "demo", "--customer", NAME, "--reason", "a test")
    return tillroll(shop.environment, "erase", *wish, *more)


def shown(shop: Shop) -> str:
    return shop.client.get("/v1/orders/o1").text


def test_what_is_left_on_the_disk_is_named_and_no_restore_brings_anybody_back(tmp_path: Path) -> None:
    data_dir, copy = tmp_path / "var", tmp_path / "copy"
    data_dir.mkdir()
    asyncio.run(without_compression(data_dir))
    with shop(data_dir) as before:
        goods = {"sku": "A-1", "quantity": 40}
        assert before.client.post("/v1/stock/receive", json=goods).status_code == 200
        for order_id in ("o1", "o2"):
            place(before, order_id)
            before.until(order_id, "completed")
        analyze(data_dir)
        assert NAME in shown(before)
        code, said = run(data_dir, before.environment, "backup", str(copy))
        assert code == 0, said
        assert set(files_with(data_dir, NAME, CITY)) == {"postgres", CARRIER}, "never in NATS, logs, secrets"
        assert in_postgres(data_dir) == {"pages", "log"}
        code, told = erase(before, "--dry-run")
        assert (code, told["erased"], told["orders"], told["plain_rows"]) == (0, False, 2, 2)
        code, told = erase(before)
        assert (code, told["erased"], told["actor"], told["merchant"]) == (0, True, "console", "demo")
        assert told["followed"]
        assert NAME not in shown(before), "once the command has ended"
        assert CITY not in shown(before)
        assert erase(before)[1] == told | {"plain_rows": 0}, "a second time changes nothing"
        assert set(files_with(data_dir, NAME, CITY)) == {"postgres", CARRIER}, "dead rows, write-ahead log"
        assert "log" in in_postgres(data_dir)
        code, said = run(data_dir, before.environment, "scrub")
        assert code == 0, said
        wait(lambda: set(files_with(data_dir, NAME, CITY)) == {CARRIER})
        assert all("carrier" in name for name in files_with(data_dir, NAME, CITY)[CARRIER])
        assert not files_with(data_dir, NAME), "the carrier was told no name"
        code, verdict = tillroll(before.environment, "verify")
        assert code == 0, verdict
        environment = before.environment

    check_restored(data_dir, copy, environment)
    check_put_back_by_hand(data_dir, copy)


TOLD = {
    "email": "marker-0815@example.com",
    "name": "Marker of a person 0815",
    "phone": "marker phone 0815",
    "street": "Marker street 0815",
    "city": CITY,
    "note": "Marker of a wish 0815",
}
NOTED, BRAND = "Marker of a note 0815", "marker brand 0815"
ELSEWHERE = {
    "email": "marker-elsewhere-0815@example.com",
    "name": "Marker of a neighbour 0815",
    "phone": "marker phone elsewhere 0815",
    "street": "Marker street elsewhere 0815",
    "city": "Marker of a place elsewhere 0815",
    "note": "Marker of a wish elsewhere 0815",
}
ALL_MARKERS = (*TOLD.values(), NOTED, BRAND, *ELSEWHERE.values())


def sent(shop: Shop, method: str, path: str, **body: Any) -> Any:
    answer = shop.client.request(method, path, json=body)
    assert answer.status_code < 300, answer.text
    return answer.json()


def buy_by_cart(shop: Shop) -> tuple[str, str]:
    """The cart, and its order: of a person who tells all that a shop may ask for."""
    cart = sent(shop, "POST", "/v1/carts", currency="BRL")["cart_id"]
    sent(shop, "POST", f"/v1/carts/{cart}/items", sku="A-1", quantity=2, unit_price_cents=1000)
    sent(shop, "PUT", f"/v1/carts/{cart}/contact", customer_id=NAME, zip_prefix="01310", **TOLD)
    pays = [{"payment_id": "card", "method": "credit_card"}]
    done = sent(shop, "POST", f"/v1/carts/{cart}/complete", total_cents=2000, payments=pays)
    return cart, done["orders"][0]["order_id"]


def tell_more(shop: Shop, order: str) -> None:
    """While it is held: a note, another place, a payment method that the customer keeps."""
    sent(shop, "POST", f"/v1/orders/{order}/notes", text=NOTED)
    address = {"customer_id": NAME, "zip_prefix": "20040", "country": "BR", **ELSEWHERE}
    sent(shop, "POST", f"/v1/orders/{order}/changes", change_set_id="move", address=address)
    sent(shop, "POST", f"/v1/orders/{order}/changes/move/confirm")
    kept = {"token": "cus_1/pm_1", "brand": BRAND, "last4": "4242", "expires": "2029-04"}
    sent(shop, "POST", "/v1/payment-methods", customer_id=NAME, method_id="card", **kept)


def all_that_is_shown(shop: Shop, cart: str, order: str) -> str:
    paths = (f"/v1/carts/{cart}", f"/v1/orders/{order}", "/v1/payment-methods", "/v1/orders", "/v1/shipments")
    return "".join(json.dumps(shop.client.get(path).json(), ensure_ascii=False) for path in paths)


def all_of_the_parcel(shop: Shop, order: str) -> str:
    """As staff see it, and as it is printed."""
    shown = json.dumps(shop.client.get(f"/v1/shipments/{order}").json(), ensure_ascii=False)
    return shown + shop.client.get(f"/v1/shipments/{order}/label?format=zpl").text


def test_all_that_a_person_told_is_gone(tmp_path: Path) -> None:
    """From all that the API shows and, once scrubbed, from the disk, but for what the carrier was told."""
    data_dir = tmp_path / "var"
    data_dir.mkdir()
    asyncio.run(without_compression(data_dir))
    with shop(data_dir) as opened:
        sent(opened, "POST", "/v1/stock/receive", sku="A-1", quantity=40)
        cart, order = buy_by_cart(opened)
        sent(opened, "POST", f"/v1/orders/{order}/holds", hold_id="h1", reason="address")
        opened.until(order, "confirmed")
        wait(lambda: all(marker in opened.client.get(f"/v1/orders/{order}").text for marker in TOLD.values()))
        tell_more(opened, order)

        def shows_all() -> bool:
            told = all_that_is_shown(opened, cart, order)
            return all(marker in told for marker in ALL_MARKERS if marker != CITY)

        wait(shows_all)
        write_pages(data_dir)
        for marker in (NOTED, BRAND, *ELSEWHERE.values()):
            assert "postgres" in files_with(data_dir, marker), "else this test looks for nothing"
        sent(opened, "POST", f"/v1/orders/{order}/holds/h1/release")
        opened.until(order, "completed")
        parcel = all_of_the_parcel(opened, order)
        assert [marker for marker in ELSEWHERE.values() if marker not in parcel] == []
        code, told = erase(opened)
        assert (code, told["erased"], told["followed"]) == (0, True, True)
        left = all_that_is_shown(opened, cart, order) + all_of_the_parcel(opened, order)
        assert [marker for marker in ALL_MARKERS if marker in left] == []
        code, said = run(data_dir, opened.environment, "scrub")
        assert code == 0, said
        wait(lambda: set(files_with(data_dir, *ALL_MARKERS)) <= {CARRIER})
        for marker in (NOTED, BRAND):
            assert not files_with(data_dir, marker), f"nobody was told {marker}"
        for marker in ELSEWHERE.values():
            assert set(files_with(data_dir, marker)) == {CARRIER}, "it brought the parcel there"
        code, verdict = tillroll(opened.environment, "verify")
        assert code == 0, verdict


def check_restored(data_dir: Path, copy: Path, environment: dict[str, str]) -> None:
    """By the command: before anything runs the person is gone, from keys and read models."""
    assert files_with(copy, NAME)
    shutil.rmtree(data_dir / "postgres")
    code, said = run(data_dir, environment, "restore", str(copy))
    assert code == 0, said
    assert "erased again: 1 people" in said
    assert asyncio.run(kept(data_dir)) == (0, 0)
    with shop(data_dir) as again:
        assert NAME not in shown(again)
        code, told = erase(again)
        assert (code, told["erased"], told["reason"]) == (0, True, "a test")
        wait(again.published)
        code, verdict = tillroll(again.environment, "verify")
        assert code == 0, verdict


def check_put_back_by_hand(data_dir: Path, copy: Path) -> None:
    """And nobody says so: no process serves before it has erased again."""
    shutil.rmtree(data_dir / "postgres")
    shutil.rmtree(data_dir / "nats")
    asyncio.run(put_copy(copy, data_dir))
    assert asyncio.run(kept(data_dir)) == (2, 2)
    (data_dir / "demo.env").unlink(missing_ok=True)
    with shop(data_dir) as again:
        assert '"order_id":"o1"' in shown(again)
        assert NAME not in shown(again)
        assert CITY not in shown(again)
    noted = (data_dir / "secrets" / "erasures.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in noted] == ["a test"]


async def kept(data_dir: Path) -> tuple[int, int]:
    """How many rows show the person, and how many of its keys there are, while nothing else runs."""
    server = PostgresServer(data_dir)
    try:
        async with await psycopg.AsyncConnection.connect(await server.start()) as connection:
            rows = "SELECT count(*) FROM orders WHERE customer_id IS NOT NULL"
            keys = (
                """SELECT count(*) FROM data_keys JOIN orders USING (subject) WHERE wrapped_key IS NOT NULL"""
            )
            found = [(await (await connection.execute(each.encode())).fetchone()) for each in (rows, keys)]
    finally:
        await server.stop()
    return tuple(row[0] for row in found if row)  # type: ignore[return-value]
