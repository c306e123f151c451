"""Are read models moved over the log exactly once, whatever fails, restarts, is rebuilt or tampered with?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from domain.kernel import Fact
from domain.order import OrderCancelled, OrderPlaced
from eventstore.checkpoints import read_checkpoints
from eventstore.log import Append, NewEvent, StreamAppend
from eventstore.tasks import end_tasks
from projections import runner as runner_module
from projections.compare import compare
from projections.generations import drop_others, make_generation, sole_builder
from projections.order.orders import ORDERS
from projections.order.sales import SALES
from projections.read_model import ReadModel, Rows
from projections.read_models import READ_MODELS
from projections.rebuild import RebuildRunning, rebuild
from services.parked_keys import CannotGoOn, ParkedKeys
from tests.integration.carriage_trade import carriers, invoices, manifests
from tests.integration.inventory_lives import inventory_lives
from tests.integration.projections_trade import (
    Bought,
    Step,
    Trade,
    a_product,
    open_trade,
    setting_up,
    some_carts,
)
from tests.integration.projections_warehouse import warehousing
from tests.patience import HANGS

EMPTY = ("late_deliveries",)  # after these lives
TABLES = [table for model in READ_MODELS.values() for table in model.tables]


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    async with open_trade(database) as opened:
        yield opened


@asynccontextmanager
async def running(trade: Trade, **options: Any) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(trade.runner(**options).run())
    try:
        yield task
    finally:
        await end_tasks(task)
    if not task.cancelled():
        task.result()  # it failed, and so shall the test


async def fetch(trade: Trade, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
    async with trade.log.pool.connection() as connection:
        cursor = await connection.execute(query.encode(), arguments)
        return list(await cursor.fetchall()) if cursor.description else []


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(HANGS):
        while not await condition():
            await asyncio.sleep(0.02)


async def shown(trade: Trade, position: int, models: int = len(READ_MODELS)) -> None:
    """Wait until all live read models stand at `position` at least, with all their partitions: one whose
    worker was ended in the middle may be in parts."""

    async def there() -> bool:
        rows = await fetch(
            trade,
            "SELECT count(DISTINCT name), coalesce(min(position), 0) FROM read_models JOIN checkpoints"
            " ON follower = projection_follower(name, generation) WHERE live",
        )
        return bool(rows[0][0] == models and rows[0][1] >= position)

    await until(there)


async def contents(trade: Trade) -> dict[str, list[str]]:
    return {
        table: sorted(row[0] for row in await fetch(trade, f"SELECT t::text FROM {table} AS t"))
        for table in TABLES
    }


def lives(merchant: str = "m1") -> list[Step]:
    done, cancelled, returned = (Bought(merchant, name) for name in ("done", "cancelled", "returned"))
    return [
        *setting_up(merchant), *a_product(merchant),
        *done.life(), *done.contesting(),
        *cancelled.placing(), *cancelled.paying(), *cancelled.cancelling(),
        *returned.placing(), *returned.paying(), *returned.shipping(), *returned.returning(),
        *returned.contradicting(),
        *inventory_lives(merchant), *some_carts(merchant), *warehousing(merchant),
        *carriers(merchant), *manifests(merchant), *invoices(merchant),
    ]  # fmt: skip


async def no_differences(trade: Trade) -> None:
    compared = await compare(trade.log.pool, trade.log, trade.keyring)
    assert compared.differences == []
    assert compared.read_models == len(READ_MODELS)


async def test_a_restart_at_any_page_gives_the_same_tables(trade: Trade, database: str) -> None:
    last = await trade.append("m1", lives())
    async with running(trade):
        await shown(trade, last)
    expected = await contents(trade)
    for model in READ_MODELS.values():  # begin again
        await rebuild_to_nothing(trade, model)
    for position in range(3, last + 3, 3):  # a new worker for every page of three
        async with running(trade, page=3):
            await shown(trade, min(position, last))
    assert await contents(trade) == expected
    await no_differences(trade)


async def rebuild_to_nothing(trade: Trade, model: ReadModel) -> None:
    """Let an empty first generation be live, as on the first day."""
    async with trade.log.pool.connection() as connection:
        await connection.execute("UPDATE read_models SET live = false WHERE name = %s", (model.name,))
        for table in model.tables:
            await connection.execute(f"DROP VIEW {table}".encode())
        await drop_others(connection, model)


async def test_events_are_merged_alike_in_pages_of_any_size(trade: Trade) -> None:
    changed = Bought("m1", "changed")
    await trade.append("m1", [*lives(), *changed.placing(), *changed.paying(), *changed.changing()])
    for hour, step in enumerate(changed.contradicting()):  # each at its own time, which rows keep
        last = await trade.append("m1", [step], changed.placed_at + timedelta(hours=hour))
    seen = []
    for page in (1, 7, 1000):
        async with running(trade, page=page):
            await shown(trade, last)
        seen.append(await contents(trade))
        for model in READ_MODELS.values():
            await rebuild_to_nothing(trade, model)
    assert seen[0] == seen[1] == seen[2]
    assert {table for table in TABLES if not seen[0][table]} == set(EMPTY)


def failing_on(order_id: str, fixed: list[bool] | None = None) -> ReadModel:
    """The read model `orders`, with a handler that fails on the cancellation of an order."""

    def project(facts: Sequence[Fact]) -> Rows:
        for fact in facts:
            match fact.event:
                case OrderCancelled(order_id=found) if found == order_id and not fixed:
                    raise RuntimeError("this handler has a bug")
        return ORDERS.project(facts)

    return replace(ORDERS, project=project)


async def test_a_poison_event_parks_its_key_and_nothing_else(trade: Trade) -> None:
    models = {**READ_MODELS, "orders": failing_on("cancelled")}
    await trade.append("m1", lives())
    last = await trade.append("m2", lives("m2"))
    async with running(trade, models=models.values()):
        await shown(trade, last)
        parked = await fetch(trade, "SELECT key, error FROM parked ORDER BY key, position")
        assert parked == [
            (f"{merchant}/cancelled", error)
            for merchant in ("m1", "m2")
            for error in ("RuntimeError: this handler has a bug", "queued behind a parked event")
        ]
        orders = dict(await fetch(trade, "SELECT order_id, status FROM orders WHERE merchant = 'm2'"))
        assert orders == {"done": "completed", "cancelled": "confirmed", "returned": "cancelled"}
        more = Bought("m1", "more")
        last = await trade.append("m1", more.life())
        await shown(trade, last)
        assert await fetch(trade, "SELECT status FROM orders WHERE order_id = 'more'") == [("completed",)]
    found = (await compare(trade.log.pool, trade.log, trade.keyring)).differences
    assert len(found) == 1
    assert found[0].startswith("orders: at position")
    await rebuild(trade.log.pool, trade.log, trade.keyring, "orders")  # with a handler that is right
    await no_differences(trade)
    assert await fetch(trade, "SELECT * FROM parked") == []


async def test_a_parked_key_goes_on_once_its_handler_is_mended(trade: Trade) -> None:
    fixed: list[bool] = []
    models = {**READ_MODELS, "orders": failing_on("cancelled", fixed)}
    last = await trade.append("m1", lives())
    parked = ParkedKeys(trade.log.pool, trade.log, trade.keyring, (), models)
    async with running(trade, models=models.values()):
        await shown(trade, last)
        with pytest.raises(CannotGoOn, match="this handler has a bug"):
            await parked.retry("orders", "m1/cancelled")
        assert await fetch(trade, "SELECT count(*) FROM parked") == [(2,)]
        fixed.append(True)
        assert await parked.retry("orders", "m1/cancelled") == 2
        last = await trade.append("m1", Bought("m1", "more").life())
        await shown(trade, last)
    await no_differences(trade)
    assert await fetch(trade, "SELECT 1 FROM parked") == []


async def test_rows_that_the_database_refuses_park_their_key_too(trade: Trade) -> None:
    def project(facts: Sequence[Fact]) -> Rows:
        rows = ORDERS.project(facts)
        for row in rows["place_orders"]:
            if row.order_id == "cancelled":
                row.customer_id, row.currency = "a secret", None  # not NULL
        return rows

    models = {**READ_MODELS, "orders": replace(ORDERS, project=project)}
    last = await trade.append("m1", lives())
    async with running(trade, models=models.values()):
        await shown(trade, last)
    assert await fetch(trade, "SELECT order_id FROM orders ORDER BY 1") == [("done",), ("returned",)]
    parked = await fetch(trade, "SELECT key, error FROM parked ORDER BY position")
    assert {key for key, _ in parked} == {"m1/cancelled"}
    assert parked[0][1].startswith("NotNullViolation")
    assert "a secret" not in str(parked)
    assert len(await fetch(trade, "SELECT * FROM checkouts")) == 3


async def test_a_handler_that_ends_its_process_is_found_by_counting(
    trade: Trade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed by the handler, which no `except` sees, the worker is started again and again."""

    class Killed(BaseException):
        pass

    def project(facts: Sequence[Fact]) -> Rows:
        if any(
            isinstance(fact.event, OrderCancelled) and fact.event.order_id == "cancelled" for fact in facts
        ):
            raise Killed
        return ORDERS.project(facts)

    models = {"orders": replace(ORDERS, project=project)}
    last = await trade.append("m1", lives())
    starts = 0
    while not await fetch(trade, "SELECT 1 FROM parked") and starts < 40:
        starts += 1
        with suppress(Killed):
            async with asyncio.timeout(HANGS):
                async with running(trade, models=models.values(), page=16) as task:
                    while not task.done() and not await fetch(trade, "SELECT 1 FROM parked"):
                        await asyncio.sleep(0.01)
                    if task.done():
                        task.result()
    async with running(trade, models=models.values()):
        await shown(trade, last, models=1)
    assert {key for (key,) in await fetch(trade, "SELECT key FROM parked")} == {"m1/cancelled"}
    assert len(await fetch(trade, "SELECT 1 FROM orders")) == 3
    assert 1 < starts < 40


