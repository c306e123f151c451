"""The gateways: call the payment provider and the carrier, and take their webhooks."""

from __future__ import annotations

from services.context import ProcessContext
from services.gateways.composition import run_gateways
from services.processes.lasting import persist


async def main(context: ProcessContext) -> None:
    await run_gateways(context, persist)
