"""One round: a fresh system, trade played through it, faults inflicted meanwhile, and the books at the end.

The next fault comes when the log has grown by so much since the first order, at whatever time that is.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from services.demo_people import let_people_in
from services.settings import Settings
from tests.chaos.faults import KINDS, Fault
from tests.chaos.ground import mount_disk, unmount_disk
from tests.chaos.recovery import Customer, Recovery, recover
from tests.chaos.strikes import inflict
from tests.chaos.system import System, TookTooLong, system, wait_for

EVENTS_AN_ORDER = 14
"""Rather too few than too many, so that the last fault, too, comes in the middle of trade."""
SECONDS_A_FAULT = 14.0
"""About what one lasts, with its recovery and `verify`: trade is played so slowly that it does not end before
them."""
MARK_SECONDS_MAX = 300.0
PLAY_SECONDS_MAX = 900.0
REST_SECONDS_MAX = 60.0
Say = Callable[[str], None]


@dataclass(slots=True)
class Round:
    """What happened: each fault with its recovery, and what is wrong with the books."""

    done: list[tuple[Fault, Recovery]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def play_round(
    data_dir: Path, faults: Sequence[Fault], orders: int, seed: int, say: Say, *, own_ground: bool
) -> Round:
    """Never raises for what the system did: that is told by the round's problems."""
    result = Round()
    if own_ground:
        mount_disk(data_dir / "postgres")
    try:
        with system(data_dir) as running:
            say("Tillroll is up")
            customer = _customer(data_dir)
            _play_with_faults(running, customer, faults, orders, seed, result, say)
            result.problems += _settled(running, customer)
    except (TookTooLong, subprocess.TimeoutExpired) as error:
        result.problems.append(str(error))
    if own_ground:
        unmount_disk(data_dir / "postgres", keep=bool(result.problems))
    return result


def _customer(data_dir: Path) -> Customer:
    known = asyncio.run(let_people_in(Settings.load(data_dir=data_dir)))
    return Customer(known["API"], known["DEMO_KEY"])


def _play_with_faults(
    running: System,
    customer: Customer,
    faults: Sequence[Fault],
    orders: int,
    seed: int,
    result: Round,
    say: Say,
) -> None:
    arguments = ("play", "synthetic", "--orders", str(orders), "--seed", str(seed), "--json")
    pace = ("--per-second", str(orders / (SECONDS_A_FAULT * (len(faults) + 1))))
    step = orders * EVENTS_AN_ORDER // (len(faults) + 1)
    with running.beside("play", *arguments, *pace) as play:
        begun = _first_order(running, play)
        say(f"orders come in from position {begun:,} on")
        for number, fault in enumerate(faults, 1):
            due = begun + number * step
            wait_for(f"the log to reach {due}", partial(_reached, running, play, due), MARK_SECONDS_MAX)
            _fault(running, customer, fault, result, say, f"{number}/{len(faults)}")
        say("the play goes on to its end")
        code = play.wait(timeout=PLAY_SECONDS_MAX)
    result.problems += _played(running.data_dir / "play.out", code, orders)


def _first_order(running: System, play: subprocess.Popen[bytes]) -> int:
    """Where the catalogue ends."""
    found: list[int] = []

    def placed() -> bool:
        rows = running.sql("SELECT min(position) FROM events WHERE type = 'OrderPlaced'")
        found[:] = [position for (position,) in rows if position]
        return bool(found)

    wait_for("the first order", placed, MARK_SECONDS_MAX, play)
    return found[0]


def _reached(running: System, play: subprocess.Popen[bytes], due: int) -> bool:
    """Also if there is nothing more to come: then it is inflicted on a system at rest."""
    return running.head() >= due or play.poll() is not None


def _fault(running: System, customer: Customer, fault: Fault, result: Round, say: Say, number: str) -> None:
    head, lasts = running.head(), f" for {fault.seconds:.1f} s" if fault.seconds else ""
    say(f"{number} at {head:,}: {KINDS[fault.kind].what}: {fault.target}{lasts}")
    try:
        recovery = recover(running, customer, inflict(fault, running))
    except TookTooLong as error:
        raise TookTooLong(f"after {fault.kind} of {fault.target} at {head:,}: {error}") from error
    result.done.append((fault, recovery))
    last = f" (last: {recovery.last})" if recovery.last else ""
    say(f"{number} answers after {recovery.answers:.2f} s, caught up after {recovery.caught_up:.2f} s{last}")
    for problem in _verified(running):
        result.problems.append(f"after {fault.kind} of {fault.target} at {head:,}: {problem}")
        say(f"{number} {problem}")


def _played(out: Path, code: int, orders: int) -> list[str]:
    """What is wrong with how the play ended: a refusal, a checkout that never came to rest, an oracle."""
    if not out.read_text():
        return [f"the play ended with code {code} and no answer: see {out.with_suffix('.err')}"]
    played = json.loads(out.read_text())
    wrong = [f"refused: {refused}" for refused in played["refused"]]
    wrong += [
        f"oracle {each['name']}: expected {each['expected']}, found {each['found']}"
        for each in played["oracles"]
        if not each["good"] and not each["reason"]
    ]
    if played["checkouts"] != orders:
        wrong.append(f"{played['checkouts']} of {orders} checkouts came to rest")
    return wrong


def _verified(running: System) -> list[str]:
    """What `verify` has to say, while trade goes on or when it is over."""
    _, verdict = running.tillroll("verify")
    return [f"verify: {problem}" for problem in verdict["problems"]]


def _settled(running: System, customer: Customer) -> list[str]:
    """What is wrong with a system that has nothing more to do: `verify`, what waits, what came in."""
    head = running.head()
    wait_for(f"all followers to be at {head}", lambda: not running.behind(head), REST_SECONDS_MAX)
    _, status = running.tillroll("status")
    waiting = {what: status["waiting"][what] for what in ("provider_calls", "webhooks", "parked")}
    return [
        *_verified(running),
        *(f"{count} {what} wait" for what, count in waiting.items() if count),
        *(f"{sku} is not there exactly once" for sku in customer.miscounted()),
    ]
