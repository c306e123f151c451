"""The relay: publishes the log to NATS, in order."""

from __future__ import annotations

from services.context import ProcessContext
from services.processes.lasting import persist
from services.relay import NotifiedCommits, Relay


async def main(context: ProcessContext) -> None:
    commits = NotifiedCommits(context.database_url)
    await persist("relay", Relay(context.log, context.bus, context.log.database, commits).run)
