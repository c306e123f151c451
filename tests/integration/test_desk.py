"""Do the parts of the auditor's desk fit together? What is exported is what was signed, also once a person is
erased; and whoever asked for it has looked."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import orjson
import pytest
import pytest_asyncio

from commands.personal import subject_of
from domain.personal import Customer, Erased
from domain.streams import order_stream
from eventstore.codec import decode_event
from services.audit.verifier import Key, check_lines, checkpoints_in
from services.embedded import NatsServer, PostgresServer
from tests.integration.api_client import an_order
from tests.integration.projections_trade import Bought, setting_up
from tests.integration.sealed import Sealed, sealed
from tests.integration.system import TILLROLL
from tests.integration.walls import World, fresh_database, world
from tests.patience import HANGS

pytestmark = pytest.mark.asyncio(loop_scope="module")
FLIPS, BY_SCRIPT = 200, 3
CONSOLE = f"console:{pwd.getpwuid(os.getuid()).pw_name}"


@dataclass
class TheDesk:
    """A small system, its sealer, and a place of the auditor's own."""

    world: World
    log: Sealed
    place: Path

    async def tillroll(self, *arguments: str) -> bytes:
        """What a command prints, in a process of its own."""
        environment = self.world.settings.environment() | {"PATH": "/usr/bin:/bin"}
        return await run(0, [*TILLROLL, *arguments], env=environment)

    async def take_away(self, name: str) -> tuple[Path, Path, Path]:
        """An export, the checkpoint that covers it, and the log's key, as files."""
        size = await self.log.seal()
        export, note, key = (self.place / f"{name}.{ending}" for ending in ("ndjson", "checkpoint", "key"))
        await self.tillroll("export", "--to", str(export), "--format", "ndjson", "--until", str(size))
        note.write_bytes(await self.tillroll("checkpoint", "--size", str(size)))
        key.write_bytes(await self.tillroll("checkpoint", "--key"))
        return export, note, key

    async def verify(self, code: int, export: Path, note: Path, key: Path) -> bytes:
        """What the verifier says, which has nothing of ours but itself."""
        verifier = self.place / "verifier.py"
        if not verifier.exists():
            await self.tillroll("export-verifier", str(verifier))
        command = [sys.executable, "-I", str(verifier), str(export), "--checkpoint", str(note)]
        return await run(code, [*command, "--key", str(key), "--json"], cwd=self.place)

    async def looks(self) -> list[tuple[str, str, str, int]]:
        """Who looked by which way, with what outcome, at how many rows: the oldest first."""
        shown = orjson.loads(await self.tillroll("looked", "--json"))
        return [(each["actor"], each["route"], each["outcome"], each["rows"]) for each in reversed(shown)]