async def test_an_event_of_the_future_halts_everyone_and_parks_nothing(trade: Trade) -> None:
    last = await trade.append("m1", lives())
    new = NewEvent("OrderTeleported", 1, b"{}", trade.ids.new())
    append = Append(
        trade.ids.new(), "m1", "c", "test", (await trade.log.read(0, 1))[0].occurred_at,
        (StreamAppend("order-m1.future", 0, (new,)),),
    )  # fmt: skip
    await trade.log.append(append)
    await trade.bus.publish(await trade.log.read(last, 1))
    async with running(trade) as task:
        await shown(trade, last)  # what came before it
        await asyncio.sleep(0.1)
        assert not task.done()
    assert await fetch(trade, "SELECT 1 FROM parked") == []
    assert await fetch(trade, "SELECT max(position) FROM checkpoints") == [(last,)]


async def test_a_rebuild_beside_flowing_trade_switches_without_a_gap(trade: Trade) -> None:
    last = await trade.append("m1", lives())
    async with running(trade) as task:
        await shown(trade, last)

        async def flow() -> int:
            position = 0
            for number in range(12):
                position = await trade.append("m1", Bought("m1", f"flow-{number}").life())
            return position

        flowing = asyncio.create_task(flow())
        for name in ("orders", "sales", "stock_levels", "checkouts"):
            done = await rebuild(trade.log.pool, trade.log, trade.keyring, name)
            assert done.generation == 2
            assert (done.compared.differences, done.compared.why_not) == ((), "")
            assert done.compared.position >= last
            assert await fetch(trade, "SELECT generation FROM read_models WHERE name = %s", name) == [(2,)]
        last = await flowing
        await shown(trade, last)
        assert not task.done()
    await no_differences(trade)
    assert await fetch(trade, "SELECT 1 FROM pg_tables WHERE tablename = 'orders_g1'") == []
    assert len(await fetch(trade, "SELECT 1 FROM orders")) == 15


