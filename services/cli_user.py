"""`tillroll user`: its subcommands."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from services.cli_run import AsJson, run
from services.settings import Settings

user_app = typer.Typer(help="Who may come in, and as what.", no_args_is_help=True)
Merchant = Annotated[str, typer.Option(help="The merchant; without it, the platform.")]


class ConsoleRole(StrEnum):
    ADMIN = "admin"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    OWNER = "owner"


@user_app.command("add")
def add_user(
    email: Annotated[str, typer.Argument(help="Where the user gets mail; it signs in with it.")],
    role: Annotated[ConsoleRole, typer.Option(help="An owner has a merchant; an admin has none.")],
    merchant: Merchant = "",
    generate_password: Annotated[
        bool, typer.Option("--generate-password", help="Make up a password and print it, once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let somebody in, the first admin too: prints a token to set a password with, good for once."""
    from services.access import console  # noqa: PLC0415

    run(
        console.add_user(
            Settings.load(),
            email,
            role.value,
            merchant,
            generate_password=generate_password,
            as_json=as_json,
        )
    )


@user_app.command("list")
def list_users(merchant: Merchant = "", as_json: AsJson = False) -> None:
    """Those of the platform, or the members of a merchant."""
    from services.access import console  # noqa: PLC0415

    run(console.list_users(Settings.load(), merchant, as_json=as_json))


@user_app.command("unlock")
def unlock_user(email: Annotated[str, typer.Argument(help="Whose lock-out shall end.")]) -> None:
    """End a lock-out before its time."""
    from services.access import console  # noqa: PLC0415

    run(console.unlock_user(Settings.load(), email))
