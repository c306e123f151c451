"""`python -m tests.misbehave --orders 10000`.

Exit code 0 only if nothing was charged or shipped twice, no order is stuck, and reconciliation finds what was
planted. The data of a run with problems stays where its last line says.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.misbehave.run import misbehave

PROBLEMS_SHOWN = 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.misbehave", description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=0.1, help="of each kind of fault")
    parser.add_argument("--seed", type=int, default=1, help="of the faults and the orders")
    parser.add_argument("--per-second", type=float, default=20.0, help="orders placed, at most")
    given = parser.parse_args()
    os.environ["TILLROLL_RATE_PRINCIPAL"] = os.environ["TILLROLL_RATE_ADDRESS"] = "1000000 per minute"
    data_dir = Path(tempfile.mkdtemp(prefix="tillroll-misbehave-"))
    started = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {what}", flush=True)

    done = misbehave(
        data_dir, given.orders, rate=given.rate, seed=given.seed, per_second=given.per_second, say=say
    )
    for name, count in sorted(done.ends.items()):
        say(f"{count:7,} orders {name}")
    for name, count in sorted(done.events.items()):
        say(f"{count:7,} {name}")
    say(f"reconciliation found {done.found}")
    for problem in done.problems[:PROBLEMS_SHOWN]:
        say(f"PROBLEM {problem}")
    say(f"{len(done.problems)} problems: see {data_dir}" if done.problems else "clean")
    if not done.problems:
        shutil.rmtree(data_dir)
    return 1 if done.problems else 0


if __name__ == "__main__":
    sys.exit(main())
