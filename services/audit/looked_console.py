"""`tillroll looked`: who looked at what, as an operator sees it at the machine; which is a look itself, as is
every command that reads as an auditor."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from eventstore.postgres import make_pool
from eventstore.seams import WallClock
from services.access.console import ACTOR
from services.audit.looked import Looks, Wanted, told
from services.console import counted, plain, results
from services.embedded import check_database
from services.settings import Settings
from services.web.looked import VALUE_MAX, Look, NotRecorded, Outcome


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
        words = words_of(since=asked.since, until=asked.until, actor=asked.actor, limit=asked.limit)
        look = console_look(clock.now(), "looked", "looks:read", words, asked.merchant, len(rows))
        await looks.record(look)
    if as_json:
        sys.stdout.write(orjson.dumps(rows).decode() + "\n")
        return
    for row in rows:
        results.print(_line(row), soft_wrap=True, highlight=False)
    if not rows:
        results.print("nobody looked")


def _line(row: dict[str, Any]) -> str:
    """All of it, however wide the terminal is, or what reads it: who, at what, and what came of it."""
    parameters = " ".join(f"{name}={orjson.dumps(value).decode()}" for name, value in row["parameters"])
    who = row["actor"] if row["role"] == row["actor"] else f"{row['actor']} ({row['role']})"
    where = f" of {row['merchant']}" if row["merchant"] else ""
    seen = "" if row["rows"] is None else f", {counted(row['rows'], 'row')}"
    what = " ".join(filter(None, (row["method"].replace("CLI", ""), row["path"], parameters)))
    end = f"{row['outcome']} {row['status']}" if row["method"] != "CLI" else row["outcome"]
    at = f"{row['looked_at']:%Y-%m-%d %H:%M:%S}"
    return f"[cyan]{at}[/] [bold]{plain(who)}[/]{plain(where)}: {plain(what)}: {plain(end)}{seen}"


class NothingShown(Exception):
    """The look can't be recorded; the message says why."""

    expected = True


@dataclass(slots=True)
class Shown:
    """How many rows a command has printed, or written to a file."""

    rows: int = 0


@asynccontextmanager
async def looking(
    settings: Settings, command: str, words: list[list[str]], merchant: str = ""
) -> AsyncIterator[Shown]:
    """A command that reads as an auditor: on record before it shows anything, and once more at its end.

    Raises NothingShown, Unreachable.
    """
    url, clock = settings.url("access"), WallClock()
    await check_database(url, "TILLROLL_ACCESS_URL" if settings.access_url else "TILLROLL_DATABASE_URL")
    async with make_pool(url, max_size=1) as pool, Looks(pool, clock).running() as looks:
        try:
            look = console_look(clock.now(), command, "audit:read", words, merchant, None)
            number = await looks.record(look)
        except NotRecorded as error:
            told = f"who looks is recorded, and can't be just now ({error}); so nothing is shown"
            raise NothingShown(told) from None
        shown = Shown()
        outcome: Outcome = "broken off"
        try:
            yield shown
            outcome = "answered"
        except Exception as error:
            outcome = "refused" if getattr(error, "expected", False) else "failed"
            raise
        finally:
            await looks.end(number, outcome, shown.rows)


def words_of(**given: Any) -> list[list[str]]:
    """What was said on the command line, by names; what is empty was not."""
    said = {
        name: str(value) for name, value in given.items() if value not in (None, "") and value is not False
    }
    return [[name.rstrip("_"), value[:VALUE_MAX]] for name, value in said.items()]


def console_look(
    now: datetime, command: str, permission: str, parameters: list[list[str]], merchant: str, rows: int | None
) -> Look:
    """What somebody at the machine is shown by a command, for `Looks.record` before it is printed; `rows` is
    None while that goes on."""
    return Look(
        looked_at=now,
        actor=f"{ACTOR}:{_account()}",
        role=ACTOR,
        merchant=merchant,
        permission=permission,
        method="CLI",
        route=f"tillroll {command}",
        path=f"tillroll {command}",
        parameters=orjson.dumps(parameters).decode(),
        status=200,
        outcome="begun" if rows is None else "answered",
        rows=rows,
    )


def _account() -> str:
    """Who is at the machine, as the machine knows it: the account that the command runs under, or of who came
    to be root by sudo."""
    uid = os.getuid()
    if uid == 0 and (caller := os.environ.get("SUDO_USER")):
        return caller
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user need have no name
        return str(uid)


def _moment(text: str) -> datetime | None:
    """A day or a time; one without a zone is in UTC."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise NoTime(f"{text} is no time: write 2026-05-04 or 2026-05-04T12:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
