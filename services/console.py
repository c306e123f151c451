"""What `tillroll` prints: failures in one line, addresses, progress with rate and ETA, verdicts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from threading import Event, Thread

import orjson
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
from eventstore.roles import let_in
from eventstore.schema import MigrationChanged, migrate, read_epoch
from services.audit.erasure_restore import erase_before_serving
from services.audit.notes import Checkpoint
from services.books import Books
from services.context import open_context
from services.demo_people import keep_addresses
from services.embedded import PostgresServer, ServerFailed, Unreachable, check_database, owner_of_embedded
from services.embedded.restoring import end_restore
from services.master_key import refuse_wrong_master_key
from services.runfile import read_run
from services.settings import NotRunning, Settings, wrong_settings
from services.up import running
from services.verify import verify

console = Console(stderr=True)
"""Where progress is told, and what a person should know on the way."""
results = Console()
"""Where a command's answer goes: standard output, so that it can be kept apart from the rest."""
LINE_SECONDS = 60.0
BALANCES_MAX = 50
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


async def stay_up(settings: Settings, *, echo: bool) -> None:
    _tell_who_waits("starting Postgres, NATS, both worlds and our processes: a quarter of a minute or so")
    async with running(settings, echo=echo) as system:
        chosen = await system.start()
        keep_addresses(chosen)
        print_addresses(chosen)
        console.print(
            "To let somebody in:"
            " `.venv/bin/tillroll user add YOU@EXAMPLE.COM --role admin --generate-password`.",
            soft_wrap=True,
        )
        console.print("Ctrl-C stops it.")
        await system.supervisor.run_until_stopped()
        _tell_who_waits("stopping all of it")
    _tell_who_waits("stopped")


def _tell_who_waits(what: str) -> None:
    """A person at a terminal; whoever reads a file or a pipe wants what is to be done something about."""
    if console.is_terminal:
        console.print(what)


@asynccontextmanager
async def _owner(settings: Settings, *, new_epoch: bool) -> AsyncIterator[str]:
    """The address of who owns the schema; an embedded Postgres that does not run does so meanwhile."""
    database_url = settings.database_url or owner_of_embedded(settings.data_dir)
    if not database_url:
        raise NotRunning("set TILLROLL_DATABASE_URL, or start `tillroll up`, which migrates by itself")
    if settings.database_url or read_run(settings.data_dir):
        yield database_url
        return
    server = PostgresServer(settings.data_dir, ends_restore=new_epoch)
    try:
        yield await server.start()
        if new_epoch:
            end_restore(settings.data_dir / "postgres")
    finally:
        await server.stop()


async def migrate_database(settings: Settings, *, new_epoch: bool, as_json: bool) -> None:
    async with _owner(settings, new_epoch=new_epoch) as database_url:
        settings = settings.of_owner(database_url)
        await check_database(database_url)
        await refuse_wrong_master_key(settings)
        run = await asyncio.to_thread(migrate, database_url, new_epoch=new_epoch)
        await asyncio.to_thread(let_in, database_url, settings.role_passwords())
        again = await erase_before_serving(settings) if new_epoch else 0
        epoch = await asyncio.to_thread(read_epoch, database_url)
    if as_json:
        sys.stdout.write(orjson.dumps({"run": run, "epoch": epoch}).decode() + "\n")
        return
    results.print(f"run: {', '.join(run)}" if run else "the schema is up to date")
    if again:
        results.print(f"erased again: {again:,} people, whose erasure this database had forgotten")
    if new_epoch:
        results.print(f"epoch {epoch} minted: running processes end and are started again in it")


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
