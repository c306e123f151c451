"""Does a read model as of a moment show what a rebuild up to it would, and is the difference right?"""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from psycopg import sql

from domain.kernel import Fact
from eventstore.postgres import make_pool
from projections.fold import Fold
from projections.generations import make_generation
from projections.order.orders import ORDERS
from projections.page import Follow
from projections.read_model import ReadModel, table_of
from projections.read_models import READ_MODELS
from services.audit.as_of import AGENTS
from services.audit.as_of_kept import KeptStates
from services.audit.desk import Asked, Desk, NotThere
from services.audit.difference import ABSENT, applied, differences
from services.audit.history import Reach
from services.audit.history_index import HistoryIndex
from services.play.reader import read_olist
from services.play.synthetic import synthetic_rows
from services.settings import Settings
from tests.integration.played import played, some_of
from tests.integration.projections_trade import Bought, open_trade, setting_up
from tests.integration.projections_trade import Trade as HandMade
from tests.integration.test_projections import running
from tests.integration.test_projections import shown as projected
from tests.integration.trade import Trade

OLIST = os.environ.get("TILLROLL_OLIST_DIR")
MOMENTS, PAIRS = 20, 10
CHECKOUTS = int(os.environ.get("TILLROLL_OLIST_CHECKOUTS", "20"))
Rows = dict[str, Any]
States = dict[str, Rows]
AnyTrade = Trade | HandMade


@asynccontextmanager
async def desk_over(
    database: str, trade: AnyTrade, *, merchant: str = "", open_: bool = True
) -> AsyncIterator[Desk]:
    url = Settings(database_url=database).url("audit")
    async with make_pool(url, max_size=4) as reading, make_pool(url, max_size=2) as folding:
        yield Desk(reading, folding, trade.keyring, Reach(merchant), open_=open_)


async def prepare(trade: AnyTrade, spacing: int = 100) -> KeptStates:
    """What the projector does beside: describe the log, and keep states."""
    pool = trade.log.pool
    await HistoryIndex(trade.log, pool).catch_up()
    states = KeptStates(trade.log, pool, spacing=spacing)
    async with pool.connection() as connection:
        await states.catch_up(connection)
    return states


async def everything(desk: Desk, table: str, position: int, key: str = "") -> Rows:
    """All rows of a table then, by their keys, page after page."""
    found: Rows = {}
    after: list[Any] | None = None
    while True:
        page = await desk.rows(Asked(table=table, key=key), position, 200, after)
        found |= {name_of(row, page["next"], table): row for row in page["items"]}
        if page["next"] is None:
            return found
        after = page["next"]


def name_of(row: Rows, _next: Any, table: str) -> str:
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode()


class Rebuilt:
    """Generations that are moved from moment to moment, as a rebuild moves them."""

    def __init__(self, trade: AnyTrade, connection: Any) -> None:
        self.connection = connection
        self.trade = trade
        self.numbers: dict[str, int] = {}
        self.fold: Fold | None = None

    async def until(self, position: int) -> None:
        if self.fold is None:
            follows = []
            async with self.connection.transaction():
                for model in READ_MODELS.values():
                    self.numbers[model.name] = await make_generation(self.connection, model)
                    follows.append(Follow(model, self.numbers[model.name]))
            self.fold = Fold(self.connection, self.trade.log, self.trade.keyring, follows)
        await self.fold.until(position, "moments")

    async def rows(self, model: ReadModel, table: str) -> list[str]:
        relation = sql.Identifier(table_of(table, self.numbers[model.name]))
        cursor = await self.connection.execute(sql.SQL("SELECT to_jsonb(t) FROM {} AS t").format(relation))
        return sorted(name_of(row[0], None, table) for row in await cursor.fetchall())


def moments_of(head: int, seed: int = 1, count: int = MOMENTS) -> list[int]:
    return sorted(random.Random(seed).sample(range(1, head + 1), count))


async def check_moments(database: str, trade: AnyTrade, spacing: int, moments: Sequence[int]) -> set[str]:
    """Of every table, row by row; those that had rows at any of these moments, which ascend."""
    filled = set()
    await prepare(trade, spacing)
    async with desk_over(database, trade) as desk, trade.log.pool.connection() as connection:
        rebuilt = Rebuilt(trade, connection)
        bases = set()
        for position in moments:
            await rebuilt.until(position)
            for model in READ_MODELS.values():
                for table in model.tables:
                    pages = [page["items"] async for page in desk.all_rows(Asked(table=table), position)]
                    shown = [name_of(row, None, table) for items in pages for row in items]
                    assert sorted(shown) == await rebuilt.rows(model, table), (table, position)
                    filled |= {table} if shown else set()
            page = await desk.rows(Asked(table="orders"), position, 1)
            bases.add(page["folded_from"])
        assert len(bases) > 3, "moments begin at several kept states"
    return filled


