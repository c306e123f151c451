"""What does the verifier say where it can't check? Never that something was altered: that is exit code 1."""

from __future__ import annotations

import subprocess
import sys
from gzip import compress
from pathlib import Path

import pytest

from services.audit import verifier
from services.audit.lines import line_of
from tests.unit.auditing import FORKED, SIGNER, TRUE, Auditor, held


@pytest.fixture
def auditor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Auditor:
    return Auditor(tmp_path, capsys)


def test_without_its_package_it_says_how_to_install_it(auditor: Auditor) -> None:
    """As on a machine that has Python and nothing else."""
    command = [sys.executable, "-I", "-S", verifier.__file__, auditor.export(TRUE.events)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "python3 -m pip install cryptography" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_verdict_that_can_not_be_written_is_none(auditor: Auditor) -> None:
    asked = [auditor.export(TRUE.events), *held(auditor, TRUE.note(10)), "--key", str(SIGNER.key)]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-I", verifier.__file__, *asked],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 2, done.stderr


def other_files() -> dict[str, bytes]:
    """What an auditor may hold beside the export, and take for it."""
    told = b'{"position":1,"event_id":"x","stream":"order-m1.1","version":1,"type":"OrderPlaced"}\n'
    return {
        "csv": b"position,stream,version\r\n" + b"".join(b"%d,order-m1.1,1\r\n" % n for n in range(500)),
        "gzip": compress(b"".join(map(line_of, TRUE.events))),
        "parquet": b"PAR1\x15\x04\n" * 300 + b"PAR1",
        "manifest": b'{\n  "format": "ndjson",\n  "events": 20\n}\n',
        "history": told * 20,
    }


@pytest.mark.parametrize("kind", other_files())
def test_a_file_that_is_no_export_is_not_called_altered(auditor: Auditor, kind: str) -> None:
    code, said = auditor.run(auditor.file(kind, other_files()[kind]), *held(auditor, TRUE.note(10)))
    assert (code, said.count("\n")) == (2, 1), said
    assert "this is no NDJSON export: `tillroll export --to FILE.ndjson` writes one" in said


@pytest.mark.parametrize(("at", "position"), [(0, 7), (1, 1), (20, 7), (80, 7), (200, 7)])
def test_an_export_of_one_event_with_a_bit_flipped_is_an_altered_one(
    auditor: Auditor, at: int, position: int
) -> None:
    """It is named by the position that its line tells, as long as it tells one."""
    proof = auditor.file("event.proof", TRUE.inclusion(7, 10))
    raw = bytearray(line_of(TRUE.events[6]))
    raw[at] ^= 1
    asked = [*held(auditor, TRUE.note(10)), "--partial", "--proof", proof]
    code, said = auditor.run(auditor.file("one.ndjson", bytes(raw)), *asked)
    assert (code, f"✗ line 1, position {position}:" in said) == (1, True), said


def test_an_export_of_before_the_checkpoint_is_told_apart(auditor: Auditor) -> None:
    """Or its end was cut off: that is for who made it to say, by another one."""
    code, said = auditor.run(auditor.export(TRUE.events[:8]), *held(auditor, TRUE.note(10)))
    assert code == 1
    assert "positions 9 to 10: the export ends before them, and they were signed" in said
    assert "or it was made before this checkpoint: export anew" in said
    assert "altered, from" not in said
    code, said = auditor.run(auditor.export(FORKED.events[:8]), *held(auditor, TRUE.note(5), TRUE.note(10)))
    assert "✗ altered, from position 1 on" in said


LINES = b"".join(map(line_of, TRUE.events[:8]))
LAST = line_of(TRUE.events[7])


@pytest.mark.parametrize("left", [1, 2, 12, 13, 14, 40, 200, len(LAST) - 2])
def test_an_export_that_is_broken_off_inside_a_line_is_not_called_altered(
    auditor: Auditor, left: int
) -> None:
    torn = LINES[: len(LINES) - len(LAST) + left]
    code, said = auditor.run(auditor.file("torn.ndjson", torn), *held(auditor, TRUE.note(10)))
    assert code == 1
    assert "✗ line 8, position 8: the export is broken off inside this line" in said
    assert "✗ broken off, from position 8 on" in said
    assert "altered" not in said


@pytest.mark.parametrize("left", [13, 40, 200, len(LAST) - 2])
def test_a_partial_export_that_is_broken_off_is_not_called_altered(auditor: Auditor, left: int) -> None:
    """As the API's is, where the connection is lost: of the lines before it all is said as ever."""
    proofs = [auditor.file(f"{n}.proof", TRUE.inclusion(n, 10)) for n in (3, 8)]
    asked = [*held(auditor, TRUE.note(10)), "--partial", *(w for each in proofs for w in ("--proof", each))]
    torn = line_of(TRUE.events[2]) + LAST[:left]
    code, said = auditor.run(auditor.file("torn.ndjson", torn), *asked)
    assert (code, "✗ broken off, from position" in said, "altered" in said) == (1, True, False), said
    forged = line_of(FORKED.events[4]) + LAST[:left]
    asked[-3] = auditor.file("5.proof", TRUE.inclusion(5, 10))
    _, said = auditor.run(auditor.file("forged.ndjson", forged), *asked)
    assert "✗ altered, from position 5 on" in said


@pytest.mark.parametrize(
    "last",
    [
        LAST[:40] + b"\n",  # a line that ends is whole
        LAST[:20] + b"\x00" + LAST[21:60],
        LAST[:-2] + b"x",
        LAST[:-1].replace(b'"version":1', b'"version":2'),
        LAST[1:40],
    ],
)
def test_what_is_wrong_before_its_end_is_not_called_broken_off(auditor: Auditor, last: bytes) -> None:
    torn = LINES[: len(LINES) - len(LAST)] + last
    code, said = auditor.run(auditor.file("torn.ndjson", torn), *held(auditor, TRUE.note(10)))
    assert (code, "✗ altered, from position 8 on" in said) == (1, True), said


NO_PROOFS = ("[]", "{}", "no json", '{"first":1,"second":2,"proof":[]}', str(TRUE.note(20)))


@pytest.mark.parametrize("text", NO_PROOFS)
def test_a_file_that_is_no_proof_of_growth_is_named(auditor: Auditor, text: str) -> None:
    given = auditor.file("given", text)
    code, said = auditor.run(*held(auditor, TRUE.note(10)), "--consistency", given)
    assert code == 2
    assert f"{given} is no consistency proof: `tillroll proof consistency SIZE` writes one" in said


def test_a_directory_without_tiles_is_named(auditor: Auditor) -> None:
    """Such as the data directory itself, in which the copies lie further down."""
    asked = [auditor.export(TRUE.events), *held(auditor, TRUE.note(10)), "--tiles", str(auditor.place)]
    code, said = auditor.run(*asked)
    assert code == 2
    assert f"{auditor.place} holds no directory `tile`: the sealer's copies do, seals/LOG of its data" in said
