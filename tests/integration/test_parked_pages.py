"""Does a key with much behind it go on in pages, and as far as it can? Its read model stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from domain.inventory import StockReceived
from domain.kernel import Fact
from projections.inventory.stock_levels import STOCK_LEVELS
from projections.read_model import ReadModel, Rows
from projections.read_models import READ_MODELS
from services.agents.registered import AGENTS
from services.parked_keys import CannotGoOn, ParkedKeys
from tests.integration.projections_trade import Bought, Trade, open_trade, setting_up
from tests.integration.test_projections import fetch, no_differences, running, shown

KEY = Bought("m1", "o1").stock
RECEIVED, POISON = 150, 77


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    """All of a hot item's stock is parked; other events stand between some of what waits."""
    async with open_trade(database) as opened:
        await opened.append("m1", setting_up("m1"))
        for start in range(0, RECEIVED, 50):
            received = [
                (KEY, StockReceived(sku="A", warehouse="main", quantity=number + 1))
                for number in range(start, start + 50)
            ]
            await opened.append("m1", received)
            last = await opened.append("m1", Bought("m1", f"o{start}", sku="B").placing())
        async with running(opened, models=failing_on(range(1, RECEIVED + 1), []).values()):
            await shown(opened, last)
        yield opened


def failing_on(quantities: Sequence[int], pages: list[int]) -> dict[str, ReadModel]:
    """That of the stock fails on the receipt of so many, and notes the size of each page that it gets."""

    def project(facts: Sequence[Fact]) -> Rows:
        pages.append(len(facts))
        for fact in facts:
            if isinstance(fact.event, StockReceived) and fact.event.quantity in quantities:
                raise RuntimeError("this handler has a bug")
        return STOCK_LEVELS.project(facts)

    return {**READ_MODELS, "stock_levels": replace(STOCK_LEVELS, project=project)}


def mended(trade: Trade, quantities: Sequence[int], pages: list[int]) -> ParkedKeys:
    models = failing_on(quantities, pages)
    return ParkedKeys(trade.log.pool, trade.log, trade.keyring, AGENTS, models)


async def waiting(trade: Trade) -> int:
    ((count,),) = await fetch(trade, "SELECT count(*) FROM parked WHERE key = %s", KEY)
    return int(count)


async def test_a_key_that_is_mended_goes_on_in_one_page(trade: Trade) -> None:
    pages: list[int] = []
    behind = await waiting(trade)
    assert behind == RECEIVED
    assert await mended(trade, [], pages).retry("stock_levels", KEY) == behind
    assert pages == [behind]
    assert await waiting(trade) == 0
    await no_differences(trade)


async def test_a_key_that_fails_further_on_goes_as_far_as_it_can(trade: Trade) -> None:
    pages: list[int] = []
    behind = await waiting(trade)
    with pytest.raises(CannotGoOn, match=f"{POISON - 1} events went on, .* this handler has a bug"):
        await mended(trade, [POISON], pages).retry("stock_levels", KEY)
    assert await waiting(trade) == behind - (POISON - 1)
    assert len(pages) < RECEIVED // 4
    assert await mended(trade, [], pages).retry("stock_levels", KEY) == behind - (POISON - 1)
    await no_differences(trade)
