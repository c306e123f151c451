"""Which logs must keep the contract? Both: the one in memory and the one in Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from eventstore.log import Log
from eventstore.memory import MemoryLog
from eventstore.postgres import PostgresLog


@pytest.fixture(params=["memory", "postgres"])
def log_url(request: pytest.FixtureRequest) -> str | None:
    """Where the log is; None for the one in memory."""
    return request.getfixturevalue("database") if request.param == "postgres" else None


@pytest.fixture
async def log(log_url: str | None) -> AsyncIterator[Log]:
    if log_url is None:
        yield MemoryLog()
        return
    async with await PostgresLog.connect(log_url) as log:
        yield log
