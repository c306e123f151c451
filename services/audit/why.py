"""`tillroll why`: the causes of something, or the events of a number, for a terminal, a script or a file.

It is a look, which is on record before anything is printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from domain.streams import stream_parts
from eventstore.postgres import make_pool
from projections.generations import Connection
from services.audit.causes import Cause
from services.audit.causes_asked import ASKED, Bound, NothingThere, bound, why_event
from services.audit.causes_read import QUERIES
from services.audit.drawing import LEGEND, as_rich, as_svg
from services.audit.looked_console import Shown, looking, words_of
from services.audit.named import merchant_asked, order_named
from services.audit.numbers import Explained, explain
from services.audit.numbers_table import MODEL_OF, CannotExplain, told
from services.audit.why_shown import number_as_json, tree_as_json
from services.console import plain, results
from services.embedded import check_database
from services.settings import Settings

STATEMENT_SECONDS = 120.0
SHOWN_MAX = 50
"""Parts that a terminal shows; `--json` tells a thousand at a time."""
_TABLES = {
    "order": ("orders", "order_id"),
    "payment": ("payments", "payment_id"),
    "shipment": ("shipments", "shipment_id"),
    "stock": ("stock_levels", "sku"),
}
"""Where it is looked whose it is, if nobody says so."""


class AskedWrongly(Exception):
    """The command line does not say what is meant; the message says how to."""

    expected = True


async def why_causes(
    settings: Settings, what: str, names: list[str], merchant: str, *, as_json: bool, svg: Path | None
) -> None:
    """Print the tree of an order, payment, shipment, stock item or event, or write its picture to `svg`."""
    if svg:
        _refuse_unwritable(svg)
    about = merchant or merchant_asked({"order": names[0] if what == "order" and names else ""})
    words = {"what": what, "names": " ".join(names), "svg": svg}
    async with _opened(settings, merchant, about, **words) as (connection, shown):
        root = await _causes(connection, what, names, merchant)
        shown.rows = 1
    if svg:
        _write(svg, as_svg(root))
        results.print(f"{svg} is written")
    elif as_json:
        sys.stdout.write(tree_as_json(root).decode() + "\n")
    else:
        # a tree is as wide as it is: lines that are broken are no tree any more
        wide = _wide()
        wide.print(as_rich(root), soft_wrap=True)
        for line in LEGEND:
            wide.print(line, style="dim", soft_wrap=True)


def _wide() -> Console:
    """Standard output; what is no terminal has no width at which lines would have to end."""
    return Console(width=None if results.is_terminal else 400)


def _refuse_unwritable(svg: Path) -> None:
    """Before the work is done."""
    if svg.is_dir() or not os.access(svg if svg.exists() else svg.parent, os.W_OK):
        raise AskedWrongly(f"{svg} can't be written: name another file with --svg")


def _write(svg: Path, picture: bytes) -> None:
    try:
        svg.write_bytes(picture)
    except OSError as error:
        raise AskedWrongly(f"{svg} can't be written: {error.strerror}") from None


async def why_number(
    settings: Settings,
    table: str,
    key: Mapping[str, Any],
    column: str | None,
    *,
    after: int,
    whole: bool,
    as_json: bool,
) -> int:
    """Print the events that make up a number; 1 if they don't add up to it."""
    if column is None:
        raise AskedWrongly(f"say which number of {table} is meant: --column NAME")
    merchant = str(key.get("merchant", ""))
    words = dict(key) | {
        "merchant": merchant,
        "what": table,
        "column": column,
        "after": after,
        "whole": whole,
    }
    async with _opened(settings, about=merchant, **words) as (connection, shown):
        explained = await explain(connection, table, key, column, after=after, whole=whole)
        shown.rows = len(explained.parts)
    if as_json:
        sys.stdout.write(number_as_json(explained).decode() + "\n")
    else:
        _show(explained)
    return 0 if explained.adds_up else 1


def is_table(what: str) -> bool:
    return what in MODEL_OF


