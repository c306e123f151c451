"""What of an erased person may still lie in the database's files, and how is it overwritten now?

A row that was changed stays in its page as a dead one, values of columns in the planner's statistics, and
both in the write-ahead log, for as long as nobody needs the space. So: the read models that show people are
built anew, and the old ones dropped; keys and statistics are written anew without dead rows; and the
write-ahead log up to here is removed, not recycled. The system runs meanwhile.
"""

from __future__ import annotations

import psycopg

from projections.read_models import READ_MODELS
from projections.rebuild import rebuild
from services.console import results
from services.context import open_context
from services.embedded import owner_of_embedded
from services.settings import NotRunning, Settings

REWRITTEN = ("data_keys", "credentials", "email_digests", "sessions", "webhook_inbox", "pg_statistic")
_LOG_IS_REMOVED = (
    "ALTER SYSTEM SET wal_recycle = off",
    "SELECT pg_reload_conf()",
    # the first checkpoint ends what the segments were kept for, the second removes those of before it
    "SELECT pg_switch_wal()",
    "CHECKPOINT",
    "SELECT pg_switch_wal()",
    "CHECKPOINT",
)
_RECYCLED_AGAIN = ("ALTER SYSTEM RESET wal_recycle", "SELECT pg_reload_conf()")


class NotScrubbed(Exception):
    """Who owns the schema may not do all of it."""

    expected = True


async def scrub(settings: Settings) -> None:
    """Raises NotRunning, NotScrubbed."""
    owner = settings.database_url or owner_of_embedded(settings.data_dir)
    if not owner:
        raise NotRunning("set TILLROLL_DATABASE_URL to the address of who owns the schema")
    async with open_context(settings, "scrub", "project", follow=False) as context:
        for model in READ_MODELS.values():
            if model.personal:
                await rebuild(context.pool, context.log, context.keyring, model.name, comparing=False)
                results.print(f"{model.name}: built anew, and the old one dropped")
    async with await psycopg.AsyncConnection.connect(owner, autocommit=True) as connection:
        try:
            for table in REWRITTEN:
                await connection.execute(f"VACUUM (FULL) {table}".encode())
                results.print(f"{table}: written anew, without dead rows")
            await _remove_log(connection)
        except psycopg.errors.InsufficientPrivilege as error:
            raise NotScrubbed(
                f"{connection.info.user} may not do the rest ({error.diag.message_primary}): let a superuser"
                f" run VACUUM (FULL) on {' and '.join(REWRITTEN)}, then pg_switch_wal() and CHECKPOINT, twice"
            ) from None
    results.print("the write-ahead log of before is removed")


async def _remove_log(connection: psycopg.AsyncConnection) -> None:
    """However it ends, the setting is as it was: else every later write would pay for it."""
    try:
        for statement in _LOG_IS_REMOVED:
            await connection.execute(statement.encode())
    finally:
        for statement in _RECYCLED_AGAIN:
            await connection.execute(statement.encode())