async def test_what_is_rebuilt_is_known_to_the_planner_at_once(trade: Trade) -> None:
    """How many rows there are, and pages that indexes may answer for by themselves."""
    known = """
        SELECT c.reltuples, c.relallvisible > 0 FROM pg_class AS c JOIN read_models AS r
            ON r.live AND r.name = %s AND c.relname = r.name || '_g' || r.generation
    """
    await trade.append("m1", setting_up("m1"))
    async with running(trade):
        for number in range(30):
            last = await trade.append("m1", Bought("m1", f"o{number}").life())
        await shown(trade, last)
    for name in ("orders", "order_lines"):
        await rebuild(trade.log.pool, trade.log, trade.keyring, name)
        assert await fetch(trade, known, name) == [(30.0, True)], name


async def test_a_rebuild_tells_how_the_old_generation_was_not_what_the_log_says(trade: Trade) -> None:
    last = await trade.append("m1", lives())
    async with running(trade):
        await shown(trade, last)
        await fetch(
            trade, "UPDATE orders_g1 SET total_cents = total_cents + 1 WHERE order_id = 'done' RETURNING 1"
        )
        await fetch(trade, "DELETE FROM order_lines_g1 WHERE order_id = 'done' RETURNING 1")
        orders = (await rebuild(trade.log.pool, trade.log, trade.keyring, "orders")).compared
        lines = (await rebuild(trade.log.pool, trade.log, trade.keyring, "order_lines")).compared
    assert orders.position == lines.position == last
    (difference,) = orders.differences
    assert difference == (
        "orders: 1 rows of the old generation are not in the new one, 1 of the new one not in the old;"
        " for example (m1, done)"
    )
    assert lines.differences[0].startswith(
        "order_lines: 0 rows of the old generation are not in the new one, "
    )
    await no_differences(trade)