@asynccontextmanager
async def _opened(
    settings: Settings, merchant: str, about: str, **words: Any
) -> AsyncIterator[tuple[Connection, Shown]]:
    """As the role for audits; whose data is read is that of the merchant that was named, if one was. `about`
    is the one that is seen to be looked at."""
    url = settings.url("audit")
    await check_database(url)
    async with (
        make_pool(url, max_size=1, statement_seconds=STATEMENT_SECONDS) as pool,
        looking(settings, "why", words_of(**words), about) as shown,
        bound(pool, Bound(merchant)) as connection,
    ):
        try:
            yield connection, shown
        except psycopg.errors.UndefinedTable as error:
            raise CannotExplain(f"the read models are not made yet: {error.diag.message_primary}") from None


async def _causes(connection: Connection, what: str, names: list[str], merchant: str) -> Cause:
    if what == "event":
        if len(names) != 1:
            raise AskedWrongly("say which event: tillroll why event POSITION, or its id")
        return await why_event(connection, names[0])
    if what not in ASKED:
        tables = ", ".join(MODEL_OF)
        raise AskedWrongly(f"{what} is none of {', '.join(ASKED)} and event, and no table: {tables}")
    ask, wanted = ASKED[what]
    if len(names) != len(wanted):
        raise AskedWrongly(f"say tillroll why {what} {' '.join(wanted).upper()}")
    if not merchant:
        merchant, names[0] = await _whose(connection, what, names[0])
    return await ask(connection, merchant, *names)


async def _whose(connection: Connection, what: str, name: str) -> tuple[str, str]:
    """Whose it is, if that is but one's, and its name; a stream tells both."""
    table, column = _TABLES[what]
    statement = QUERIES.read_merchants.sql.format(table=table, column=column)
    rows = await (await connection.execute(statement.encode(), {"name": name})).fetchall()
    if len(rows) == 1:
        return str(rows[0][0]), name
    if rows:
        names = " and ".join(str(row[0]) for row in rows)
        raise AskedWrongly(f"several merchants have a {what} {name}, such as {names}: say --merchant")
    if what == "order" and (name.startswith("order-") or "/" in name):
        return _as_named(name)
    raise NothingThere(f"no read model knows the {what} {name}; say --merchant to look in the log itself")


def _as_named(name: str) -> tuple[str, str]:
    """Merchant and id of an order, as it is named everywhere else."""
    try:
        merchant, order_id = stream_parts(order_named(name))
    except ValueError as error:
        raise AskedWrongly(str(error)) from None
    return merchant, order_id


def _shown(value: int | None) -> str:
    return "nothing" if value is None else f"{value:,}"


def _show(explained: Explained) -> None:
    table = Table(
        title=plain(f"{explained.table}.{explained.column} of {told(explained.key)}"),
        title_justify="left",
    )
    for name in ("position", "event", "stream", "at", "part", "value after it"):
        right = name in ("position", "part", "value after it")
        table.add_column(name, justify="right" if right else "left", overflow="fold", no_wrap=right)
    for each in explained.parts[:SHOWN_MAX]:
        at = f"{each.occurred_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(
            str(each.position), plain(each.type), plain(each.stream), at, f"{each.part:+,}", f"{each.value:,}"
        )
    _wide().print(table)
    if explained.parts_count > SHOWN_MAX:
        results.print(f"… {explained.parts_count:,} events in all; these are the first {SHOWN_MAX} of them")
    for of_type in explained.by_type:
        results.print(f"{of_type.events:>9,} {plain(of_type.type)}: {of_type.part:+,}")
    if explained.formula:
        results.print(f"{explained.column} is {explained.formula}", markup=False)
    sign = "[green]✓[/] adds up" if explained.adds_up else "[red]✗ does not add up[/]"
    results.print(f"{sign}: the events make {explained.sum:,}, the table shows {_shown(explained.value)}")
    made = f"event {explained.made_by}" if explained.made_by else "no event that was found"
    results.print(
        f"the row was made by {made}, the number last changed by event {explained.set_by}; looked at"
        f" {explained.events:,} events of {explained.found_in}, up to position {explained.position:,}",
        markup=False,
    )
