"""What does it cost that the log is sealed? Appends beside the sealer and without it, sealing a million, a
proof.

Appends of three events of 300 bytes, as in `append`, by one process on two logs of one server: one that a
sealer process follows, copies to a directory included, and one that nobody does. While the other is measured,
the sealer is stopped. Then a log of a million events is sealed from the first one on, and proofs are read
from its tiles, one after the other, each with its checkpoint and checked before it is given, as the API does.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

import psycopg

from eventstore.postgres import PostgresLog, make_pool
from eventstore.statements import Pool
from services.audit.proofs import prove_consistency, prove_inclusion, read_signed, read_state
from services.audit.tiles import Connection
from services.embedded import PostgresServer
from tests.benchmarks.crew import crew, python_worker
from tests.benchmarks.databases import make_database, serving
from tests.benchmarks.history import settle
from tests.benchmarks.report import Report
from tests.benchmarks.sealing import sealing
from tests.benchmarks.shapes import EVENTS

WRITERS = (8, 128)
ROUNDS, SECONDS = 9, 3.0
"""Long enough for several checkpoints."""
LOG_EVENTS, PROOFS = 1_000_000, 2_000
GOAL_APPENDS, GOAL_PROOF_MS = 0.95, 5.0
_BRING = """
INSERT INTO events
SELECT n, 'order-' || n, 1, 'OrderPlaced', 1, decode(repeat(md5(n::text), 18), 'hex'), 'm1', 'c', 'c', '{}',
       uuidv7(), now(), now(), sha256(n::text::bytea)
