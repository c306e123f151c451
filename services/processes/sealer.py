"""The sealer: sums the log up in a Merkle tree, and signs it."""

from __future__ import annotations

from services.audit.sealer import run_sealer
from services.context import ProcessContext
from services.processes.lasting import persist


async def main(context: ProcessContext) -> None:
    await run_sealer(context, persist)