async def run(code: int, command: list[str], **more: Any) -> bytes:
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, timeout=HANGS, check=False, **more
    )
    assert done.returncode == code, (done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout  # type: ignore[no-any-return]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    postgres_server: PostgresServer,
    nats_server: NatsServer,
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[TheDesk]:
    directory = tmp_path_factory.mktemp("running")
    with fresh_database(postgres_server, migrated_template) as database:
        async with world(database, nats_server.url, directory) as found, sealed(database, directory) as log:
            await found.append("m1", [*setting_up("m1"), *Bought("m1", 'o,1\n"x"').life()])
            await found.settled()
            yield TheDesk(found, log, tmp_path_factory.mktemp("auditor"))


async def test_what_is_exported_is_what_was_signed(desk: TheDesk) -> None:
    export, note, key = await desk.take_away("first")
    verdict = json.loads(await desk.verify(0, export, note, key))
    assert verdict["covered"] == verdict["events"] == await desk.log.log.head()
    assert verdict["findings"] == []
    (signed,) = checkpoints_in(note.read_text(), Key.parse(key.read_text()))
    manifest = json.loads(Path(f"{export}.manifest.json").read_bytes())
    assert (manifest["events"], b64decode(manifest["root_hash"])) == (signed.size, signed.root)


async def test_a_bit_that_is_flipped_in_an_export_is_found_in_its_line(desk: TheDesk) -> None:
    export, note, key = await desk.take_away("flipped")
    raw, random = export.read_bytes(), Random(6)
    checkpoints = checkpoints_in(note.read_text(), Key.parse(key.read_text()))
    for number in range(FLIPS):
        at, bit = random.randrange(len(raw)), 1 << random.randrange(8)
        altered = raw[:at] + bytes([raw[at] ^ bit]) + raw[at + 1 :]
        line = raw[:at].count(b"\n") + 1
        found = check_lines(altered.splitlines(keepends=True), checkpoints).first
        assert found, (raw[at - 20 : at + 20], bit)
        assert found.line == line
        if number < BY_SCRIPT:
            export.write_bytes(altered)
            verdict = json.loads(await desk.verify(1, export, note, key))
            assert verdict["first_altered"] == found.position
            assert verdict["findings"][0]["line"] == line


async def test_who_is_erased_is_erased_everywhere_and_the_proofs_hold(desk: TheDesk) -> None:
    found, merchant = desk.world, "m1"
    key = await found.key(merchant)
    name, order = await an_order_of(found, "gone")
    before = await desk.take_away("before")
    position = await found.trade.log.head()
    assert "Gone Town" in str(await history(found, key, order))
    wish = {"customer": "gone", "reason": "asked for by letter"}
    erased = await found.ask("POST", "/v1/audit/erasures", key, body=wish)
    assert erased.status_code == 200, erased.text
    subject = erased.json()["subject"]
    assert subject == subject_of(found.app.state.keyring, merchant, "gone")
    for answer in (
        await history(found, key, order),
        await history(found, key, order, headers={"Accept": "application/x-ndjson"}),
    ):
        assert '"customer":{"erased":true}' in answer
        assert "Gone Town" not in answer
    assert b"Gone Town" not in await desk.tillroll("history", "--order", order, "--personal", "--json")
    for at in (position, await found.trade.log.head()):
        for rows in (f"key=m1/{name}", f"column=order_id&value={name}"):
            asked = f"/v1/audit/state/rows?table=orders&{rows}&position={at}&personal=true"
            (row,) = (await found.ask("GET", asked, key)).json()["items"]
            assert (row["status"], row["ship_to_city"]) == ("cancelled", {"erased": True})

    after = await desk.take_away("after")
    for files in (before, after):
        verdict = json.loads(await desk.verify(0, *files))
        assert verdict["covered"] == verdict["events"]
    old, new = (files[0].read_bytes() for files in (before, after))
    assert new.startswith(old)
    assert b'"SubjectErased"' in new[len(old) :]
    (placed,) = [each for each in map(orjson.loads, new.splitlines()) if is_of(each, order, "OrderPlaced")]
    event: Any = decode_event(placed["type"], placed["schema"], b64decode(placed["data"]))
    await found.app.state.keyring.load([subject])
    assert found.app.state.keyring.open(subject, event.customer, Customer) == Erased()


async def an_order_of(found: World, person: str) -> tuple[str, str]:
    """A cancelled order of the person: its name and its stream."""
    customer = {"customer_id": person, "zip_prefix": "01310", "city": "Gone Town"}
    key = await found.key("m1")
    placed = await found.ask("POST", "/v1/orders", key, body=an_order(customer=customer))
    assert placed.status_code == 201, placed.text
    name = placed.json()["order_id"]
    done = await found.ask("POST", f"/v1/orders/{name}/cancel", key, body={"reason": "customer"})
    assert done.status_code == 200, done.text
    await found.shown(key, done.headers["Tillroll-Position"])
    return name, order_stream("m1", name)


async def history(found: World, key: str, order: str, **more: Any) -> str:
    answer = await found.ask("GET", f"/v1/audit/events?order={quote(order)}&personal=true", key, **more)
    assert answer.status_code == 200, answer.text
    return answer.text


def state_of(order: str, position: int) -> str:
    return f"/v1/audit/state/stream?stream={quote(order)}&position={position}&personal=true"


def is_of(event: dict[str, Any], stream: str, kind: str) -> bool:
    return (event["stream"], event["type"]) == (stream, kind)


async def test_whoever_asked_has_looked(desk: TheDesk) -> None:
    """Over HTTP and at the machine; each is on record, with how much it saw."""
    found = desk.world
    key, name, order = await found.key("m1"), *await an_order_of(found, "seen")
    before = len(await desk.looks())
    await found.ask("POST", "/v1/audit/erasures", key, body={"customer": "seen", "reason": "asked"})
    await history(found, key, order)
    await found.ask("GET", state_of(order, await found.trade.log.head()), key)
    await found.ask("GET", f"/v1/audit/why/orders/{name}", key)
    await found.settled()
    printed = await desk.tillroll("history", "--order", order, "--json")
    assert len(printed.splitlines()) >= 2
    await desk.tillroll("state", "stream", order)
    changes = await desk.tillroll("diff", "stream", order, "--json")
    await desk.tillroll("why", "order", name)
    head = await found.trade.log.head()
    await desk.tillroll("export", "--to", str(desk.place / "looked.csv"), "--format", "csv")
    refused = [*TILLROLL, "state", "rows", "nothing"]
    await run(2, refused, env=found.settings.environment() | {"PATH": "/usr/bin:/bin"})
    actor = (await found.trade.log.read(head - 1, 1))[0]
    assert actor.type == "SubjectErased"
    told = (await desk.looks())[before + 1 :]  # without the one by which we counted
    who = json.loads(actor.metadata)["actor"]
    ours = [each for each in told if each[1].startswith(("/v1/audit", "tillroll"))]
    assert ours == [
        (who, "/v1/audit/erasures", "answered", 1),
        (who, "/v1/audit/events", "answered", printed.count(b"\n")),
        (who, "/v1/audit/state/stream", "answered", 1),
        (who, "/v1/audit/why/orders/{order_id}", "answered", 1),
        (CONSOLE, "tillroll history", "answered", printed.count(b"\n")),
        (CONSOLE, "tillroll state", "answered", 1),
        (CONSOLE, "tillroll diff", "answered", changes.count(b"\n")),
        (CONSOLE, "tillroll why", "answered", 1),
        (CONSOLE, "tillroll export", "answered", head),
        (CONSOLE, "tillroll state rows", "refused", 0),
    ]
