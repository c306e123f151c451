"""`tillroll backup`, `restore` and `reconcile`: what is done for the day on which a machine is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli_run import run
from services.settings import Settings


def backup(
    directory: Annotated[Path, typer.Argument(help="Is made; on another disk, and better another machine.")],
) -> None:
    """Copy the running embedded Postgres, and the secrets, while trade goes on."""
    from services.backup import backup as make_backup  # noqa: PLC0415

    run(make_backup(Settings.load(), directory))


def restore(
    directory: Annotated[Path, typer.Argument(help="What `tillroll backup` made.")],
) -> None:
    """Put a back-up in place of a lost Postgres, and begin a new epoch; then `tillroll up`."""
    from services.backup import restore as put_backup  # noqa: PLC0415

    run(put_backup(Settings(), directory))


def reconcile(
    days: Annotated[int, typer.Option(min=1, help="How far back.")] = 30,
) -> None:
    """After a restore: ask the providers what they know of our payments and parcels, and record it."""
    from services.gateways.reconcile import reconcile_all  # noqa: PLC0415

    run(reconcile_all(Settings.load(), days))
