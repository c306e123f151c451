"""How fast is it, beside others in one run? `python -m tests.benchmarks [SUITE ...] [--rounds N] …`.

A suite is a module here with `async def run(report: Report) -> None`, named in `SUITES`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import uvloop

from services.collector import spare_the_collector
from tests.benchmarks.report import Options, Report

SUITES = (
    "append",
    "log",
    "load",
    "rebuild",
    "growth",
    "why",
    "flow",
    "spread",
    "latency",
    "doors",
    "seal",
    "as_of",
    "desk",
    "orders",
    "search",
)
RESULTS = Path("build/bench.json")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; none: all")
    parser.add_argument("--rounds", type=int, help="interleaved rounds, of which medians are taken")
    parser.add_argument("--seconds", type=float, help="of each measurement in a round")
    parser.add_argument("--events", type=int, help="in the log that is read or rebuilt from; orders of flow")
    parser.add_argument(
        "--growth", type=int, default=int(os.environ.get("GROWTH") or 0) or None,
        help="events in the largest log of `growth`; or GROWTH in the environment",
    )  # fmt: skip
    given = parser.parse_args()
    if unknown := set(given.suites).difference(SUITES):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    return given


async def _run(given: argparse.Namespace) -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tillroll-bench-") as directory:
        options = Options(given.rounds, given.seconds, given.events, given.growth)
        report = Report(Path(directory), options)
        for name in given.suites or SUITES:
            await _run_suite(report, name)
    report.print_all()
    report.say(f"{RESULTS} written after {time.monotonic() - started:.0f} s")
    return 1 if report.failed else 0


async def _run_suite(report: Report, name: str) -> None:
    """One suite's failure is told at the end, and is not the others'."""
    report.suite = name
    started = time.monotonic()
    try:
        await importlib.import_module(f"tests.benchmarks.{name}").run(report)
    except Exception as error:  # noqa: BLE001 - shown, and the exit code says so
        report.failed[name] = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
        report.say(traceback.format_exc())
    report.figures.setdefault(name, {})["seconds"] = round(time.monotonic() - started, 1)
    report.write(RESULTS)


if __name__ == "__main__":
    spare_the_collector()
    sys.exit(uvloop.run(_run(_arguments())))
