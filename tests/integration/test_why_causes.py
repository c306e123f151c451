"""Does the tree of causes hold all that led to an order's events, and say what is not known?"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from eventstore.postgres import make_pool
from eventstore.statements import Pool
from services.audit.causes import Cause
from services.audit.causes_asked import (
    Bound,
    bound,
    why_order,
)
from services.audit.drawing import as_rich
from tests.integration.test_database_roles import AsRole
from tests.integration.trade import MERCHANT, Trade, agents_running, trading


@pytest.fixture
async def pool(as_role: AsRole) -> AsyncIterator[Pool]:
    async with make_pool(as_role("audit")) as opened:
        yield opened


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    """An order that was paid, prepared and shipped; another that found no stock."""
    async with trading(database) as opened, agents_running(opened):
        await opened.stock("a", 1)
        await opened.place("1")
        await opened.rest()
        await opened.provider_says("1", "authorized")
        await opened.rest()
        await opened.carrier_says("1", "collected")
        await opened.rest()
        await opened.provider_says("1", "authorized", captured=True)
        await opened.carrier_says("1", "collected", "delivered")
        await opened.rest()
        await opened.place("2")
        await opened.rest()
        yield opened


def nodes(root: Cause, kind: str) -> list[Cause]:
    return [each for _, each in root.walk() if each.kind == kind]


async def test_an_order_has_all_that_happened_to_it(trade: Trade, pool: Pool) -> None:
    async with bound(pool, Bound(MERCHANT)) as connection:
        tree = await why_order(connection, MERCHANT, "1")
    from rich.console import Console

    Console(width=230).print(as_rich(tree))
    assert 0
