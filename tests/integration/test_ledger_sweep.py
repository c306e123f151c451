"""Does the ledger forget what is old enough, and nothing else?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from eventstore.log import Appended
from eventstore.postgres import PostgresLog
from services.ledger import sweep
from tests.contract.appends import an_append, appended, to_stream


async def test_old_entries_go_and_young_ones_stay(database: str) -> None:
    async with await PostgresLog.connect(database) as log:
        old = [an_append(to_stream(f"order-{number}")) for number in range(7)]
        young = an_append(to_stream("order-young"))
        for append in (*old, young):
            await appended(log, append)
        async with log.pool.connection() as connection:
            await connection.execute(
                "UPDATE commands SET recorded_at = recorded_at - interval '31 days'"
                " WHERE command_id = ANY(%s)",
                ([append.command_id for append in old],),
            )
        before = datetime.now(UTC) - timedelta(days=30)
        assert await sweep(log.pool, before, batch=3) == len(old)
        assert await sweep(log.pool, before) == 0
        again = await log.append(young)
        assert isinstance(again, Appended)
        assert again.repeated
        assert await log.head() == len(old) + 1