FROM generate_series(%s::bigint, %s::bigint) AS n
"""
PAGE, SETTLE_SECONDS = 50_000, 2.5


async def run(report: Report) -> None:
    rounds, seconds = report.options.rounds or ROUNDS, report.options.seconds or SECONDS
    events = report.options.events or LOG_EVENTS
    async with serving(report.directory / "seal") as server:
        appends, waited = await _measure_appends(report, server, rounds, seconds)
        database = make_database(server, "million")
        _bring(report, database, events)
        async with await PostgresLog.connect(database) as log, make_pool(database, max_size=3) as pool:
            costs = await _seal(log, pool, report.directory / "million", events)
            proofs = await _measure_proofs(pool, events)
    _tell(report, appends, waited, costs, proofs, events)
    report.figures["seal"] = {
        "unit": f"appends of {EVENTS} events a second, {rounds} rounds of {seconds} s; ms a proof",
        "appends": {name: [round(rate) for rate in rates] for name, rates in appends.items()},
        "waited_s_max": round(waited, 2),
        "log_events": events,
        "events_a_second": {name: round(events / cost.seconds) for name, cost in costs.items()},
        "cpu_us_an_event": {name: round(1e6 * cost.cpu / events, 2) for name, cost in costs.items()},
        "proofs_ms": {name: [round(each, 3) for each in times] for name, times in proofs.items()},
    }


async def _measure_appends(
    report: Report, server: PostgresServer, rounds: int, seconds: float
) -> tuple[dict[str, list[float]], float]:
    """Appends a second, by who was there and how many writers; how long an event waited for its checkpoint at
    most."""
    figures: defaultdict[str, list[float]] = defaultdict(list)
    progress = report.progress("seal: appends", rounds * len(WRITERS))
    urls = {name: make_database(server, name) for name in ("sealed", "alone")}
    async with (
        crew("sealed", python_worker("ours", urls["sealed"]), report.directory) as beside,
        crew("alone", python_worker("ours", urls["alone"]), report.directory) as alone,
        _sealer(urls["sealed"], report.directory / "sealed") as sealer,
    ):
        for number in range(rounds):
            for writers in WRITERS:
                for name, at_work in (("sealed", beside), ("alone", alone))[:: 1 if number % 2 else -1]:
                    sealer.send_signal(signal.SIGCONT if name == "sealed" else signal.SIGSTOP)
                    figures[f"{name} {writers}"].append(await at_work.measure(1, writers, seconds))
                    if name == "sealed":
                        await asyncio.sleep(SETTLE_SECONDS)  # all is sealed before the sealer is stopped
                progress.advance()
        sealer.send_signal(signal.SIGCONT)
        async with make_pool(urls["sealed"], max_size=1) as pool, pool.connection() as connection:
            waited = (await read_state(connection)).waited_s_max
    return figures, waited


@asynccontextmanager
async def _sealer(database_url: str, directory: Path) -> AsyncIterator[Process]:
    command = (sys.executable, "-m", "tests.benchmarks.sealing", database_url, str(directory))
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"up\n", "the sealer did not begin"
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


def _bring(report: Report, database: str, events: int) -> None:
    progress = report.progress("seal: log written", events)
    with psycopg.connect(database, autocommit=True) as connection:
        for first in range(1, events + 1, PAGE):
            connection.execute(_BRING.encode(), (first, min(first + PAGE - 1, events)))
            progress.at(first)
        settle(connection)


async def _seal(log: PostgresLog, pool: Pool, directory: Path, events: int) -> dict[str, Cost]:
    """Of sealing all events, and of copying the tiles out page by page, as the process does."""
    sealer, copies = await sealing(pool, log, directory)
    costs = {"sealing": Cost(), "copying": Cost()}
    more = True
    while more:
        with costs["sealing"].measured():
            more = await sealer.seal()
        with costs["copying"].measured():
            while await copies.copy():
                pass
    assert sealer.size == events
    return costs


@dataclass
class Cost:
    """Seconds, and those of CPU of this process."""

    seconds: float = 0.0
    cpu: float = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        started, cpu = time.perf_counter(), time.process_time()
        yield
        self.seconds += time.perf_counter() - started
        self.cpu += time.process_time() - cpu


async def _measure_proofs(pool: Pool, events: int) -> dict[str, list[float]]:
    """Milliseconds of each proof."""
    random = Random(1)

    async def inclusion(connection: Connection) -> None:
        signed = await read_signed(connection)
        assert signed
        await prove_inclusion(connection, random.randint(1, events), signed)

    async def consistency(connection: Connection) -> None:
        first = await read_signed(connection, random.randint(1, events - 1))
        second = await read_signed(connection)
        assert first
        assert second
        await prove_consistency(connection, first, second)

    async with pool.connection() as connection:
        return {
            "inclusion": await _timed(inclusion, connection),
            "consistency": await _timed(consistency, connection),
        }


async def _timed(prove: Callable[[Connection], Awaitable[None]], connection: Connection) -> list[float]:
    times = []
    for _ in range(PROOFS):
        started = time.perf_counter()
        await prove(connection)
        times.append((time.perf_counter() - started) * 1000)
    return times


def _tell(
    report: Report,
    appends: dict[str, list[float]],
    waited: float,
    costs: dict[str, Cost],
    proofs: dict[str, list[float]],
    events: int,
) -> None:
    rows = []
    for writers in WRITERS:
        beside, alone = appends[f"sealed {writers}"], appends[f"alone {writers}"]
        ratios = [a / b for a, b in zip(beside, alone, strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        rows.append(
            (str(writers), f"{median(beside):,.0f}", f"{median(alone):,.0f}", f"{median(ratios):.3f}", spread)
        )
        report.goal(f"appends at {writers} writers, sealed / not", median(ratios), GOAL_APPENDS)
    head = ("writers", "sealed", "not sealed", "ratio", "ratios of rounds")
    report.table(f"Appends of {EVENTS} events a second", head, rows)
    report.note(f"An event waited {waited:.2f} s for its checkpoint at most.")
    figures = [(name, f"{median(times):.2f}", f"{_p99(times):.2f}") for name, times in proofs.items()]
    report.table(f"Proofs in a log of {events:,} events, ms", ("proof", "median", "p99"), figures)
    made = [(name, f"{events / c.seconds:,.0f}", f"{1e6 * c.cpu / events:.2f}") for name, c in costs.items()]
    report.table(f"All of {events:,} events", ("", "events a second", "us of CPU an event"), made)
    report.goal("inclusion proof, ms", median(proofs["inclusion"]), GOAL_PROOF_MS, at_most=True)


def _p99(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100]
