"""`tillroll up`: it says where everything is, and stays until it is stopped."""

from __future__ import annotations

from services.console import console, print_addresses
from services.demo_people import keep_addresses
from services.settings import Settings
from services.up import running


async def stay_up(settings: Settings, *, echo: bool) -> None:
    _tell_who_waits("starting Postgres, NATS, both worlds and our processes: a quarter of a minute or so")
    async with running(settings, echo=echo) as system:
        chosen = await system.start()
        keep_addresses(chosen)
        print_addresses(chosen)
        console.print(
            "To let somebody in:"
            " `.venv/bin/tillroll user add YOU@EXAMPLE.COM --role admin --generate-password`.",
            soft_wrap=True,
        )
        console.print("Ctrl-C stops it.")
        await system.supervisor.run_until_stopped()
        _tell_who_waits("stopping all of it")
    _tell_who_waits("stopped")


def _tell_who_waits(what: str) -> None:
    """A person at a terminal; whoever reads a file or a pipe wants what is to be done something about."""
    if console.is_terminal:
        console.print(what)
