"""Is every table of every read model as it was at any moment, whole and by key? Over trade that fills them
all."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from typing import Any

import orjson
import psycopg
import pytest

from domain.streams import allocation_stream, pick_list_stream
from eventstore.log import StoredEvent
from projections.read_model import ReadModel
from projections.read_models import READ_MODELS
from services.audit.as_of_models import key_named
from services.audit.desk import Asked, Desk
from services.audit.folding import CannotFold
from tests.conftest import run
from tests.integration.projections_trade import Trade, open_trade
from tests.integration.projections_warehouse import warehousing
from tests.integration.test_as_of import (
    check_differences,
    check_moments,
    desk_over,
    keyed,
    moments_of,
    pairs_of,
    prepare,
)
from tests.integration.test_projections import running, shown
from tests.integration.test_why_numbers import EVERY_TABLE, trade_of_every_table

BY_KEY = [model for model in READ_MODELS.values() if not model.shared_rows]
Changes = list[dict[str, Any]]
Whose = dict[str, str]
"""Which key's each row is, by the row's name."""


@pytest.fixture(scope="module")
def played_once(modules_database: str) -> str:
    """The database of the trade, which all tests of the module read."""

    async def play() -> None:
        async with open_trade(modules_database) as opened:
            last = await trade_of_every_table(opened)
            async with running(opened):
                await shown(opened, last)
            await prepare(opened)

    run(play())
    return modules_database


@pytest.fixture
async def trade(played_once: str) -> AsyncIterator[Trade]:
    async with open_trade(played_once) as opened:
        yield opened


async def test_any_moment_of_every_table_is_what_a_rebuild_would_show(played_once: str, trade: Trade) -> None:
    head = await trade.log.head()
    moments = [*moments_of(head - 1, count=4), head]
    assert await check_moments(played_once, trade, 100, moments) == set(EVERY_TABLE)


async def test_the_difference_of_every_table_applied_to_the_first_moment_gives_the_second(
    played_once: str, trade: Trade
) -> None:
    head = await trade.log.head()
    pairs = [(head // 2, head), *pairs_of(head, 1)]
    assert await check_differences(played_once, trade, pairs) == set(EVERY_TABLE)


@pytest.mark.parametrize("model", BY_KEY, ids=lambda model: model.name)
async def test_what_is_asked_by_key_is_that_part_of_the_whole(
    played_once: str, trade: Trade, model: ReadModel
) -> None:
    """Its rows at a moment and at the end, and the changes between; of keys that have every type of event."""
    head = await trade.log.head()
    events = {event.position: event for event in await trade.log.read(0, head)}
    async with desk_over(played_once, trade) as desk:
        changes = await all_changes(desk, model, "", 0, head)
        whose = owners(model, events, changes)
        middle = changes[len(changes) // 2]["position"]
        wholes = {position: await keyed(desk, model, position) for position in (middle, head)}
        for key in with_every_type(changes, whose):
            for position, whole in wholes.items():
                own = {name: row for name, row in whole.items() if whose[name] == key}
                assert await keyed(desk, model, position, key) == own, (key, position)
            later = [each for each in changes if each["position"] > middle and whose[named(each)] == key]
            assert await all_changes(desk, model, key, middle, head) == later, key


def test_read_models_whose_rows_are_of_many_keys_are_not_asked_by_one() -> None:
    for model in READ_MODELS.values():
        if model.shared_rows:
            with pytest.raises(ValueError, match="of many orders: ask without a key"):
                key_named(model, "m1/m1o0")


async def all_changes(desk: Desk, model: ReadModel, key: str, first: int, last: int) -> Changes:
    asked = Asked(table=model.tables[0], key=key)
    return [change async for part in desk.all_changes(asked, first, last) for change in part]


def named(change: dict[str, Any]) -> str:
    return orjson.dumps(change["of"], option=orjson.OPT_SORT_KEYS).decode()


def owners(model: ReadModel, events: dict[int, StoredEvent], changes: Changes) -> Whose:
    """The one key that may be asked for and that all events of a row are about: else it has lost some."""
    about: dict[str, set[str]] = {}
    for change in changes:
        keys = keys_of(events[change["position"]])
        about[named(change)] = about.get(named(change), keys) & keys
    whose = {}
    for row, keys in about.items():
        (whose[row],) = [key for key in keys if may_be_asked(model, key)]
    return whose


def keys_of(event: StoredEvent) -> set[str]:
    """Its stream, and the order that it names."""
    order_id = orjson.loads(event.data).get("order_id")
    return {event.stream, f"{event.merchant}/{order_id}"} if order_id else {event.stream}


def may_be_asked(model: ReadModel, key: str) -> bool:
    try:
        return key_named(model, key) == key
    except ValueError:
        return False


def with_every_type(changes: Changes, whose: Whose) -> list[str]:
    """A few keys whose changes are of every type of event that there are, in an order of chance."""
    types: dict[str, set[str]] = {}
    for change in changes:
        types.setdefault(whose[named(change)], set()).add(change["type"])
    keys, chosen, seen = sorted(types), list[str](), set[str]()
    random.Random(5).shuffle(keys)
    for key in keys:
        if not types[key] <= seen:
            chosen.append(key)
            seen |= types[key]
    return chosen


PICKED, ALLOCATED = pick_list_stream("m1", "allocated.1"), allocation_stream("m1", "allocated")


@pytest.mark.parametrize(
    ("table", "stream", "altered"),
    [
        ("pick_lists", PICKED, "OrderPacked"),
        ("allocations", ALLOCATED, "AllocationSettled"),
        ("allocations", ALLOCATED, ""),
    ],
)
async def test_an_event_about_an_order_that_does_not_say_so_any_more_is_missed(
    database: str, table: str, stream: str, altered: str
) -> None:
    """Of its pick list; of its allocation; all of its allocation."""
    async with open_trade(database) as trade:
        head = await trade.append("m1", warehousing("m1"))
        first = altering(database, stream, altered)
        async with desk_over(database, trade) as desk:
            rows = Asked(table=table, key="m1/allocated")
            process = Asked(agent="order", key="m1/allocated")
            assert (await desk.rows(rows, first - 1, 9))["position"] == first - 1
            for asking in (
                desk.rows(rows, head, 9),
                desk.changes(rows, first - 1, first),
                desk.state(process, head),
                desk.changes(process, 0, head),
            ):
                with pytest.raises(CannotFold, match=f"of the . events of {stream} "):
                    await asking


def altering(database: str, stream: str, type_: str) -> int:
    """The events of a type, or all, name another order from now on; the first one's position."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE events DISABLE TRIGGER USER")
        altered = connection.execute(
            "UPDATE events SET data = convert_to('{\"order_id\": \"another\"}', 'UTF8')"
            " WHERE stream = %s AND type ^@ %s RETURNING position",
            (stream, type_),
        )
        return int(min(altered.fetchall())[0])
