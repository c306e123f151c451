"""`tillroll simulate`: histories of the whole system under seeds; what was wrong with those that failed."""

from __future__ import annotations

import gc
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields
from datetime import timedelta
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path

import orjson
from rich.table import Table

from services.collector import spare_the_collector
from services.console import console, progressing, results
from services.simulation.export import exported
from services.simulation.faults import PRESETS, Faults
from services.simulation.plan import Plan
from services.simulation.run import Outcome, simulate
from services.simulation.shorten import TRIES_MAX, shortened

SHOWN_MAX = 10
SHORTEN_SECONDS_MAX = 120.0
"""Of real time: what is the shortest by then is told."""


class UnknownFaults(ValueError):
    """There are no such faults."""

    expected = True


class NowhereToExport(ValueError):
    """The file can't be written."""

    expected = True


class WorkerDied(RuntimeError):
    """A process that played histories is gone, with the history it was in."""

    expected = True


@dataclass(frozen=True, slots=True)
class Asked:
    """What to simulate; `faults` in the words of the command line."""

    orders: int
    faults: str


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one history, without its events."""

    seed: int
    digest: str
    events: int
    steps: int
    deaths: int
    seconds: float
    violations: tuple[str, ...]


def summary_of(seed: int, asked: Asked) -> Summary:
    """Play the history, and leave nothing of it in memory: hundreds follow in the same process."""
    outcome = simulate(seed, asked.orders, Faults.parse(asked.faults))
    summary = Summary(
        seed,
        outcome.digest,
        len(outcome.events),
        outcome.steps,
        outcome.deaths,
        outcome.seconds,
        tuple(outcome.violations),
    )
    del outcome
    gc.collect()  # processes and their broker know each other: cycles, of 30 MB a history
    return summary


def run_simulations(
    asked: Asked,
    seeds: range,
    *,
    jobs: int,
    export: Path | None,
    as_json: bool,
    minutes: float | None = None,
) -> int:
    """0 if all histories are as they must be, else 1. None begins once the `minutes` are over."""
    try:
        Faults.parse(asked.faults)
    except ValueError as error:
        raise UnknownFaults(str(error)) from None
    if export:
        _check_place(export)
    found: list[Summary] = []
    with progressing() as progress:
        bar = progress.add_task("histories", total=len(seeds))
        for each in _summaries(asked, _while_there_is_time(seeds, minutes), min(jobs, len(seeds))):
            found.append(each)
            if each.violations:  # at once: the run may be ended before it is over
                progress.console.print(f"seed {each.seed} failed: {each.violations[0]}", markup=False)
            failed = sum(bool(one.violations) for one in found)
            progress.update(
                bar, advance=1, description=f"histories ({failed} failed)" if failed else "histories"
            )
    found.sort(key=lambda each: each.seed)
    failed_ones = [each for each in found if each.violations]
    if as_json:
        sys.stdout.write(orjson.dumps(found).decode() + "\n")
    else:
        _tell(asked, found, failed_ones)
    if len(found) < len(seeds):
        (console if as_json else results).print(
            f"the {minutes:g} minutes were over before {len(seeds) - len(found):,} more histories"
        )
    if failed_ones and (export or not as_json):
        _tell_shortest(asked, failed_ones[0].seed, export, quiet=as_json)
    elif export:
        console.print(f"nothing failed: {export} is not written", markup=False)
    return 1 if failed_ones else 0


def _check_place(export: Path) -> None:
    """Before hours are spent on what goes there."""
    place = export if export.exists() else export.parent
    if export.is_dir() or not os.access(place, os.W_OK):
        raise NowhereToExport(f"{export} can't be written: name a file in a directory that is there")


def _while_there_is_time(seeds: range, minutes: float | None) -> Iterator[int]:
    """The first always: who has no time at all has asked for something all the same."""
    until = math.inf if minutes is None else time.monotonic() + 60 * minutes
    for seed in seeds:
        if seed != seeds.start and time.monotonic() > until:
            return
        yield seed


def _summaries(asked: Asked, seeds: Iterable[int], jobs: int) -> Iterator[Summary]:
    """As they are done. A seed is taken when a process is free for it."""
    if jobs == 1:
        yield from (summary_of(seed, asked) for seed in seeds)
        return
    spawn = get_context("spawn")
    waiting = iter(seeds)
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_begin_worker) as pool:
        try:
            running = {pool.submit(summary_of, seed, asked) for seed in islice(waiting, jobs)}
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
                running |= {pool.submit(summary_of, seed, asked) for seed in islice(waiting, len(done))}
        except BrokenProcessPool:
            raise WorkerDied(
                "a process that played histories was ended from outside (for its memory?): what it played is"
                " not told; run it again, with fewer --jobs if memory is short"
            ) from None


def _begin_worker() -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    spare_the_collector()


def _end_with_parent() -> None:
    """A pool's processes play on when their parent is killed."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def tell_faults() -> None:
    """What goes wrong, by name, and how often in each of the presets."""
    presets = [name for name in PRESETS if name != "none"]
    table = Table("rate", "what", *presets, title="--faults mild, or all,crash=0.1, or none,loss=0.5")
    for each in fields(Faults):
        table.add_row(
            each.name, each.metadata["what"], *(f"{PRESETS[name][each.name]:g}" for name in presets)
        )
    results.print(table)


