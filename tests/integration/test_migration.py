"""Does any database come to the present schema: an older one, several at once, one of a lowly owner?"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from eventstore.bus import MemoryBus
from eventstore.feed import Feed
from eventstore.keyring import Keyring, PostgresKeyStore
from eventstore.postgres import PostgresLog, make_pool
from eventstore.roles import ROLES, NotPermitted, Role, let_in, password_of, url_as
from eventstore.schema import migrate, migrations
from eventstore.tasks import end_tasks
from projections.runner import ProjectionRunner
from projections.session import PostgresReadModels
from services.embedded import PostgresServer
from tests.conftest import run
from tests.integration.projections_trade import MASTER_KEY, Bought, Trade, open_trade, setting_up
from tests.integration.test_projections import shown

OLDER = ("0001_log.sql", "0002_followers.sql", "0003_read_models.sql", "0004_resend.sql")
PASSWORDS: dict[Role, str] = {role: password_of(role, bytes(32)) for role in ROLES}
READERS = "tillroll_query, tillroll_audit"
_TEXT = dict(migrations())
_PARTITIONS, _, _ = _TEXT["0014_partitions.sql"].partition("REVOKE ALL ON FUNCTION")
_, _MOVE, _MOVES = _TEXT["0003_read_models.sql"].partition("CREATE FUNCTION move_projections")
PRETENDED = (
    _PARTITIONS,
    "CREATE FUNCTION protect_read_model(regclass) RETURNS void LANGUAGE sql AS ''",
    "CREATE ROLE tillroll_query",
    "CREATE ROLE tillroll_audit",
)
"""What the projector of today needs, and the one of then did not."""
PRETENDED_NO_MORE = (
    "DROP FUNCTION protect_read_model",
    f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {READERS}",
    f"DROP ROLE {READERS}",
    "DROP TABLE workers",
    "ALTER TABLE checkpoints DROP COLUMN first_partition, DROP COLUMN last_partition, DROP COLUMN worker",
    "ALTER TABLE checkpoints ADD PRIMARY KEY (follower)",
    "ALTER TABLE projection_attempts DROP COLUMN first_partition, DROP COLUMN last_partition",
    "ALTER TABLE projection_attempts ADD PRIMARY KEY (follower)",
    "DROP FUNCTION move_projections",
    _MOVE + _MOVES,
)
_numbers = itertools.count(1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PostgresServer]:
    """A Postgres of one's own: roles are the whole server's, and here nobody has made them."""
    server = PostgresServer(tmp_path, fsync=False)
    run(server.start())
    yield server
    run(server.stop())


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def new_database(server: PostgresServer, owner: str = "") -> str:
    """A fresh one; `owner` is a user who may log in with the password `x`."""
    name = f"shop_{next(_numbers)}"
    execute(server.dsn_for("postgres"), f"CREATE DATABASE {name} {f'OWNER {owner}' if owner else ''}")
    url = server.dsn_for(name)
    return make_conninfo(url, user=owner, password="x") if owner else url


def names_of(url: str, role: Role) -> str:
    with psycopg.connect(url_as(url, role, PASSWORDS[role])) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    return str(row[0]) if row else ""


def test_several_databases_of_a_server_may_be_migrated_at_once(server: PostgresServer) -> None:
    urls = [new_database(server) for _ in range(4)] * 2  # and each by two

    with ThreadPoolExecutor(len(urls)) as pool:
        list(pool.map(migrate, urls))
        for _ in range(5):
            list(pool.map(let_in, urls, [PASSWORDS] * len(urls)))
            execute(urls[0], *(f"ALTER ROLE tillroll_{role} NOLOGIN" for role in ROLES))
    let_in(urls[0], PASSWORDS)
    for url, role in itertools.product(urls, ROLES):
        assert names_of(url, role) == f"tillroll_{role}"


def make_role(server: PostgresServer, role: Role) -> None:
    statement = f"CREATE ROLE tillroll_{role} LOGIN PASSWORD '{PASSWORDS[role]}'"
    execute(server.dsn_for("postgres"), statement)


def test_an_owner_who_may_not_make_roles_is_told_which(server: PostgresServer) -> None:
    execute(server.dsn_for("postgres"), "CREATE ROLE keeper LOGIN PASSWORD 'x'")
    url = new_database(server, "keeper")
    with pytest.raises(NotPermitted) as told:
        migrate(url)
    assert "\n" not in str(told.value)
    assert "keeper may not make roles" in str(told.value)
    first = [role for role in ROLES if role != "seal"]  # which came later
    assert all(f"tillroll_{role}" in str(told.value) for role in first)
    for role in first:
        make_role(server, role)
    with pytest.raises(NotPermitted, match="tillroll_seal"):
        migrate(url)
    make_role(server, "seal")
    assert migrate(url) == [name for name, _ in migrations()]
    let_in(url, PASSWORDS)  # who can log in already is left as it is
    with pytest.raises(NotPermitted, match=r"keeper may not let tillroll_write log in.*TILLROLL_WRITE_URL"):
        let_in(url, {"write": "another"})


def test_an_owner_who_may_make_roles_need_not_be_a_superuser(server: PostgresServer) -> None:
    execute(server.dsn_for("postgres"), "CREATE ROLE keeper LOGIN CREATEROLE PASSWORD 'x'")
    url = new_database(server, "keeper")
    run(an_older_database(url))
    migrate(url)
    let_in(url, PASSWORDS)
    run(is_behind_the_wall_and_goes_on(url))


async def test_an_older_database_goes_behind_the_wall_and_its_read_models_go_on(
    server: PostgresServer,
) -> None:
    url = new_database(server)
    await an_older_database(url)
    assert await asyncio.to_thread(migrate, url) == [n for n, _ in migrations() if n not in OLDER]
    await asyncio.to_thread(let_in, url, PASSWORDS)
    await is_behind_the_wall_and_goes_on(url)


async def an_older_database(url: str) -> None:
    """The log of two merchants with read models that show it, as the version before the roles left them."""
    await asyncio.to_thread(migrate, url, only=OLDER)
    await asyncio.to_thread(execute, url, *PRETENDED)
    async with open_trade(url) as trade, projecting(trade, url):
        for merchant in ("m1", "m2"):
            await trade.append(merchant, setting_up(merchant))
            last = await trade.append(merchant, Bought(merchant, f"order-{merchant}").life())
        await shown(trade, last)
    await asyncio.to_thread(execute, url, *PRETENDED_NO_MORE)


@asynccontextmanager
async def projecting(trade: Trade, url: str) -> AsyncIterator[None]:
    async with make_pool(url) as pool:
        task = asyncio.create_task(
            ProjectionRunner(trade.feed, PostgresReadModels(pool), trade.keyring).run()
        )
        try:
            yield
        finally:
            await end_tasks(task)


async def is_behind_the_wall_and_goes_on(url: str) -> None:
    assert await orders_seen(url, "m1") == {"order-m1"}
    assert await orders_seen(url, "m2") == {"order-m2"}
    assert await orders_seen(url, "") == set()
    log = await PostgresLog.connect(url_as(url, "write", PASSWORDS["write"]))
    async with log, Feed(log, bus := MemoryBus()).running() as feed:
        keyring = Keyring(MASTER_KEY, PostgresKeyStore(log.pool))
        trade = Trade(log, bus, feed, keyring)
        async with projecting(trade, url_as(url, "project", PASSWORDS["project"])):
            await shown(trade, await trade.append("m3", [*setting_up("m3"), *Bought("m3", "later").life()]))
    assert await orders_seen(url, "m3") == {"later"}
    assert await orders_seen(url, "m1") == {"order-m1"}


async def orders_seen(url: str, merchant: str) -> set[str]:
    """By whom the API reads as, for this merchant."""
    reading = url_as(url, "query", PASSWORDS["query"])
    async with await psycopg.AsyncConnection.connect(reading) as connection:
        await connection.execute("SELECT set_config('tillroll.merchant', %s, true)", (merchant,))
        cursor = await connection.execute("SELECT order_id FROM orders")
        return {order_id for (order_id,) in await cursor.fetchall()}
