#!/usr/bin/env python3
"""Was the log altered? Checks an export of events against a checkpoint that was kept outside of the system.

This one file is the whole verifier. It needs Python 3.11 and the package `cryptography`, and no code of the
system that it checks: read it, then run it on a machine of your own.

    python verifier.py EXPORT --checkpoint CHECKPOINT --key KEY
    python verifier.py --checkpoint CHECKPOINT --key KEY --consistency FILE

EXPORT (a file, or - for standard input) holds all events from the first on, one a line, in the order of
their positions; without it only what is given by --consistency is checked. A line is a JSON object with
exactly these members:

    position        number: 1, 2, 3 … without a gap. Leaf index of the Merkle tree + 1
    stream          text: what the event is about, order-m1.1001
    version         number: which event of its stream
    type            text: what happened, OrderPlaced
    schema          number: version of the form of `data`
    event_id        text: a UUID, 0190c3f2-a1b4-7c3d-8e4f-5a6b7c8d9e0f
    occurred_at     text: when it happened, in UTC with microseconds, 2026-03-01T12:00:00.000000Z
    recorded_at     text: when it was recorded, in the same form
    merchant        text
    correlation     text: what belongs together has the same
    causation       text: what caused it
    metadata        text: base64 of the stored bytes
    data            text: base64 of the stored bytes
    leaf_hash       text: base64 of 32 bytes

The leaf hash is SHA-256(0x00 || stream, version, type, schema, event_id, occurred_at, recorded_at, merchant,
correlation, causation, metadata, data), each preceded by its length as four bytes, big-endian. Texts are
UTF-8, numbers their decimal text, times the decimal text of microseconds since 1970, the id its 16 bytes. The
tree is that of RFC 6962.

CHECKPOINT is a file with one or more signed notes (C2SP tlog-checkpoint), one after the other: those that you
kept. All of them must fit. The more, the narrower the place where an altered event must be. KEY is the log's
verifier key (NAME+ID+KEY) or a file that holds it.

    --tiles DIR         a copy of the log's tiles (C2SP tlog-tiles), the directory that holds `tile/`: then
                        the first altered event is named, whatever was done. They are believed only where they
                        lead to the root of the checkpoint
    --partial           the export leaves events out: each is compared with its tile, or has a --proof
    --proof FILE        an inclusion proof (C2SP tlog-proof) of an event of the export, for a CHECKPOINT, or
                        for one to which a --consistency leads; several times
    --consistency FILE  a consistency proof, as the API answers it (JSON), from a CHECKPOINT to a younger one;
                        several times. That one covers events, too, if the EXPORT reaches it
    --keep FILE         write the youngest checkpoint of a --consistency, if all is right: keep it from now on
    --witness KEY       a checkpoint must be cosigned by this witness (C2SP tlog-cosignature), the last one
                        best: what is younger than that the witness has not seen; several times
    --json              print the verdict as JSON

Exit code 0: nothing was altered up to the checkpoint. 1: something was, and where; or the export ends before
the checkpoint, or inside of a line. 2: it could not be checked, as what was given is something else. Events
after the last checkpoint are counted, and by nothing proved.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from uuid import UUID

try:
    from datetime import UTC, datetime, timedelta

    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError as missing:  # Python's own exit code would be 1, which says that something was altered
    print(
        f"it can't be checked: {missing}. It needs Python 3.11 or newer, and a package of it:"
        " python3 -m pip install cryptography",
        file=sys.stderr,
    )
    sys.exit(2)

FINDINGS_MAX = 100
NO_EXPORT = "this is no NDJSON export: `tillroll export --to FILE.ndjson` writes one"
ENDS_BEFORE = (
    "the export ends before them, and they were signed: they were taken away, or it was made before this"
    " checkpoint: export anew"
)
BROKEN_OFF = "the export is broken off inside this line, the last one: export anew"
TEXTS = ("stream", "type", "merchant", "correlation", "causation")
NUMBERS = ("position", "version", "schema")
MEMBERS = {
    *TEXTS, *NUMBERS, "event_id", "occurred_at", "recorded_at", "metadata", "data", "leaf_hash",
}  # fmt: skip
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_NOTE = re.compile(r"([^\n]+\n\d+\n[^\n]+\n)\n((?:— [^\n]+\n)+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CannotCheck(Exception):
    """What was given does not fit together; the message says what to do."""


class Malformed(ValueError):
    """A line is no event."""


# --- the tree of RFC 6962 ---


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


@dataclass
class Tree:
    """A Merkle tree that grows: the roots of its perfect parts, largest first."""

    size: int = 0
    parts: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        size = self.size
        while size % 2:
            leaf = node_hash(self.parts.pop(), leaf)
            size //= 2
        self.parts.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        if not self.parts:
            return sha256(b"").digest()
        root = self.parts[-1]
        for part in reversed(self.parts[:-1]):
            root = node_hash(part, root)
        return root


def included(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof leads from the leaf at `index` to the root of a tree of `size` leaves."""
    if not 0 <= index < size:
        return False
    found, last, rest = leaf, size - 1, list(proof)
    while last:
        if index % 2 or index < last:
            if not rest:
                return False
            found = node_hash(rest.pop(0), found) if index % 2 else node_hash(found, rest.pop(0))
        index, last = index // 2, last // 2
    return not rest and found == root


