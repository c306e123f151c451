"""`tillroll play`: reads or makes up trade, plays it through the running system, and compares the books."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from eventstore.postgres import make_pool
from eventstore.queries import load_queries
from eventstore.roles import ALL_MERCHANTS
from services.console import progressing
from services.context import ProcessContext, open_context
from services.play import incidents
from services.play.catalogue import Stage
from services.play.claim import claim_log, refuse_other_checkouts, refuse_other_digest
from services.play.driver import Driver, Report, keep_trying
from services.play.facts import compute_facts
from services.play.network import Networks
from services.play.oracles import ask_oracles
from services.play.outcome import Outcome, as_members, show
from services.play.plan import CheckoutPlan, PlannedRows, account_for, plan_catalogue, plan_checkouts
from services.play.reader import BadInput, read_olist
from services.play.rows import OlistRows
from services.play.synthetic import synthetic_rows
from services.play.worlds import Worlds
from services.settings import Settings

OPENED_BEFORE = timedelta(days=1)
_QUERIES = load_queries("services.play", "play.sql")


@dataclass(frozen=True, slots=True)
class Trade:
    """What is to be played, and the facts that it must come to; over several warehouses and carriers of each
    seller (`spread`), or from one place by the house's carrier."""

    rows: OlistRows
    expected: dict[str, Any]
    spread: bool = False


async def olist_trade(directory: Path, oracles: Path | None, *, spread: bool = True) -> Trade:
    """Read and checked; raises BadInput. `oracles` are facts that were computed elsewhere."""
    rows = await asyncio.to_thread(read_olist, directory)
    facts = await asyncio.to_thread(compute_facts, rows)
    return Trade(rows, facts | (read_oracles(oracles) if oracles else {}), spread)


def synthetic_trade(orders: int, seed: int, *, spread: bool = True) -> Trade:
    rows = synthetic_rows(orders, seed)
    return Trade(rows, compute_facts(rows), spread)


def read_oracles(path: Path) -> dict[str, Any]:
    """`{name: {"value": …, "what": …}}`; raises BadInput."""
    try:
        facts = orjson.loads(path.read_bytes())
    except OSError as error:
        raise BadInput(str(path), None, error.strerror or "it can't be read") from None
    except orjson.JSONDecodeError as error:
        raise BadInput(str(path), error.lineno, f"it is not JSON: {error.msg}") from None
    if not isinstance(facts, dict) or not all(isinstance(f, dict) and "value" in f for f in facts.values()):
        raise BadInput(str(path), None, 'it should hold {"name": {"value": …}, …}')
    return facts


async def play_trade(
    settings: Settings, trade: Trade, *, as_json: bool, every: bool = False, per_second: float = math.inf
) -> int:
    """0 if nothing was refused and every oracle matches; `every` one is shown, or those that need a look."""
    async with open_context(settings, "play", follow=False) as context:
        outcome = await play_rows(context, trade, per_second)
    if as_json:
        sys.stdout.write(orjson.dumps(as_members(outcome), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        show(outcome, every=every)
    return 0 if outcome.good else 1


async def play_rows(context: ProcessContext, trade: Trade, per_second: float) -> Outcome:
    """Set up, play, wait until every read model has caught up, and ask the oracles.

    Raises OtherTrade or OtherDataset before anything is written.
    """
    rows, networks = trade.rows, Networks(trade.rows) if trade.spread else None
    await claim_log(context.pool, context.settings.data_dir, rows, spread=trade.spread)
    opened_at = min(row.purchased_at for row in rows.orders) - OPENED_BEFORE
    stages = plan_catalogue(rows, networks).stages()
    plans = plan_checkouts(rows, context.keyring.subject, networks)
    report, seconds = await play_plans(context, stages, opened_at, plans, len(rows.orders), per_second)
    async with make_pool(context.settings.url("audit"), max_size=1, options=ALL_MERCHANTS) as auditing:
        answers = await keep_trying(lambda: ask_oracles(auditing, trade.expected))
    return Outcome(report, account_for(rows), seconds, answers)


async def play_plans(
    context: ProcessContext,
    stages: Iterable[Stage],
    opened_at: datetime,
    plans: Iterable[CheckoutPlan],
    orders: int,
    per_second: float = math.inf,
) -> tuple[Report, float]:
    """What was done, and the seconds from the first order to every read model caught up."""
    async with aiohttp.ClientSession() as http:
        driver = Driver(context, Worlds(context.settings, http), per_second=per_second)
        with progressing() as progress:
            for stage in stages:
                task = progress.add_task(stage.name, total=stage.total)
                await driver.set_up(stage, opened_at, lambda n, t=task: progress.advance(t, n))  # type: ignore[misc]
            task = progress.add_task("orders", total=orders)
            started = time.perf_counter()
            report = await driver.play(plans, lambda n: progress.advance(task, n))
            await caught_up(context)
            return report, time.perf_counter() - started


async def play_incidents(settings: Settings, orders: int, seed: int, *, as_json: bool) -> int:
    """0 if nothing was refused. `tillroll verify --books` says whether its books balance."""
    async with open_context(settings, "play", follow=False) as context:
        digest = sha256(f"incidents {orders} {seed}".encode()).digest()
        await refuse_other_checkouts(context.pool, settings.data_dir, incidents.checkouts(orders))
        await refuse_other_digest(context.pool, settings.data_dir, digest)
        stages = incidents.incident_stages(orders, seed)
        plans = incidents.incident_plans(orders, seed, context.keyring.subject)
        report, seconds = await play_plans(context, stages, incidents.BEGIN, plans, orders)
    outcome = Outcome(report, PlannedRows({}, ()), seconds, [])
    if as_json:
        sys.stdout.write(orjson.dumps(as_members(outcome), option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        show(outcome, every=False)
    return 0 if outcome.good else 1


async def caught_up(context: ProcessContext) -> None:
    """Wait until every read model shows the head of the log."""

    async def built() -> int:
        async with context.pool.connection() as connection:
            row = await (await connection.execute(_QUERIES.projections_at.sql.encode())).fetchone()
        return row[0] if row else -1

    head = await keep_trying(context.log.head)
    while await keep_trying(built) < head:  # noqa: ASYNC110 - it is built by another process
        await asyncio.sleep(0.05)
