"""Would the tests notice? Holes are planted, in code or in the database, and the check must go red.

The checks are those of the tests beside this one: of roles, of tenants, of the database's roles.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from fastapi import APIRouter

import commands.http
import queries.dependencies
import queries.order.orders
import services.access.api_keys
import services.api
import services.web.access
from eventstore.seams import key_id
from queries.dependencies import Reader
from services.access.store import Row, Store
from services.api import create_app
from services.embedded import NatsServer, PostgresServer
from services.web.access import Asked, Principal, RouteWithoutRule, routes_of
from tests.integration.api_client import a_key, in_memory
from tests.integration.test_database_roles import (
    check_append_closed,
    check_nothing_leaks,
    check_reader,
)
from tests.integration.test_roles import OPERATIONS, check_role, check_rules_shown, the_app
from tests.integration.test_tenants import (
    LISTS,
    Two,
    check_cursor,
    check_customer,
    check_key_is_its_senders,
    check_reads,
    two_merchants,
)
from tests.integration.walls import World, age
from tests.integration.walls_schema import check_walls

pytestmark = pytest.mark.asyncio(loop_scope="module")
Patch = pytest.MonkeyPatch


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two(
    postgres_server: PostgresServer,
    migrated_template: str,
    nats_server: NatsServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Two]:
    directory: Path = tmp_path_factory.mktemp("holes")
    async with two_merchants(postgres_server, migrated_template, nats_server, directory) as opened:
        yield opened


@contextmanager
def goes_red(*others: type[Exception]) -> Iterator[None]:
    """The check fails, as it should."""
    with pytest.raises((AssertionError, pytest.fail.Exception, *others)):
        yield


@contextmanager
def planted(database: str, hole: str, mended: str) -> Iterator[None]:
    """A hole in the database, as its owner might make one by mistake."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(hole.encode())
        try:
            yield
        finally:
            owner.execute(mended.encode())


@contextmanager
def without_the_wall(database: str, table: str = "orders_g1") -> Iterator[None]:
    with planted(
        database,
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
    ):
        yield


async def forgotten() -> None:
    """A route that nobody gave a rule."""


async def test_a_route_without_a_rule(monkeypatch: Patch) -> None:
    further = APIRouter()
    further.get("/v1/forgotten", operation_id="forgotten")(forgotten)
    with pytest.raises(RouteWithoutRule, match="/v1/forgotten"):
        create_app(in_memory(), further=(further,))
    monkeypatch.setattr(services.api, "install_rules", lambda _app: None)
    with goes_red(KeyError):  # and were nobody to look at the start, the document would tell
        check_rules_shown(create_app(in_memory(), further=(further,)))


async def test_a_rule_with_the_wrong_permission(two: Two, monkeypatch: Patch) -> None:
    (operation,) = [each for each in OPERATIONS if each.id == "start_preparation"]
    await check_role(two.world, "staff without it", operation)
    at_merchant = services.web.access._at_merchant

    def any_read(principal: Principal, permission: str, named: str) -> Asked:
        return at_merchant(principal, "orders:read", named)

    with monkeypatch.context() as patch:
        patch.setattr(services.web.access, "_at_merchant", any_read)
        with goes_red():
            await check_role(two.world, "staff without it", operation)
    check_rules_shown(the_app())
    (route,) = [each for each in routes_of(the_app()) if each.path == "/v1/orders/{order_id}/prepare"]
    (check,) = [d.call for d in route.dependant.dependencies if d.call in services.web.access._RULES]
    wrong = replace(services.web.access._RULES[check], permission="orders:read")
    monkeypatch.setitem(services.web.access._RULES, check, wrong)
    with goes_red():
        check_rules_shown(the_app())


def without_tenant() -> dict[Any, str]:
    return {s: q.replace("merchant = %(merchant)s", "true", 1) for s, q in queries.order.orders.LISTS.items()}


async def test_a_query_without_its_tenant(two: Two, monkeypatch: Patch) -> None:
    """With the second wall up nothing shows; without it the check does."""
    await check_reads(two)
    forgetful = without_tenant()
    assert forgetful != queries.order.orders.LISTS
    monkeypatch.setattr(queries.order.orders, "LISTS", forgetful)
    await check_reads(two)
    with without_the_wall(two.world.database), goes_red():
        await check_reads(two)