async def test_what_can_not_be_compared_is_said(trade: Trade) -> None:
    last = await trade.append("m1", lives())
    without_projector = await rebuild(trade.log.pool, trade.log, trade.keyring, "orders")
    assert without_projector.compared.why_not == f"the old generation is behind, at 0 of {last:,}"
    newer = {"orders": replace(READ_MODELS["orders"], version=READ_MODELS["orders"].version + 1)}
    changed = await rebuild(trade.log.pool, trade.log, trade.keyring, "orders", models=newer)
    assert changed.compared.why_not.startswith("the old generation is of version")


async def test_a_rebuilt_read_model_is_followed_though_nothing_happens(trade: Trade) -> None:
    last = await trade.append("m1", lives())
    async with running(trade):
        await shown(trade, last)
        done = await rebuild(trade.log.pool, trade.log, trade.keyring, "orders")

        async def followed() -> bool:
            alive = {each["follower"] for each in await read_checkpoints(trade.log.pool) if each["alive"]}
            return f"projection:orders:g{done.generation}" in alive

        await until(followed)
    assert await trade.log.head() == last


async def test_what_a_killed_rebuild_left_is_dropped_by_the_next(trade: Trade) -> None:
    last = await trade.append("m1", lives())
    async with running(trade):
        await shown(trade, last)
        async with trade.log.pool.connection() as connection, connection.transaction():
            assert await make_generation(connection, ORDERS) == 2  # begun, and never ended
        done = await rebuild(trade.log.pool, trade.log, trade.keyring, "orders")
        assert await fetch(trade, "SELECT generation, live FROM read_models WHERE name = 'orders'") == [
            (done.generation, True)
        ]
        followers = await fetch(trade, "SELECT follower FROM checkpoints WHERE follower LIKE '%%:orders:%%'")
        assert followers == [(f"projection:orders:g{done.generation}",)]
    await no_differences(trade)


