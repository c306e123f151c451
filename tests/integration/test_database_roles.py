"""What may each role do in the database itself, whatever the code forgets? Tried in SQL, as each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from fastapi import Response
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Identifier

from eventstore.postgres import PostgresLog, make_pool
from eventstore.roles import ROLES, Role, user_of
from eventstore.statements import Pool
from projections.generations import make_generation
from projections.read_models import READ_MODELS
from projections.rebuild import rebuild
from queries.dependencies import Reader, Shown, Statement
from queries.waiting import ProjectionsWaiter
from services.embedded import NatsServer, PostgresServer
from services.runfile import read_run
from services.settings import Settings
from services.up import PROCESSES
from services.web.positions import Freshness
from services.web.problems import Problem
from tests.contract.appends import an_append, appended, to_stream
from tests.integration.carriage_trade import carriers
from tests.integration.projections_trade import Bought, setting_up
from tests.integration.system import system, wait
from tests.integration.walls import World, fresh_database, world
from tests.integration.walls_schema import check_walls

AsRole = Callable[[Role], str]
TABLES = sorted(table for model in READ_MODELS.values() for table in model.tables)
ORDERS = (SQL("SELECT merchant, order_id FROM orders ORDER BY 1, 2").as_string(), {})
ACCESS_TABLES = (
    "credentials", "email_digests", "sessions", "refresh_tokens", "api_key_secrets", "single_use_tokens",
    "signing_keys", "members", "rates", "looks", "look_ends",
)  # fmt: skip
FORBIDDEN = (
    "UPDATE events SET data = 'x'",
    "UPDATE events SET merchant = 'm2' WHERE position = 1",
    "DELETE FROM events",
    "TRUNCATE events",
    "TRUNCATE events CASCADE",
    "INSERT INTO events SELECT * FROM events",
    "INSERT INTO events SELECT * FROM events ON CONFLICT (position) DO UPDATE SET data = 'x'",
    "MERGE INTO events USING (SELECT 1) AS one ON position = 1 WHEN MATCHED THEN DELETE",
    "COPY events FROM PROGRAM 'true'",
    "SELECT * FROM events FOR UPDATE",
    "BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE",
    "ALTER TABLE events DISABLE TRIGGER ALL",
    "ALTER TABLE events DISABLE TRIGGER events_append_only",
    "ALTER TABLE events DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE events NO FORCE ROW LEVEL SECURITY",
    "CREATE POLICY mine ON events USING (true)",
    "DROP POLICY audit ON events",
    "CREATE TRIGGER mine BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    "CREATE RULE mine AS ON INSERT TO events DO INSTEAD NOTHING",
    "ALTER TABLE events OWNER TO CURRENT_USER",
    "DROP TABLE events",
    "DROP FUNCTION append_batch",
    "DROP FUNCTION refuse_change() CASCADE",
    "ALTER FUNCTION append_batch SECURITY INVOKER",
    "ALTER FUNCTION append_batch SET search_path = pg_temp",
    "UPDATE log SET epoch = 7",
    "DELETE FROM log",
    "UPDATE commands SET answer = ''",
    "INSERT INTO commands SELECT gen_random_uuid(), 'm1', '', 1, 0, '', now()",
    "UPDATE migrations SET sha256 = ''",
    "SET session_replication_role = replica",
    "SET SESSION AUTHORIZATION THE_OWNER",
    "SET ROLE THE_OWNER",
    "GRANT THE_OWNER TO CURRENT_USER",
    "SELECT rolpassword FROM pg_authid",
    "CREATE ROLE another SUPERUSER",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE CURRENT_USER BYPASSRLS",
    "ALTER ROLE CURRENT_USER CREATEROLE",
    "CREATE FUNCTION mine() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'SELECT'",
    "CREATE FUNCTION mine() RETURNS void LANGUAGE plpgsql AS 'BEGIN END'",
    "CREATE FUNCTION pg_temp.mine() RETURNS void LANGUAGE sql AS 'SELECT'",
    "DO 'BEGIN END'",
    "CREATE SCHEMA mine",
    "DROP EXTENSION plpgsql",
    "CREATE DATABASE mine",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/hostname')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "ALTER SYSTEM SET row_security = off",
    "ALTER DATABASE CURRENT SET row_security = off",
)  # fmt: skip


@contextmanager
def connected(dsn: str, **settings: str) -> Iterator[psycopg.Connection[TupleRow]]:
    """As somebody, with settings of ours for the session: `merchant="m1"`."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (f"tillroll.{name}", value))
        yield connection


