"""How is a checkpoint written, signed and checked? As a note of C2SP: signed-note, tlog-checkpoint,
tlog-cosignature.

tillroll/0190c3f2a1b4.1                        the origin: who keeps the log, its id and epoch
20852163                                       how many events it covers
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=   the root of their Merkle tree

— tillroll/0190c3f2a1b4.1 Az3grlgtzPICa5OS8n…  the log's signature, then those of witnesses
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import deque
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from eventstore.merkle import HASH_BYTES, SIZE_MAX

ED25519, COSIGNATURE = 0x01, 0x04
NOTE_BYTES_MAX = 1 << 16
SIGNATURES_MAX = 64
_CHECKPOINT = re.compile(r"[^\n]+\n\d+\n[^\n]+\n\n(?:— [^\n]+\n)+")
_KEY_BYTES, _ID_BYTES, _SIGNATURE_BYTES, _TIME_BYTES = 32, 4, 64, 8


class WrongNote(ValueError):
    """It is no note, no checkpoint, or not signed by whom it should be; the message says which."""

    expected = True


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key by the name of its owner, as notes know it. `kind` is ED25519 or COSIGNATURE."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes, by which signature lines name it."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """`name+id+key`, as C2SP signed-note has it."""
        return f"{self.name}+{self.id.hex()}+{_encoded(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises WrongNote for what is no verifier key of a kind that is known here."""
        try:
            name, key_id, encoded = text.strip().split("+", 2)
            key = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error):
            raise WrongNote(f"{text[:80]!r} is no verifier key: it is written NAME+ID+KEY") from None
        found = cls(name, key[0] if key else 0, key[1:])
        if found.kind not in (ED25519, COSIGNATURE) or len(found.public) != _KEY_BYTES or not _is_name(name):
            raise WrongNote(f"{text[:80]!r} is no Ed25519 key of a log or a witness")
        if found.id.hex() != key_id:
            raise WrongNote(f"{text[:80]!r}: its id does not belong to its name and key")
        return found

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the key made that signature of the message."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: it had `size` entries, and this root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{_encoded(self.root)}\n"

    @classmethod
    def parse(cls, body: str) -> Self:
        """Raises WrongNote. Extension lines are not taken: we write none, and nobody could check them."""
        lines = body.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise WrongNote("a checkpoint is three lines: origin, size, root hash")
        origin, size, root = lines[:3]
        if not (size.isascii() and size.isdigit() and str(int(size)) == size and int(size) < SIZE_MAX):
            raise WrongNote(f"{size[:30]!r} is no size of a tree")
        found = cls(origin, int(size), _decoded(root, "root hash"))
        if len(found.root) != HASH_BYTES:
            raise WrongNote(f"a root hash has {HASH_BYTES} bytes")
        return found


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line of a note."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        return f"— {self.name} {_encoded(self.key_id + self.signature)}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Raises WrongNote."""
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        signed = _decoded(encoded, "signature")
        if dash != "—" or not _is_name(name) or len(signed) <= _ID_BYTES:
            raise WrongNote(f"{line[:80]!r} is no signature: it is written — NAME SIGNATURE")
        return cls(name, signed[:_ID_BYTES], signed[_ID_BYTES:])


@dataclass(frozen=True, slots=True)
class Note:
    """A signed text; nothing of it is checked yet."""

    body: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises WrongNote for what is no note."""
        if len(text) > NOTE_BYTES_MAX or any(each < " " and each != "\n" for each in text):
            raise WrongNote("a note is a short text without control characters")
        body, blank, lines = text.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise WrongNote("a note is a text, an empty line, and signatures, each line with its end")
        signatures = tuple(Signature.parse(line) for line in lines[:-1].split("\n"))
        if len(signatures) > SIGNATURES_MAX:
            raise WrongNote(f"a note has at most {SIGNATURES_MAX} signatures")
        return cls(body + "\n", signatures)

    def __str__(self) -> str:
        return self.body + "\n" + "".join(f"{each.line}\n" for each in self.signatures)

    def checkpoint(self, key: VerifierKey) -> Checkpoint:
        """What it says, once the log's own signature was found good. Raises WrongNote."""
        for each in self.signatures:
            if (each.name, each.key_id) == (key.name, key.id):
                if not key.verifies(each.signature, self.body.encode()):
                    raise WrongNote(f"the signature of {key.name} is wrong: the note was altered")
                found = Checkpoint.parse(self.body)
                if key.kind != ED25519 or found.origin != key.name:
                    raise WrongNote(f"it is of the log {found.origin}, and the key of {key.name}")
                return found
        raise WrongNote(f"it is not signed by {key.name} with the key {key.id.hex()}")


