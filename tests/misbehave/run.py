"""One run: a fresh system of real processes, worlds that misbehave, orders over HTTP, then the books."""

from __future__ import annotations

import asyncio
import random
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from domain.streams import payment_stream, stream_parts
from eventstore.codec import decode
from services.context import ProcessContext, open_context
from services.demo_people import let_people_in
from services.play.catalogue import TRIAL
from services.settings import Settings
from services.worlds.faults import Rates
from tests.chaos.system import TILLROLL, System, TookTooLong, system
from tests.misbehave.books import Books, Outside, ask_outside
from tests.misbehave.judge import problems_of
from tests.misbehave.shop import Shop

DELAY_MS_MAX = 1_500
SECONDS_MAX = 900.0
"""Of rest, once the last order is placed."""
REFUNDED, PLANTED = 0.03, 5
LOOK_SECONDS = 0.5
TELL_SECONDS = 30.0
STILL_LOOKS = 8
"""Longer than any fact is held back by the worlds."""
PAGE = 5_000
Say = Callable[[str], None]


@dataclass(slots=True)
class Misbehaved:
    """How it went: what the log holds, how orders ended, what was found in the end, and what is wrong."""

    events: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


class Log:
    """Follows the log into the books."""

    def __init__(self, context: ProcessContext) -> None:
        self._context, self._position = context, 0
        self.books = Books(TRIAL)

    async def read(self) -> Books:
        while page := await self._context.log.read(self._position, PAGE):
            for stored in page:
                self.books.take(decode(stored))
            self._position = page[-1].position
        return self.books


def misbehave(
    data_dir: Path, orders: int, *, rate: float, seed: int, per_second: float, say: Say
) -> Misbehaved:
    """Never raises for what the system did: that is told by the problems."""
    result = Misbehaved()
    try:
        with system(data_dir) as running:
            settings = Settings.load(data_dir=data_dir)
            asyncio.run(_run(running, settings, orders, rate, seed, per_second, say, result))
    except (TookTooLong, TimeoutError) as error:
        result.problems.append(f"{type(error).__name__}: {error}")
    return result


async def _run(
    running: System,
    settings: Settings,
    orders: int,
    rate: float,
    seed: int,
    per_second: float,
    say: Say,
    result: Misbehaved,
) -> None:
    known = await let_people_in(settings)
    headers = {"Authorization": f"Bearer {known['DEMO_KEY']}"}
    async with (
        httpx.AsyncClient(base_url=known["API"], headers=headers, timeout=60) as api,
        open_context(settings, "misbehave", follow=False) as context,
    ):
        log, shop = Log(context), Shop(api, seed)
        await shop.set_up()
        async with misbehaving(settings, rate, seed):
            placed = _counting(say, orders)
            await shop.trade(orders, per_second, placed)
            say("all are placed; refunds, and what a person must do")
            await _at_rest(running, settings, log, shop, say)
            await _refund(shop, await log.read(), seed)
            await _at_rest(running, settings, log, shop, say)
        books = await _at_rest(running, settings, log, shop, say)
        addresses = (str(settings.payment_url), settings.payment_api_key(), str(settings.carrier_url))
        outside = await asyncio.to_thread(ask_outside, *addresses)
        result.problems += [*shop.problems, *problems_of(books, outside)]
        result.problems += await _reconciled(running, settings, log, outside, result)
        result.problems += await asyncio.to_thread(_verified, running)
        result.events, result.ends = dict(books.seen), _ends(books)


def _ends(books: Books) -> dict[str, int]:
    ends: dict[str, int] = {}
    for order in books.orders.values():
        end = " with ".join((order.ended or "open", *sorted(set(order.discrepancies))))
        ends[end] = ends.get(end, 0) + 1
    return ends


