"""How fast is it, beside others in one run? `python -m tests.benchmarks [SUITE ...]`.

A suite is a module here with `async def run(report: Report) -> None`, named in `SUITES`.
"""

from __future__ import annotations

import gc
import importlib
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from tests.benchmarks.report import Report

SUITES = ("append", "flow", "doors")


async def _run(suites: tuple[str, ...]) -> None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tillroll-bench-") as directory:
        report = Report(Path(directory))
        for name in suites:
            await importlib.import_module(f"tests.benchmarks.{name}").run(report)
    report.print_goals()
    report.figures["seconds"] = time.monotonic() - started
    report.write(Path("build/bench.json"))
    report.say(f"build/bench.json written after {report.figures['seconds']:.0f} s")


if __name__ == "__main__":
    # the loop that the processes of the system run on
    # as our processes run, and a help to every client here: what lives long has no cycles
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    uvloop.run(_run(tuple(sys.argv[1:]) or SUITES))
