"""Do the events that `why` tells make up each number of each read model, exactly, and does it tell if not?"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from domain.carrier import LabelVoided
from domain.erasure import SubjectErased
from domain.inventory import (
    StockAdjusted,
    StockAllocated,
    StockReceived,
    StockReturned,
)
from domain.kernel import Fact
from domain.order import Adjustment
from domain.payment import (
    AuthorizationExpired,
    CaptureFailed,
    CaptureRequested,
    PaymentDeclined,
    PaymentProviderUnavailable,
)
from domain.product import ProductImported
from domain.streams import (
    erasure_stream,
    payment_stream,
    product_stream,
    stock_stream,
)
from eventstore.postgres import make_pool
from eventstore.roles import ALL_MERCHANTS
from eventstore.statements import Pool
from projections.generations import Connection
from projections.order.sales import SALES
from projections.read_model import Rows
from projections.read_models import READ_MODELS
from services.audit import numbers_found, numbers_merge
from services.audit.causes_asked import Bound, bound
from services.audit.numbers import Row, explain, explain_row, rolled_back
from services.audit.numbers_table import MODEL_OF, CannotExplain, read_table
from services.play.reader import read_olist
from tests.integration.carriage_trade import a_parcel, carriers, invoices, manifests
from tests.integration.inventory_lives import inventory_lives
from tests.integration.played import played, some_of
from tests.integration.projections_trade import (
    START,
    Bought,
    Step,
    Trade,
    a_product,
    open_trade,
    setting_up,
    some_carts,
)
from tests.integration.projections_warehouse import warehousing
from tests.integration.test_database_roles import AsRole
from tests.integration.test_projections import running, shown

NUMBERLESS = {"search_words", "search_trigrams"}
"""Words of a merchant's whole catalogue: nobody asks why of them."""
EVERY_TABLE = [table for model in READ_MODELS.values() for table in model.tables]
TABLES = [table for table in EVERY_TABLE if table not in NUMBERLESS]


