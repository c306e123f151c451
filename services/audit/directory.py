"""What does the directory hold that checkpoints are copied to? A whole tiled log of C2SP (tlog-tiles) in
files.

Any web server can serve it to existing tools. There is one for each epoch of the log, as what follows a
restore is another tree.

    checkpoint              the last one, replaced as a whole
    cosigned                the last one that witnesses cosigned, with what they said
    checkpoints             all of them, one after the other; the older ones in checkpoints.SIZE
    key                     the verifier key
    tile/0/x001/234         hash tiles, and 0/x001/234.p/17 partial ones

A file comes under its name as a whole, and only when it is on disk; but full tiles are not waited for, as a
flush of each would hold up the log's own on the same disk. If power fails, the last ones may be gone or cut
short, and are filled in again by what leads to the root that was signed. What can't be read is never taken
for nothing: only a directory that nobody has written to is empty.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from eventstore.merkle import hashes_in
from services.audit.notes import Checkpoint, Note, VerifierKey, WrongNote, end_of_notes, last_note_in
from services.audit.tiles import tile_path
from services.audit.tree import TILE, TILE_BYTES, Edge, Tile, widths_of
from services.embedded.directory import sync_directory

CHECKPOINTS_BYTES_MAX = 16 << 20
"""Of a file of checkpoints, before the next one is begun: some 60,000 of them."""
CHECKPOINTS_FILES_MAX = 8
"""Older files of checkpoints that stay. Each checkpoint covers all that those before it do."""
_FOLDER_TILES = 1_000
"""Tiles of a level that share a folder: as `tile_path` has it."""
_TAIL_BYTES = 1 << 17
"""Twice as much as a note may have."""


class Unreadable(Exception):
    """The directory can't be read, or holds something else; the message says what to do."""

    expected = True


