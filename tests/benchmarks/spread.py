"""What does it cost that orders are allocated over warehouses, and parcels given to carriers, by rules?

The same orders played from one place by the house's carrier, and over two warehouses and two carriers of each
seller, each on a fresh system as an operator runs it, in interleaved rounds: the first orders of Olist where
TILLROLL_OLIST_DIR is set, else made-up ones.
"""

from __future__ import annotations

import os
from pathlib import Path
from statistics import median

from services.context import open_context
from services.play.network import Networks
from services.play.reader import read_olist
from services.play.rows import OlistRows
from services.play.synthetic import synthetic_rows
from services.settings import Settings
from services.up import running
from tests.benchmarks.flow import play
from tests.benchmarks.report import Report
from tests.integration.played import some_of

ORDERS, ROUNDS = 3_000, 3
GOAL_RATIO = 0.5
ONE_PLACE, SPREAD = "from one place, the house's carrier", "over warehouses and carriers, by rules"


async def run(report: Report) -> None:
    orders, rounds = report.options.events or ORDERS, report.options.rounds or ROUNDS
    directory = os.environ.get("TILLROLL_OLIST_DIR")
    rows = some_of(read_olist(Path(directory)), orders) if directory else synthetic_rows(orders, 1)
    rates: dict[str, list[float]] = {ONE_PLACE: [], SPREAD: []}
    events: dict[str, float] = {}
    for number in range(rounds):
        for name, found in rates.items():
            home = report.directory / f"spread-{number}-{len(events)}-{len(found)}"
            rate, events[name] = await _play(report, home, rows, name)
            found.append(rate)
    ratio = median(rates[SPREAD]) / median(rates[ONE_PLACE])
    report.table(
        f"Whole flow of {len(rows.orders):,} orders ({'Olist' if directory else 'made up'}), {rounds} rounds",
        ("played", "checkouts a second", "of one place", "events an order"),
        [
            (
                name,
                f"{median(found):.1f}",
                f"{median(found) / median(rates[ONE_PLACE]):.2f}",
                f"{events[name]:.1f}",
            )
            for name, found in rates.items()
        ],
    )
    report.goal("over warehouses and carriers, of the rate from one place", ratio, GOAL_RATIO)
    report.figures["spread"] = {"orders": len(rows.orders), "rates": rates, "ratio": ratio, "events": events}


async def _play(report: Report, home: Path, rows: OlistRows, name: str) -> tuple[float, float]:
    """Checkouts a second, and the events of an order; the catalogue counts in neither."""
    networks = Networks(rows) if name == SPREAD else None
    progress = report.progress(f"spread: {name}", len(rows.orders))
    async with (
        running(Settings(data_dir=home, api_port=0)) as system,
        open_context(await system.start(), "bench", follow=False) as context,
    ):
        seconds = await play(context, rows, progress.advance, networks)
        async with context.pool.connection() as connection:
            counted = await connection.execute(
                b"SELECT count(*) FROM events WHERE correlation <> 'catalogue' AND type <> 'DeadlineReached'"
            )
            row = await counted.fetchone()
    assert row
    return len(rows.orders) / seconds, row[0] / len(rows.orders)
