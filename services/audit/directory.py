"""What does the directory hold that checkpoints are copied to? A whole tiled log of C2SP (tlog-tiles) in
files.

Any web server can serve it to existing tools. There is one for each epoch of the log, as what follows a
restore is another tree.

    checkpoint              the last one, replaced as a whole
    checkpoints             all of them, one after the other
    key                     the verifier key
    tile/0/x001/234         hash tiles, and 0/x001/234.p/17 partial ones
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from services.audit.notes import Note, VerifierKey, WrongNote
from services.audit.tiles import tile_path
from services.audit.tree import TILE, Edge, Tile
from services.embedded.directory import sync_directory


class Directory:
    """A tiled log in files. A full tile that is there is not written again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def last(self) -> Note | None:
        """Its checkpoint; None where there is none, or it is none."""
        with suppress(OSError, WrongNote, UnicodeDecodeError):
            return Note.parse((self._path / "checkpoint").read_text())
        return None

    def is_whole(self, size: int) -> bool:
        """Whether each full tile of a tree of that size is there."""
        level = 0
        while size := size // TILE:
            if not all(self._tile(level, number, TILE).exists() for number in range(size)):
                return False
            level += 1
        return True

    def put_tiles(self, tiles: Iterable[Tile]) -> list[Tile]:
        """Full tiles; those that were not there already. They are of no worth before their checkpoint is
        there."""
        new = [tile for tile in tiles if not self._tile(tile.level, tile.number, TILE).exists()]
        for tile in new:
            _write(self._tile(tile.level, tile.number, TILE), tile.hashes)
        return new

    def take_back(self, tiles: Iterable[tuple[int, int]]) -> None:
        """These full tiles, by level and number: they led to no root that was signed."""
        for level, number in tiles:
            self._tile(level, number, TILE).unlink(missing_ok=True)

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
        """Checkpoints that are new, the last of which is the log's now."""
        self._path.mkdir(parents=True, exist_ok=True)
        with (self._path / "checkpoints").open("a") as file:
            file.writelines(f"{note}\n" for note in notes)
            file.flush()
            os.fsync(file.fileno())
        if not (self._path / "key").exists():
            _write(self._path / "key", f"{key}\n".encode())
        _write(self._path / "checkpoint", notes[-1].encode(), durable=True)

    def _tile(self, level: int, number: int, width: int) -> Path:
        return self._path / "tile" / tile_path(level, number, width)


def _write(path: Path, content: bytes, *, durable: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    partial.replace(path)
    if durable:
        sync_directory(path.parent)
