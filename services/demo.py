"""`make demo`: everything up, trade played through it, the books compared and verified; then stay up."""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.console import console, print_addresses, verify_all
from services.play.command import play_olist, play_synthetic
from services.settings import Settings
from services.up import running


async def demo(settings: Settings, *, data: Path | None, once: bool, orders: int, seed: int) -> int:
    """0 if every oracle matches and `verify` is clean."""
    async with running(settings) as (chosen, supervisor):
        print_addresses(chosen)
        if data:
            oracles = data / "oracles.json"
            played = await play_olist(chosen, data, oracles if oracles.exists() else None, as_json=False)
        else:
            played = await play_synthetic(chosen, orders, seed, as_json=False)
        verified = await verify_all(chosen, as_json=False)
        if not once:
            print_addresses(chosen)
            console.print("Ctrl-C stops it.")
            await supervisor.run_until_stopped()
        await asyncio.sleep(0)
        return max(played, verified)
    return 0  # stopped by a signal: as asked