async def test_any_moment_is_what_a_rebuild_would_show(database: str) -> None:
    async with played(database, synthetic_rows(60, seed=4)) as trade:
        await check_moments(database, trade, 200, moments_of(await trade.log.head()))


async def test_a_kept_state_that_was_deleted_is_done_without_and_made_again(database: str) -> None:
    async with played(database, synthetic_rows(20, seed=3)) as trade:
        states = await prepare(trade)
        head = await trade.log.head()
        async with desk_over(database, trade) as desk, trade.log.pool.connection() as connection:
            before = await everything(desk, "orders", head)
            base = (await desk.rows(Asked(table="orders"), head, 1))["folded_from"]
            await connection.execute(f"DROP TABLE orders_at{base}".encode())
            assert await everything(desk, "orders", head) == before
            await states.catch_up(connection)
            assert (await desk.rows(Asked(table="orders"), head, 1))["folded_from"] == base
            assert await everything(desk, "orders", head) == before


async def test_a_read_model_of_one_key_needs_the_events_of_that_key_alone(database: str) -> None:
    async with played(database, synthetic_rows(12, seed=2)) as trade:
        await prepare(trade)
        head = await trade.log.head()
        async with desk_over(database, trade) as desk:
            for position in moments_of(head, count=3):
                for table in ("orders", "order_lines", "order_timeline", "payments", "shipments"):
                    whole = [orjson.loads(each) for each in await everything(desk, table, position)]
                    keys = {(row["merchant"], row["order_id"]) for row in whole}
                    for merchant, order_id in sorted(keys)[:5]:
                        own = await everything(desk, table, position, f"{merchant}/{order_id}")
                        theirs = [r for r in whole if (r["merchant"], r["order_id"]) == (merchant, order_id)]
                        assert sorted(own) == sorted(name_of(row, None, table) for row in theirs)
            with pytest.raises(NotThere, match="many orders"):
                await desk.rows(Asked(table="sales_by_day", key="m1/1"), head, 1)


async def test_kept_states_stand_behind_the_wall(database: str) -> None:
    """A merchant's desk is made of its own rows, and the database shows no others, whatever is asked."""
    async with played(database, synthetic_rows(30, seed=5)) as trade:
        await prepare(trade)
        head = await trade.log.head()
        with psycopg.connect(Settings(database_url=database).url("audit")) as audit:
            relations = [row[0] for row in audit.execute(KEPT).fetchall()]
            assert {each.rpartition("_at")[0] for each in relations} >= {
                "orders",
                "checkouts",
                "sales_by_day",
            }
            of_orders = [each for each in relations if each.startswith("orders_at")]
            merchants = rows_seen(audit, max(of_orders, key=lambda each: int(each[9:])), "", "all")
            assert len({*merchants}) > 1
            for relation in relations:
                everything_ = rows_seen(audit, relation, "", "all")
                assert rows_seen(audit, relation, "", "") == []
                for merchant in {*merchants}:
                    own = [each for each in everything_ if each == merchant]
                    assert rows_seen(audit, relation, merchant, "") == own, (relation, merchant)
        async with (
            desk_over(database, trade) as whole,
            desk_over(database, trade, merchant=merchants[0]) as own,
        ):
            for table in ("orders", "order_lines", "stock_levels", "sales_by_day"):
                page = await own.rows(Asked(table=table), head, 1)
                assert page["folded_from"], "upon a kept state"
                rows = [orjson.loads(each) for each in await everything(whole, table, head)]
                expected = [name_of(r, None, table) for r in rows if r["merchant"] == merchants[0]]
                assert sorted(await everything(own, table, head)) == sorted(expected)


KEPT = "SELECT relname FROM pg_class WHERE relname ~ '_at[0-9]+$' AND relkind = 'r' ORDER BY relname"


def rows_seen(audit: psycopg.Connection, relation: str, merchant: str, reach: str) -> list[str]:
    """Whose rows they are, of all that is there for whoever is bound so; '' in a table without merchants."""
    with audit.transaction():
        audit.execute(
            "SELECT set_config('tillroll.merchant', %s, true), set_config('tillroll.reach', %s, true)",
            (merchant, reach),
        )
        text = sql.SQL("SELECT coalesce(to_jsonb(t) ->> 'merchant', '') FROM {} AS t ORDER BY 1")
        return [row[0] for row in audit.execute(text.format(sql.Identifier(relation))).fetchall()]