async def test_only_one_rebuilds_a_read_model_and_a_starting_projector_lets_it(trade: Trade) -> None:
    again = (trade.log.pool, trade.log, trade.keyring, "orders")
    last = await trade.append("m1", lives())
    async with running(trade):
        await shown(trade, last)
    async with trade.log.pool.connection() as connection, sole_builder(connection, "orders") as alone:
        assert alone
        async with connection.transaction():
            building = await make_generation(connection, ORDERS)
        async with running(trade):
            await shown(trade, await trade.append("m1", Bought("m1", "more").life()))
        assert await fetch(trade, f"SELECT count(*) FROM orders_g{building}") == [(0,)]
        with pytest.raises(RebuildRunning):
            await rebuild(*again)
    await rebuild(*again)
    await no_differences(trade)


@pytest.mark.parametrize(
    ("damage", "table"),
    [
        ("UPDATE orders_g1 SET captured_cents = captured_cents + 1 WHERE order_id = 'done'", "orders"),
        ("UPDATE sales_by_day_g1 SET units_count = units_count - 1", "sales_by_day"),
        ("DELETE FROM payments_g1 WHERE order_id = 'returned'", "payments"),
        ("INSERT INTO categories_g1 VALUES ('m1', 'made', 'up')", "categories"),
    ],
)
async def test_a_planted_wrong_number_is_found(trade: Trade, damage: str, table: str) -> None:
    last = await trade.append("m1", lives())
    async with running(trade):
        await shown(trade, last)
    await no_differences(trade)
    await fetch(trade, damage)
    found = (await compare(trade.log.pool, trade.log, trade.keyring)).differences
    assert len(found) == 1
    assert found[0].startswith(f"{table}: at position {last}")


async def test_what_can_not_be_folded_is_a_difference_and_hides_no_other(trade: Trade) -> None:
    last = await trade.append("m1", lives())
    async with running(trade):
        await shown(trade, last)

    def refused(facts: Sequence[Fact]) -> Rows:
        rows = SALES.project(facts)
        return {**rows, "remember_orders": [*rows["remember_orders"]] * 2}

    models = {
        **READ_MODELS,
        "orders": failing_on("cancelled"),
        "sales": replace(SALES, project=refused),
    }
    compared = await compare(trade.log.pool, trade.log, trade.keyring, models=models)
    assert sorted(each.partition(":")[0] for each in compared.differences) == ["orders", "sales"]
    assert compared.read_models == len(READ_MODELS) - 2
    await no_differences(trade)


async def test_of_two_workers_one_moves_and_the_other_takes_over(trade: Trade) -> None:
    last = await trade.append("m1", lives())
    async with running(trade) as first:
        await shown(trade, last)
        async with running(trade) as second:
            last = await trade.append("m1", Bought("m1", "two").life())
            await shown(trade, last)
            await end_tasks(first)
            last = await trade.append("m1", Bought("m1", "three").life())
            await shown(trade, last)
            assert not second.done()
    await no_differences(trade)


async def test_an_erased_person_is_nowhere_in_plain_text(trade: Trade) -> None:
    last = await trade.append("m1", Bought("m1", "o1", person="p1").life())
    await fetch(
        trade, "UPDATE data_keys SET wrapped_key = NULL, erased_at = now() WHERE subject = 'subject-p1'"
    )
    trade.keyring.forget("subject-p1")
    async with running(trade):
        await shown(trade, last)
    everything = str(await contents(trade))
    told = ("Ana o1", "Rua Augusta", "91234", "ana@example.com", "ring twice")
    for plain in ("customer-o1", "01310", "São Paulo", *told):
        assert plain not in everything.replace("(m1,01310", "")
    assert await fetch(trade, "SELECT customer_id, ship_to_city, ship_to_state FROM orders") == [
        (None, None, "SP")
    ]
    await no_differences(trade)


async def test_pages_that_were_prepared_ahead_are_used(trade: Trade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "REST_SECONDS_MAX", 0)
    placed = OrderPlaced.__name__
    for number in range(10):
        last = await trade.append("m1", Bought("m1", f"o{number}").placing())
    async with running(trade, page=4):
        await shown(trade, last)
    events = await trade.log.read(0)
    assert len(await fetch(trade, "SELECT 1 FROM orders")) == sum(event.type == placed for event in events)
    await no_differences(trade)
