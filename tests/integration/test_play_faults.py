"""What does a play do when a world dies in mid-answer or calls it wrong, or the log holds other trade?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from services.play.claim import (
    OtherDataset,
    OtherTrade,
    claim_log,
    dataset_digest,
    refuse_other_trade,
)
from services.play.synthetic import synthetic_rows
from services.play.worlds import Worlds
from services.settings import Settings
from tests.integration.trade import trading

WHOLE = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\nConnection: close\r\n\r\n{"checkouts":[]}'
CUT = WHOLE[:-5]
WRONG = b"HTTP/1.1 422 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def worlds(*answers: bytes) -> AsyncIterator[Worlds]:
    """Worlds behind a socket that gives these answers, one a connection, then the last one for ever."""
    waiting = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(waiting.pop(0) if len(waiting) > 1 else waiting[0])
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, aiohttp.ClientSession() as http:
        yield Worlds(Settings(payment_url=url, carrier_url=url), http)


async def test_an_answer_that_was_cut_off_is_asked_for_again() -> None:
    async with worlds(CUT, CUT, WHOLE) as asked:
        assert await asked.outstanding() == set()


async def test_a_request_that_is_wrong_is_not_sent_for_ever() -> None:
    async with worlds(WRONG) as asked:
        with pytest.raises(aiohttp.ClientResponseError, match="422"):
            await asked.outstanding()


async def test_a_log_with_other_trade_is_refused_and_the_same_play_is_not(database: str) -> None:
    others = synthetic_rows(3, 1)
    own = replace(others, orders=[replace(others.orders[0], order_id="c1"), *others.orders])
    async with trading(database) as trade:
        await refuse_other_trade(trade.log.pool, Path("var"), others)  # nothing is in it yet
        await trade.place("o1")
        await refuse_other_trade(trade.log.pool, Path("var"), own)
        with pytest.raises(OtherTrade, match="log in var holds other trade"):
            await refuse_other_trade(trade.log.pool, Path("var"), others)


async def test_a_changed_dataset_is_not_played_over_the_first(database: str) -> None:
    rows = synthetic_rows(3, 1)
    dearer = replace(rows.items[0], price_cents=rows.items[0].price_cents + 1)
    changed = replace(rows, items=(dearer, *rows.items[1:]))
    async with trading(database) as trade:
        await claim_log(trade.log.pool, Path("var"), rows)
        await claim_log(trade.log.pool, Path("var"), synthetic_rows(3, 1))
        with pytest.raises(OtherDataset, match="this one before it was changed"):
            await claim_log(trade.log.pool, Path("var"), changed)
        await claim_log(trade.log.pool, Path("var"), rows)


def test_a_digest_is_of_what_rows_say_and_not_of_where_they_stand() -> None:
    rows = synthetic_rows(3, 1)
    moved = replace(rows, orders=tuple(replace(row, line=row.line + 1) for row in rows.orders))
    assert dataset_digest(moved) == dataset_digest(rows)
    for name in ("orders", "items", "payments", "customers", "products", "sellers", "translations"):
        assert dataset_digest(replace(rows, **{name: getattr(rows, name)[1:]})) != dataset_digest(rows), name