@pytest.mark.parametrize("role", ROLES)
def test_no_role_changes_the_log_or_itself(database: str, as_role: AsRole, role: Role) -> None:
    with connected(database) as owner:
        names = {"THE_OWNER": owner.info.user, "DATABASE CURRENT": f"DATABASE {owner.info.dbname}"}
    with connected(as_role(role)) as connection:
        for statement in FORBIDDEN:
            for word, name in names.items():
                statement = statement.replace(word, name)  # noqa: PLW2901
            with pytest.raises((InsufficientPrivilege, psycopg.errors.WrongObjectType)):
                connection.execute(statement.encode())
            connection.rollback()
        for other in ROLES:
            if other != role:
                with pytest.raises(InsufficientPrivilege):
                    connection.execute(SQL("SET ROLE {}").format(Identifier(user_of(other))))
                granted = SQL("GRANT {} TO CURRENT_USER").format(Identifier(user_of(other)))
                with pytest.raises(InsufficientPrivilege):
                    connection.execute(granted)
        if role != "project":
            with pytest.raises(InsufficientPrivilege):
                connection.execute("CREATE TABLE mine (n integer)")


@pytest.mark.parametrize("role", [role for role in ROLES if role != "write"])
def test_only_one_role_appends(as_role: AsRole, role: Role) -> None:
    check_append_closed(as_role(role))


def check_append_closed(dsn: str) -> None:
    """Who this is has no way into the log."""
    with connected(dsn) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute("SELECT * FROM append_batch(1, now(), '{}', '{}', '{}')")


async def test_who_appends_does_so_through_the_function(database: str, as_role: AsRole) -> None:
    async with await PostgresLog.connect(as_role("write")) as log:
        await appended(log, an_append(to_stream("order-m1:1")))
    check_append_closed(as_role("query"))
    with connected(as_role("write")) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute("SELECT * FROM append_exceptions('{}', '{}')")


APPEND = """
SELECT head_after FROM append_batch(
    %s, now(), ARRAY[(gen_random_uuid(), 'm1', '', '', 0, 1)::public.new_append], '{}',
    ARRAY[(1, 'order-m1:1', 1, 'OrderReserved', 1, '{}', 'm1', 'c', 'c', '{}', gen_random_uuid(), now(), '')
        ::public.new_event]
)
"""


def positions(database: str) -> list[int]:
    with connected(database) as owner:
        return [row[0] for row in owner.execute("SELECT position FROM public.events ORDER BY 1").fetchall()]


def test_the_function_does_not_look_at_its_callers_tables(database: str, as_role: AsRole) -> None:
    """Temporary tables of the same names, first in the search path, are not what it writes to or reads."""
    with connected(as_role("write")) as connection:
        for table in ("events", "commands", "log"):
            name = Identifier(table)
            statement = SQL("CREATE TEMP TABLE {} (LIKE public.{} INCLUDING DEFAULTS)").format(name, name)
            connection.execute(statement)
        connection.execute("INSERT INTO pg_temp.log SELECT true, gen_random_uuid(), 9, 1, 1, now()")
        connection.execute("SET search_path = pg_temp, public, pg_catalog")
        row = connection.execute(APPEND.encode(), (1,)).fetchone()
        assert row == (1,)
        found = connection.execute("SELECT count(*) FROM pg_temp.events").fetchone()
        assert found == (0,)
    assert positions(database) == [1]


TRAP = """
CREATE FUNCTION public.unnest(new_append[]) RETURNS SETOF new_append LANGUAGE plpgsql AS $$
BEGIN
    CREATE TABLE IF NOT EXISTS caught AS SELECT current_user AS who;
    RETURN QUERY SELECT * FROM pg_catalog.unnest($1);
END $$
"""


