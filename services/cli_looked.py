"""`tillroll looked`: who looked at whose data?"""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli_run import AsJson, run
from services.settings import Settings


def looked(
    since: Annotated[str, typer.Option(help="A day or a time, in UTC: 2026-05-04, 2026-05-04T12:00Z.")] = "",
    until: Annotated[str, typer.Option(help="Before this day or time.")] = "",
    actor: Annotated[str, typer.Option(help="Who looked: user:…, key:… or console:ACCOUNT.")] = "",
    merchant: Annotated[str, typer.Option(help="Whose data was asked for.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Reads by auditors, and by whoever reaches every merchant: who, when, what, how many rows.

    To look here is recorded, too.
    """
    from services.audit.looked_console import Asked, show_looks  # noqa: PLC0415

    run(show_looks(Settings.load(), Asked(since, until, actor, merchant, limit), as_json=as_json))
