"""How does `tillroll` print? Failures in one line, addresses, progress with rate and ETA.

Every command imports this first: so it imports what it prints with, and little more.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from eventstore.log import EpochChanged, LogUnavailable
from eventstore.schema import MigrationChanged
from services.embedded import ServerFailed, Unreachable
from services.settings import NotRunning, Settings, wrong_settings

console = Console(stderr=True)
"""Where progress is told, and what a person should know on the way."""
results = Console()
"""Where a command's answer goes: standard output, so that it can be kept apart from the rest."""
LINE_SECONDS = 60.0
EXPECTED = (NotRunning, Unreachable, ServerFailed, EpochChanged, LogUnavailable, MigrationChanged)


def report_failure(error: Exception) -> int:
    """Print an expected failure as one line and give the exit code; raise what is a bug of ours."""
    if isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        return report_failure(error.exceptions[0])
    if isinstance(error, EXPECTED) or getattr(error, "expected", False):
        print(f"tillroll: {error}", file=sys.stderr)
        return 2
    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        print(f"tillroll: {wrong_settings(error)}", file=sys.stderr)
        return 2
    raise error


class RateColumn(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="cyan")


@contextmanager
def progressing() -> Iterator[Progress]:
    """A progress bar with rate and ETA on standard error; a line a minute where that is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        if console.is_terminal:
            yield progress
        else:
            with _told_in_lines(progress, LINE_SECONDS):
                yield progress


@contextmanager
def _told_in_lines(progress: Progress, seconds: float) -> Iterator[None]:
    """A file or a pipe shows no bar: there, where each task stands is printed every so many seconds."""
    ended = Event()

    def tell() -> None:
        while not ended.wait(seconds):
            for task in progress.tasks:
                if not task.finished:
                    print(_line(task), file=sys.stderr, flush=True)

    telling = Thread(target=tell, daemon=True)
    telling.start()
    try:
        yield
    finally:
        ended.set()
        telling.join()


def _line(task: Task) -> str:
    so_far = f"{task.description}: {task.completed:,.0f} of {task.total or 0:,.0f}"
    left = task.time_remaining
    return so_far if left is None else f"{so_far}, {task.speed or 0:,.2f}/s, {left:,.0f} s left"


@contextmanager
def telling_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A function to be told (what, done, of how many); each `what` has a bar of its own."""
    with progressing() as progress:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield tell


def counted(number: int, what: str) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def plain(text: object) -> str:
    """For a terminal: nothing in it is markup of ours, and no control character gets through."""
    return escape("".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(text)))


def print_addresses(settings: Settings) -> None:
    """Where everything is."""
    table = Table(title="Tillroll is up", show_header=False, title_justify="left")
    api = f"http://{settings.api_host}:{settings.api_port}"
    table.add_row("API", api)
    table.add_row("API documents", f"{api}/docs")
    table.add_row("payment world", str(settings.payment_url))
    table.add_row("carrier world", str(settings.carrier_url))
    table.add_row("data", str(settings.data_dir.absolute()))
    table.add_row("logs", str(settings.data_dir.absolute() / "logs"))
    console.print(table)
    console.print("In another terminal, so that `.venv/bin/tillroll status` finds it:")
    console.print(f"export TILLROLL_DATA_DIR={settings.data_dir.absolute()}", soft_wrap=True, markup=False)
