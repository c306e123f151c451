"""How many appends a second, beside what the table could take at most and beside others?

Appends of three events of 300 bytes to a new stream, at several numbers of concurrent writers in one
process and in two, each of whom waits for its answer before it sends the next. All on one Postgres with
fsync on (UmaDB on its own server, durable as it comes), in interleaved rounds; figures are medians of the
rounds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median

from services.embedded import PostgresServer
from tests.benchmarks.ceilings import Batched, Ready
from tests.benchmarks.crew import crew, python_worker
from tests.benchmarks.databases import make_database, serving
from tests.benchmarks.node_packages import NodeMissing, install_message_db, install_packages, node_worker
from tests.benchmarks.pgbench import CONNECTIONS_MAX, Pgbench, pgbench_is_there
from tests.benchmarks.report import Report
from tests.benchmarks.shapes import EVENTS
from tests.benchmarks.umadb_server import umadb_server

BEFORE_CEILINGS = ((1, 1), (8, 2), (8, 1), (32, 2), (32, 1), (128, 2), (128, 1))
AFTER_CEILINGS = ((512, 1), (512, 2))
"""(writers, processes); the cell that the goals are of comes next to what it is held against."""
CELLS = sorted((*BEFORE_CEILINGS, *AFTER_CEILINGS))
ROUNDS, SECONDS = 5, 0.6
CEILING_BATCHES = 40
RIVALS = {
    "library": "the library",
    "umadb": "UmaDB",
    "message_db": "message-db",
    "emmett": "Emmett",
    "pgbench": "pgbench",
}
CEILINGS = {"batched": "batched", "ready": "ready-made", "copy": "COPY"}

Figures = dict[str, list[float]]
Measure = Callable[[int, int, float], Awaitable[float]]
"""(processes, writers, seconds) -> appends a second"""


@dataclass(slots=True)
class Field:
    """Who takes part. `absent` says why somebody doesn't."""

    rivals: dict[str, Measure] = field(default_factory=dict)
    ceilings: dict[str, Batched | Ready] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


async def run(report: Report) -> None:
    rounds, seconds = report.options.rounds or ROUNDS, report.options.seconds or SECONDS
    async with serving(report.directory / "append") as server, _field(report, server) as entered:
        figures = await _measure(report, entered, rounds, seconds)
    _tell(report, figures, entered.absent)
    report.figures["append"] = {
        "unit": f"appends of {EVENTS} events a second, medians of {rounds} rounds of {seconds} s",
        "medians": {name: round(median(rates)) for name, rates in figures.items()},
        "rounds": {name: [round(rate) for rate in rates] for name, rates in figures.items()},
        "absent": entered.absent,
    }


@asynccontextmanager
async def _field(report: Report, server: PostgresServer) -> AsyncIterator[Field]:
    found = Field()
    async with AsyncExitStack() as stack:
        addresses = {
            "ours": make_database(server, "ours"),
            "library": make_database(server, "library", migrated=False),
            "umadb": await stack.enter_async_context(umadb_server(report.directory / "umadb")),
        }
        for name, address in addresses.items():
            workers = crew(name, python_worker(name, address), report.directory)
            found.rivals[name] = (await stack.enter_async_context(workers)).measure
        await _enter_node(report, server, stack, found)
        _enter_pgbench(report, server, found)
        found.ceilings = {
            "batched": Batched(make_database(server, "batched")),
            "ready": Ready(make_database(server, "ready")),
            "copy": Ready(make_database(server, "copy"), copy=True),
        }
        for each in found.ceilings.values():
            stack.push_async_callback(each.close)
        yield found


async def _enter_node(report: Report, server: PostgresServer, stack: AsyncExitStack, found: Field) -> None:
    try:
        packages = await install_packages()
    except NodeMissing as missing:
        found.absent |= {"message_db": str(missing), "emmett": str(missing)}
        return
    for name in ("message_db", "emmett"):
        database_url = make_database(server, name, migrated=False)
        if name == "message_db":
            install_message_db(database_url, packages)
        workers = crew(name, node_worker(name, database_url), report.directory, cwd=packages)
        found.rivals[name] = (await stack.enter_async_context(workers)).measure


