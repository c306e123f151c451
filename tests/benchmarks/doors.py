"""What do the doors cost, and do they hold when too many come?

The price: commands and reads a second through sign-in, roles, row-level security and limits, in units of the
same API without them, in interleaved rounds on one log, over several pairs of processes. The crowd: 200
clients who send twice what the API can do; what was accepted must be in the log, what was refused must say
when to come back.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from statistics import median

import aiohttp
import psycopg

from tests.benchmarks.doors_system import ORDERS_AT_FIRST, Api, Doors, an_order, doors_system
from tests.benchmarks.report import Report

PAIRS, ROUNDS = 5, 3
"""Of two processes that do the same, one may be faster by a tenth as long as it lives: hence the pairs."""
SECONDS = 1.0
WRITERS, MANY = 16, 64
CROWD, EACH_IN_FLIGHT = 200, 4
CROWD_SECONDS = float(os.environ.get("BENCH_CROWD_SECONDS", "60"))
AFTER_SECONDS, FULL = 5, 0.9
GOAL_PRICE, GOAL_MEMORY_MIB = 0.85, 400
KINDS = ("commands", "reads")
_numbers = itertools.count()


async def run(report: Report) -> None:
    async with doors_system(report.directory / "doors") as doors:
        rates = await the_price(report, doors)
        async with doors.pair() as pair:
            crowd = await the_crowd(report, doors, pair.guarded)
    tell_price(report, rates)
    tell_crowd(report, crowd)


Rates = dict[tuple[str, str], list[tuple[float, float]]]
"""By kind and API: of each round, requests a second, and microseconds of the API's CPU for each."""


async def the_price(report: Report, doors: Doors) -> Rates:
    rates: Rates = {}
    for number in range(PAIRS):
        report.say(f"doors: pair {number + 1} of {PAIRS}")
        async with doors.pair() as pair:
            apis = {"with": pair.guarded, "without": pair.open}
            for kind, api in itertools.product(KINDS, apis.values()):
                await measure(api, kind, 0.5)  # warm
            for turn in range(ROUNDS):
                for kind in KINDS:
                    # who goes first takes turns
                    for name in ("with", "without") if (number + turn) % 2 else ("without", "with"):
                        rates.setdefault((kind, name), []).append(await measure(apis[name], kind, SECONDS))
    return rates


async def measure(api: Api, kind: str, seconds: float, writers: int = WRITERS) -> tuple[float, float]:
    """Requests a second of some clients who each wait for their answer, and CPU of the API for each."""
    count = 0
    deadline = (started := time.perf_counter()) + seconds
    cpu = api.cpu_seconds
    async with aiohttp.ClientSession(headers=api.headers, connector=aiohttp.TCPConnector(limit=0)) as http:

        async def work() -> None:
            nonlocal count
            while time.perf_counter() < deadline:
                status = await (place(http, api) if kind == "commands" else read(http, api))
                assert status in {200, 201}, status
                count += 1

        await asyncio.gather(*(work() for _ in range(writers)))
    return count / (time.perf_counter() - started), 1e6 * (api.cpu_seconds - cpu) / count


async def place(http: aiohttp.ClientSession, api: Api) -> int:
    order = an_order(f"o-{next(_numbers)}")
    async with http.post(f"{api.url}/v1/orders", json=order) as answer:
        await answer.read()
        return answer.status


async def read(http: aiohttp.ClientSession, api: Api) -> int:
    number = next(_numbers)
    path = f"/first-{number % ORDERS_AT_FIRST}" if number % 2 else "?limit=20"
    async with http.get(f"{api.url}/v1/orders{path}") as answer:
        await answer.read()
        return answer.status


@dataclass(slots=True)
class Crowd:
    """How it went while too many came, and after."""

    capacity: float
    answers: Counter[int] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    without_retry_after: int = 0
    cut: int = 0
    unsent: int = 0
    memory_mib: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    lost: int = 0

    def recovered_after(self) -> int:
        """Seconds until it was at full speed again."""
        full = (second for second, rate in enumerate(self.after, 1) if rate >= FULL * self.capacity)
        return next(full, len(self.after) + 1)


async def the_crowd(report: Report, doors: Doors, api: Api) -> Crowd:
    found = Crowd(median([(await measure(api, "commands", 2.0, MANY))[0] for _ in range(3)]))
    report.say(f"doors: {CROWD} clients, {2 * found.capacity:.0f} commands a second, {CROWD_SECONDS:.0f} s")
    watching = asyncio.create_task(_watch(api, found))
    deadline = time.perf_counter() + CROWD_SECONDS
    await asyncio.gather(*(_client(api, found, number, deadline) for number in range(CROWD)))
    for _ in range(2 * AFTER_SECONDS):
        found.after.append((await measure(api, "commands", 1.0, MANY))[0])
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    found.lost = len(found.accepted - _placed(doors))
    return found


