"""`tillroll looked`: who looked at what, as an operator sees it at the machine; which is a look itself."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson
from rich.table import Table

from eventstore.postgres import make_pool
from eventstore.seams import WallClock
from services.access.console import ACTOR
from services.audit.looked import Looks, Wanted
from services.audit.looked_routes import told
from services.console import results
from services.settings import Settings
from services.web.looked import Look

_SHOWN = ("looked_at", "actor", "role", "merchant", "path", "status", "rows")


class NoTime(Exception):
    """A time that is none."""

    expected = True


@dataclass(frozen=True, slots=True)
class Asked:
    """As it stands on the command line; empty is any."""

    since: str = ""
    until: str = ""
    actor: str = ""
    merchant: str = ""
    limit: int = 100


async def show_looks(settings: Settings, asked: Asked, *, as_json: bool) -> None:
    """The newest first. Raises NoTime."""
    wanted = Wanted(asked.merchant or None, asked.actor or None, _moment(asked.since), _moment(asked.until))
    clock = WallClock()
    async with (
        make_pool(settings.url("access"), max_size=1) as pool,
        Looks(pool, clock).running() as looks,
    ):
        rows = [told(row) for row in await looks.seen(wanted, asked.limit)]
        words = [[name, str(value)] for name, value in (("since", asked.since), ("until", asked.until),
                 ("actor", asked.actor), ("limit", asked.limit)) if value]  # fmt: skip
        look = console_look(clock.now(), "looked", "looks:read", words, asked.merchant, len(rows))
        await looks.record(look)
    if as_json:
        sys.stdout.write(orjson.dumps(rows).decode() + "\n")
        return
    table = Table(*(name.removesuffix("_at") for name in _SHOWN), "outcome")
    for row in rows:
        table.add_row(*(_said(row[name]) for name in _SHOWN), row["outcome"])
    results.print(table if rows else "nobody looked")


def console_look(
    now: datetime, command: str, permission: str, parameters: list[list[str]], merchant: str, rows: int
) -> Look:
    """What somebody at the machine was shown by a command, for `Looks.record` before it is printed."""
    return Look(
        looked_at=now,
        actor=ACTOR,
        role=ACTOR,
        merchant=merchant,
        permission=permission,
        method="CLI",
        route=f"tillroll {command}",
        path=f"tillroll {command}",
        parameters=orjson.dumps(parameters).decode(),
        status=200,
        outcome="answered",
        rows=rows,
    )


def _moment(text: str) -> datetime | None:
    """A day or a time; one without a zone is in UTC."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NoTime(f"{text} is no time: write 2026-05-04 or 2026-05-04T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _said(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return "" if value is None else str(value)
