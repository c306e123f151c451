"""How does a subcommand run, and what do several of them take?"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def run(awaitable: Awaitable[int | None]) -> None:
    import uvloop  # noqa: PLC0415

    async def whole() -> int | None:
        return await awaitable

    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    raise typer.Exit(uvloop.run(whole()) or 0)
