"""`tillroll parked`: its subcommands."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli_run import AsJson, run
from services.settings import Settings

parked_app = typer.Typer(help="Keys that wait because a handler failed on one of their events.")


@parked_app.callback(invoke_without_command=True)
def parked(context: typer.Context, as_json: AsJson = False) -> None:
    """List the keys that wait because a handler failed on one of their events. Exit 1 if there are any."""
    if context.invoked_subcommand is None:
        from services.parked import show_parked  # noqa: PLC0415

        run(show_parked(Settings.load(), as_json=as_json))


@parked_app.command()
def retry(
    follower: Annotated[str, typer.Argument(help="As `tillroll parked` tells it, such as agent:order.")],
    key: Annotated[str, typer.Argument(help="As `tillroll parked` tells it.")],
) -> None:
    """Let a parked key go on, once its handler is mended: what waited is taken in order."""
    from services.parked import retry as retry_parked_key  # noqa: PLC0415

    run(retry_parked_key(Settings.load(), follower, key))


@parked_app.command()
def skip(
    follower: Annotated[str, typer.Argument(help="As `tillroll parked` tells it, such as agent:order.")],
    key: Annotated[str, typer.Argument(help="As `tillroll parked` tells it.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the log for ever, so name no person.")],
    position: Annotated[
        int | None, typer.Option(help="The event that is meant: refused if the key stands at another.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--all", help="Skip whatever it comes to stand at, until it is free.")
    ] = False,
) -> None:
    """Leave out the event that a parked key stands at, for good; what waited behind it is taken in order."""
    from services.parked import skip as skip_parked_event  # noqa: PLC0415

    run(skip_parked_event(Settings.load(), follower, key, reason, position=position, whole=whole))