def _counting(say: Say, orders: int) -> Callable[[], None]:
    placed = 0

    def done() -> None:
        nonlocal placed
        placed += 1
        if placed % max(1, orders // 20) == 0:
            say(f"{placed:,} of {orders:,} orders placed")

    return done


@asynccontextmanager
async def misbehaving(settings: Settings, rate: float, seed: int) -> AsyncIterator[None]:
    """Every kind of fault that there is, at this share of calls and facts; none again at the end."""
    rates = dict.fromkeys(Rates.model_fields, rate)
    await _set_faults(settings, {"seed": seed, "rates": rates, "delay_ms_max": DELAY_MS_MAX})
    yield
    await _set_faults(settings, {})


async def _set_faults(settings: Settings, faults: dict[str, Any]) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        for url in (settings.payment_url, settings.carrier_url):
            (await http.put(f"{url}/control/faults", json=faults)).raise_for_status()


async def _at_rest(running: System, settings: Settings, log: Log, shop: Shop, say: Say) -> Books:
    """Until no order waits, no call is out and no webhook is under way; parcels that nobody takes are booked
    anew meanwhile, by staff."""
    started, still, tried, told = time.monotonic(), 0, 0.0, time.monotonic()
    while still < STILL_LOOKS:
        books = await log.read()
        waiting = await asyncio.to_thread(_waiting, running) + await _outstanding(settings)
        open_parcels = [each for each in books.refused if not _order_of(books, each).ended]
        still = 0 if waiting or books.waiting() or open_parcels else still + 1
        if open_parcels and time.monotonic() - tried > 5:
            tried = time.monotonic()
            await asyncio.gather(*map(shop.book_anew, open_parcels))
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            say(f"orders that wait: {len(books.waiting()):,}; calls and webhooks under way: {waiting:,}")
        if time.monotonic() - started > SECONDS_MAX:
            say(f"waited {SECONDS_MAX:.0f} s for {waiting} calls, {books.waiting()[:5]}, {open_parcels[:5]}")
            return books
        await asyncio.sleep(LOOK_SECONDS)
    return books


def _order_of(books: Books, parcel: str) -> Any:
    return books.orders[parcel.partition(".")[0]]


def _waiting(running: System) -> int:
    calls = running.sql(
        "SELECT (SELECT count(*) FROM provider_calls)"
        " + (SELECT count(*) FROM webhook_inbox WHERE matched_at IS NULL)"
    )[0][0]
    head = running.head()
    return int(calls) + len(running.behind(head))


async def _outstanding(settings: Settings) -> int:
    """Webhooks that the worlds have sent, and that were not acknowledged."""
    async with httpx.AsyncClient(timeout=30) as http:
        urls = (settings.payment_url, settings.carrier_url)
        answers = [(await http.get(f"{url}/control/outstanding")).json() for url in urls]
    return sum(sum(each["checkouts"].values()) for each in answers)


async def _refund(shop: Shop, books: Books, seed: int) -> None:
    """Some of what was paid, in part."""
    chance = random.Random(seed)
    paid = [stream for stream, cents in sorted(books.captured.items()) if cents > 200]
    some = [stream for stream in paid if chance.random() < REFUNDED]
    await asyncio.gather(*(shop.refund(stream_parts(stream)[1], 100) for stream in some))


async def _reconciled(
    running: System, settings: Settings, log: Log, outside: Outside, result: Misbehaved
) -> list[str]:
    """What the daily comparison has to say: nothing before something is planted, and then just that."""
    before = await _money_of(log)
    await asyncio.to_thread(_reconcile, running)
    found = _news(before, after := await _money_of(log))
    problems = [f"nothing was planted, and reconciliation found {found}"] if found else []
    planted = await asyncio.to_thread(_plant, settings, outside)
    await asyncio.to_thread(_reconcile, running)
    found = _news(after, await _money_of(log))
    if found != planted:
        problems.append(f"planted {planted}, found {found}")
    result.found = dict(Counter(found.values()))
    return problems


async def _money_of(log: Log) -> dict[str, tuple[int, int, tuple[str, ...]]]:
    """By payment: captured, refunded, and where the books differ."""
    books = await log.read()
    streams = {*books.captured, *books.refunded, *books.mismatches}
    return {s: (books.captured[s], books.refunded[s], tuple(books.mismatches.get(s, ()))) for s in streams}


def _news(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """What was found of which payment: `refunded 77`, `unknown_charge`."""
    news = {}
    for stream in after:
        captured, refunded, kinds = before.get(stream, (0, 0, ()))
        now_captured, now_refunded, now_kinds = after[stream]
        told = [f"captured {now_captured - captured}"] if now_captured != captured else []
        told += [f"refunded {now_refunded - refunded}"] if now_refunded != refunded else []
        if told := [*told, *now_kinds[len(kinds) :]]:
            news[stream] = ", ".join(told)
    return news


def _reconcile(running: System) -> None:
    command = [*TILLROLL, "reconcile", "--days", "1"]
    done = subprocess.run(command, env=running.environment, capture_output=True, timeout=900, check=False)
    if done.returncode:
        raise TookTooLong(f"reconcile: {done.stdout.decode()[-300:]}{done.stderr.decode()[-300:]}")


def _plant(settings: Settings, outside: Outside) -> dict[str, str]:
    """Refunds and charges that the provider's own people made, and nobody told us of; by payment."""
    planted = {}
    headers = {"Authorization": f"Bearer {settings.payment_api_key()}"}
    with httpx.Client(base_url=str(settings.payment_url), headers=headers, timeout=30) as http:
        accounts = outside.payments.items()
        some = [(s, each) for s, each in accounts if each.captured - each.refunded - each.disputed > 500]
        for stream, account in some[:PLANTED]:
            _ask(http, "refunds", {"payment_intent": account.intent, "amount": "77"}, f"by hand {stream}")
            planted[stream] = "refunded 77"
        for number in range(PLANTED):
            charge = {"amount": "990", "currency": "brl", "payment_method": "pm_card_visa"}
            asked = charge | {"capture_method": "manual", "confirm": "true", "metadata[merchant]": TRIAL}
            made = _ask(http, "payment_intents", asked, f"till {number}")
            planted[payment_stream(TRIAL, made["id"])] = "unknown_charge"
    return planted


def _ask(http: httpx.Client, what: str, form: dict[str, str], key: str) -> Any:
    answer = http.post(f"/v1/{what}", data=form, headers={"Idempotency-Key": key})
    return answer.raise_for_status().json()


def _verified(running: System) -> list[str]:
    _, verdict = running.tillroll("verify", "--books")
    _, status = running.tillroll("status")
    parked = [f"{status['waiting']['parked']} keys are parked"] if status["waiting"]["parked"] else []
    return [*(f"verify: {problem}" for problem in verdict["problems"]), *parked]