def put(states: States, change: dict[str, Any]) -> None:
    """Apply a change as an auditor's own program would, from its JSON."""
    name = orjson.dumps(change["of"], option=orjson.OPT_SORT_KEYS).decode()
    before = states.get(name, ABSENT)
    after = applied(before, change["path"], change.get("now", ABSENT))
    if after is ABSENT:
        del states[name]
    else:
        states[name] = after


async def keyed(desk: Desk, model: ReadModel, position: int, of_key: str = "") -> States:
    found: States = {}
    for table in model.tables:
        after: list[Any] | None = None
        while True:
            page = await desk.rows(Asked(table=table, key=of_key), position, 200, after)
            key = await key_columns(desk, table)
            for row in page["items"]:
                of = {"table": table, "key": {column: row[column] for column in key}}
                found[orjson.dumps(of, option=orjson.OPT_SORT_KEYS).decode()] = row
            if (after := page["next"]) is None:
                break
    return found


async def key_columns(desk: Desk, table: str) -> list[str]:
    async with desk.history._pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)"
            " WHERE i.indisprimary AND c.relname ~ %s"
            " ORDER BY array_position(i.indkey::int2[], a.attnum)",
            (f"^{table}_g1$",),
        )
        return [row[0] for row in await cursor.fetchall()]


def pairs_of(head: int, count: int) -> list[tuple[int, int]]:
    chance = random.Random(7)
    samples = (sorted(chance.sample(range(head + 1), 2)) for _ in range(count))
    return [(first, last) for first, last in samples]


async def check_differences(database: str, trade: AnyTrade, pairs: Sequence[tuple[int, int]]) -> set[str]:
    """Of every table, by the changes alone; those that changed between any of these moments."""
    changed = set()
    await prepare(trade)
    async with desk_over(database, trade) as desk:
        for first, last in pairs:
            for model in READ_MODELS.values():
                states = await keyed(desk, model, first)
                async for part in desk.all_changes(Asked(table=model.tables[0]), first, last):
                    for change in part:
                        assert first < change["position"] <= last
                        put(states, change)
                        changed.add(change["of"]["table"])
                assert states == await keyed(desk, model, last), (model.name, first, last)
    return changed


async def test_the_difference_applied_to_the_first_moment_gives_the_second(database: str) -> None:
    async with played(database, synthetic_rows(30, seed=5)) as trade:
        await check_differences(database, trade, pairs_of(await trade.log.head(), 3))


async def test_each_change_names_the_event_that_made_it(database: str) -> None:
    async with played(database, synthetic_rows(8, seed=3)) as trade:
        await prepare(trade)
        head = await trade.log.head()
        stored = {event.position: event for event in await trade.log.read(0, head)}
        async with desk_over(database, trade) as desk:
            order = next(event for event in stored.values() if event.type == "OrderPlaced")
            answer = await desk.changes(
                Asked(table="orders", key=f"{order.merchant}/{order_of(order)}"), 0, head
            )
            assert answer["items"], "an order has a life"
            for change in answer["items"]:
                event = stored[change["position"]]
                assert (change["event_id"], change["type"]) == (str(event.event_id), event.type)
            made = answer["items"][0]
            assert (made["position"], made["path"], "was" in made) == (order.position, "", False)
            part = await desk.changes(Asked(table="orders"), 0, head, limit=10)
            assert part["next_from"] == part["to"] == part["items"][-1]["position"]


def order_of(event: Any) -> str:
    return str(orjson.loads(event.data)["order_id"])


async def test_aggregates_and_processes_stand_as_they_stood(database: str) -> None:
    async with played(database, synthetic_rows(15, seed=6)) as trade:
        await prepare(trade)
        head = await trade.log.head()
        async with desk_over(database, trade, open_=False) as desk, trade.log.pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT agent, key, state FROM agent_processes ORDER BY agent, key"
            )
            processes = await cursor.fetchall()
            assert {"order", "inventory", "payment", "shipping"} <= {agent for agent, *_ in processes}
            for agent, key, state in processes:
                shown = await desk.state(Asked(agent=agent, key=key), head)
                assert shown["state"] == orjson.loads(
                    AGENTS[agent].initial.__class__.model_validate_json(state).model_dump_json()
                )
            cursor = await connection.execute("SELECT DISTINCT stream FROM events ORDER BY stream")
            streams = [stream for (stream,) in await cursor.fetchall()]
            chance = random.Random(3)
            for stream in chance.sample(streams, 30):
                first, last = sorted(chance.sample(range(head + 1), 2))
                subject = Asked(stream=stream).subject()
                nothing = subject.as_json(subject.initial())  # where it is not there, changes begin with this
                state = (await desk.state(Asked(stream=stream), first))["state"] or nothing
                async for part in desk.all_changes(Asked(stream=stream), first, last):
                    for change in part:
                        state = applied(state, change["path"], change.get("now", ABSENT))
                assert state == ((await desk.state(Asked(stream=stream), last))["state"] or nothing)


