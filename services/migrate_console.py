"""`tillroll migrate`: the schema made up to date; and a new epoch, after a restore."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from eventstore.roles import let_in
from eventstore.schema import migrate, read_epoch
from services.audit.erasure_restore import erase_before_serving
from services.console import results
from services.embedded import PostgresServer, check_database, owner_of_embedded
from services.embedded.restoring import end_restore
from services.master_key import refuse_wrong_master_key
from services.runfile import read_run
from services.settings import NotRunning, Settings


@asynccontextmanager
async def _owner(settings: Settings, *, new_epoch: bool) -> AsyncIterator[str]:
    """The address of who owns the schema; an embedded Postgres that does not run does so meanwhile."""
    database_url = settings.database_url or owner_of_embedded(settings.data_dir)
    if not database_url:
        raise NotRunning("set TILLROLL_DATABASE_URL, or start `tillroll up`, which migrates by itself")
    if settings.database_url or read_run(settings.data_dir):
        yield database_url
        return
    server = PostgresServer(settings.data_dir, ends_restore=new_epoch)
    try:
        yield await server.start()
        if new_epoch:
            end_restore(settings.data_dir / "postgres")
    finally:
        await server.stop()


async def migrate_database(settings: Settings, *, new_epoch: bool, as_json: bool) -> None:
    async with _owner(settings, new_epoch=new_epoch) as database_url:
        settings = settings.of_owner(database_url)
        await check_database(database_url)
        await refuse_wrong_master_key(settings)
        run = await asyncio.to_thread(migrate, database_url, new_epoch=new_epoch)
        await asyncio.to_thread(let_in, database_url, settings.role_passwords())
        again = await erase_before_serving(settings) if new_epoch else 0
        epoch = await asyncio.to_thread(read_epoch, database_url)
    if as_json:
        sys.stdout.write(orjson.dumps({"run": run, "epoch": epoch}).decode() + "\n")
        return
    results.print(f"run: {', '.join(run)}" if run else "the schema is up to date")
    if again:
        results.print(f"erased again: {again:,} people, whose erasure this database had forgotten")
    if new_epoch:
        results.print(f"epoch {epoch} minted: running processes end and are started again in it")
