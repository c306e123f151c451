"""`python -m tests.chaos --seed 1 --minutes 10`: rounds of trade with faults, until the time is over.

Exit code 0 only if after every fault the system came back by itself and every round's books are right. The
data of a round that is not clean stays where its last line says.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import orjson
from rich.console import Console

from tests.chaos import ground
from tests.chaos.faults import KINDS, plan, possible_kinds
from tests.chaos.report import TABLE_WIDTH, as_members, show
from tests.chaos.round import Round, play_round

FAULTS_A_ROUND = len(KINDS)


def main() -> int:
    arguments = _arguments()
    own_ground = ground.enter()  # before anything that might start a thread
    console = Console(soft_wrap=True, width=TABLE_WIDTH)
    kinds = [name for name in arguments.only or KINDS if name in possible_kinds(own_ground=own_ground)]
    for name in KINDS.keys() - possible_kinds(own_ground=own_ground):
        console.print(f"[yellow]![/] this machine lets nobody else have a disk or a network: no {name}")
    if not kinds:
        console.print("[red]✗[/] nothing of what was asked for can be done here")
        return 1
    rounds = _rounds(arguments, kinds, console, own_ground=own_ground)
    show(console, rounds)
    clean = all(not each.problems for each in rounds)
    console.print("[green]✓ clean[/]" if clean else "[red]✗ not clean[/]")
    if arguments.report:
        arguments.report.write_bytes(orjson.dumps(as_members(rounds), option=orjson.OPT_INDENT_2))
    return 0 if clean else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the faults, their order and the trade")
    parser.add_argument("--minutes", type=float, default=10.0, help="no round is begun after that")
    parser.add_argument("--orders", type=int, default=1000, help="that are played in a round")
    parser.add_argument("--faults", type=int, default=FAULTS_A_ROUND, help="of a round")
    parser.add_argument("--only", nargs="+", choices=KINDS, help="kinds of faults; all by default")
    parser.add_argument("--keep", action="store_true", help="the data of clean rounds, too")
    parser.add_argument("--report", type=Path, help="a file for the result as JSON")
    return parser.parse_args()


def _rounds(
    arguments: argparse.Namespace, kinds: list[str], console: Console, *, own_ground: bool
) -> list[Round]:
    """Play rounds until the time is over; the faults go on from one to the next."""
    started, faults = time.monotonic(), plan(arguments.seed, kinds)
    rounds: list[Round] = []

    def say(what: str) -> None:
        console.print(f"{time.monotonic() - started:7.1f} s  round {len(rounds) + 1}  {what}", markup=False)

    while not rounds or time.monotonic() - started < 60 * arguments.minutes:
        data_dir = Path(tempfile.mkdtemp(prefix="tillroll-chaos-"))
        seed = arguments.seed * 1_000 + len(rounds)
        chosen = list(islice(faults, arguments.faults))
        say(f"in {data_dir}")
        done = play_round(data_dir, chosen, arguments.orders, seed, say, own_ground=own_ground)
        say(f"not clean: see {data_dir}" if done.problems else "clean")
        for problem in done.problems:
            say(problem)
        rounds.append(done)
        if not (done.problems or arguments.keep):
            shutil.rmtree(data_dir)
    return rounds


if __name__ == "__main__":
    sys.exit(main())