class Directory:
    """A tiled log in files. A full tile that is there is never written again, and must be the same."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def was_written(self) -> bool:
        """Whether any checkpoint was ever copied here. Raises Unreadable."""
        return any(self._exists(self._path / name) for name in ("checkpoint", "checkpoints", "key"))

    def last(self) -> Note | None:
        """Its checkpoint; None where nothing was written yet. Raises Unreadable."""
        content = self._read("checkpoint")
        if content is None:  # a crash may come between the two files
            return last_note_in(_tail(self._read("checkpoints") or b""))
        try:
            return Note.parse(content.decode())
        except (WrongNote, UnicodeDecodeError) as wrong:
            raise self._wrong("checkpoint", f"is no checkpoint: {wrong}") from None

    def signed(self, key: VerifierKey) -> Checkpoint | None:
        """What its checkpoint says; None where nothing was written yet. Raises Unreadable."""
        note = self.last()
        try:
            return note.checkpoint(key) if note else None
        except WrongNote as wrong:
            raise self._wrong("checkpoint", f"is not this log's: {wrong}") from None

    def key(self) -> VerifierKey | None:
        """The key that it was written with; None where there is none. Raises Unreadable."""
        content = self._read("key")
        try:
            return None if content is None else VerifierKey.parse(content.decode())
        except (WrongNote, UnicodeDecodeError) as wrong:
            raise self._wrong("key", f"is no verifier key: {wrong}") from None

    def tile(self, level: int, number: int, width: int) -> list[bytes]:
        """The first hashes of a tile, which may be there as a wider one. Raises Unreadable."""
        full = self._tile(level, number, TILE)
        wider = (full, *(self._tile(level, number, each) for each in range(width, TILE)))
        path = next((each for each in wider if self._exists(each)), full)
        content = self._read(str(path.relative_to(self._path))) or b""
        try:
            hashes = hashes_in(content)[:width]
        except ValueError:
            hashes = []
        if len(hashes) != width:
            raise self._wrong(str(path.relative_to(self._path)), "is gone, or no tile")
        return hashes

    def edge(self, size: int) -> Edge:
        """That of the tree of its first `size` leaves. Raises Unreadable."""
        numbers = ((level, size >> (8 * (level + 1)), width) for level, width in enumerate(widths_of(size)))
        return Edge(size, [self.tile(*each) if each[2] else [] for each in numbers])

    def is_whole(self, size: int) -> bool:
        """Whether each full tile of a tree of that size is there."""
        level = 0
        while size := size // TILE:
            if not all(self._is_whole(self._tile(level, number, TILE)) for number in range(size)):
                return False
            level += 1
        return True

    def sweep(self, size: int) -> None:
        """What a sealer that was killed had staged beyond a tree of that size; who asks is the only one."""
        for level in range(len(widths_of(size)) + 1):
            number = size >> (8 * (level + 1))
            while (folder := self._tile(level, number, TILE).parent).is_dir():
                for each in folder.glob(".*.*"):
                    each.unlink()
                number += _FOLDER_TILES

    def stage(self, tiles: Sequence[Tile]) -> list[tuple[int, int]]:
        """Write full tiles under no name that counts yet: `publish` or `discard` them. Their keys."""
        for tile in tiles:
            _write_file(_staged(self._tile(tile.level, tile.number, TILE)), tile.hashes)
        return [(tile.level, tile.number) for tile in tiles]

    def discard(self, tiles: Iterable[tuple[int, int]]) -> None:
        """Staged tiles that led to no root that was signed."""
        for level, number in tiles:
            _staged(self._tile(level, number, TILE)).unlink(missing_ok=True)

    def publish(self, tiles: Sequence[tuple[int, int]]) -> None:
        """Staged tiles get their names; those that were there must be the same, or Unreadable is raised."""
        for level, number in tiles:
            path = self._tile(level, number, TILE)
            staged = _staged(path)
            if self._is_whole(path) and path.read_bytes() != staged.read_bytes():
                raise self._wrong(str(path.relative_to(self._path)), "is not the tile that was signed")
            staged.replace(path)

    def forget_partial(self, tiles: Iterable[tuple[int, int]]) -> None:
        """The partial tiles that these full ones stand for now."""
        for level, number in tiles:
            full = self._tile(level, number, TILE)
            partial = full.with_name(f"{full.name}.p")
            if partial.is_dir():
                for each in partial.iterdir():
                    each.unlink()
                partial.rmdir()

    def put_edge(self, edge: Edge) -> None:
        """The partial tiles of a tree."""
        for level, hashes in enumerate(edge.partial):
            if hashes:
                number = edge.size >> (8 * (level + 1))
                _write(self._tile(level, number, len(hashes)), b"".join(hashes))

    def put_notes(self, notes: Sequence[str], key: VerifierKey) -> None:
        """Checkpoints that are new, the last of which is the log's now. Raises Unreadable for another
        log's directory."""
        _make_folder(self._path)
        present = self.key()
        if present is None:
            _write(self._path / "key", f"{key}\n".encode())
        elif present != key:
            raise self._wrong("key", f"is that of another log, or of another key than {key}")
        self._append(notes)
        _write(self._path / "checkpoint", notes[-1].encode())

    def put_cosigned(self, note: str) -> None:
        """The last checkpoint that was cosigned, with its cosignatures; they stand in `checkpoint`, too, as
        long as that is the same one."""
        content = note.encode()
        if self._read("cosigned") == content:
            return
        _write(self._path / "cosigned", content)
        self._append([note])
        last = self.last()
        if last is not None and last.body == Note.parse(note).body:
            _write(self._path / "checkpoint", content)

    def _append(self, notes: Sequence[str]) -> None:
        path = self._path / "checkpoints"
        _end_with_a_note(path)
        if path.exists() and path.stat().st_size > CHECKPOINTS_BYTES_MAX:
            self._rotate(path)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{note}\n" for note in notes)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(self._path)

    def _rotate(self, path: Path) -> None:
        last = self.last()
        size = Checkpoint.parse(last.body).size if last else 0
        path.replace(path.with_name(f"checkpoints.{size:019}"))
        for each in sorted(self._path.glob("checkpoints.*"))[:-CHECKPOINTS_FILES_MAX]:
            each.unlink()

    def _tile(self, level: int, number: int, width: int) -> Path:
        return self._path / "tile" / tile_path(level, number, width)

    def _is_whole(self, full: Path) -> bool:
        return self._size(full) == TILE_BYTES

    def _exists(self, path: Path) -> bool:
        return self._size(path) is not None

    def _size(self, path: Path) -> int | None:
        """Bytes of a file; None where there is none. Raises Unreadable."""
        try:
            return path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._wrong(str(path.relative_to(self._path)), f"can't be read: {error.strerror}") from None

    def _read(self, name: str) -> bytes | None:
        """None only where there is no such file."""
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._wrong(name, f"can't be read: {error.strerror}") from None

    def _wrong(self, name: str, what: str) -> Unreadable:
        return Unreadable(
            f"{self._path / name} {what}. Put the directory back as it was; or move it away as evidence, and"
            " it is filled anew"
        )


def _end_with_a_note(path: Path) -> None:
    """What a crash left of a note at the file's end goes: it was written to no end, and comes again."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        start = max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES)
        file.seek(start)
        tail = file.read()
        whole = end_of_notes(_tail(tail))
        if tail[whole:] != b"\n":
            file.seek(start + whole)
            file.truncate()
            file.write(b"\n" if whole else b"")
            file.flush()
            os.fsync(file.fileno())


def _tail(content: bytes) -> str:
    """The end of a file of checkpoints, which may begin or end within a character."""
    return content[-_TAIL_BYTES:].decode(errors="surrogateescape")


def _staged(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _make_folder(path: Path) -> None:
    """With those above it; each is on disk then."""
    if not path.is_dir():
        _make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync_directory(path.parent)


def _write_file(path: Path, content: bytes, *, flush: bool = False) -> None:
    _make_folder(path.parent)
    with path.open("wb") as file:
        file.write(content)
        if flush:
            file.flush()
            os.fsync(file.fileno())


def _write(path: Path, content: bytes) -> None:
    _write_file(_staged(path), content, flush=True)
    _staged(path).replace(path)
    sync_directory(path.parent)