class Signer:
    """The log's private key (32 bytes), under the origin of one epoch."""

    def __init__(self, origin: str, private: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(private)
        self.key = VerifierKey(origin, ED25519, self._private.public_key().public_bytes_raw())

    def sign(self, size: int, root: bytes) -> Note:
        """A checkpoint of a tree, signed."""
        body = Checkpoint(self.key.name, size, root).body
        signature = Signature(self.key.name, self.key.id, self._private.sign(body.encode()))
        return Note(body, (signature,))


def cosign(name: str, private: bytes, body: str, at: int) -> Signature:
    """What a witness says of a checkpoint's text, `at` seconds since 1970: a cosignature/v1."""
    key = Ed25519PrivateKey.from_private_bytes(private)
    witness = VerifierKey(name, COSIGNATURE, key.public_key().public_bytes_raw())
    return Signature(name, witness.id, at.to_bytes(_TIME_BYTES, "big") + key.sign(_cosigned(body, at)))


def witnessed_at(witness: VerifierKey, signature: Signature, body: str) -> int:
    """When the witness saw the checkpoint, in seconds since 1970. Raises WrongNote unless it did."""
    if witness.kind != COSIGNATURE or (signature.name, signature.key_id) != (witness.name, witness.id):
        raise WrongNote(f"it is not by the witness {witness.name} with the key {witness.id.hex()}")
    at = int.from_bytes(signature.signature[:_TIME_BYTES], "big")
    if len(signature.signature) != _TIME_BYTES + _SIGNATURE_BYTES or at >= SIZE_MAX:
        raise WrongNote("a cosignature is a time of eight bytes, and a signature of 64")
    if not witness.verifies(signature.signature[_TIME_BYTES:], _cosigned(body, at)):
        raise WrongNote(f"the cosignature of {witness.name} is wrong, or of another checkpoint")
    return at


def _cosigned(body: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{body}".encode()


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(each.isspace() for each in name)


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decoded(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise WrongNote(f"{text[:80]!r} is no {what} in base64") from None
    if _encoded(raw) != text:
        raise WrongNote(f"{text[:80]!r} is no {what} in base64")
    return raw


def notes_in(text: str) -> list[Note]:
    """The checkpoints that stand in a text one after the other. Raises WrongNote where anything else does."""
    found = [Note.parse(each.group()) for each in _CHECKPOINT.finditer(text)]
    if not found or _CHECKPOINT.sub("", text).strip():
        raise WrongNote("it holds no checkpoint: three lines, an empty one, and signatures")
    return found


def last_note_in(text: str) -> Note | None:
    """The last checkpoint of a text that may begin or end in the middle of one; None where none is whole."""
    found = deque(_CHECKPOINT.finditer(text), maxlen=1)
    return Note.parse(found[0].group()) if found else None


def end_of_notes(text: str) -> int:
    """Where the last whole checkpoint of such a text ends, in bytes; 0 where none is whole."""
    found = deque(_CHECKPOINT.finditer(text), maxlen=1)
    return len(text[: found[0].end()].encode(errors="surrogateescape")) if found else 0