def _enter_pgbench(report: Report, server: PostgresServer, found: Field) -> None:
    if not pgbench_is_there():
        found.absent["pgbench"] = "pgbench is not on this machine"
        return
    pgbench = Pgbench(make_database(server, "pgbench"), report.directory)

    async def measure(processes: int, writers: int, seconds: float) -> float:
        return await pgbench.measure(writers, seconds)

    found.rivals["pgbench"] = measure


async def _measure(report: Report, entered: Field, rounds: int, seconds: float) -> Figures:
    figures: Figures = defaultdict(list)
    progress = report.progress("append", rounds * (len(CELLS) * len(entered.rivals) + len(entered.ceilings)))
    for measure in entered.rivals.values():
        await measure(1, 8, 0.2)  # warm

    async def measure_cells(cells: tuple[tuple[int, int], ...]) -> None:
        for writers, processes in cells:
            for name, measure in entered.rivals.items():
                if name != "pgbench" or processes == 1:  # it is one process of several threads
                    figures[_key(name, writers, processes)].append(await measure(processes, writers, seconds))
                progress.advance()

    for _ in range(rounds):
        await measure_cells(BEFORE_CEILINGS)
        for name, ceiling in entered.ceilings.items():
            figures[name].append(await ceiling.measure(CEILING_BATCHES))
            progress.advance()
        await measure_cells(AFTER_CEILINGS)
    return figures


def _key(name: str, writers: int, processes: int) -> str:
    return f"{name} {writers}x{processes}"


def _ratio(figures: Figures, writers: int, processes: int, other: str) -> float | None:
    """Ours in units of another's: the median of each round's own ratio, since a machine's mood changes."""
    ours = figures[_key("ours", writers, processes)]
    theirs = figures.get(other) or figures.get(_key(other, writers, processes))
    return median(a / b for a, b in zip(ours, theirs, strict=True)) if theirs else None


def _tell(report: Report, figures: Figures, absent: dict[str, str]) -> None:
    rates, ratios = [], []
    for writers, processes in CELLS:
        cell = f"{writers} in {processes}"
        found = [figures.get(_key(name, writers, processes)) for name in ("ours", *RIVALS)]
        rates.append((cell, *(f"{median(each):,.0f}" if each else "-" for each in found)))
        units = [_ratio(figures, writers, processes, name) for name in (*RIVALS, *CEILINGS)]
        ratios.append((cell, *(f"{each:.2f}" if each else "-" for each in units)))
    head = ("writers in processes", "ours", *RIVALS.values())
    report.table(f"Appends of {EVENTS} events a second", head, rates)
    report.table("Ours in units of the others'", (head[0], *RIVALS.values(), *CEILINGS.values()), ratios)
    batched, ready, copy = (median(figures[name]) * EVENTS for name in CEILINGS)
    report.note(
        "Batched inserts of 1,000 rows a statement on two connections, in rows a second: encoded and hashed"
        f" as ours are {batched:,.0f}, of ready-made bytes {ready:,.0f}; COPY of those {copy:,.0f}."
        f" pgbench has at most {CONNECTIONS_MAX} clients."
    )
    for name, why in absent.items():
        report.note(f"Not measured: {RIVALS[name]}, since {why}")
    _hold_against_goals(report, figures)


def _hold_against_goals(report: Report, figures: Figures) -> None:
    for other, wanted in {"batched": 0.65, "umadb": 2.0, "library": 25.0}.items():
        found = _ratio(figures, 128, 1, other)
        assert found is not None
        name = RIVALS.get(other) or "batched inserts"
        report.goal(f"appends at 128 writers, in units of {name}", found, wanted)
