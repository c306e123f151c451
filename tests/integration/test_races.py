"""Over real HTTP, on the real log, with all agents: is the last unit sold once, however shoppers race?

A few rounds of each race; `make races` plays a thousand.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.races.last_unit import RACES
from tests.races.run import race

ROUNDS = 3


@pytest.mark.parametrize("name", RACES)
async def test_each_round_ends_with_one_sale(name: str, database: str, nats_url: str, tmp_path: Path) -> None:
    raced = await race(name, ROUNDS, (database, nats_url), tmp_path)
    assert (raced.rounds, raced.problems) == (ROUNDS, [])
