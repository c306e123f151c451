"""`tillroll`: one command for operators and developers. Each subcommand's work stands in its own module."""

from __future__ import annotations

import gc
import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eventstore.roles import Role
from services.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable

app = typer.Typer(
    name="tillroll",
    help="An event-sourced commerce backend: every sale, in order, for ever. Begin with `tillroll up`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
play_app = typer.Typer(help="Play trade through the running system.", no_args_is_help=True)
app.add_typer(play_app, name="play")
parked_app = typer.Typer(help="Keys that wait because a handler failed on one of their events.")
app.add_typer(parked_app, name="parked")
user_app = typer.Typer(help="Who may come in, and as what.", no_args_is_help=True)
app.add_typer(user_app, name="user")

Every = Annotated[bool, typer.Option("--all", help="Show every oracle, and the query that found it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


Merchant = Annotated[str, typer.Option(help="The merchant; without it, the platform.")]


class ConsoleRole(StrEnum):
    ADMIN = "admin"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    OWNER = "owner"


class World(StrEnum):
    PAYMENT = "payment"
    CARRIER = "carrier"


def main() -> None:
    """The entry point: expected failures end with one clear line, not a trace."""
    from services.console import report_failure  # noqa: PLC0415 - commands import what they need
    from services.logs import configure_logs  # noqa: PLC0415

    configure_logs()
    try:
        app()
    except Exception as error:  # noqa: BLE001 - shown, or raised again, there
        sys.exit(report_failure(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _run(awaitable: Awaitable[int | None]) -> None:
    import uvloop  # noqa: PLC0415

    async def whole() -> int | None:
        return await awaitable

    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    raise typer.Exit(uvloop.run(whole()) or 0)


@app.command()
def up(echo: Annotated[bool, typer.Option(help="Show every process's log here, too.")] = False) -> None:
    """Start everything on this machine (Postgres, NATS, all processes) and stay until Ctrl-C."""
    from services.console import stay_up  # noqa: PLC0415

    _run(stay_up(Settings(), echo=echo))


@app.command()
def demo(
    data: Annotated[Path | None, typer.Option(help="A directory with the Olist CSV files.")] = None,
    oracles: Annotated[
        Path | None, typer.Option(help="A JSON file of facts to compare with; else DATA/oracles.json.")
    ] = None,
    once: Annotated[bool, typer.Option(help="Stop after the table; exit 0 only if all is well.")] = False,
    orders: Annotated[int, typer.Option(min=1, help="Orders to make up, without --data.")] = 1000,
    seed: Annotated[int, typer.Option(help="What made-up orders are made from.")] = 1,
    every: Every = False,
) -> None:
    """Everything up, trade played through it, the books compared; then stay up."""
    from services.demo import demo as run_demo  # noqa: PLC0415

    if oracles and not data:
        raise typer.BadParameter(
            "it needs --data: made-up trade is compared with its own facts", param_hint="--oracles"
        )
    _run(run_demo(Settings(), data=data, oracles=oracles, once=once, orders=orders, seed=seed, every=every))


@app.command()
def status(as_json: AsJson = False) -> None:
    """What runs, how far each follower is, and how much is waiting."""
    from services.status import show_status  # noqa: PLC0415

    _run(show_status(Settings.load(), as_json=as_json))


@app.command()
def migrate(
    new_epoch: Annotated[
        bool, typer.Option("--new-epoch", help="After a restore or promotion: begin a new epoch.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database of TILLROLL_DATABASE_URL (or of the running `up`) to the present schema."""
    from services.console import migrate_database  # noqa: PLC0415

    _run(migrate_database(Settings.load(), new_epoch=new_epoch, as_json=as_json))


@app.command()
def backup(
    directory: Annotated[Path, typer.Argument(help="Is made; on another disk, and better another machine.")],
) -> None:
    """Copy the running embedded Postgres, and the secrets, while trade goes on."""
    from services.backup import backup as make_backup  # noqa: PLC0415

    _run(make_backup(Settings.load(), directory))


@app.command()
def restore(
    directory: Annotated[Path, typer.Argument(help="What `tillroll backup` made.")],
) -> None:
    """Put a back-up in place of a lost Postgres, and begin a new epoch; then `tillroll up`."""
    from services.backup import restore as put_backup  # noqa: PLC0415

    _run(put_backup(Settings(), directory))


@app.command()
def reconcile(
    days: Annotated[int, typer.Option(min=1, help="How far back.")] = 30,
) -> None:
    """After a restore: ask the providers what they know of our payments and parcels, and record it."""
    from services.gateways.reconcile import reconcile_all  # noqa: PLC0415

    _run(reconcile_all(Settings.load(), days))


@app.command()
def rebuild(
    name: Annotated[str, typer.Argument(help="The read model, for example sales; or `all`.")],
    as_json: AsJson = False,
) -> None:
    """Build a read model anew from the log beside the old one, then switch; it serves all the while."""
    from services.logs import configure_logs  # noqa: PLC0415
    from services.rebuild import rebuild_read_models  # noqa: PLC0415

    configure_logs("WARNING")  # its lines of progress are for a projector's log, not for a person
    _run(rebuild_read_models(Settings.load(), name, as_json=as_json))


@app.command()
def verify(as_json: AsJson = False) -> None:
    """Check the log and its ledger, that nobody is behind, and the read models. Exit 1 if not clean."""
    from services.console import verify_all  # noqa: PLC0415

    _run(verify_all(Settings.load(), as_json=as_json))


@parked_app.callback(invoke_without_command=True)
def parked(context: typer.Context, as_json: AsJson = False) -> None:
    """List the keys that wait because a handler failed on one of their events. Exit 1 if there are any."""
    if context.invoked_subcommand is None:
        from services.parked import show_parked  # noqa: PLC0415

        _run(show_parked(Settings.load(), as_json=as_json))


@parked_app.command()
def retry(
    follower: Annotated[str, typer.Argument(help="As `tillroll parked` tells it, such as agent:order.")],
    key: Annotated[str, typer.Argument(help="As `tillroll parked` tells it.")],
) -> None:
    """Let a parked key go on, once its handler is mended: what waited is taken in order."""
    from services.parked import retry as retry_parked_key  # noqa: PLC0415

    _run(retry_parked_key(Settings.load(), follower, key))


@parked_app.command()
def skip(
    follower: Annotated[str, typer.Argument(help="As `tillroll parked` tells it, such as agent:order.")],
    key: Annotated[str, typer.Argument(help="As `tillroll parked` tells it.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the log for ever, so name no person.")],
    position: Annotated[
        int | None, typer.Option(help="The event that is meant: refused if the key stands at another.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--all", help="Skip whatever it comes to stand at, until it is free.")
    ] = False,
) -> None:
    """Leave out the event that a parked key stands at, for good; what waited behind it is taken in order."""
    from services.parked import skip as skip_parked_event  # noqa: PLC0415

    _run(skip_parked_event(Settings.load(), follower, key, reason, position=position, whole=whole))


@user_app.command("add")
def add_user(
    email: Annotated[str, typer.Argument(help="Where the user gets mail; it signs in with it.")],
    role: Annotated[ConsoleRole, typer.Option(help="An owner has a merchant; an admin has none.")],
    merchant: Merchant = "",
    generate_password: Annotated[
        bool, typer.Option("--generate-password", help="Make up a password and print it, once.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let somebody in, the first admin too: prints a token to set a password with, good for once."""
    from services.access import console  # noqa: PLC0415

    _run(
        console.add_user(
            Settings.load(),
            email,
            role.value,
            merchant,
            generate_password=generate_password,
            as_json=as_json,
        )
    )


@user_app.command("list")
def list_users(merchant: Merchant = "", as_json: AsJson = False) -> None:
    """Those of the platform, or the members of a merchant."""
    from services.access import console  # noqa: PLC0415

    _run(console.list_users(Settings.load(), merchant, as_json=as_json))


@user_app.command("unlock")
def unlock_user(email: Annotated[str, typer.Argument(help="Whose lock-out shall end.")]) -> None:
    """End a lock-out before its time."""
    from services.access import console  # noqa: PLC0415

    _run(console.unlock_user(Settings.load(), email))


@play_app.command()
def olist(
    directory: Annotated[Path, typer.Argument(help="The CSV files of the Olist dataset, plain or gzipped.")],
    oracles: Annotated[Path | None, typer.Option(help="A JSON file of facts to compare with.")] = None,
    every: Every = False,
    as_json: AsJson = False,
) -> None:
    """Play the Olist dataset: sellers are merchants, every row happens at its time."""
    from services.play.command import olist_trade, play_trade  # noqa: PLC0415

    async def play() -> int:
        trade = await olist_trade(directory, oracles)
        return await play_trade(Settings.load(), trade, as_json=as_json, every=every)

    _run(play())


@play_app.command()
def synthetic(
    orders: Annotated[int, typer.Option(min=1, help="How many orders to make up.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same trade.")] = 1,
    per_second: Annotated[
        float, typer.Option(min=0.01, help="How many orders begin a second, at most.")
    ] = math.inf,
    every: Every = False,
    as_json: AsJson = False,
) -> None:
    """Play made-up trade in the shape of the Olist dataset."""
    from services.play.command import play_trade, synthetic_trade  # noqa: PLC0415

    trade = synthetic_trade(orders, seed)
    _run(play_trade(Settings.load(), trade, as_json=as_json, every=every, per_second=per_second))


@app.command()
def world(kind: Annotated[World, typer.Argument(help="Whose world.")]) -> None:
    """The payment provider's or carrier's world: a process of its own, over HTTP."""
    from services.processes import world as run_world  # noqa: PLC0415

    run_world(kind.value, Settings.load())


@app.command()
def simulate(
    seed: Annotated[int, typer.Option(help="The first seed; the same seed makes the same history.")] = 1,
    runs: Annotated[int, typer.Option(min=1, help="How many seeds, from the first on.")] = 1,
    orders: Annotated[int, typer.Option(min=1, help="Orders in each history.")] = 200,
    faults: Annotated[
        str, typer.Option(help="none, mild, all, or rates such as all,crash=0.1; `help` lists them.")
    ] = "all",
    jobs: Annotated[int, typer.Option(min=1, help="Processes that simulate side by side.")] = 2,
    export: Annotated[
        Path | None, typer.Option(help="Where to write the first failing seed, shortened, as a test.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the whole system on simulated time, under seeds and faults. Exit 1 if any history is wrong."""
    from services.simulation.command import Asked, run_simulations  # noqa: PLC0415

    seeds = range(seed, seed + runs)
    asked = Asked(orders, faults)
    raise typer.Exit(run_simulations(asked, seeds, jobs=jobs, export=export, as_json=as_json))


def _process(name: str, about: str, role: Role = "write", *, follow: bool = True) -> None:
    @app.command(name=name, help=about)
    def command() -> None:
        from services import processes  # noqa: PLC0415

        processes.run_process(name, Settings.load(), getattr(processes, name), role, follow=follow)


_process("api", "The HTTP API: commands and queries.", follow=False)
_process("relay", "Publishes the log to NATS, in order.", follow=False)
_process("projector", "Builds the read models from the log.", "project")
_process("agents", "The order, inventory, payment and shipping agents.")
_process("gateways", "Calls the payment provider and the carrier, and takes their webhooks.")
_process("scheduler", "Appends the deadlines that have come; sweeps what is over.", follow=False)


if __name__ == "__main__":
    main()
