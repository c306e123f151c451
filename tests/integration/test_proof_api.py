"""Does the API give an auditor what it takes to check alone? Checked by the stand-alone verifier, which is
not our code."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventstore.merkle import root_of
from eventstore.postgres import make_pool
from eventstore.seams import WallClock
from services.audit.lines import line_of
from services.audit.notes import COSIGNATURE, Note, VerifierKey, cosign
from services.audit.sealer import Sealer, signer_of
from services.audit.verifier import Key, check_lines, checkpoints_in, grown, parse_proof
from services.audit.verifier import Verdict as Checked
from tests.contract.appends import an_append, appended, to_stream
from tests.integration.api_client import Api, problem, serving
from tests.integration.sealed import IDS, Sealed, as_superuser, copies_of

WITNESS = bytes(range(32))
NAME = "witness.example.com/w1"
WITNESS_KEY = VerifierKey(
    NAME, COSIGNATURE, Ed25519PrivateKey.from_private_bytes(WITNESS).public_key().public_bytes_raw()
)
ALTER_TILE = "UPDATE seal_tiles SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1) WHERE number = 1"


class Audited(Sealed):
    """A sealed log behind the API."""

    api: Api


@pytest.fixture
async def log(database: str, nats_url: str, tmp_path: Path) -> AsyncIterator[Audited]:
    async with serving(database, nats_url, tmp_path, seal_witnesses=str(WITNESS_KEY)) as api:
        assert api.context
        settings, identity = api.context.settings, api.context.log.identity
        async with make_pool(settings.url("seal"), max_size=3) as pool:
            signer = await signer_of(settings, identity, pool)
            copies = copies_of(settings, api.context.log, pool, signer)
            sealer = Sealer(pool, signer, identity.epoch, WallClock(), copies)
            await sealer.begin()
            found = Audited(api.context.log, pool, settings, signer, copies, sealer, database)
            found.api = api
            yield found


async def get(log: Audited, path: str) -> dict[str, object]:
    answer = await log.api.send("GET", f"/v1/audit/{path}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def key_of(log: Audited) -> Key:
    return Key.parse(str((await get(log, "key"))["key"]))


async def test_the_checkpoint_is_the_last_one_or_the_first_that_covers(log: Audited) -> None:
    await log.grow(10)
    first = await log.seal()
    await log.grow(300)
    last = await log.seal()
    leaves = [event.leaf_hash for event in await log.events()]
    for query, size in (
        ("", last),
        ("?size=5", first),
        (f"?size={first}", first),
        (f"?size={first + 1}", last),
    ):
        answer = await log.api.send("GET", f"/v1/audit/checkpoint{query}")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        (checkpoint,) = checkpoints_in(answer.text, await key_of(log))
        assert (checkpoint.size, checkpoint.root) == (size, root_of(leaves[:size]))
    problem(await log.api.send("GET", f"/v1/audit/checkpoint?size={last + 1}"), 404, "not-covered")


async def test_before_anything_is_sealed_it_says_so(log: Audited) -> None:
    for path in ("checkpoint", "proofs/inclusion?position=1", "proofs/consistency?first=1"):
        told = problem(await log.api.send("GET", f"/v1/audit/{path}"), 404, "not-covered")
        assert "ask again in a second" in told["detail"]
    problem(await log.api.send("GET", "/v1/audit/tile/0/000.p/1"), 404, "not-found")


async def test_an_inclusion_proof_is_a_file_that_verifies(log: Audited) -> None:
    await log.grow(700)
    await log.seal()
    events = await log.events()
    for event in (events[0], events[255], events[256], events[-1]):
        shown = await get(log, f"proofs/inclusion?position={event.position}")
        assert shown["leaf_hash"] == base64.b64encode(event.leaf_hash).decode()
        proof = parse_proof(str(shown["tlog_proof"]), await key_of(log))
        lines = [line_of(each) for each in events]
        assert proof[0] == event.position
        assert check_lines(lines, [proof[2]], proofs=[proof]).findings == []
        wrong = (proof[0], [*proof[1][1:], proof[1][0]], proof[2])
        assert check_lines(lines, [proof[2]], proofs=[wrong]).first


async def test_an_event_is_found_by_its_id_where_it_is_the_merchants(log: Audited) -> None:
    for merchant, count in (("m1", 40), ("m2", 30), ("m1", 50)):
        await log.grow(count, merchant=merchant)
    await log.seal()
    for event in (await log.events())[::7]:
        path = f"/v1/audit/proofs/inclusion?event_id={event.event_id}"
        answer = await log.api.send("GET", path, merchant=event.merchant)
        if event.merchant.startswith("m"):
            assert answer.json()["position"] == event.position
            problem(await log.api.send("GET", path, merchant="m3"), 404, "not-found")
    problem(await log.api.send("GET", f"/v1/audit/proofs/inclusion?event_id={IDS.new()}"), 404, "not-found")
    unknown = "00000000-0000-4000-8000-000000000000"
    problem(await log.api.send("GET", f"/v1/audit/proofs/inclusion?event_id={unknown}"), 404, "not-found")


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("proofs/inclusion", 422, "invalid-input"),
        ("proofs/inclusion?position=1&event_id=00000000-0000-4000-8000-000000000000", 422, "invalid-input"),
        ("proofs/inclusion?position=0", 422, "invalid-input"),
        ("proofs/inclusion?position=9223372036854775807", 404, "not-covered"),
        ("proofs/inclusion?position=1&size=9223372036854775807", 404, "not-covered"),
        ("proofs/inclusion?position=1&size=18", 404, "not-found"),
        ("proofs/consistency?first=3", 404, "not-found"),
        ("proofs/consistency?first=700", 404, "not-covered"),
        ("tile/0/001", 404, "not-found"),
        ("tile/0/000.p/256", 422, "invalid-input"),
        ("tile/0/0", 422, "invalid-input"),
        ("tile/8/000", 422, "invalid-input"),
        ("tile/00/000", 422, "invalid-input"),
        ("tile/0/x000/000", 422, "invalid-input"),
        ("tile/entries/000", 422, "invalid-input"),
    ],
)
async def test_what_can_not_be_had_is_said(log: Audited, path: str, status: int, kind: str) -> None:
    await log.grow(100)
    await log.seal()
    problem(await log.api.send("GET", f"/v1/audit/{path}"), status, kind)


async def test_consistency_is_proved_between_any_two_checkpoints(log: Audited) -> None:
    sizes = []
    for count in (1, 254, 90, 600):
        await log.grow(count)
        sizes.append(await log.seal())
    key = await key_of(log)
    for index, first in enumerate(sizes):
        for second in sizes[index:]:
            answer = await log.api.send("GET", f"/v1/audit/proofs/consistency?first={first}&second={second}")
            verdict, held = Checked(), checkpoints_in(answer.json()["first"]["note"], key)
            assert grown(answer.text, key, held, verdict).size == second
            assert verdict.findings == []
    forked = answer.json()
    forked["proof"] = [base64.b64encode(bytes(32)).decode()]
    verdict = Checked()
    grown(json.dumps(forked), key, checkpoints_in(forked["first"]["note"], key), verdict)
    assert verdict.first
    path = f"/v1/audit/proofs/consistency?first={sizes[1]}&second={sizes[0]}"
    problem(await log.api.send("GET", path), 422, "invalid-input")


async def test_the_tree_is_read_by_tiles_as_far_as_it_was_sealed(log: Audited) -> None:
    await log.grow(600)
    size = await log.seal()
    await log.grow(20)
    leaves = [event.leaf_hash for event in await log.events()]
    full = await log.api.send("GET", "/v1/audit/tile/0/001")
    assert full.content == b"".join(leaves[256:512])
    assert "immutable" in full.headers["cache-control"]
    assert full.headers["content-type"] == "application/octet-stream"
    partial = await log.api.send("GET", f"/v1/audit/tile/0/002.p/{size - 512}")
    assert partial.content == b"".join(leaves[512:size])
    problem(await log.api.send("GET", f"/v1/audit/tile/0/002.p/{size - 511}"), 404, "not-found")
    above = await log.api.send("GET", "/v1/audit/tile/1/000.p/2")
    assert above.content == root_of(leaves[:256]) + root_of(leaves[256:512])


async def test_what_is_not_covered_is_said_with_its_age(log: Audited) -> None:
    await log.grow(5)
    size = await log.seal()
    assert (await get(log, "seal"))["uncovered_events"] == 0
    await log.grow(7)
    time.sleep(0.3)
    state = await get(log, "seal")
    assert (state["head"], state["size"], state["uncovered_events"]) == (size + 7, size, 7)
    assert 0.3 <= float(str(state["uncovered_s"])) < 10
    await log.seal()
    state = await get(log, "seal")
    assert (state["uncovered_events"], state["uncovered_s"], state["halt"]) == (0, 0.0, None)
    assert 0.3 <= float(str(state["waited_s_max"])) < 30


async def test_a_tree_that_was_altered_proves_nothing(log: Audited) -> None:
    await log.grow(700)
    await log.seal()
    await as_superuser(log.database, ALTER_TILE)
    answer = await log.api.send("GET", "/v1/audit/proofs/inclusion?position=300")
    assert "not what was signed" in problem(answer, 500, "log-altered")["detail"]
    assert (await log.api.send("GET", "/v1/audit/proofs/inclusion?position=3")).status_code == 200


async def test_a_witness_cosigns_and_it_stands_in_the_note(log: Audited) -> None:
    await log.grow(5)
    size = await log.seal()
    path = f"/v1/audit/checkpoints/{size}/cosignatures"
    line = cosign(NAME, WITNESS, log.note().body, int(time.time())).line
    for _ in range(2):  # the second time changes nothing
        answer = await log.api.post(path, {"cosignature": line})
        assert answer.status_code == 201, answer.text
        assert answer.json()["note"] == str(log.note()) + line + "\n"
    note = (await log.api.send("GET", "/v1/audit/checkpoint")).text
    (checkpoint,) = checkpoints_in(note, await key_of(log))
    assert checkpoint.cosigned_by(Key.parse(str(WITNESS_KEY)))
    assert not checkpoint.cosigned_by(Key.parse(str(log.signer.key)))
    assert len(Note.parse(note).signatures) == 2


async def test_the_last_checkpoint_that_was_cosigned_is_had_and_stands_outside(log: Audited) -> None:
    query = "/v1/audit/checkpoint?cosigned=true"
    await log.grow(5)
    size = await log.seal()
    problem(await log.api.send("GET", query), 404, "not-found")
    problem(await log.api.send("GET", f"{query}&size=3"), 422, "invalid-input")
    line = cosign(NAME, WITNESS, log.note().body, int(time.time())).line
    assert (
        await log.api.post(f"/v1/audit/checkpoints/{size}/cosignatures", {"cosignature": line})
    ).status_code == 201
    await log.seal()
    assert log.note() == Note.parse((await log.api.send("GET", query)).text)
    await log.grow(7)
    await log.seal()
    note = (await log.api.send("GET", query)).text
    assert note.endswith(f"{line}\n")
    assert (log.directory / "cosigned").read_text() == note
    assert "witness" not in (log.directory / "checkpoint").read_text()
    kept = checkpoints_in((log.directory / "checkpoints").read_text(), await key_of(log))
    assert [each.size for each in kept if each.cosigned_by(Key.parse(str(WITNESS_KEY)))] == [size]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE seal_checkpoints SET note = replace(note, '0', '1')",
        "UPDATE seal_checkpoints SET root = sha256(root)",
        "DELETE FROM seal_keys",
    ],
)
async def test_a_stored_note_is_not_handed_out_unchecked(log: Audited, statement: str) -> None:
    await log.grow(300)
    await log.seal()
    await as_superuser(log.database, statement)
    for path in ("checkpoint", "checkpoint?size=5", "proofs/consistency?first=300", "tile/0/000"):
        problem(await log.api.send("GET", f"/v1/audit/{path}"), 500, "log-altered")


@pytest.mark.parametrize(
    ("statement", "path"),
    [
        ("UPDATE events SET leaf_hash = sha256(leaf_hash) WHERE position = 690", "tile/0/002.p/188"),
        ("UPDATE events SET leaf_hash = sha256(leaf_hash) WHERE position = 690", "tile/0/002.p/7"),
        (ALTER_TILE, "tile/0/001"),
        ("UPDATE seal_tiles SET root = sha256(root) WHERE number = 1", "tile/1/000.p/2"),
    ],
)
async def test_a_tile_that_was_altered_is_not_handed_out(log: Audited, statement: str, path: str) -> None:
    await log.grow(700)
    await log.seal()
    await as_superuser(log.database, statement)
    problem(await log.api.send("GET", f"/v1/audit/{path}"), 500, "log-altered")


async def test_a_cosignature_that_is_wrong_or_of_nobody_is_refused(log: Audited) -> None:
    await log.grow(5)
    size = await log.seal()
    body, now = log.note().body, int(time.time())
    path = f"/v1/audit/checkpoints/{size}/cosignatures"
    for line, status, kind in (
        (cosign(NAME, WITNESS, body + "more\n", now).line, 422, "invalid-input"),
        (cosign(NAME, WITNESS, body, now + 3600).line, 422, "invalid-input"),
        (cosign("another", WITNESS, body, now).line, 403, "witness-unknown"),
        (cosign(NAME, bytes(32), body, now).line, 403, "witness-unknown"),
        ("nothing", 422, "invalid-input"),
        (f"— {NAME} {quote('?')}", 422, "invalid-input"),
    ):
        problem(await log.api.post(path, {"cosignature": line}), status, kind)
    line = cosign(NAME, WITNESS, body, now).line
    problem(
        await log.api.post("/v1/audit/checkpoints/3/cosignatures", {"cosignature": line}), 404, "not-found"
    )
    await appended(log.log, an_append(to_stream(f"stock-{IDS.new().hex}")))
    assert "witness" not in (await log.api.send("GET", "/v1/audit/checkpoint")).text