def _tell(asked: Asked, found: list[Summary], failed: list[Summary]) -> None:
    events, deaths = sum(each.events for each in found), sum(each.deaths for each in found)
    simulated = timedelta(seconds=round(sum(each.seconds for each in found)))
    histories = "1 history" if len(found) == 1 else f"{len(found):,} histories"
    results.print(
        f"{histories} of {asked.orders:,} orders under faults {asked.faults}: {events:,} events,"
        f" {deaths:,} deaths of processes, {simulated} of simulated time; {len(failed):,} failed"
    )
    if len(found) == 1:
        results.print(f"history {found[0].digest}")
    for each in failed[:SHOWN_MAX]:
        results.print(f"seed {each.seed}:", style="red")
        again = f"tillroll simulate --seed {each.seed} --orders {asked.orders} --faults {asked.faults}"
        results.print(f"  again: {again}", markup=False, highlight=False)
        for violation in each.violations[:SHOWN_MAX]:
            results.print(f"  {violation}", markup=False, highlight=False)


def _tell_shortest(asked: Asked, seed: int, export: Path | None, *, quiet: bool) -> None:
    """Shorten the first failing history, print it, and write it down as a test."""
    with progressing() as progress:
        bar = progress.add_task(f"shortening seed {seed}: smaller histories", total=TRIES_MAX)
        outcome = shortest_of(seed, asked, lambda: progress.advance(bar))
    if not quiet:
        results.print(f"\nseed {seed}, shortened to {len(outcome.plan.orders)} orders:")
        for event in outcome.events:
            line = f"  {event.position:>5} {event.stream} {event.version} {event.type}"
            results.print(line, markup=False, highlight=False)
        for violation in outcome.violations[:SHOWN_MAX]:
            results.print(f"  {violation}", style="red", markup=False, highlight=False)
    if export:
        export.write_text(exported(outcome, asked.faults))
        results.print(f"written to {export}: move it to tests/simulation/ and run it with pytest")


def shortest_of(seed: int, asked: Asked, tried: Callable[[], None] = lambda: None) -> Outcome:
    """The failing history made as short as can be in so many tries, and in some time."""
    faults = Faults.parse(asked.faults)
    whole = simulate(seed, asked.orders, faults)
    until = time.monotonic() + SHORTEN_SECONDS_MAX

    def fails(plan: Plan) -> bool:
        tried()
        return time.monotonic() < until and not simulate(seed, faults=faults, plan=plan).passed

    return simulate(seed, faults=faults, plan=shortened(whole.plan, fails))
