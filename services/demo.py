"""`make demo`: everything up, trade played through it, the books compared and verified; then stay up.

Last it tells who may come in: see `services/demo_people.py`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from services.console import console, print_addresses, verify_all
from services.context import open_context
from services.demo_people import let_people_in, tell_people
from services.play.catalogue import TRIAL
from services.play.command import OtherTrade, play_olist, play_synthetic
from services.settings import Settings
from services.stragglers import wait_for_followers
from services.up import running

STOPPED_BEFORE_THE_END = 130


def settings_of_demo(settings: Settings, data: Path | None, orders: int, seed: int) -> Settings:
    """With a data directory for each input, as oracles ask of a whole log, which must hold that trade alone.

    A database of one's own is outside of it, and goes with the keys in the directory that was given.
    """
    if settings.database_url:
        return settings
    what = data.resolve().name if data else f"{orders}-{seed}"
    return settings.model_copy(update={"data_dir": settings.data_dir / f"demo-{what}"})


async def demo(
    settings: Settings, *, data: Path | None, oracles: Path | None, once: bool, orders: int, seed: int
) -> int:
    """0 if every oracle matches and `verify` is clean; 130 if a signal came before the end of `once`."""
    settings = settings_of_demo(settings, data, orders, seed)
    async with running(settings) as (chosen, supervisor):
        _print_where(chosen)
        played = await _play(chosen, data, oracles, orders, seed, once=once)
        verified = await verify_all(chosen, as_json=False)
        people = await let_people_in(chosen)
        if not once:
            _print_where(chosen)
        tell_people(people, chosen.data_dir)
        if not once:
            console.print("Ctrl-C stops it.")
            await supervisor.run_until_stopped()
        await asyncio.sleep(0)
        return max(played, verified)
    return STOPPED_BEFORE_THE_END if once else 0


async def _play(
    settings: Settings, data: Path | None, oracles: Path | None, orders: int, seed: int, *, once: bool
) -> int:
    """0 if every oracle matches. Trade of who tried the API is no reason not to stay up."""
    try:
        if data:
            beside = data / "oracles.json"
            facts = oracles or (beside if beside.exists() else None)
            return await play_olist(settings, data, facts, as_json=False)
        return await play_synthetic(settings, orders, seed, as_json=False)
    except OtherTrade as other:
        if once or not other.only_tried:
            raise
    console.print(
        f"Orders were placed at the merchant {TRIAL} since the play, so there is nothing to compare its books"
        " with: the oracles are not asked. For a fresh play, stop this and remove"
        f" {settings.data_dir}.",
        soft_wrap=True,
        markup=False,
    )
    async with open_context(settings, "demo", "project", follow=False) as context:
        await wait_for_followers(context)
    return 0


def _print_where(settings: Settings) -> None:
    print_addresses(settings)
    console.print("In another terminal, so that `.venv/bin/tillroll status` finds it:")
    console.print(f"export TILLROLL_DATA_DIR={settings.data_dir}", soft_wrap=True, markup=False)
