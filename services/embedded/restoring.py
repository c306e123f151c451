"""Was a back-up put here, and no new epoch begun since? A file beside the cluster says so, whatever happens.

Else the log of such a cluster would give positions to new events that clients know with others.
"""

from __future__ import annotations

from pathlib import Path

from services.embedded.children import ServerFailed
from services.embedded.directory import sync_directory, write_private

MARKER = "restoring"


def begin_restore(home: Path, copy: Path) -> None:
    """On disk before anything of the copy is in `home`, the folder of the server."""
    write_private(home / MARKER, str(copy.absolute()))


def end_restore(home: Path) -> None:
    """Once the new epoch is on disk."""
    if (home / MARKER).exists():
        (home / MARKER).unlink()
        sync_directory(home)


def refuse_unfinished_restore(home: Path, *, ending: bool = False) -> None:
    """Raises ServerFailed, which says what is to be run; not for who is `ending` it by a new epoch."""
    try:
        copy = (home / MARKER).read_text()
    except FileNotFoundError:
        return
    if not (home / "cluster").exists():
        raise ServerFailed(
            f"a restore from {copy} ended before the log was in its place: run `tillroll restore {copy}`"
            f" again, or move {home} away to begin anew"
        )
    if not ending:
        raise ServerFailed(
            f"a restore from {copy} put the log in its place, and ended before a new epoch had begun:"
            " run `tillroll migrate --new-epoch`, then start again"
        )
