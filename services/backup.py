"""`tillroll backup` and `tillroll restore`: how does a log come back whose Postgres is lost?

A restored log uses positions again that clients, and NATS, know with other events; so a restore begins a new
epoch, whatever NATS still holds.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from services.console import console, results
from services.embedded import ServerFailed, owner_of_embedded
from services.embedded.copies import is_copy, put_copy, take_copy
from services.embedded.directory import make_private, sync_directory
from services.embedded.restoring import begin_restore
from services.migrate_console import migrate_database
from services.runfile import read_run
from services.settings import NotRunning, Settings

SECRETS = "secrets"
_OWN_SERVER = "TILLROLL_DATABASE_URL is set: back that server up, and restore it, by its own means"


async def backup(settings: Settings, directory: Path) -> None:
    """The running system's Postgres, as it is now, and the secrets; raises ServerFailed or NotRunning."""
    run = read_run(settings.data_dir)
    owner = owner_of_embedded(settings.data_dir)
    if not owner:
        raise NotRunning(_OWN_SERVER if run else f"no log is in {settings.data_dir}")
    if run is None:
        where = settings.data_dir
        raise NotRunning(
            f"nothing runs in {where}: start it, or copy its folders postgres and secrets as they are"
        )
    partial = _begun(directory)
    await take_copy(owner, partial)
    _finish(partial, settings.data_dir / SECRETS, directory)
    results.print(f"{directory} holds the log and the keys to its personal data: keep it as safe as both")


def _begun(directory: Path) -> Path:
    """Where the copy is made: under its own name there is a whole back-up, or none."""
    if directory.exists():
        raise ServerFailed(f"{directory} is there already: a back-up is a folder of its own")
    partial = directory.absolute().with_name(f".{directory.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    make_private(partial)
    return partial


def _finish(partial: Path, secrets: Path, directory: Path) -> None:
    shutil.copytree(secrets, partial / SECRETS)
    partial.rename(directory)
    sync_directory(directory.absolute().parent)


async def restore(settings: Settings, directory: Path) -> None:
    """Put the back-up in place of what was lost, and begin a new epoch; nothing runs meanwhile.

    Whatever ends it before: what it has put there is not started until there is a new epoch.
    """
    if settings.database_url:
        raise ServerFailed(_OWN_SERVER)
    if not is_copy(directory):
        raise ServerFailed(f"{directory} is no back-up: `tillroll backup` makes one")
    if read_run(settings.data_dir):
        raise ServerFailed(f"the system runs in {settings.data_dir}: stop it first")

    def first(home: Path) -> None:
        begin_restore(home, directory)
        _put_missing_secrets(directory / SECRETS, settings.data_dir / SECRETS)

    await put_copy(directory, settings.data_dir, first)
    try:
        await migrate_database(settings, new_epoch=True, as_json=False)
    except BaseException:
        console.print(
            "The back-up is in place, but [red]no new epoch has begun[/]: mend what follows, then run"
        )
        console.print("`tillroll migrate --new-epoch`, before anything else.")
        raise
    results.print(f"{directory} is restored in {settings.data_dir}, and nothing runs yet.")
    results.print("Next: `tillroll up`, then `tillroll reconcile` and `tillroll verify`.")


def _put_missing_secrets(copies: Path, secrets: Path) -> None:
    """Those that are there stay: a wrong master key is refused by itself, and the webhooks' may be newer."""
    make_private(secrets)
    for copy in copies.iterdir():
        if copy.is_file() and not (secrets / copy.name).exists():
            shutil.copy2(copy, secrets / copy.name)