class HandlerFails(Exception):
    """A bug of a read model."""


async def test_a_key_whose_handler_fails_stands_still_and_all_others_go_on(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with played(database, synthetic_rows(30, seed=5)) as trade:
        head = await trade.log.head()
        confirmed = [each for each in await trade.log.read(0, head) if each.type == "OrderConfirmed"]
        poison = confirmed[7]
        key = f"{poison.merchant}/{order_of(poison)}"
        async with desk_over(database, trade) as desk:
            first = poison.position - 1
            before, whole = await keyed(desk, ORDERS, first), await keyed(desk, ORDERS, head)
            project = ORDERS.project

            def failing(facts: Sequence[Fact]) -> Any:
                if any(fact.position == poison.position for fact in facts):
                    raise HandlerFails("a bug")
                return project(facts)

            broken = replace(ORDERS, project=failing)
            monkeypatch.setitem(READ_MODELS, "orders", broken)
            stands = [{"key": key, "position": poison.position}]
            assert (await desk.rows(Asked(table="orders"), first, 1))["parked"] == []
            assert (await desk.rows(Asked(table="orders"), head, 1))["parked"] == stands
            assert (await desk.rows(Asked(table="orders", key=key), head, 1))["parked"] == stands
            shown = await keyed(desk, broken, head)

            def parts(rows: States) -> tuple[States, States]:
                """Those of the key, and the others."""
                own = {name for name, row in rows.items() if f"{row['merchant']}/{row['order_id']}" == key}
                return {name: rows[name] for name in own}, {
                    name: row for name, row in rows.items() if name not in own
                }

            assert parts(shown)[0] == parts(before)[0]
            assert parts(shown)[1] == parts(whole)[1]
            states = before
            async for part in desk.all_changes(Asked(table="orders"), first, head):
                for change in part:
                    put(states, change)
            assert states == shown

            kept = KeptStates(trade.log, trade.log.pool, [broken], spacing=first + 1)
            async with trade.log.pool.connection() as connection:
                await kept.catch_up(connection)
                monkeypatch.setattr(KeptStates, "_keep_next", None)  # it is passed over
                await kept.catch_up(connection)
            assert (await desk.rows(Asked(table="orders"), head, 1))["folded_from"] == 0


async def test_a_checkout_of_several_customers_shows_one_of_them_whole_now_and_then(database: str) -> None:
    """The one whose `subject` it shows, since that is who is asked about, and who may be erased."""
    bought = [
        Bought("m1", f"o{number}", checkout_id="shared", person=person)
        for number, person in enumerate(["q", "r", "p", "p", "q", "r"])
    ]
    async with open_trade(database) as opened:
        await opened.append("m1", setting_up("m1"))
        last = max([await opened.append("m1", each.placing()[:1]) for each in bought])
        async with running(opened):
            await projected(opened, last)
        async with opened.log.pool.connection() as connection:
            query = "SELECT subject, customer_id, customer_unique_id FROM checkouts"
            shown = await (await connection.execute(query.encode())).fetchone()
        assert shown == ("subject-p", "customer-o2", "p")
        async with make_pool(Settings(database_url=database).url("audit")) as pool:
            desk = Desk(pool, pool, opened.keyring, Reach(""), open_=True)
            (row,) = (await desk.rows(Asked(table="checkouts"), last, 2))["items"]
        assert tuple(row[name] for name in ("subject", "customer_id", "customer_unique_id")) == shown


def test_differences_go_into_objects_and_no_further() -> None:
    was, now = {"a": {"b/c": 1, "d": 2}, "e": [1]}, {"a": {"b/c": 2}, "e": [1, 2], "f": None}
    found = list(differences(was, now))
    assert found == [("/a/b~1c", 1, 2), ("/a/d", 2, ABSENT), ("/e", [1], [1, 2]), ("/f", ABSENT, None)]
    for path, _, value in found:
        was = applied(was, path, value)
    assert was == now


@pytest.mark.olist
@pytest.mark.skipif(not OLIST, reason="TILLROLL_OLIST_DIR is not set")
async def test_twenty_moments_of_olist(database: str) -> None:
    """Of the first orders of the real data, so that it takes a minute."""
    async with played(database, some_of(read_olist(Path(str(OLIST))), CHECKOUTS)) as trade:
        head = await trade.log.head()
        await check_moments(database, trade, min(256, head // 6), moments_of(head))
        await check_differences(database, trade, pairs_of(head, PAIRS))
