"""Can who has nothing but an API key check the content of events? All of it is had over HTTP, and checked by
the stand-alone verifier as a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import orjson
import pytest

from domain.permissions import PLATFORM
from domain.streams import order_stream
from services.audit import verifier
from services.audit.lines import line_of
from tests.integration.api_client import listening, problem
from tests.integration.projections_trade import Bought, setting_up
from tests.integration.sealed import Sealed, sealed
from tests.integration.test_desk import an_order_of
from tests.integration.test_looked import looks
from tests.integration.walls import World, world
from tests.patience import HANGS

EXPORT = "/v1/audit/events/export"
FLIPS, ORDERS = 12, 16


@dataclass
class Outsider:
    """Who has an address, a key, the verifier and a folder."""

    client: httpx.AsyncClient
    secret: str
    place: Path
    named: str = ""
    options: list[str] = field(default_factory=list)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.secret}"}
        headers |= {"Tillroll-Merchant": self.named} if self.named else {}
        answer = await self.client.get(f"/v1/audit/{path}", headers=headers, params=query)
        assert answer.status_code == 200, answer.text
        return answer

    def file(self, name: str, content: bytes) -> str:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)

    async def take_checkpoint(self) -> int:
        """How many events it covers. From now on it and the key are given to the verifier."""
        note = (await self.get("checkpoint")).content
        key = (await self.get("key")).json()["key"].encode()
        self.options = ["--checkpoint", self.file("checkpoint", note), "--key", self.file("key", key)]
        return int(note.splitlines()[1])

    async def proofs(self, export: bytes, size: int) -> list[str]:
        """Of each event of the export, as options of the verifier."""
        options = []
        for position in positions(export):
            shown = (await self.get("proofs/inclusion", position=position, size=size)).json()
            options += ["--proof", self.file(f"{position}.tlog-proof", shown["tlog_proof"].encode())]
        return options

    async def tiles(self, size: int) -> list[str]:
        for number in range((size + 255) // 256):
            width = min(256, size - 256 * number)
            path = f"tile/0/{number:03}" + (f".p/{width}" if width < 256 else "")
            self.file(path, (await self.get(path)).content)
        return ["--tiles", str(self.place)]

    async def verify(self, export: bytes, *options: str) -> tuple[int, dict[str, Any]]:
        """Exit code and verdict of the one file, with nothing of ours on its path."""
        file = self.file("events.ndjson", export)
        command = [sys.executable, "-I", verifier.__file__, file, "--partial", "--json"]
        done = await asyncio.to_thread(
            subprocess.run,
            [*command, *self.options, *options],
            capture_output=True,
            check=False,
            timeout=HANGS,
        )
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, json.loads(done.stdout)


def positions(export: bytes) -> list[int]:
    return [orjson.loads(line)["position"] for line in export.splitlines()]


@dataclass
class Shop:
    """Trade of two merchants, by turns, and its sealer."""

    world: World
    log: Sealed
    place: Path

    async def outsider(self, merchant: str, *, named: str = "", name: str = "mine") -> Outsider:
        return Outsider(self.world.client, await self.world.key(merchant), self.place / name, named)

    async def lines(self, merchant: str) -> bytes:
        """What the log holds of the merchant, as the export of all of it has it."""
        return b"".join(line_of(each) for each in await self.log.events() if each.merchant == merchant)


@pytest.fixture
async def shop(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    place = tmp_path / "running"
    place.mkdir()
    async with world(database, nats_url, place) as opened, sealed(database, place) as log:
        for merchant in ("m2", "m1"):
            await opened.append(merchant, setting_up(merchant))
        for number in range(ORDERS):
            for merchant in ("m1", "m2"):
                await opened.append(merchant, Bought(merchant, f"ø-{number}", person=f"p{number}").life())
        async with (
            listening(opened.app) as url,
            httpx.AsyncClient(base_url=url, timeout=HANGS) as client,
        ):
            opened.client = client
            yield Shop(opened, log, tmp_path)


async def test_with_a_key_alone_each_event_of_a_merchant_is_checked(shop: Shop) -> None:
    outsider = await shop.outsider("m1")
    await shop.log.seal()
    size = await outsider.take_checkpoint()
    assert size > 256, "more than a tile"
    answer = await outsider.get("events/export", until=size)
    export = answer.content
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert export == await shop.lines("m1") != b""
    tiles = await outsider.tiles(size)
    code, verdict = await outsider.verify(export, *tiles)
    assert (code, verdict["findings"]) == (0, [])
    assert verdict["covered"] == verdict["events"] == len(positions(export))
    random = Random(17)
    for _ in range(FLIPS):
        altered, line = with_a_bit_flipped(export, random)
        code, verdict = await outsider.verify(altered, *tiles)
        assert (code, verdict["first_altered"]) == (1, positions(export)[line])
        assert verdict["findings"][0]["line"] == line + 1


def with_a_bit_flipped(export: bytes, random: Random) -> tuple[bytes, int]:
    """Of any line, behind its position; and the number of that line, from 0."""
    lines = export.splitlines(keepends=True)
    line = random.randrange(len(lines))
    raw = lines[line]
    at = random.randrange(raw.index(b","), len(raw) - 1)
    lines[line] = raw[:at] + bytes([raw[at] ^ (1 << random.randrange(8))]) + raw[at + 1 :]
    return b"".join(lines), line


async def test_an_order_is_checked_by_the_proofs_of_its_events(shop: Shop) -> None:
    await shop.log.seal()
    outsider = await shop.outsider("m1")
    size = await outsider.take_checkpoint()
    export = (await outsider.get("events/export", order="m1/ø-3", until=size)).content
    assert {orjson.loads(line)["merchant"] for line in export.splitlines()} == {"m1"}
    assert order_stream("m1", "ø-3").encode() in export
    proofs = await outsider.proofs(export, size)
    assert len(proofs) >= 2 * 5
    assert (await outsider.verify(export, *proofs))[0] == 0
    random = Random(18)
    for _ in range(FLIPS):
        altered, line = with_a_bit_flipped(export, random)
        code, verdict = await outsider.verify(altered, *proofs)
        assert (code, verdict["first_altered"]) == (1, positions(export)[line])
    lines = export.splitlines(keepends=True)
    code, verdict = await outsider.verify(b"".join(lines[1:]), *proofs)
    assert (code, verdict["first_altered"]) == (1, positions(export)[0]), "a line that is missing is missed"


async def test_an_event_of_another_log_is_not_the_one_that_was_signed(shop: Shop) -> None:
    """Its leaf hash fits its columns: only what was signed tells that it is another."""
    await shop.log.seal()
    outsider = await shop.outsider("m1")
    size = await outsider.take_checkpoint()
    export = (await outsider.get("events/export", type="OrderPlaced", until=size)).content
    lines = export.splitlines(keepends=True)
    one, other = orjson.loads(lines[2]), orjson.loads(lines[5])
    lines[2] = orjson.dumps(other | {"position": one["position"]}) + b"\n"
    for options in (await outsider.tiles(size), await outsider.proofs(export, size)):
        code, verdict = await outsider.verify(b"".join(lines), *options)
        assert (code, verdict["first_altered"]) == (1, one["position"])


async def test_who_is_erased_is_read_in_no_line_and_the_lines_are_as_they_were(shop: Shop) -> None:
    """What is exported is what is stored, before and after: ciphertext, of which the key is gone."""
    found = shop.world
    key = await found.key("m1")
    await an_order_of(found, "gone")
    outsider = await shop.outsider("m1")
    before = (await outsider.get("events/export")).content
    wish = {"customer": "gone", "reason": "asked for by letter"}
    erased = await found.ask("POST", "/v1/audit/erasures", key, body=wish)
    assert erased.status_code == 200, erased.text
    await shop.log.seal()
    size = await outsider.take_checkpoint()
    after = (await outsider.get("events/export", until=size)).content
    assert after.startswith(before)
    assert b'"SubjectErased"' in after[len(before) :]
    lines = [orjson.loads(line) for line in after.splitlines()]
    placed = [b64decode(each["data"]) for each in lines if each["type"] == "OrderPlaced"]
    assert len(placed) == 1 + ORDERS
    for data in placed:
        assert b'"customer":{"sealed":' in data
        assert b"Gone Town" not in data
        assert "São Paulo".encode() not in data
    code, verdict = await outsider.verify(after, *await outsider.tiles(size))
    assert (code, verdict["covered"]) == (0, len(positions(after)))


async def test_an_export_shows_what_the_history_shows_to_the_same_person(shop: Shop) -> None:
    """The same filters, the same walls: another's events come by no question."""
    own = await shop.outsider("m1")
    everybody = await shop.outsider(PLATFORM)
    bound = await shop.outsider(PLATFORM, named="m2")
    stolen = order_stream("m2", "ø-3")
    asked: list[dict[str, Any]] = [
        {}, {"type": "OrderPlaced"}, {"order": "m1/ø-3"}, {"stream": stolen}, {"order": stolen},
        {"merchant": "m2"}, {"after": 40, "until": 90}, {"actor": "nobody"},
    ]  # fmt: skip
    headers = {"Accept": "application/x-ndjson"}
    for who, whose in ((own, {"m1"}), (bound, {"m2"}), (everybody, {PLATFORM, "m1", "m2"})):
        for query in asked:
            lines = (await who.get("events/export", **query)).content.splitlines()
            exported = [orjson.loads(line) for line in lines]
            shown = await shop.world.ask(
                "GET", "/v1/audit/events", who.secret, who.named, params=query, headers=headers
            )
            told = [orjson.loads(line) for line in shown.content.splitlines()]
            assert [each["position"] for each in exported] == [each["position"] for each in told], query
            assert {each["merchant"] for each in exported} <= whose
    assert positions((await everybody.get("events/export")).content) == list(
        range(1, await shop.log.log.head() + 1)
    )


async def test_an_export_is_a_look_with_as_many_rows_as_lines(shop: Shop) -> None:
    outsider = await shop.outsider("m1")
    export = (await outsider.get("events/export", type="OrderPlaced")).content
    look = (await looks(shop.world))[0]
    assert (look["route"], look["outcome"], look["rows"]) == (EXPORT, "answered", len(positions(export)))
    assert look["merchant"] == "m1"
    assert look["parameters"] == '[["type","OrderPlaced"]]'


async def test_what_can_not_be_exported_is_said(shop: Shop) -> None:
    found, key = shop.world, await shop.world.key("m1")
    head = await shop.log.log.head()
    problem(await found.ask("GET", f"{EXPORT}?until={head + 1}", key), 422, "invalid-input")
    problem(await found.ask("GET", f"{EXPORT}?type=OrderPlacd", key), 422, "invalid-input")
    problem(await found.ask("GET", EXPORT, await found.key("m1", "orders:read")), 403, "forbidden")
    problem(await found.ask("GET", EXPORT), 401, "unauthenticated")
