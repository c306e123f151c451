"""`tillroll verify`: what was found, and the books."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import orjson
from rich.table import Table

from services.audit.notes import Checkpoint
from services.books import Books
from services.console import counted, plain, results, telling_progress
from services.context import open_context
from services.settings import Settings
from services.verify import verify

BALANCES_MAX = 50


def _print_books(books: Books) -> None:
    """Money by merchant and currency, in minor units: the first merchants, and how many more there are."""
    names = ("authorized", "captured", "voided", "expired", "open", "refunded", "disputed", "paid_out")
    table = Table(title="Books, in minor units", title_justify="left")
    for name in ("merchant", "currency"):
        table.add_column(name)
    for name in ("payments", *names, "contradicted"):
        table.add_column(name.replace("_", " "), justify="right")
    balances = [each.as_json() for each in books.balances()]
    for each in balances[:BALANCES_MAX]:
        sums = (each["payments"], *(each[f"{name}_cents"] for name in names), each["contradicted"])
        table.add_row(plain(each["merchant"]), each["currency"], *(f"{cents:,}" for cents in sums))
    results.print(table)
    if len(balances) > BALANCES_MAX:
        results.print(f"and {len(balances) - BALANCES_MAX:,} more: --json has them all")
    results.print(f"{counted(books.stocks, 'stock')}: on hand = available + committed + unavailable")


async def verify_all(
    settings: Settings,
    checkpoints: Sequence[Checkpoint] | None = None,
    *,
    books: Books | None = None,
    as_json: bool,
) -> int:
    with telling_progress() as tell:
        async with open_context(settings, "verify", "project", follow=False) as context:
            verdict = await verify(context, tell, checkpoints=checkpoints, books=books)
    if as_json:
        fields = {
            name: getattr(verdict, name)
            for name in ("events", "streams", "read_models", "sealed", "problems", "clean")
        }
        if books:
            fields["books"] = [each.as_json() for each in books.balances()]
            fields["stocks"] = books.stocks
        sys.stdout.write(orjson.dumps(fields).decode() + "\n")
    else:
        if books:
            _print_books(books)
        for problem in verdict.problems:
            results.print(f"[red]✗[/] {problem}")
        sign = "[green]✓ clean[/]" if verdict.clean else "[red]✗ not clean[/]"
        counts = f"{verdict.events:,} events, {verdict.streams:,} streams, {verdict.read_models} read models"
        results.print(f"{sign}: {counts}; {verdict.sealed:,} events as they were signed")
    return 0 if verdict.clean else 1
