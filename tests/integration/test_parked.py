"""Does `tillroll parked retry` let a key go on, and say plainly when it cannot?"""

from __future__ import annotations

import pytest

from projections.read_models import READ_MODELS
from services.parked import CannotRetry, retry_key
from tests.integration.projections_trade import open_trade
from tests.integration.test_projections import failing_on, fetch, lives, running, shown


async def test_a_parked_key_goes_on_by_the_names_that_were_told(database: str) -> None:
    async with open_trade(database) as trade:
        parts = (trade.log.pool, trade.log, trade.keyring)
        last = await trade.append("m1", lives())
        models = {**READ_MODELS, "orders": failing_on("cancelled")}
        async with running(trade, models=models.values()):
            await shown(trade, last)
        ((follower, key),) = await fetch(trade, "SELECT DISTINCT follower, key FROM parked")
        assert await retry_key(*parts, follower, key) == 2
        assert await fetch(trade, "SELECT 1 FROM parked") == []
        for name, problem in (
            (follower, "no parked key"),
            ("agent:order", "no parked key"),
            ("agent:nobody", "no follower agent:nobody"),
            ("nobody", "no follower nobody"),
            ("scheduler", "no parked key"),
        ):
            with pytest.raises(CannotRetry, match=problem):
                await retry_key(*parts, name, key)