@pytest.mark.parametrize("connections", [1, 2])
async def test_set_that_stays_with_a_pooled_connection(
    two: Two, monkeypatch: Patch, connections: int
) -> None:
    await check_nothing_leaks(two.world, connections)
    lasting = queries.dependencies._BIND.replace(b"true", b"false")
    monkeypatch.setattr(queries.dependencies, "_BIND", lasting)
    with goes_red():
        await check_nothing_leaks(two.world, connections)


QUAL = "SELECT qual FROM pg_policies WHERE tablename = 'payments_g1' AND policyname = 'read'"
POLICY = "CREATE POLICY read ON {table} FOR SELECT TO tillroll_query, tillroll_audit USING ({seen})"


async def test_a_policy_that_was_dropped(two: Two) -> None:
    database = two.world.database
    check_walls(database)
    with psycopg.connect(database) as owner:
        seen = owner.execute(
            "SELECT qual FROM pg_policies WHERE tablename = 'payments_g1' AND policyname = 'read'"
        )
        (qual,) = seen.fetchone() or ("",)
    mended = POLICY.format(table="payments_g1", seen=qual)
    with planted(database, "DROP POLICY read ON payments_g1", mended):
        with goes_red():
            check_walls(database)
        with goes_red():
            check_reader(two.world.settings.url("query"))
    wide = "DROP POLICY read ON payments_g1; " + POLICY.format(table="payments_g1", seen="true")
    with planted(database, wide, f"DROP POLICY read ON payments_g1; {mended}"), goes_red():
        check_reader(two.world.settings.url("query"))
    with (
        planted(
            database,
            "ALTER TABLE payments_g1 NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE payments_g1 FORCE ROW LEVEL SECURITY",
        ),
        goes_red(),
    ):
        check_walls(database)
    check_walls(database)
    check_reader(two.world.settings.url("query"))


@pytest.mark.parametrize("grantee", ["tillroll_query", "tillroll_project", "PUBLIC"])
async def test_the_append_function_granted_to_another(two: Two, grantee: str) -> None:
    database, role = two.world.database, "project" if "project" in grantee else "query"
    grant = "GRANT EXECUTE ON FUNCTION append_batch TO {}", "REVOKE EXECUTE ON FUNCTION append_batch FROM {}"
    with planted(database, *(each.format(grantee) for each in grant)):
        with goes_red():
            check_append_closed(two.world.settings.url(role))  # type: ignore[arg-type]
        with goes_red():
            check_walls(database)
    check_append_closed(two.world.settings.url(role))  # type: ignore[arg-type]


async def test_an_idempotency_key_that_is_not_bound_to_its_principal(two: Two, monkeypatch: Patch) -> None:
    await check_key_is_its_senders(two)
    monkeypatch.setattr(commands.http, "key_id", lambda *words: key_id(words[0], words[1], f"{words[-1]}!"))
    with goes_red():
        await check_key_is_its_senders(two)


async def test_a_cursor_that_carries_anothers_key(two: Two, monkeypatch: Patch) -> None:
    """A list that believes its cursor: it goes on where the key belongs."""
    (orders,) = [each for each in LISTS if each.id == "list_orders"]
    await check_cursor(two, orders)
    of_key = "SELECT o.merchant FROM orders AS o WHERE o.order_id = %(after_id)s"
    whose = f"merchant = coalesce(({of_key}), %(merchant)s)"
    believing = {
        s: q.replace("merchant = %(merchant)s", whose) for s, q in queries.order.orders.LISTS.items()
    }
    assert believing != queries.order.orders.LISTS
    monkeypatch.setattr(queries.order.orders, "LISTS", believing)
    await check_cursor(two, orders)  # the second wall holds
    with without_the_wall(two.world.database), goes_red():
        await check_cursor(two, orders)


