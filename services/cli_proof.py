"""`tillroll checkpoint`, `proof` and `export-verifier`: that nothing was altered, to be checked without
us."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli_run import AsJson, run
from services.settings import Settings

proof_app = typer.Typer(
    help="Proofs for auditors, which the stand-alone verifier checks.", no_args_is_help=True
)
Size = Annotated[
    int | None, typer.Option(min=1, help="The checkpoint that covers so many events; the last one without.")
]


def checkpoint(
    size: Size = None,
    key: Annotated[bool, typer.Option("--key", help="Print the verifier key instead.")] = False,
    cosigned: Annotated[
        bool, typer.Option("--cosigned", help="The last one that a witness cosigned, with what it said.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the log's signed checkpoint, and how young the events are that it does not cover.

    Keep it, and the key, where nobody who may change the database may write: `tillroll checkpoint > FILE`.
    Exit 1 if the log was altered.
    """
    from services.audit.command import show_checkpoint, show_key  # noqa: PLC0415

    settings = Settings.load()
    if key:
        run(show_key(settings))
    else:
        run(show_checkpoint(settings, size, cosigned=cosigned, as_json=as_json))


@proof_app.command()
def inclusion(
    position: Annotated[int | None, typer.Option(min=1, help="Of the event.")] = None,
    event_id: Annotated[str, typer.Option(help="In place of the position.")] = "",
    merchant: Annotated[str, typer.Option(help="Whose event it is, with --event-id.")] = "",
    size: Annotated[int | None, typer.Option(min=1, help="Of a checkpoint; the last one without.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that an event is in the log: `tillroll proof inclusion --position 17 > event.tlog-proof`."""
    from services.audit.command import show_inclusion  # noqa: PLC0415

    run(show_inclusion(Settings.load(), position, event_id, merchant, size, as_json=as_json))


@proof_app.command()
def consistency(
    first: Annotated[int, typer.Argument(min=1, help="Size of the older checkpoint.")],
    second: Annotated[
        int | None, typer.Argument(min=1, help="Of the newer one; without it, the last.")
    ] = None,
) -> None:
    """Prove that the log only grew between two checkpoints: `tillroll proof consistency 1000 >
    grown.json`."""
    from services.audit.command import show_consistency  # noqa: PLC0415

    run(show_consistency(Settings.load(), first, second))


def export_verifier(
    file: Annotated[Path, typer.Argument(help="Where to, such as verifier.py.")],
) -> None:
    """Write out the stand-alone verifier: one file, for an auditor to read and run without our code."""
    from services.audit.command import export_verifier as write  # noqa: PLC0415

    write(file)
