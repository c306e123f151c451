"""How does a subcommand run, and what do several of them take?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def run(awaitable: Awaitable[int | None]) -> None:
    import uvloop  # noqa: PLC0415

    from services.collector import spare_the_collector  # noqa: PLC0415

    async def whole() -> int | None:
        return await awaitable

    spare_the_collector()
    raise typer.Exit(uvloop.run(whole()) or 0)