def consistent(first: int, second: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the tree of `second` leaves begins with that of `first` (at least one)."""
    if not 0 < first < second:
        return 0 < first == second and root1 == root2 and not proof
    rest, at, last = list(proof), first - 1, second - 1
    while at % 2:
        at, last = at // 2, last // 2
    if at and not rest:
        return False
    old = new = rest.pop(0) if at else root1
    while last:
        if at % 2 or at < last:
            if not rest:
                return False
            each = rest.pop(0)
            if at % 2:
                old = node_hash(each, old)
            new = node_hash(each, new) if at % 2 else node_hash(new, each)
        at, last = at // 2, last // 2
    return not rest and (old, new) == (root1, root2)


# --- events ---


@dataclass(frozen=True)
class Event:
    """Of a line: where it stands, the leaf hash that it states, and the one that its columns have."""

    position: int
    stated: bytes
    computed: bytes


def parse_line(line: str | bytes) -> Event:
    """Raises Malformed."""
    try:
        members = json.loads(line, object_pairs_hook=_once, parse_float=_refuse, parse_constant=_refuse)
    except ValueError as error:
        raise Malformed(f"no JSON: {error}") from None
    if not isinstance(members, dict) or members.keys() != MEMBERS:
        wrong = sorted(MEMBERS ^ members.keys()) if isinstance(members, dict) else "no object"
        raise Malformed(f"not the members of an event: {wrong}")
    if not all(type(members[name]) is int for name in NUMBERS):
        raise Malformed(f"{', '.join(NUMBERS)} are whole numbers")
    if not all(isinstance(members[name], str) for name in MEMBERS.difference(NUMBERS)):
        raise Malformed("all members but numbers are texts")
    return Event(members["position"], _bytes(members["leaf_hash"]), leaf_hash(members))


def like_an_event(line: str | bytes) -> bool:
    """Whether it was an event once, as far as can be told: at most one of the members' names is missing."""
    raw = line.encode() if isinstance(line, str) else line
    return sum(f'"{name}"'.encode() in raw for name in MEMBERS) >= len(MEMBERS) - 1


def position_in(line: str | bytes) -> int:
    """The position that a line tells which is no event any more; 0 where it tells none."""
    raw = line.encode() if isinstance(line, str) else line
    found = re.search(rb'"position": ?(\d{1,19})\b.', raw)  # at the end of a line it may go on
    return int(found[1]) if found else 0


def broken_off(line: str | bytes) -> bool:
    """Whether it is the beginning of a JSON object without a line's end: what is there may be as it was.

    A line that is whole, or that goes wrong before its end, is none.
    """
    raw = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
    if not raw.startswith(b"{") or raw.endswith(b"\n"):
        return False
    text = raw.decode("utf-8", "ignore")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.pos >= len(text) or error.msg.startswith("Unterminated string")
    except ValueError:  # a number of more digits than Python takes
        return False
    return False


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("a member stands there twice")
    return members


def _refuse(text: str) -> None:
    raise Malformed(f"{text} is no whole number")


def leaf_hash(members: Mapping[str, object]) -> bytes:
    """What the leaf hash of these columns is."""
    columns = (
        _text(members["stream"]), _text(members["version"]), _text(members["type"]), _text(members["schema"]),
        _uuid(str(members["event_id"])), _moment(members["occurred_at"]), _moment(members["recorded_at"]),
        _text(members["merchant"]), _text(members["correlation"]), _text(members["causation"]),
        _bytes(members["metadata"]), _bytes(members["data"]),
    )  # fmt: skip
    return sha256(b"\x00" + b"".join(len(each).to_bytes(4, "big") + each for each in columns)).digest()


def _text(value: object) -> bytes:
    try:
        return str(value).encode()
    except UnicodeEncodeError:
        raise Malformed("a text holds a lone surrogate") from None


def _uuid(text: str) -> bytes:
    try:
        found = UUID(text)
    except ValueError:
        raise Malformed(f"{text!r} is no event id") from None
    if str(found) != text:
        raise Malformed(f"{text!r} is no event id")
    return found.bytes


def _moment(text: object) -> bytes:
    if not _TIME.fullmatch(str(text)):
        raise Malformed(f"{text!r} is no time like 2026-03-01T12:00:00.000000Z")
    try:
        return b"%d" % ((datetime.fromisoformat(str(text)) - _EPOCH) // timedelta(microseconds=1))
    except ValueError:
        raise Malformed(f"{text!r} is no time") from None


def _bytes(text: object) -> bytes:
    try:
        raw = base64.b64decode(str(text), validate=True)
    except ValueError:
        raise Malformed(f"{str(text)[:40]!r} is no base64") from None
    if base64.b64encode(raw).decode() != text:
        raise Malformed(f"{str(text)[:40]!r} is base64 with bits that stand for nothing")
    return raw


# --- checkpoints ---


@dataclass(frozen=True)
class Key:
    """A verifier key: of a log (kind 1) or a witness (kind 4)."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @classmethod
    def parse(cls, text: str) -> Key:
        try:
            name, key_id, encoded = text.strip().split("+", 2)
            raw = base64.b64decode(encoded, validate=True)
            key = cls(name, raw[0], raw[1:])
        except (ValueError, IndexError):
            raise CannotCheck(f"{text.strip()[:80]!r} is no verifier key (NAME+ID+KEY), nor a file") from None
        if len(key.public) != 32 or key.kind not in (1, 4) or key.id.hex() != key_id:
            raise CannotCheck(f"{text.strip()[:80]!r} is no Ed25519 verifier key: its id does not fit")
        return key

    def signed(self, signature: bytes, message: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Checkpoint:
    """A note whose signature is good: the log had `size` events, and this root over them."""

    size: int
    root: bytes
    body: str
    lines: str
    signatures: tuple[tuple[str, bytes], ...]

    def cosigned_by(self, witness: Key) -> bool:
        for name, raw in self.signatures:
            if (name, raw[:4]) == (witness.name, witness.id) and len(raw) == 76:
                message = f"cosignature/v1\ntime {int.from_bytes(raw[4:12], 'big')}\n{self.body}"
                if witness.signed(raw[12:], message.encode()):
                    return True
        return False


def checkpoints_in(text: str, key: Key) -> list[Checkpoint]:
    """The notes of a text, each with a good signature. Raises CannotCheck for any that has none."""
    found = [_checkpoint(body, lines, key) for body, lines in _NOTE.findall(text)]
    if not found or _NOTE.sub("", text).strip():
        raise CannotCheck("this is no checkpoint: three lines, an empty one, and a signature")
    return found


def _checkpoint(body: str, lines: str, key: Key) -> Checkpoint:
    signatures = []
    for line in lines.splitlines():
        _, name, encoded = line.split(" ", 2)
        try:
            signatures.append((name, base64.b64decode(encoded, validate=True)))
        except ValueError:
            raise CannotCheck(f"{line[:60]!r} is no signature") from None
    origin, size, root = body.splitlines()
    if origin != key.name:  # the name in the signature's line is signed by nobody
        raise CannotCheck(f"the checkpoint is of the log {origin}, and the key of {key.name}")
    own = [raw[4:] for name, raw in signatures if (name, raw[:4]) == (key.name, key.id)]
    if not own:
        raise CannotCheck(f"the checkpoint of {origin} is not signed by {key.name} with this key")
    if not all(key.signed(each, body.encode()) for each in own):
        raise CannotCheck(f"the signature of the checkpoint of {size} events is wrong: it was altered")
    try:
        found = Checkpoint(int(size), base64.b64decode(root, validate=True), body, lines, tuple(signatures))
    except ValueError:
        raise CannotCheck("the root hash of the checkpoint is no base64") from None
    if len(found.root) != 32 or found.size >= 1 << 63:
        raise CannotCheck("the checkpoint has no size below 2**63, or no root hash of 32 bytes")
    return found


# --- tiles ---


@dataclass
class Tiles:
    """Leaf hashes by position, out of a directory of tiles of a tree of `size` leaves."""

    directory: Path
    size: int
    _number: int = -1
    _hashes: bytes = b""

    def leaf(self, position: int) -> bytes:
        """Raises CannotCheck where the tile is not there."""
        number, at = divmod(position - 1, 256)
        if number != self._number:
            self._number, self._hashes = number, self._read(number)
        return self._hashes[at * 32 : at * 32 + 32]

    def _read(self, number: int) -> bytes:
        width = min(256, self.size - number * 256)
        path = f"{number % 1000:03}"
        rest = number // 1000
        while rest:
            path, rest = f"x{rest % 1000:03}/{path}", rest // 1000
        file = self.directory / "tile" / "0" / path
        wider = [file, *(file.with_name(f"{file.name}.p") / str(each) for each in range(width, 256))]
        found = next((each for each in wider if each.is_file()), None)
        if not (self.directory / "tile").is_dir():
            raise CannotCheck(
                f"{self.directory} holds no directory `tile`: the sealer's copies do, seals/LOG of its data"
                " directory, or where TILLROLL_SEAL_DIRECTORY says"
            )
        if found is None or len(hashes := found.read_bytes()) < width * 32:
            raise CannotCheck(f"{file} is not there, or too short: copy the whole directory `tile`")
        return hashes

    def roots(self, sizes: Iterable[int]) -> dict[int, bytes]:
        """Of the trees of these sizes, which are at most that of all."""
        wanted, tree, found = set(sizes), Tree(), {}
        for position in range(1, self.size + 1):
            tree.append(self.leaf(position))
            if position in wanted:
                found[position] = tree.root()
        return found


# --- the check ---


@dataclass(frozen=True)
class Finding:
    """Something is wrong, at positions `position` to `until`; `line` of the export, 0 for none."""

    position: int
    until: int
    line: int
    what: str

    def __str__(self) -> str:
        where = f"position {self.position}"
        if self.until > self.position:
            where = f"positions {self.position} to {self.until}"
        return f"line {self.line}, {where}: {self.what}" if self.line else f"{where}: {self.what}"


@dataclass
class Verdict:
    """What was checked: `covered` of `events` are under a checkpoint. `notes`: what else was shown."""

    events: int = 0
    covered: int = 0
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def first(self) -> Finding | None:
        """The finding with the lowest position; of these the narrowest."""
        return min(self.findings, key=lambda each: (each.position, each.until), default=None)


class Check:
    """Takes an export line by line, in bounded memory."""

    def __init__(
        self,
        checkpoints: Iterable[Checkpoint],
        tiles: Tiles | None = None,
        *,
        partial: bool = False,
        proofs: Iterable[tuple[int, Sequence[bytes], Checkpoint]] = (),
        led_to: Iterable[Checkpoint] = (),
    ) -> None:
        self.verdict = Verdict()
        self._line = 0
        self._due = deque(sorted(checkpoints, key=lambda each: each.size))
        self._covered = self._due[-1].size
        self._tiles = tiles
        self._partial = partial
        self._proofs: dict[int, list[tuple[Sequence[bytes], Checkpoint]]] = {}
        for position, proof, checkpoint in proofs:
            self._proofs.setdefault(position, []).append((proof, checkpoint))
        self._refuse_split_views()
        if tiles:
            self._compare_tiles(tiles)
        self._due = deque(sorted([*self._due, *led_to], key=lambda each: each.size))
        self._computed, self._stated = Tree(), Tree()
        self._good = 0
        self._aligned = not partial
        self._expected = 1
        self._an_export = False
        self._ended = True

    def _refuse_split_views(self) -> None:
        for one, other in pairwise(self._due):
            if one.size == other.size and one.root != other.root:
                self._find(
                    one.size, "two signed checkpoints of that size contradict: the log was forked", line=0
                )

    def _compare_tiles(self, tiles: Tiles) -> None:
        """With every checkpoint: one that was signed of other events contradicts those that came after it."""
        last, good = self._due[-1], 0
        roots = tiles.roots(each.size for each in self._due)
        if roots.get(last.size) != last.root:
            raise CannotCheck(
                "the tiles do not lead to the checkpoint's root: they are of another log, or altered"
            )
        for each in self._due:
            if each.size and roots[each.size] != each.root:
                what = f"the log was forked: that checkpoint contradicts the one of {last.size} events"
                self._find(good + 1, what, until=each.size, line=0)
                return
            good = each.size

    def _find(self, position: int, what: str, *, until: int = 0, line: int | None = None) -> None:
        if len(self.verdict.findings) < FINDINGS_MAX:
            line = self._line if line is None else line
            self.verdict.findings.append(Finding(position, max(position, until), line, what))

    def take(self, line: str | bytes) -> None:
        """The next line of the export."""
        self._line += 1
        try:
            event = parse_line(line)
        except Malformed as malformed:
            self._refuse_other_files(line)
            # whole, an export has one place for each line; with gaps only the line tells its own
            position = max(self._expected, position_in(line)) if self._partial else self._expected
            ends_here = self._ended and broken_off(line)
            self._find(position, BROKEN_OFF if ends_here else str(malformed))
            self._aligned = False
            self._expected += not ends_here
            return
        finally:
            self._ended = line[-1:] in ("\n", b"\n")  # where lines are given without, none is the last
        self._an_export = True
        self._check_place(event.position)
        self._check_event(event)
        self._expected = event.position + 1
        self.verdict.events += 1
        covered = event.position <= self._covered or (self._partial and not self._tiles)
        self.verdict.covered += covered and event.position >= 1

    def _refuse_other_files(self, line: str | bytes) -> None:
        """A table, an archive, a manifest: no line is even like an event, and nobody has altered any."""
        self._an_export = self._an_export or like_an_event(line)
        if not self._an_export and self._line == FINDINGS_MAX:
            raise CannotCheck(NO_EXPORT)

    def _check_place(self, position: int) -> None:
        if position == self._expected or (self._partial and position > self._expected):
            return
        self._aligned = False
        if position > self._expected:
            missing = position - 1
            self._find(self._expected, "missing: the export goes on behind", until=missing)
        else:
            self._find(max(1, position), "stands there again, or out of order")

    def _check_event(self, event: Event) -> None:
        position = event.position
        if event.computed != event.stated:
            self._find(position, "its columns do not have the leaf hash that it states: it was altered")
        elif self._is_other(event):
            self._find(position, "it is not the event that was sealed")
        proofs = self._proofs.pop(position, ())
        if self._partial and not self._tiles and not proofs:
            raise CannotCheck(
                f"position {position}: a partial export needs --tiles, or a --proof of each of its events"
            )
        for proof, checkpoint in proofs:
            if not included(position - 1, checkpoint.size, event.computed, proof, checkpoint.root):
                self._find(position, "its inclusion proof does not lead to the checkpoint's root")
        if self._aligned:
            self._computed.append(event.computed)
            self._stated.append(event.stated)
            self._check_roots()

    def _is_other(self, event: Event) -> bool:
        """Whether its tile has another hash."""
        if self._tiles is None or not 1 <= event.position <= self._covered:
            return False
        return self._tiles.leaf(event.position) != event.computed

    def _check_roots(self) -> None:
        while self._due and self._due[0].size <= self._computed.size:
            checkpoint = self._due.popleft()
            if self._computed.root() == checkpoint.root:
                self._good = checkpoint.size
                continue
            self._aligned = False  # from here on all of them are other
            by_tile = self._tiles is not None and checkpoint.size <= self._tiles.size
            if by_tile or self._stated.root() == checkpoint.root:
                return  # each event that was altered is named
            self._find(
                self._good + 1,
                "altered: the events up to there do not have the root that was signed",
                until=checkpoint.size,
                line=0,
            )

    def end(self) -> Verdict:
        """The verdict, once all lines were taken. Raises CannotCheck where none of them is an event."""
        if self._line and not self._an_export:
            raise CannotCheck(NO_EXPORT)
        ends = self._expected - 1
        if not self._partial and ends < self._covered:
            self._find(ends + 1, ENDS_BEFORE, until=self._covered, line=0)
        self.verdict.covered += max(0, self._good - self._covered)
        for position in self._proofs:
            self._find(position, "there is a proof of it, and no line", line=0)
        return self.verdict


def check_lines(
    lines: Iterable[str | bytes],
    checkpoints: Iterable[Checkpoint],
    tiles: Tiles | None = None,
    *,
    partial: bool = False,
    proofs: Iterable[tuple[int, Sequence[bytes], Checkpoint]] = (),
    led_to: Iterable[Checkpoint] = (),
) -> Verdict:
    """Check a whole export. `led_to` are checkpoints to which a consistency proof leads: younger ones, which
    the export need not reach. Raises CannotCheck."""
    check = Check(checkpoints, tiles, partial=partial, proofs=proofs, led_to=led_to)
    for line in lines:
        check.take(line)
    return check.end()


# --- the command ---


def parse_proof(text: str, key: Key) -> tuple[int, list[bytes], Checkpoint]:
    """Position, hashes and checkpoint of a C2SP tlog-proof."""
    head, blank, note = text.partition("\n\n")
    first, *lines = [line for line in head.split("\n") if not line.startswith("extra ")]
    if (
        first != "c2sp.org/tlog-proof@v1"
        or not blank
        or not lines
        or not re.fullmatch(r"index \d+", lines[0])
    ):
        raise CannotCheck("this is no inclusion proof: it begins with c2sp.org/tlog-proof@v1 and an index")
    return int(lines[0].split()[1]) + 1, _hashes(lines[1:]), checkpoints_in(note, key)[0]


def _hashes(texts: Iterable[str]) -> list[bytes]:
    found = [base64.b64decode(each, validate=True) for each in texts]
    if not all(len(each) == 32 for each in found):
        raise CannotCheck("a hash of a proof has not 32 bytes")
    return found


def _growth(path: str) -> str:
    """The text of a consistency proof, if it has the form of one."""
    try:
        given = json.loads(text := _read(path))
        texts = [given[name]["note"] for name in ("first", "second")] + given["proof"]
    except (ValueError, TypeError, LookupError):
        texts = [None]
    if not all(isinstance(each, str) for each in texts):
        raise CannotCheck(f"{path} is no consistency proof: `tillroll proof consistency SIZE` writes one")
    return text


def grown(text: str, key: Key, held: Sequence[Checkpoint], verdict: Verdict) -> Checkpoint:
    """The younger checkpoint of a consistency proof of the API, whose older one must be held already.

    What does not follow is a finding: that the younger one is signed is no word for the older one's events.
    """
    given = json.loads(text)
    (first,), (second,) = (checkpoints_in(given[name]["note"], key) for name in ("first", "second"))
    if (first.size, first.root) not in [(each.size, each.root) for each in held]:
        raise CannotCheck(f"the proof begins at a checkpoint of {first.size} events, which is none of yours")
    if not consistent(first.size, second.size, first.root, second.root, _hashes(given["proof"])):
        what = (
            f"the tree of {second.size} events does not begin with that of {first.size}: the log was altered"
        )
        verdict.findings.append(Finding(1, first.size, 0, what))
    for each in held:
        if each.size == second.size and each.root != second.root:
            what = "two signed checkpoints of that size contradict: the log was forked"
            verdict.findings.append(Finding(each.size, each.size, 0, what))
    root = base64.b64encode(second.root).decode()
    verdict.notes.append(f"from {first.size} to {second.size} events it only grew; the root is {root}")
    return second


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CannotCheck(f"{path} can't be read: {error}") from None


def _key(text: str) -> Key:
    """A key that is given itself, or by a file."""
    return Key.parse(_read(text) if Path(text).is_file() else text)


def _lines(path: str) -> Iterator[bytes]:
    if path == "-":
        yield from sys.stdin.buffer
        return
    try:
        with Path(path).open("rb") as file:
            yield from file
    except OSError as error:
        raise CannotCheck(f"{path} can't be read: {error}") from None


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("export", metavar="EXPORT", nargs="?")
    parser.add_argument("--checkpoint", action="append", required=True, metavar="FILE")
    parser.add_argument("--key", required=True)
    parser.add_argument("--tiles", metavar="DIR")
    parser.add_argument("--partial", action="store_true")
    parser.add_argument("--proof", action="append", default=[], metavar="FILE")
    parser.add_argument("--consistency", action="append", default=[], metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("--witness", action="append", default=[], metavar="KEY")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def check(given: argparse.Namespace) -> Verdict:
    """What the command line asks for. Raises CannotCheck."""
    key = _key(given.key)
    if key.kind != 1:
        raise CannotCheck(f"the key of {key.name} is a witness's: --key is the log's")
    held = [each for path in given.checkpoint for each in checkpoints_in(_read(path), key)]
    told = Verdict()
    led_to = [grown(_growth(path), key, held, told) for path in given.consistency]
    known = [*held, *led_to]
    if given.keep and not led_to:
        raise CannotCheck("--keep writes the younger checkpoint of a --consistency, and none is given")
    proofs = [parse_proof(_read(path), key) for path in given.proof]
    for position, _, checkpoint in proofs:
        if (checkpoint.size, checkpoint.root) not in [(each.size, each.root) for each in known]:
            raise CannotCheck(
                f"the proof of position {position} is for a checkpoint of {checkpoint.size} events, which is"
                " none of yours: have one made for yours, or give a --consistency that leads to it"
            )
    if given.export is None:
        if proofs or not given.consistency:
            raise CannotCheck("there is nothing to compare: give an EXPORT, or a --consistency")
        verdict = Verdict()
    else:
        last = max(held, key=lambda each: each.size)
        tiles = Tiles(Path(given.tiles), last.size) if given.tiles else None
        lines = _lines(given.export)
        verdict = check_lines(lines, held, tiles, partial=given.partial, proofs=proofs, led_to=led_to)
    verdict.findings += told.findings
    verdict.notes += told.notes + [_witnessed(_key(each), known) for each in given.witness]
    if given.keep and not verdict.findings:
        verdict.notes.append(_keep(given.keep, max(led_to, key=lambda each: each.size)))
    return verdict


def _keep(file: Path, checkpoint: Checkpoint) -> str:
    try:
        with file.open("x", encoding="utf-8", newline="\n") as opened:
            opened.write(f"{checkpoint.body}\n{checkpoint.lines}")
    except FileExistsError:
        raise CannotCheck(f"{file} is there already: name another file with --keep") from None
    except OSError as error:
        raise CannotCheck(f"{file} can't be written: {error.strerror}") from None
    return f"{file}: the checkpoint of {checkpoint.size} events, to be kept from now on"


def _witnessed(witness: Key, known: Iterable[Checkpoint]) -> str:
    seen = max((each.size for each in known if each.cosigned_by(witness)), default=None)
    if seen is None:
        raise CannotCheck(f"no checkpoint is cosigned by {witness.name}")
    return f"{witness.name} has seen the log of {seen} events"


def main(argv: Sequence[str] | None = None) -> int:
    given = _arguments(argv)
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
        verdict = check(given)
    except Exception as error:  # noqa: BLE001 - whatever it is: 1 would say that something was altered
        why = error if isinstance(error, CannotCheck) else f"{type(error).__name__}: {error}"
        print(f"it can't be checked: {why}", file=sys.stderr)
        return 2
    try:
        print("\n".join(_as_json(verdict) if given.json else _in_words(verdict, given)), flush=True)
    except OSError as error:
        print(f"what was found can't be written: {error}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python tries once more
        return 1 if verdict.first else 2
    return 1 if verdict.first else 0


def _as_json(verdict: Verdict) -> Iterator[str]:
    first = verdict.first
    shown = {
        "events": verdict.events,
        "covered": verdict.covered,
        "first_altered": first.position if first else None,
        "findings": [vars(each) for each in verdict.findings],
        "notes": verdict.notes,
    }
    yield json.dumps(shown)


def _in_words(verdict: Verdict, given: argparse.Namespace) -> Iterator[str]:
    for each in verdict.findings:
        yield f"✗ {each}"
    if first := verdict.first:
        what = {ENDS_BEFORE: "not there", BROKEN_OFF: "broken off"}.get(first.what, "altered")
        yield f"✗ {what}, from position {first.position} on"
        return
    if given.export is not None:
        yield (
            "✓ 1 event is as it was signed"
            if verdict.covered == 1
            else (f"✓ {verdict.covered} events are as they were signed")
        )
    for note in verdict.notes:
        yield f"✓ {note}"
    if younger := verdict.events - verdict.covered:
        yield f"  younger and under no checkpoint yet, so that nothing is proved of them: {younger}"


if __name__ == "__main__":
    sys.exit(main())
