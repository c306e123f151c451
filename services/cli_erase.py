"""`tillroll erase` and `tillroll scrub`: how does an operator have a person erased, also from files?"""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli_run import AsJson, run
from services.settings import Settings


def erase(
    reason: Annotated[str, typer.Option(help="Why; it stands in the log for ever, so name no person.")],
    subject: Annotated[
        str, typer.Argument(help="The person's pseudonym, as history shows it, of 32 hex digits.")
    ] = "",
    merchant: Annotated[str, typer.Option(help="Whose customer it is.")] = "",
    customer: Annotated[
        str, typer.Option(help="The merchant's id of the person (customer_unique_id, else customer_id).")
    ] = "",
    user: Annotated[str, typer.Option(help="The address of a user of Tillroll, who is disabled.")] = "",
    despite: Annotated[
        list[str] | None, typer.Option(help="A rule to overrule, such as orders_are_over; --dry-run tells.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be erased.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person, for good: the key to all that is personal of it is destroyed. Begin with --dry-run.

    `tillroll erase --merchant m1 --customer c-4711 --reason "asked for by letter of 4 May" --dry-run`
    """
    from services.audit import erasure_console as console  # noqa: PLC0415

    wish = console.Wish(subject, merchant, customer, user, reason, tuple(despite or ()), dry_run)
    run(console.erase(Settings.load(), wish, as_json=as_json))


def scrub() -> None:
    """After erasures: overwrite what may still lie in the database's files. The system goes on meanwhile."""
    from services.audit.erasure_scrub import scrub as scrub_files  # noqa: PLC0415

    run(scrub_files(Settings.load()))
