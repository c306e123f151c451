"""`tillroll status`: what runs, how far each follower is behind the log, and what waits."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from rich.table import Column, Table

from eventstore.checkpoints import read_checkpoints
from eventstore.partitions import Partitions
from services.audit.proofs import Halt, read_halt
from services.console import results
from services.context import ProcessContext, open_context
from services.runfile import read_run
from services.settings import Settings

_WAITING = """
SELECT (SELECT count(*) FROM provider_calls), (SELECT count(*) FROM webhook_inbox WHERE matched_at IS NULL),
       (SELECT count(*) FROM deadlines), (SELECT count(*) FROM parked)
"""


@dataclass(frozen=True, slots=True)
class Status:
    """`followers` hold, for each range of partitions: follower, first_partition, last_partition, position,
    done, alive, moved_at, worker, behind (events)."""

    log: str
    head: int
    processes: dict[str, Any]
    followers: list[dict[str, Any]]
    waiting: dict[str, int]
    halt: Halt | None = None
    """The sealer found the log altered."""


async def read_status(context: ProcessContext) -> Status:
    head = await context.log.head()
    followers = await read_checkpoints(context.pool)
    async with context.pool.connection() as connection:
        row = await (await connection.execute(_WAITING)).fetchone()
        halt = await read_halt(connection)
    assert row is not None
    run = read_run(context.settings.data_dir)
    return Status(
        log=context.log.identity.name,
        head=head,
        processes=run.processes if run else {},
        followers=[{**each, "behind": max(0, head - each["position"])} for each in followers],
        waiting=dict(zip(("provider_calls", "webhooks", "deadlines", "parked"), row, strict=True)),
        halt=halt,
    )


async def show_status(settings: Settings, *, as_json: bool) -> int:
    """0 if every process and follower is alive, nothing is parked, and the log is as it was sealed."""
    async with open_context(settings, "status", follow=False) as context:
        status = await read_status(context)
    if as_json:
        sys.stdout.write(orjson.dumps(status).decode() + "\n")
    else:
        _show(status)
    alive = all(each["alive"] for each in (*status.followers, *status.processes.values()))
    return 0 if alive and not status.waiting["parked"] and not status.halt else 1


def _show(status: Status) -> None:
    now = datetime.now(UTC)
    results.print(f"log {status.log}, head {status.head:,}")
    if status.halt:
        found = f"{status.halt.reason} ({ago(now - status.halt.at)})"
        results.print(f"THE LOG WAS ALTERED at position {status.halt.position}: {found}", style="red")
    table = Table("process", "pid", "restarts", "alive")
    for name, each in status.processes.items():
        table.add_row(name, str(each["pid"]), str(each["restarts"]), _sign(each["alive"]))
    results.print(table)
    results.print(followers_table(status.followers, now))
    results.print(
        ", ".join(f"{count:,} {what.replace('_', ' ')} waiting" for what, count in status.waiting.items())
    )


def followers_table(followers: list[dict[str, Any]], now: datetime) -> Table:
    """Without frames, so that it fits into 80 columns."""
    named = Column("follower", no_wrap=True)  # it is copied into other commands
    table = Table(
        named, "part", "worker", "position", "behind", "up", "moved", box=None, padding=(0, 1, 0, 0)
    )
    for each in followers:
        table.add_row(
            each["follower"],
            str(Partitions(each["first_partition"], each["last_partition"])),
            each["worker"] or "",
            f"{each['position']:,}",
            f"{each['behind']:,}",
            _sign(each["alive"]),
            ago(now - each["moved_at"]),
        )
    return table


def ago(age: timedelta) -> str:
    """In the largest unit of which there is one: "8 s ago". Clocks may differ: it is never less than 0 s."""
    seconds = max(0, round(age.total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def _sign(alive: Any) -> str:
    return "[green]yes[/]" if alive else "[red]no[/]"
