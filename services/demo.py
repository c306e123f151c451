"""`make demo`: everything up, trade played through it, the books compared and verified; then stay up.

Last it tells who may come in: see `services/demo_people.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from services.console import console, print_addresses
from services.demo_people import FILE, PEOPLE, let_people_in
from services.play.catalogue import TRIAL
from services.play.claim import OtherTrade
from services.play.command import Trade, olist_trade, play_trade, synthetic_trade
from services.settings import Settings
from services.supervisor import Status
from services.up import running
from services.verify_console import verify_all

STOPPED_BEFORE_THE_END = 130


def settings_of_demo(settings: Settings, data: Path | None, orders: int, seed: int) -> Settings:
    """With a data directory for each input, as oracles ask of a whole log, which must hold that trade alone.

    A directory that the caller chose is used as it is: it may be the one that a demo told to export. And a
    database of one's own goes with the keys in the directory that was given.
    """
    if settings.database_url or "data_dir" in settings.model_fields_set:
        return settings
    what = data.resolve().name if data else f"{orders}-{seed}"
    return settings.model_copy(update={"data_dir": settings.data_dir / f"demo-{what}"})


async def demo(
    settings: Settings,
    *,
    data: Path | None,
    oracles: Path | None,
    once: bool,
    orders: int,
    seed: int,
    every: bool = False,
) -> int:
    """0 if every oracle matches, `verify` is clean and every process ran through.

    130 if a signal came before the end of `once`.
    """
    settings = settings_of_demo(settings, data, orders, seed)
    trade = await _read(data, oracles, orders, seed)
    console.print("starting Postgres, NATS, the worlds and our own processes: up to a minute the first time")
    async with running(settings) as system:
        chosen = await system.start()
        print_addresses(chosen)
        played = await _play(chosen, trade, every=every, ours=not settings.database_url, once=once)
        verified = await verify_all(chosen, as_json=False)
        people = await let_people_in(chosen)
        if not once:
            print_addresses(chosen)
        _tell_people(people, chosen.data_dir)
        if not once:
            console.print("Ctrl-C stops it.")
            await system.supervisor.run_until_stopped()
        await asyncio.sleep(0)
        return max(played, verified, _told_troubles(system.supervisor.status()))
    return STOPPED_BEFORE_THE_END if once else 0


async def _read(data: Path | None, oracles: Path | None, orders: int, seed: int) -> Trade:
    """Before anything is started: what is wrong with the input is best known at once."""
    if not data:
        return synthetic_trade(orders, seed)
    beside = data / "oracles.json"
    return await olist_trade(data, oracles or (beside if beside.exists() else None))


async def _play(settings: Settings, trade: Trade, *, every: bool, ours: bool, once: bool) -> int:
    """1 also where the books can't be compared: somebody has traded in a demo's log (`ours`), too.

    Trade of who only tried the API is no reason not to stay up.
    """
    try:
        return await play_trade(settings, trade, as_json=False, every=every)
    except OtherTrade as other:
        if not ours:
            raise
        if other.only_tried:
            what = f"orders that were placed at the merchant {TRIAL} since the play"
        else:
            what = "trade that is not this demo's"
        console.print(
            f"[yellow]![/] {settings.data_dir} holds {what}. So nothing is played and the oracles are not"
            " asked, since they are about all of it. Remove the directory to begin anew.",
            soft_wrap=True,
        )
        return 0 if other.only_tried and not once else 1


def _tell_people(known: dict[str, str], data_dir: Path) -> None:
    """Lines, not a table: what is to be copied must not be folded."""
    lines = [f"Who may come in (kept in {data_dir / FILE}, for a shell to read):"]
    for variable, email, role, merchant in PEOPLE:
        password = known.get(f"{variable}_PASSWORD", "(set before, not known here)")
        lines.append(f"  {role} of {_place(merchant)}: {email}, password {password}")
    lines.append(f"  API key of {_place(TRIAL)}: {known['DEMO_KEY']}")
    console.print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)


def _place(merchant: str) -> str:
    return f"the merchant {merchant}" if merchant else "the platform"


def troubles(status: Mapping[str, Status]) -> list[str]:
    """What did not run through: whoever was killed from outside is forgiven, if it is there again."""
    return [
        f"{name} ended by itself {each['failed']} times" if each["failed"] else f"{name} is not alive"
        for name, each in status.items()
        if each["failed"] or not each["alive"]
    ]


def _told_troubles(status: Mapping[str, Status]) -> int:
    found = troubles(status)
    for trouble in found:
        console.print(f"[red]✗[/] {trouble}")
    return 1 if found else 0