async def _watch(api: Api, found: Crowd) -> None:
    while True:
        found.memory_mib.append(api.memory_mib)
        await asyncio.sleep(0.5)


async def _client(api: Api, found: Crowd, number: int, deadline: float) -> None:
    """Sends by the clock, whether or not it was answered; from an address of its own."""
    pause = CROWD / (2 * found.capacity)
    connector = aiohttp.TCPConnector(limit=EACH_IN_FLIGHT, local_addr=(f"127.0.1.{number + 1}", 0))
    in_flight: set[asyncio.Task[None]] = set()
    async with aiohttp.ClientSession(
        headers=api.headers, connector=connector, timeout=aiohttp.ClientTimeout(total=30)
    ) as http:
        due = time.perf_counter() + pause * number / CROWD
        while due < deadline:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due += pause
            if len(in_flight) >= EACH_IN_FLIGHT:
                found.unsent += 1
                continue
            task = asyncio.create_task(_send(http, api, found, f"crowd-{next(_numbers)}"))
            in_flight.add(task)
            task.add_done_callback(in_flight.discard)
        await asyncio.gather(*in_flight)


async def _send(http: aiohttp.ClientSession, api: Api, found: Crowd, order_id: str) -> None:
    try:
        async with http.post(f"{api.url}/v1/orders", json=an_order(order_id)) as answer:
            await answer.read()
    except (aiohttp.ClientError, TimeoutError):
        found.cut += 1
        return
    found.answers[answer.status] += 1
    if answer.status == 201:
        found.accepted.add(order_id)
    elif "Retry-After" not in answer.headers:
        found.without_retry_after += 1


def _placed(doors: Doors) -> set[str]:
    query = "SELECT convert_from(data, 'UTF8')::json ->> 'order_id' FROM events WHERE type = 'OrderPlaced'"
    with psycopg.connect(str(doors.settings.database_url)) as connection:
        return {order_id for (order_id,) in connection.execute(query)}


def tell_price(report: Report, rates: Rates) -> None:
    rows, figures = [], {}
    for kind in KINDS:
        guarded, bare = rates[kind, "with"], rates[kind, "without"]
        price = median(one[0] / two[0] for one, two in zip(guarded, bare, strict=True))
        by_cpu = median(two[1] / one[1] for one, two in zip(guarded, bare, strict=True))
        cells = [f"{median(each[0] for each in found):,.0f}" for found in (guarded, bare)]
        micros = [f"{median(each[1] for each in found):,.0f}" for found in (guarded, bare)]
        rows.append((kind, *cells, f"{price:.2f}", *micros, f"{by_cpu:.2f}"))
        figures[kind] = {"price": price, "price_by_cpu": by_cpu, "rounds": {"with": guarded, "without": bare}}
        report.goal(f"{kind} a second with the doors, in those without", price, GOAL_PRICE)
    report.table(
        "The price of the doors: requests a second, and microseconds of the API's CPU for each",
        ("", "with", "without", "ratio", "us with", "us without", "ratio"),
        rows,
    )
    report.figures["doors"] = figures


def tell_crowd(report: Report, crowd: Crowd) -> None:
    refused = sum(count for status, count in crowd.answers.items() if status in {429, 503})
    other = sum(crowd.answers.values()) - refused - crowd.answers[201]
    rows = [
        ("commands a second before", f"{crowd.capacity:,.0f}"),
        ("accepted a second meanwhile", f"{crowd.answers[201] / CROWD_SECONDS:,.0f}"),
        ("refused a second (429, 503)", f"{refused / CROWD_SECONDS:,.0f}"),
        (
            "other answers; cut off; not sent, as their client waited",
            f"{other}; {crowd.cut}; {crowd.unsent:,}",
        ),
        ("memory of the API, highest MiB", f"{max(crowd.memory_mib):,.0f}"),
        ("commands a second in each second after", ", ".join(f"{rate:,.0f}" for rate in crowd.after)),
    ]
    report.table(f"{CROWD} clients at twice the capacity for {CROWD_SECONDS:.0f} s", ("", "found"), rows)
    report.goal("crowd: accepted commands that are not in the log", crowd.lost, 0, at_most=True)
    report.goal("crowd: answers that are neither 201, 429 nor 503", other, 0, at_most=True)
    report.goal("crowd: refusals without Retry-After", crowd.without_retry_after, 0, at_most=True)
    report.goal("crowd: memory of the API, MiB", max(crowd.memory_mib), GOAL_MEMORY_MIB, at_most=True)
    report.goal("crowd: seconds to full speed", crowd.recovered_after(), AFTER_SECONDS, at_most=True)
    report.figures["crowd"] = {
        "seconds": CROWD_SECONDS,
        "capacity": crowd.capacity,
        "answers": dict(crowd.answers),
        "lost": crowd.lost,
        "cut": crowd.cut,
        "unsent": crowd.unsent,
        "memory_mib": crowd.memory_mib,
        "after": crowd.after,
    }