async def check_key_is_not_kept(found: World) -> None:
    """A new API key's secret stands in no table, neither as text nor as bytes."""
    secret = await a_key(found.app, "m1")
    with psycopg.connect(found.database) as owner:
        tables = owner.execute(
            "SELECT oid::regclass::text FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            for (row,) in owner.execute(f"SELECT t::text FROM {table} AS t".encode()).fetchall():
                assert secret not in row
                assert secret.encode().hex() not in row, table


async def test_an_api_key_that_is_kept_in_clear(two: Two, monkeypatch: Patch) -> None:
    await check_key_is_not_kept(two.world)
    monkeypatch.setattr(services.access.api_keys, "digest_of", str.encode)
    with goes_red():
        await check_key_is_not_kept(two.world)


async def check_refresh_works_once(found: World) -> None:
    """Whoever comes second with a refresh token is out, and so is who came first."""
    user_id = await found.user("owner", "m1")
    begun = await found.access.sessions.begin(user_id, "tests", cookie=False)
    body = {"refresh_token": begun.secret}
    first = await found.ask("POST", "/v1/auth/refresh", body=body)
    assert first.status_code == 200
    assert (await found.ask("POST", "/v1/auth/refresh", body=body)).status_code == 401
    found.access.gate.forget()
    secret = first.json()["access_token"]
    assert (await found.ask("GET", "/v1/auth/me", secret)).status_code == 401


class Forgetful(Store):
    """Does not know which refresh tokens were used."""

    async def rows(self, name: str, **arguments: Any) -> list[Row]:
        if name == "rotate":
            async with self._pool.connection() as connection:
                await connection.execute("UPDATE refresh_tokens SET used_at = NULL")
        return await super().rows(name, **arguments)


async def test_a_refresh_token_that_works_twice(two: Two, monkeypatch: Patch) -> None:
    await check_refresh_works_once(two.world)
    sessions = two.world.access.sessions
    monkeypatch.setattr(sessions, "_store", Forgetful(two.world.access.store._pool))
    with goes_red():
        await check_refresh_works_once(two.world)


async def test_a_customers_read_without_its_subject(two: Two, monkeypatch: Patch) -> None:
    await check_customer(two)

    def of_anybody(*parts: Any, subject: str = "", reach: str = "") -> Reader:
        return Reader(*parts[:4], reach=reach)

    monkeypatch.setattr(queries.dependencies, "Reader", of_anybody)
    with goes_red():
        await check_customer(two)


async def check_session_ends(found: World) -> None:
    """A session that was ended opens nothing, nor does one whose time is over."""
    user_id = await found.user("owner", "m1")
    for end in ("signed out", "over"):
        _, secret = await found.session(user_id)
        assert (await found.ask("GET", "/v1/auth/me", secret)).status_code == 200
        if end == "over":
            await age(found, timedelta(days=60))
            found.access.gate.forget()  # a second later, by itself
        else:
            await found.ask("POST", "/v1/auth/sign-out", secret)
        assert (await found.ask("GET", "/v1/auth/me", secret)).status_code == 401, end


class Undying(Store):
    """Finds a session whether or not it is over."""

    async def row(self, name: str, **arguments: Any) -> Row | None:
        if name == "session_standing":
            async with self._pool.connection() as connection:
                await connection.execute(
                    "UPDATE sessions SET ended_at = NULL, idle_until = 'infinity', expires_at = 'infinity'"
                    " WHERE session_id = %s",
                    (arguments["session_id"],),
                )
        return await super().row(name, **arguments)


async def test_a_session_that_outlives_its_end(two: Two, monkeypatch: Patch) -> None:
    await check_session_ends(two.world)
    gate = two.world.access.gate
    monkeypatch.setattr(gate, "_store", Undying(two.world.access.store._pool))
    with goes_red():
        await check_session_ends(two.world)


async def test_a_customers_query_without_its_subject(two: Two, monkeypatch: Patch) -> None:
    """Each of the two walls keeps a customer to its own orders; without both it would see everybody's."""
    database, whole = two.world.database, dict(queries.order.orders.LISTS)
    with without_the_wall(database):
        await check_customer(two)
    forgetful = {sort: query.replace("subject = %(subject)s", "true") for sort, query in whole.items()}
    assert forgetful != whole
    monkeypatch.setattr(queries.order.orders, "LISTS", forgetful)
    await check_customer(two)
    with without_the_wall(database), goes_red():
        await check_customer(two)
