"""Is what is over forgotten, by the role that may, and nothing that still holds?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg

from eventstore.postgres import make_pool
from eventstore.roles import Role
from services.access.forgetting import KEPT, forget
from tests.integration.access_client import doors

TABLES = ("sessions", "refresh_tokens", "single_use_tokens", "rates")


def counts(database: str) -> dict[str, int]:
    with psycopg.connect(database) as connection:
        found = {}
        for table in TABLES:
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            found[table] = int(row[0]) if row else 0
    return found


async def test_what_is_long_over_goes_and_what_holds_stays(
    database: str, as_role: Callable[[Role], str], tmp_path: Path
) -> None:
    async with doors(database, tmp_path) as door, make_pool(as_role("access"), max_size=1) as pool:
        user_id = await door.user("ana@example.com", "m1", "owner")  # by a token that was used
        ended = await door.sign_in("ana@example.com")
        await door.access.sessions.end(user_id, ended["session_id"])
        before = counts(database)
        assert (before["sessions"], before["refresh_tokens"], before["single_use_tokens"]) == (1, 1, 1)
        over, later = (int((door.clock.now() + timedelta(days=days)).timestamp()) for days in (0, 30))
        with psycopg.connect(database) as connection:
            connection.execute(
                "INSERT INTO rates (key, window_number, hits, ends_at)"
                " VALUES ('a', 1, 1, %s), ('b', 1, 1, %s)",
                (over, later),
            )

        await forget(pool, door.clock.now())
        assert counts(database) == {**before, "rates": 1}
        door.clock.move(days=2)
        alive = await door.sign_in("ana@example.com")
        door.clock.move(days=KEPT.days - 1, hours=1)
        await forget(pool, door.clock.now())
        assert counts(database) == {"sessions": 1, "refresh_tokens": 1, "single_use_tokens": 0, "rates": 1}
        refreshed = await door.client.post("/v1/auth/refresh", json={"refresh_token": alive["refresh_token"]})
        assert refreshed.status_code == 200