def test_the_function_does_not_step_into_a_trap(database: str, as_role: AsRole) -> None:
    """Who may make things in the schema might make a function that fits better than Postgres' own: it would
    run as the owner. Nobody may; and if somebody could, it would not be called."""
    with connected(as_role("project")) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(TRAP.encode())
    with connected(database) as owner:
        owner.execute(TRAP.encode())
        owner.execute("GRANT EXECUTE ON FUNCTION public.unnest(new_append[]) TO PUBLIC")
    with connected(as_role("write")) as connection:
        assert connection.execute(APPEND.encode(), (1,)).fetchone() == (1,)
    with connected(database) as owner:
        assert owner.execute("SELECT to_regclass('caught')").fetchone() == (None,)


@pytest.mark.parametrize("epoch", [0, 2, -1, None])
def test_an_append_of_another_epoch_is_refused(database: str, as_role: AsRole, epoch: int | None) -> None:
    refused = pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState)
    with connected(as_role("write")) as connection, refused:
        connection.execute(APPEND.encode(), (epoch,))
    assert positions(database) == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(
    postgres_server: PostgresServer,
    migrated_template: str,
    nats_server: NatsServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """Two merchants with trade, and people of both; a projector runs."""
    directory: Path = tmp_path_factory.mktemp("database_roles")
    with fresh_database(postgres_server, migrated_template) as database:
        async with world(database, nats_server.url, directory) as opened:
            for merchant in ("m1", "m2"):
                await opened.append(merchant, [*setting_up(merchant), *carriers(merchant)])
                await opened.append(merchant, Bought(merchant, f"{merchant}-1").life())
                await opened.append(merchant, Bought(merchant, f"{merchant}-2", person="p2").life())
                await opened.signed_in("owner", merchant)
                await opened.key(merchant)
            await opened.settled()
            yield opened


module_loop = pytest.mark.asyncio(loop_scope="module")


def merchants_in(dsn: str, **settings: str) -> dict[str, set[str]]:
    """Whose rows show in each table of the read models; `*` for tables that are nobody's."""
    shown: dict[str, set[str]] = {}
    with connected(dsn, **settings) as connection:
        for table in TABLES:
            cursor = connection.execute(SQL("SELECT * FROM {}").format(Identifier(table)))
            names = [each.name for each in cursor.description or ()]
            at = names.index("merchant") if "merchant" in names else None
            shown[table] = {str(row[at]) if at is not None else "*" for row in cursor.fetchall()}
    return shown


def check_reader(dsn: str) -> None:
    """Who reads sees nothing before it says whose data it wants, and then of that merchant only."""
    assert set().union(*merchants_in(dsn).values()) == set()
    assert set().union(*merchants_in(dsn, merchant="").values()) == set()
    for merchant in ("m1", "m2"):
        shown = merchants_in(dsn, merchant=merchant)
        assert set().union(*shown.values()) == {merchant}
        assert shown["orders"] == shown["payments"] == shown["shipments"] == {merchant}
    everything = merchants_in(dsn, reach="all")
    assert everything["orders"] == {"m1", "m2"}
    assert everything["checkouts"] == {"*"}
    assert merchants_in(dsn, reach="ALL")["orders"] == set()


@module_loop
@pytest.mark.parametrize("role", ["query", "audit"])
async def test_a_reader_sees_one_merchant(found: World, role: Role) -> None:
    check_reader(found.settings.url(role))


@module_loop
async def test_a_reader_for_one_person_sees_its_orders_only(found: World) -> None:
    with connected(found.settings.url("query"), merchant="m1", subject="subject-p2") as connection:
        for table in ("orders", "order_lines", "payments", "shipments", "shipment_lines", "order_timeline"):
            rows = connection.execute(SQL("SELECT order_id FROM {}").format(Identifier(table))).fetchall()
            assert {order for (order,) in rows} == {"m1-2"}, table
        links = connection.execute("SELECT merchant, carrier FROM tracking_links").fetchall()
        assert links == [("m1", "swift")], "what is meant for customers, of their merchant"
        for table in ("merchants", "carriers", "sales_by_day", "products", "stock_levels", "shipment_scans"):
            assert not connection.execute(SQL("SELECT FROM {}").format(Identifier(table))).fetchall(), table
    with connected(found.settings.url("query"), merchant="m2", subject="subject-p9") as connection:
        assert not connection.execute("SELECT FROM orders").fetchall()


@module_loop
async def test_a_reader_cannot_turn_the_wall_off(found: World) -> None:
    for role in ("query", "audit"):
        with connected(found.settings.url(role)) as connection:  # type: ignore[arg-type]
            connection.execute("SET row_security = off")
            with pytest.raises(InsufficientPrivilege):
                connection.execute("SELECT FROM orders")
            for table in ("orders_g1", "orders"):
                with pytest.raises(psycopg.Error):
                    connection.execute(f"INSERT INTO {table} SELECT * FROM {table}".encode())
                with pytest.raises(InsufficientPrivilege):
                    connection.execute(f"DELETE FROM {table}".encode())


def check_refused(found: World, role: Role, table: str) -> None:
    """The role may not read the table."""
    with connected(found.settings.url(role)) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(SQL("SELECT FROM {}").format(Identifier(table)))


@module_loop
async def test_an_auditor_sees_the_log_of_one_merchant_or_of_all(found: World) -> None:
    url = found.settings.url("audit")

    def merchants(table: str, **settings: str) -> set[str]:
        with connected(url, **settings) as connection:
            rows = connection.execute(SQL("SELECT DISTINCT merchant FROM {}").format(Identifier(table)))
            return {merchant for (merchant,) in rows.fetchall()}

    for table in ("events", "events_readable", "commands"):
        assert merchants(table) == set()
        assert merchants(table, merchant="m1") == {"m1"}
        assert merchants(table, reach="all") >= {"m1", "m2"}
    for role in ("query", "access"):
        check_refused(found, role, "commands")  # type: ignore[arg-type]
    with connected(found.settings.url("query"), reach="all") as connection:
        for table in ("events", "events_readable", "parked_answers", "data_keys"):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(SQL("SELECT FROM {}").format(Identifier(table)))


@module_loop
async def test_keys_that_are_parked_are_for_who_reads_all(found: World) -> None:
    with connected(found.database) as owner:
        owner.execute("INSERT INTO parked VALUES ('agent:order', 'order-m1.o1', 1, 'planted')")
    for role in ("query", "audit"):
        url = found.settings.url(role)  # type: ignore[arg-type]
        for settings, rows in ({"reach": "all"}, 1), ({"merchant": "m1"}, 0), ({}, 0):
            with connected(url, **settings) as connection:  # type: ignore[arg-type]
                assert len(connection.execute("SELECT FROM parked").fetchall()) == rows
    with connected(found.database) as owner:
        owner.execute("DELETE FROM parked")


@module_loop
async def test_access_sees_users_and_keys_and_keeps_its_tables_to_itself(found: World) -> None:
    with connected(found.settings.url("access")) as connection:
        kinds = connection.execute("SELECT DISTINCT split_part(stream, '-', 1) FROM events").fetchall()
        assert {kind for (kind,) in kinds} == {"user", "apikey"}
        for table in (*TABLES, "data_keys", "commands", "mail_secrets", "parked", "webhook_inbox"):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(SQL("SELECT FROM {}").format(Identifier(table)))
    for role in ROLES:
        if role != "access":
            with connected(found.settings.url(role), reach="all", merchant="m1") as connection:
                for table in ACCESS_TABLES:
                    with pytest.raises(InsufficientPrivilege):
                        connection.execute(SQL("SELECT FROM {}").format(Identifier(table)))
    for role in ("project", "query", "audit"):
        check_refused(found, role, "mail_secrets")  # type: ignore[arg-type]


@module_loop
async def test_every_table_has_its_wall_also_one_that_is_being_built(found: World) -> None:
    check_walls(found.database)
    async with make_pool(found.settings.url("project")) as pool:
        await rebuild(pool, found.trade.log, found.trade.keyring, "orders")
        check_walls(found.database)
        check_reader(found.settings.url("query"))
        model = READ_MODELS["shipments"]
        async with pool.connection() as connection, connection.transaction():
            number = await make_generation(connection, model)
        check_walls(found.database)
        for table in model.tables_of(number):
            with connected(found.settings.url("query")) as reader:
                assert not reader.execute(SQL("SELECT FROM {}").format(Identifier(table))).fetchall()


@module_loop
async def test_a_table_that_nobody_protected_is_unreadable(found: World) -> None:
    with connected(found.settings.url("project")) as connection:
        connection.execute("CREATE TABLE forgotten AS SELECT merchant, order_id FROM orders")
        connection.execute("CREATE VIEW forgotten_view AS SELECT * FROM forgotten")
    try:
        for role in ("query", "audit", "write", "access"):
            with connected(found.settings.url(role), reach="all") as connection:  # type: ignore[arg-type]
                for name in ("forgotten", "forgotten_view"):
                    with pytest.raises(InsufficientPrivilege):
                        connection.execute(f"SELECT FROM {name}".encode())
        with pytest.raises(AssertionError, match="without a wall"):
            check_walls(found.database)
    finally:
        with connected(found.settings.url("project")) as connection:
            connection.execute("DROP VIEW forgotten_view")
            connection.execute("DROP TABLE forgotten")


@module_loop
@pytest.mark.parametrize("column", ["sku", "order_id", "subject"])
async def test_the_planner_knows_how_many_rows_a_reader_sees(found: World, column: str) -> None:
    """Else it reads and sorts all of a merchant's products to show the first page of them."""
    with connected(found.settings.url("project")) as connection:
        made = (
            "CREATE TABLE wide AS SELECT 'm1' AS merchant, n::text AS {} FROM generate_series(1, 5000) AS n"
        )
        connection.execute(SQL(made).format(Identifier(column)))  # type: ignore[arg-type]
        connection.execute("SELECT protect_read_model('wide')")
        connection.execute("ANALYZE wide")
    try:
        with connected(found.settings.url("query"), merchant="m1") as reader:
            assert len(reader.execute("SELECT FROM wide").fetchall()) == 5000
            ((plan,),) = reader.execute("EXPLAIN (FORMAT JSON) SELECT FROM wide").fetchall()
            assert plan[0]["Plan"]["Plan Rows"] >= 1000
    finally:
        with connected(found.settings.url("project")) as connection:
            connection.execute("DROP TABLE wide")


def reader_of(found: World, pool: Pool, merchant: str) -> Reader:
    """As a route has it."""
    waiter = ProjectionsWaiter(found.settings.url("query"), pool)
    shown = Shown(pool, found.trade.log.identity, waiter, nullcontext)  # type: ignore[arg-type,return-value]
    return Reader(shown, merchant, Freshness(), Response())


async def left_behind(pool: Pool) -> list[tuple[Any, ...]]:
    """What a connection of the pool still knows of whom it read for before; it must be nothing."""
    async with pool.connection() as connection:
        names = ("tillroll.merchant", "tillroll.subject", "tillroll.reach")
        found = [
            (await (await connection.execute("SELECT current_setting(%s, true)", (name,))).fetchone())
            for name in names
        ]
        rows = await (await connection.execute("SELECT merchant FROM orders")).fetchall()
    return [each for each in found if each and each[0]] + rows


async def check_nothing_leaks(found: World, connections: int) -> None:
    """Reads of two merchants over few connections: each sees its own, and leaves nothing for the next."""
    async with make_pool(found.settings.url("query"), max_size=connections) as pool:

        async def read(merchant: str, statement: Statement) -> None:
            reader = reader_of(found, pool, merchant)
            (rows,) = await reader.rows(("orders",), statement)
            assert {row["merchant"] for row in rows} == {merchant}

        for merchant in ("m1", "m2"):
            await read(merchant, ORDERS)
            assert await left_behind(pool) == []
        reads = [read(merchant, ORDERS) for _ in range(20) for merchant in ("m1", "m2")]
        await asyncio.gather(*reads)
        assert await left_behind(pool) == []
        for broken in (
            ("SELECT 1 / 0 FROM orders", {}),
            ("SELECT * FROM orders WHERE placed_at > CAST('x' AS timestamptz)", {}),
            ("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(5)", {}),
            ("SELECT * FROM nowhere", {}),
        ):
            with pytest.raises((Problem, psycopg.Error)):
                await reader_of(found, pool, "m2").rows(("orders",), ORDERS, broken)
            assert await left_behind(pool) == [], broken
        async with pool.connection() as connection, connection.transaction(force_rollback=True):
            await connection.execute("SELECT set_config('tillroll.merchant', 'm1', true)")
        assert await left_behind(pool) == []


@module_loop
@pytest.mark.parametrize("connections", [1, 2])
async def test_a_pooled_connection_forgets_for_whom_it_read(found: World, connections: int) -> None:
    await check_nothing_leaks(found, connections)


@module_loop
async def test_a_plan_for_other_columns_is_given_up(found: World) -> None:
    """After a rebuild a view may have columns of other types: plans for the old ones fail once."""
    async with make_pool(found.settings.url("query"), max_size=1) as pool:
        statement: Statement = ("SELECT order_id, total FROM totals WHERE merchant = %(merchant)s", {})
        views = ("totals",)

        async def read() -> list[dict[str, Any]]:
            return (await reader_of(found, pool, "m1").rows(("orders",), statement, views=views))[0]

        def switch(total: str) -> None:
            with connected(found.settings.url("project")) as connection:
                connection.execute(
                    "DROP VIEW IF EXISTS totals;"
                    "CREATE VIEW totals WITH (security_invoker = true) AS"
                    f" SELECT merchant, order_id, {total} AS total FROM orders;"
                    "GRANT SELECT ON totals TO tillroll_query".encode()
                )

        try:
            switch("total_cents")
            for _ in range(7):  # often enough for a plan that fits any parameters
                assert {type(row["total"]) for row in await read()} == {int}
            switch("total_cents::text")
            with pytest.raises(Problem) as refused:
                await read()
            assert refused.value.status == 503
            assert {type(row["total"]) for row in await read()} == {str}
            assert await left_behind(pool) == []
        finally:
            with connected(found.settings.url("project")) as connection:
                connection.execute("DROP VIEW IF EXISTS totals")


@module_loop
async def test_the_api_works_as_the_roles_that_it_has(found: World) -> None:
    async with found.app.state.pool.connection() as connection:
        row = await (await connection.execute("SELECT current_user, session_user")).fetchone()
    assert row == ("tillroll_query", "tillroll_query")
    with connected(found.database) as owner:
        users = owner.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    assert {user for (user,) in users} <= {user_of(role) for role in ROLES}


CONNECTIONS = """
SELECT application_name, usename FROM pg_stat_activity
WHERE datname IS NOT NULL AND usename IS NOT NULL AND pid <> pg_backend_pid()
"""


@pytest.mark.slow
def test_no_connection_of_a_running_system_is_the_owners(tmp_path: Path) -> None:
    """All processes of `tillroll up`, once all of them are there."""
    with system(tmp_path):
        run = read_run(tmp_path)
        assert run
        settings = Settings(
            **{"data_dir": tmp_path, **{k: v for k, v in run.settings.items() if k.endswith("_url") and v}}
        )
        wanted = {(f"tillroll {name}", user_of(role)) for name, roles in PROCESSES.items() for role in roles}
        seen: set[tuple[str, str]] = set()
        with connected(settings.url("write")) as connection:

            def all_there() -> bool:
                seen.update(connection.execute(CONNECTIONS.encode()).fetchall())  # type: ignore[arg-type]
                return wanted <= seen

            wait(all_there)
        assert {each for each in seen if each[0].startswith("tillroll ")} == wanted
        assert {user for _, user in seen} <= {user_of(role) for role in ROLES}
        environments = {name: path.read_bytes() for name, path in _environments(tmp_path)}
        for address, knowing in (("DATABASE_URL", []), ("AUDIT_URL", ["api"])):
            variable = f"TILLROLL_{address}=".encode()
            assert [name for name, each in environments.items() if variable in each] == knowing


def _environments(data_dir: Path) -> Iterator[tuple[str, Path]]:
    """Of all processes that work in the directory, by their names, but for who started them."""
    run = read_run(data_dir)
    assert run
    for name, status in run.processes.items():
        pid = status["pid"]
        if pid and name not in ("postgres", "nats"):
            yield name, Path(f"/proc/{pid}/environ")