def mixed_trade(merchant: str, seed: int, orders: int = 24) -> list[tuple[int, Step]]:
    """Lives of all kinds, interleaved, each step with the day that it happens on (from 0)."""
    chance = random.Random(seed)
    lives = []
    for number in range(orders):
        bought = Bought(
            merchant,
            f"{merchant}o{number}",
            checkout_id=f"checkout{seed}-{number // 2}",
            sku=chance.choice(["A", "B", "C-1"]),
            category=chance.choice(["toys", None, "books"]),
            quantity=chance.randint(1, 5),
            unit_price_cents=chance.randint(1, 9_999),
            unit_shipping_cents=chance.randint(0, 500),
            adjustments=chance.choice([(), (Adjustment(kind="surcharge", amount_cents=7),)]),
            portions=chance.randint(1, 3),
            currency=chance.choice(["BRL", "BRL", "EUR"]),
            person=f"p{number % 5}",
            estimated_delivery_at=START + timedelta(days=9) if number % 12 != 4 else None,
        )
        late = bought.delivering(START + timedelta(days=30)) if number % 3 else bought.delivering()
        ids = {"payment_id": f"{bought.order_id}.1", "order_id": bought.order_id}
        stream = payment_stream(merchant, f"{bought.order_id}.1")
        capture = {**ids, "capture_id": "c"}
        troubled: list[Step] = [
            (stream, CaptureRequested(**capture, amount_cents=5)),
            (stream, CaptureFailed(**capture, reason="no")),
            (stream, CaptureRequested(**ids, capture_id="d", amount_cents=3)),
            (stream, PaymentProviderUnavailable(**ids, call="capture", attempts=number)),
        ]
        life = {
            0: [*bought.placing(), *bought.paying(), *bought.cancelling()],
            1: [*bought.placing(), *bought.paying(), *bought.shipping(), *bought.returning()],
            2: bought.placing(),
            3: [
                *bought.placing(),
                *bought.paying(),
                *troubled,
                *bought.contesting(),
                *bought.contradicting(),
            ],
        }.get(number % 6, [*bought.placing(), *bought.paying(), *bought.shipping(), *late])
        day = chance.randint(0, 3)
        lives.append([(day + at // 4, step) for at, step in enumerate(life)])
    mixed: list[tuple[int, Step]] = []
    while any(lives):
        life = chance.choice([each for each in lives if each])
        mixed.append(life.pop(0))
    return mixed


async def trade_of(trade: Trade, merchant: str, seed: int) -> int:
    for sku in ("A", "B", "C-1"):
        await trade.append(
            merchant, setting_up(merchant, sku) if sku == "A" else setting_up(merchant, sku)[2:]
        )
    for day, step in mixed_trade(merchant, seed):
        await trade.append(merchant, [step], START + timedelta(days=day))
    place = {"sku": "A", "warehouse": "main"}
    stock = stock_stream(merchant, "A", "main")
    return await trade.append(
        merchant,
        [
            (stock, StockReceived(**place, quantity=11, reference="more")),
            (stock, StockAdjusted(**place, delta=-4, reason="damage")),
            (stock, StockReturned(**place, order_id=f"{merchant}o1", quantity=2)),
        ],
    )


def odd_lives(merchant: str) -> list[Step]:
    """What moves the numbers that the others leave at 0, most of all: orders that stay where they are."""
    orders = [Bought(merchant, f"{merchant}odd{number}", checkout_id=f"odd{number}") for number in range(4)]
    declined, expired, shipped, changed = orders
    measured = ProductImported(
        sku="D", name_length=1, description_length=2, photos=3, length_cm=4, height_cm=5, width_cm=6
    )
    ids = [{"payment_id": f"{each.order_id}.1", "order_id": each.order_id} for each in orders]
    parcel = {"shipment_id": shipped.order_id, "order_id": shipped.order_id}
    allocated = StockAllocated(order_id=expired.order_id, sku="A", warehouse="main", quantity=2)
    gone = AuthorizationExpired(**ids[1], amount_cents=expired.total_cents)
    return [
        (product_stream(merchant, "D"), measured),
        *a_product(merchant),
        *carriers(merchant),
        *manifests(merchant),
        *invoices(merchant),
        *some_carts(merchant),
        *warehousing(merchant),
        *declined.placing()[:1],
        *declined.paying()[:1],
        (payment_stream(merchant, f"{declined.order_id}.1"), PaymentDeclined(**ids[0], reason="no")),
        *expired.placing(),
        *expired.paying(),
        (expired.stock, allocated),
        (payment_stream(merchant, f"{expired.order_id}.1"), gone),
        *shipped.placing(),
        *shipped.paying(),
        *shipped.shipping()[:3],
        (shipped.shipment, LabelVoided(**parcel)),
        *shipped.shipping()[3:7],
        *a_parcel(merchant, shipped.order_id, f"{merchant}p1"),
        *changed.placing(),
        *changed.paying(),
        *changed.changing(),
    ]


async def trade_of_every_table(trade: Trade) -> int:
    """Of two merchants, so that no table of a read model stays empty; the last position."""
    for seed, merchant in enumerate(("m1", "m2"), 1):
        await trade_of(trade, merchant, seed)
        await trade.append(merchant, inventory_lives(merchant))
    return await trade.append("m2", odd_lives("m2"))


@pytest.fixture
async def trade(database: str) -> AsyncIterator[Trade]:
    async with open_trade(database) as opened:
        last = await trade_of_every_table(opened)
        async with running(opened):
            await shown(opened, last)
        yield opened


@pytest.fixture
async def pool(as_role: AsRole) -> AsyncIterator[Pool]:
    async with make_pool(as_role("audit"), options=ALL_MERCHANTS) as opened:
        yield opened


async def keys_of(connection: Connection, table: str) -> list[dict[str, Any]]:
    shape, _ = await read_table(connection, table)
    named = SQL(", ").join(map(Identifier, shape.key))
    statement = SQL("SELECT {} FROM {} ORDER BY {}").format(named, Identifier(table), named)
    cursor = await connection.cursor(row_factory=dict_row).execute(statement)
    return await cursor.fetchall()


async def explained(connection: Connection, table: str, key: dict[str, Any], **options: Any) -> Row:
    async with rolled_back(connection):
        return await explain_row(connection, table, key, **options)


NO_NUMBERS = {"text", "boolean", "date", "timestamp with time zone", "tsvector"}
"""The types of all other columns: one of a new type must be explained, or stand here."""


async def schema(connection: Connection) -> dict[str, dict[str, str]]:
    """The tables of the read models as the database has them: table -> column -> its type."""
    cursor = await connection.execute(
        "SELECT left(c.relname, -3), a.attname, format_type(a.atttypid, NULL) FROM pg_class AS c"
        " JOIN pg_attribute AS a ON a.attrelid = c.oid WHERE c.relkind = 'r' AND c.relname LIKE '%\\_g1'"
        " AND a.attnum > 0 AND NOT a.attisdropped"
    )
    tables: dict[str, dict[str, str]] = defaultdict(dict)
    for table, column, of_type in await cursor.fetchall():
        tables[table][column] = of_type
    return tables


async def unexplained(connection: Connection) -> set[str]:
    """Columns of read models that may be numbers, but which nobody can ask about."""
    found = set()
    for table, columns in (await schema(connection)).items():
        numbers = (await read_table(connection, table))[0].numbers if table in MODEL_OF else ()
        maybe = {column for column, of_type in columns.items() if of_type not in NO_NUMBERS}
        found |= {f"{table}.{column}" for column in maybe - set(numbers)}
    return found


async def walked(connection: Connection, table: str, rows_max: int) -> set[str]:
    """Explain all numbers of some rows, found by what their key tells alone; those that were other than 0."""
    told: set[str] = set()
    keys = await keys_of(connection, table)
    random.Random(1).shuffle(keys)
    for at, key in enumerate(keys):
        row = await explained(connection, table, key)
        assert row.found_in != "the whole log", (table, key)
        assert row.merged.made_by is not None, (table, key)
        wrong = [column for column in row.shape.numbers if not row.adds_up(column)]
        assert not wrong, (table, key, wrong)
        told |= {f"{table}.{column}" for column in row.shape.numbers if row.row[column]}
        if at >= rows_max and len(told) == len(row.shape.numbers):
            break
    return told


async def test_every_number_of_every_read_model_is_made_up_by_its_events(trade: Trade, pool: Pool) -> None:
    """Each column of the schema that is one, in rows where it is something else than 0, too."""
    async with pool.connection() as connection:
        assert set(await schema(connection)) == set(EVERY_TABLE)
        assert await unexplained(connection) == set()
        for table in TABLES:
            shape, _ = await read_table(connection, table)
            told = await walked(connection, table, rows_max=12)
            assert told == {f"{table}.{column}" for column in shape.numbers}, "0 proves little"


async def test_a_column_that_nobody_can_ask_about_is_noticed(trade: Trade, pool: Pool) -> None:
    async with trade.log.pool.connection() as owner:
        await owner.execute("ALTER TABLE sales_by_day_g1 ADD COLUMN rate double precision DEFAULT 0.5")
        await owner.execute("ALTER TABLE orders_g1 ADD COLUMN points bigint DEFAULT 7")
    async with pool.connection() as connection:
        assert await unexplained(connection) == {"sales_by_day.rate"}
        for column in ("points", "total_cents"):
            with pytest.raises(CannotExplain, match="orders has points, which this version of Tillroll does"):
                await explain(connection, "orders", {"merchant": "m1", "order_id": "m1o0"}, column)


async def test_a_handler_that_fails_on_what_was_taken_is_told(
    trade: Trade, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODEL_OF, "sales_by_product", replace(SALES, project=failing("m1o0")))
    async with pool.connection() as connection:
        key = (await keys_of(connection, "sales_by_product"))[0]
        with pytest.raises(CannotExplain, match=r"sales fails on events that it has taken \(ValueError"):
            await explain(connection, "sales_by_product", key, "gross_cents")


async def test_the_same_is_found_in_the_whole_log(trade: Trade, pool: Pool) -> None:
    chance = random.Random(2)
    async with pool.connection() as connection:
        for table in TABLES:
            key = chance.choice(await keys_of(connection, table))
            by_key = await explained(connection, table, key)
            in_log = await explained(connection, table, key, whole=True)
            assert in_log.found_in == "the whole log"
            assert in_log.merged.columns == by_key.merged.columns, (table, key)
            assert in_log.merged.made_by == by_key.merged.made_by


async def random_numbers(
    connection: Connection, seed: int, count: int
) -> list[tuple[str, dict[str, Any], str]]:
    """(table, key, column), each number of the read models as likely as any other."""
    chance = random.Random(seed)
    every = []
    for table in TABLES:
        shape, _ = await read_table(connection, table)
        every += [
            (table, key, column) for key in await keys_of(connection, table) for column in shape.numbers
        ]
    return chance.sample(every, count)


async def check_random_numbers(pool: Pool, seed: int, count: int = 100) -> None:
    async with pool.connection() as connection:
        for table, key, column in await random_numbers(connection, seed, count):
            told = await explain(connection, table, key, column)
            value = told.value or 0
            assert told.adds_up, (table, key, column, told.sum, told.value)
            assert sum(each.part for each in told.by_type) == value
            if told.more_after is None:
                assert sum(each.part for each in told.parts) == value
                assert (told.parts[-1].value if told.parts else 0) == value
                assert told.set_by == (told.parts[-1].position if told.parts else told.made_by)


async def test_a_hundred_random_numbers_add_up(trade: Trade, pool: Pool) -> None:
    await check_random_numbers(pool, seed=6)


MINIATURE = Path(__file__).parent.parent / "fixtures" / "olist_miniature"


async def test_a_hundred_random_numbers_of_the_miniature_add_up(database: str, pool: Pool) -> None:
    async with played(database, read_olist(MINIATURE)):
        await check_random_numbers(pool, seed=7)


CHECKOUTS = int(os.environ.get("TILLROLL_OLIST_CHECKOUTS", "100"))


@pytest.mark.olist
@pytest.mark.skipif("TILLROLL_OLIST_DIR" not in os.environ, reason="TILLROLL_OLIST_DIR is not set")
async def test_a_hundred_random_numbers_of_olist_add_up(database: str, pool: Pool) -> None:
    """Of the first orders of the real data, played by the real agents."""
    async with played(database, some_of(read_olist(Path(os.environ["TILLROLL_OLIST_DIR"])), CHECKOUTS)):
        await check_random_numbers(pool, seed=8)


async def test_each_event_has_the_part_that_a_person_would_give_it(database: str, pool: Pool) -> None:
    """A day's net: 2300 were placed, captured and refunded; another 1150 were cancelled unpaid."""
    back = Bought("m1", "back")
    off = Bought("m1", "off", quantity=1)
    async with open_trade(database) as trade:
        await trade.append("m1", setting_up("m1"))
        await trade.append("m1", [*back.placing(), *back.paying(), *back.shipping(), *back.returning()])
        last = await trade.append("m1", [*off.placing(), *off.paying(), *off.cancelling()])
        async with running(trade):
            await shown(trade, last)
    async with pool.connection() as connection:
        key = {"merchant": "m1", "day": START.date()}
        told = await explain(connection, "sales_by_day", key, "net_cents")
    assert [(each.type, each.part, each.value) for each in told.parts] == [
        ("OrderPlaced", 2300, 2300),
        ("PaymentRefunded", -2300, 0),
        ("OrderPlaced", 1150, 1150),
        ("OrderCancelled", -1150, 0),
    ]
    assert told.formula is not None
    assert "refunded_cents" in told.formula
    assert told.key["currency"] == "BRL"
    assert told.found_in == "the orders of m1 by day 2018-03-01"
    assert (told.made_by, told.set_by) == (told.parts[0].position, told.parts[-1].position)


async def test_a_number_that_somebody_changed_does_not_add_up(trade: Trade, pool: Pool) -> None:
    async with trade.log.pool.connection() as owner:
        await owner.execute("UPDATE sales_by_product_g1 SET gross_cents = gross_cents + 1 WHERE sku = 'A'")
    async with pool.connection() as connection:
        for key in await keys_of(connection, "sales_by_product"):
            told = await explain(connection, "sales_by_product", key, "gross_cents")
            assert told.adds_up == (key["sku"] != "A")
            if not told.adds_up:
                assert told.sum + 1 == told.value
                assert told.found_in == "the whole log"
            units = await explain(connection, "sales_by_product", key, "units_count")
            assert units.adds_up


async def test_where_the_timeline_lacks_an_event_the_log_has_it(trade: Trade, pool: Pool) -> None:
    async with trade.log.pool.connection() as owner:
        await owner.execute("DELETE FROM order_timeline_g1 WHERE type = 'OrderPlaced'")
    async with pool.connection() as connection:
        for table, column in (("orders", "total_cents"), ("merchant_money", "ordered_cents")):
            for key in (await keys_of(connection, table))[:3]:
                told = await explain(connection, table, key, column)
                assert told.adds_up
                assert told.found_in == "the whole log"


async def test_where_the_orders_lack_one_of_a_checkout_the_log_has_it(trade: Trade, pool: Pool) -> None:
    async with trade.log.pool.connection() as owner:
        await owner.execute("DELETE FROM orders_g1 WHERE order_id = 'm1o3'")
    async with pool.connection() as connection:
        told = await explain(connection, "checkouts", {"checkout_id": "checkout1-1"}, "items_cents")
        assert told.value
        assert told.adds_up
        assert told.found_in == "the whole log"


async def test_no_number_needs_any_other_table_than_its_own(trade: Trade) -> None:
    """Other read models are but a shorter way: without them, the log alone makes each number."""
    async with trade.log.pool.connection() as connection:
        for table in TABLES:
            keys = await keys_of(connection, table)
            for key in random.Random(3).sample(keys, min(len(keys), 2)):
                try:
                    for other in set(EVERY_TABLE) - {table}:
                        await connection.execute(f"DELETE FROM {other}_g1".encode())
                    row = await explained(connection, table, key)
                    assert row.merged.made_by is not None, (table, key)
                    wrong = [column for column in row.shape.numbers if not row.adds_up(column)]
                    assert not wrong, (table, key, wrong)
                finally:
                    await connection.rollback()


async def test_where_no_order_of_a_checkout_is_known_the_log_is_asked(trade: Trade, pool: Pool) -> None:
    """And where the log knows none either, the row was made by nobody that may make it."""
    async with trade.log.pool.connection() as owner:
        await owner.execute("DELETE FROM orders_g1 WHERE checkout_id = 'checkout1-1'")
        await owner.execute(
            "CREATE TEMP TABLE forged AS SELECT * FROM checkouts_g1 WHERE checkout_id = 'checkout1-1';"
            " UPDATE forged SET checkout_id = 'forged'; INSERT INTO checkouts_g1 SELECT * FROM forged"
        )
    erased = SubjectErased(subject="subject-p1", reason="asked for")
    last = await trade.append("m1", [(erasure_stream("subject-p1"), erased)])
    async with running(trade):
        await shown(trade, last)
    async with pool.connection() as connection:
        for checkout_id, is_true in (("checkout1-1", True), ("forged", False)):
            told = await explain(connection, "checkouts", {"checkout_id": checkout_id}, "items_cents")
            assert told.value
            assert told.adds_up == is_true
            assert told.found_in == "the whole log"
            assert bool(told.parts) == is_true


async def test_a_number_of_any_size_is_explained_page_by_page(
    trade: Trade, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for a few events at a time, and for fewer parts: the pages hold all of them, and add up."""
    numbers: list[tuple[str, dict[str, Any], str]] = [
        ("merchant_overview", {"merchant": "m1"}, "orders_count"),
        ("stock_levels", {"merchant": "m1", "sku": "A", "warehouse": "main"}, "available"),
        ("checkouts", {"checkout_id": "checkout1-1"}, "captured_cents"),
        ("sales_by_day", {"merchant": "m1", "day": START.date(), "currency": "BRL"}, "net_cents"),
    ]
    async with pool.connection() as connection:
        whole = [await explain(connection, *number) for number in numbers]
        monkeypatch.setattr(numbers_merge, "DECODED_MAX", 5)
        monkeypatch.setattr(numbers_merge, "PARTS_MAX", 2)
        monkeypatch.setattr(numbers_found, "PLACES_PAGE", 1)
        for number, expected in zip(numbers, whole, strict=True):
            pages = [await explain(connection, *number)]
            while (after := pages[-1].more_after) is not None:
                pages.append(await explain(connection, *number, after=after))
            assert all(len(page.parts) <= 2 for page in pages)
            assert [part for page in pages for part in page.parts] == list(expected.parts)
            totals = {(page.sum, page.adds_up, page.by_type, page.parts_count) for page in pages}
            assert totals == {(expected.sum, True, expected.by_type, len(expected.parts))}
            assert len(pages) > 1 or len(expected.parts) <= 2
    assert all(len(each.parts) > 2 for each in whole[:2])


async def test_however_much_is_parked_numbers_are_explained(trade: Trade, pool: Pool) -> None:
    async with trade.log.pool.connection() as owner:
        await owner.execute(
            "INSERT INTO parked (follower, key, position, error)"
            " SELECT 'projection:sales:g1', 'm1/x' || n, 1000000 + n, 'no'"
            " FROM generate_series(1, 10001) AS n"
        )
    async with pool.connection() as connection:
        day = {"merchant": "m1", "day": START.date(), "currency": "BRL"}
        assert (await explain(connection, "sales_by_day", day, "net_cents")).adds_up


async def test_what_is_parked_or_skipped_is_no_part(database: str, pool: Pool) -> None:
    fine, broken = Bought("m1", "fine"), Bought("m1", "broken", quantity=1)
    models = {"sales": replace(SALES, project=failing(broken.order_id))}
    async with open_trade(database) as trade:
        await trade.append("m1", setting_up("m1"))
        await trade.append("m1", fine.placing())
        last = await trade.append("m1", broken.placing())
        others = [each for each in READ_MODELS.values() if each.name != "sales"]
        async with running(trade, models=(*others, *models.values())):
            await shown(trade, last)
    async with pool.connection() as connection:
        key = {"merchant": "m1", "day": START.date()}
        told = await explain(connection, "sales_by_day", key, "gross_cents")
        assert (told.value, told.adds_up, told.parts_count) == (2000, True, 1)
        assert told.found_in != "the whole log"


def failing(order_id: str) -> Callable[[Sequence[Fact]], Rows]:
    def project(facts: Sequence[Fact]) -> Rows:
        if any(getattr(fact.event, "order_id", None) == order_id for fact in facts):
            raise ValueError("this order is too much")
        return SALES.project(facts)

    return project


async def test_a_merchant_sees_its_own_numbers_made_of_its_own_events(trade: Trade, as_role: AsRole) -> None:
    async with make_pool(as_role("audit")) as own:
        async with bound(own, Bound("m1")) as connection:
            told = await explain(connection, "merchant_overview", {"merchant": "m1"}, "orders_count")
            assert told.adds_up
            assert told.value == 24
            with pytest.raises(CannotExplain, match="has no row"):
                await explain(connection, "merchant_overview", {"merchant": "m2"}, "orders_count")
            with pytest.raises(CannotExplain, match="has no row"):
                await explain(connection, "checkouts", {"checkout_id": "checkout1-0"}, "orders_count")
        async with bound(own, Bound()) as connection:
            checkout = {"checkout_id": "checkout1-1"}
            for column in ("due_cents", "payments_count"):
                assert (await explain(connection, "checkouts", checkout, column)).adds_up


async def test_what_is_asked_wrongly_is_said(trade: Trade, pool: Pool) -> None:
    wrong: list[tuple[str, dict[str, Any], str, str]] = [
        ("nothing", {}, "n", "no read model has a table nothing"),
        ("orders", {"merchant": "m1", "order_id": "m1o0"}, "status", "orders has no number status"),
        ("orders", {"merchant": "m1"}, "total_cents", "several rows with merchant m1: say order_id m1o0 or"),
        (
            "orders",
            {"merchant": "m1", "day": "2018-03-01"},
            "total_cents",
            "told apart by merchant, order_id",
        ),
        ("sales_by_day", {"merchant": "m1", "day": "someday"}, "net_cents", "someday is no day"),
        ("sales_by_day", {"merchant": "m1", "day": "01.03.2018"}, "net_cents", "write it as 2018-03-01"),
        ("order_lines", {"merchant": "m1", "order_id": "none", "line": 1}, "quantity", "has no row with"),
    ]
    async with pool.connection() as connection:
        for table, key, column, message in wrong:
            with pytest.raises(CannotExplain, match=message):
                await explain(connection, table, key, column)
        overview = {"merchant": "m1"}
        with pytest.raises(CannotExplain, match="more than 5 events make up this number"):
            await explain(connection, "merchant_overview", overview, "orders_count", events_max=5)


async def test_nothing_stays_of_it(trade: Trade, pool: Pool) -> None:
    async with pool.connection() as connection:
        await explain(connection, "merchant_overview", {"merchant": "m1"}, "orders_count")
        left = await connection.execute("SELECT relname FROM pg_class WHERE relname LIKE '%\\_why'")
        assert await left.fetchall() == []
        path = await (await connection.execute("SHOW search_path")).fetchone()
        assert path == ('"$user", public',)
