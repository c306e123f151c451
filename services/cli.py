"""`tillroll`: one command for operators and developers. Each subcommand's work stands in its own module."""

from __future__ import annotations

import math
import sys
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from eventstore.roles import Role
from services.cli_erase import erase, scrub
from services.cli_help import InPanels, WithTables
from services.cli_history import add_history
from services.cli_looked import looked
from services.cli_mcp import mcp
from services.cli_parked import parked_app
from services.cli_proof import checkpoint, export_verifier, proof_app
from services.cli_recovery import backup, reconcile, restore
from services.cli_run import AsJson, run
from services.cli_user import user_app
from services.cli_why import why
from services.settings import Settings

app = typer.Typer(
    name="tillroll",
    cls=InPanels,
    help="An event-sourced commerce backend: every sale, in order, for ever. Begin with `tillroll up`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
play_app = typer.Typer(help="Play trade through the running system.", no_args_is_help=True)
app.add_typer(play_app, name="play")
app.add_typer(parked_app, name="parked")
app.add_typer(proof_app, name="proof")
app.add_typer(user_app, name="user")
add_history(app)

Spread = Annotated[
    bool,
    typer.Option(
        "--spread/--one-place",
        help="Over two warehouses and two carriers of each seller, by rules; or all from one place.",
    ),
]
Every = Annotated[bool, typer.Option("--all", help="Show every oracle, and the query that found it.")]


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


@app.command()
def up(echo: Annotated[bool, typer.Option(help="Show every process's log here, too.")] = False) -> None:
    """Start everything on this machine (Postgres, NATS, all processes) and stay until Ctrl-C."""
    from services.up_console import stay_up  # noqa: PLC0415

    run(stay_up(Settings(), echo=echo))


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
    run(run_demo(Settings(), data=data, oracles=oracles, once=once, orders=orders, seed=seed, every=every))


@app.command()
def status(as_json: AsJson = False) -> None:
    """What runs, how far each follower is, and how much is waiting."""
    from services.status import show_status  # noqa: PLC0415

    run(show_status(Settings.load(), as_json=as_json))


@app.command()
def migrate(
    new_epoch: Annotated[
        bool, typer.Option("--new-epoch", help="After a restore or promotion: begin a new epoch.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database of TILLROLL_DATABASE_URL (or of the running `up`) to the present schema."""
    from services.migrate_console import migrate_database  # noqa: PLC0415

    run(migrate_database(Settings.load(), new_epoch=new_epoch, as_json=as_json))


for each in (
    *(backup, restore, reconcile),
    *(checkpoint, export_verifier, erase, scrub, looked, mcp),
):
    app.command()(each)
app.command(cls=WithTables)(why)


@app.command()
def rebuild(
    name: Annotated[str, typer.Argument(help="The read model, for example sales; or `all`.")],
    compare: Annotated[
        bool, typer.Option(help="Compare it, row by row, with the old one before the switch.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Build a read model anew from the log beside the old one, compare them, then switch; the old one serves
    until then."""
    from services.logs import configure_logs  # noqa: PLC0415
    from services.rebuild import rebuild_read_models  # noqa: PLC0415

    configure_logs("WARNING")  # its lines of progress are for a projector's log, not for a person
    run(rebuild_read_models(Settings.load(), name, as_json=as_json, comparing=compare))


@app.command()
def verify(
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint that was kept outside: compare the log with it.")
    ] = None,
    key: Annotated[
        str, typer.Option(help="The log's verifier key, or a file with it, for --checkpoint.")
    ] = "",
    books: Annotated[
        bool, typer.Option("--books", help="Add up money and stock from the log, too: they must balance.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check the log and its ledger, that nobody is behind, and the read models. Exit 1 if not clean.

    Without --checkpoint the log is compared with the one in the database, which whoever alters the log may
    alter, too.
    """
    from services.audit.against import checkpoints_of  # noqa: PLC0415
    from services.books import Books  # noqa: PLC0415
    from services.verify_console import verify_all  # noqa: PLC0415

    if checkpoint and not key:
        raise typer.BadParameter(
            "--checkpoint needs it: `tillroll checkpoint --key` printed it", param_hint="--key"
        )
    given = checkpoints_of(checkpoint, key) if checkpoint else None
    run(verify_all(Settings.load(), given, books=Books() if books else None, as_json=as_json))


@play_app.command()
def olist(
    directory: Annotated[Path, typer.Argument(help="The CSV files of the Olist dataset, plain or gzipped.")],
    oracles: Annotated[Path | None, typer.Option(help="A JSON file of facts to compare with.")] = None,
    spread: Spread = True,
    every: Every = False,
    as_json: AsJson = False,
) -> None:
    """Play the Olist dataset: sellers are merchants, every row happens at its time."""
    from services.play.command import olist_trade, play_trade  # noqa: PLC0415

    async def play() -> int:
        trade = await olist_trade(directory, oracles, spread=spread)
        return await play_trade(Settings.load(), trade, as_json=as_json, every=every)

    run(play())


@play_app.command()
def synthetic(
    orders: Annotated[int, typer.Option(min=1, help="How many orders to make up.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same trade.")] = 1,
    per_second: Annotated[
        float, typer.Option(min=0.01, help="How many orders begin a second, at most.")
    ] = math.inf,
    spread: Spread = True,
    every: Every = False,
    as_json: AsJson = False,
) -> None:
    """Play made-up trade in the shape of the Olist dataset."""
    from services.play.command import play_trade, synthetic_trade  # noqa: PLC0415

    trade = synthetic_trade(orders, seed, spread=spread)
    run(play_trade(Settings.load(), trade, as_json=as_json, every=every, per_second=per_second))


@play_app.command()
def incidents(
    orders: Annotated[int, typer.Option(min=1, help="How many orders to make up.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed makes the same trade.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Play orders that don't go straight: split, captured in parts, edited, disputed, back-ordered."""
    from services.play.command import play_incidents  # noqa: PLC0415

    run(play_incidents(Settings.load(), orders, seed, as_json=as_json))


@app.command()
def world(kind: Annotated[World, typer.Argument(help="Whose world.")]) -> None:
    """The payment provider's or carrier's world: a process of its own, over HTTP."""
    from services.processes.world import run_world  # noqa: PLC0415

    run_world(kind.value, Settings.load())


@app.command()
def simulate(
    seed: Annotated[int, typer.Option(help="The first seed; the same seed makes the same history.")] = 1,
    runs: Annotated[int, typer.Option(min=1, help="How many seeds, from the first on.")] = 1,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Begin no history after so long; how many were played is told."),
    ] = None,
    orders: Annotated[int, typer.Option(min=1, help="Orders in each history.")] = 80,
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
    from services.simulation.command import Asked, run_simulations, tell_faults  # noqa: PLC0415

    if faults == "help":
        tell_faults()
        return
    seeds = range(seed, seed + runs)
    asked = Asked(orders, faults)
    raise typer.Exit(
        run_simulations(asked, seeds, jobs=jobs, export=export, as_json=as_json, minutes=minutes)
    )


def _process(name: str, about: str, role: Role = "write", *, follow: bool = True) -> None:
    @app.command(name=name, help=about)
    def command() -> None:
        from services.processes.running import run_process  # noqa: PLC0415

        main = import_module(f"services.processes.{name}").main
        run_process(name, Settings.load(), main, role, follow=follow)


_process("api", "The HTTP API: commands and queries.", follow=False)
_process("relay", "Publishes the log to NATS, in order.", follow=False)
_process("projector", "Builds the read models from the log.", "project")
_process("agents", "All agents: order, cart, inventory, allocation, warehouse, payment, product, shipping.")
_process("gateways", "Calls the payment provider and the carrier, and takes their webhooks.")
_process("scheduler", "Appends the deadlines that have come; sweeps what is over.", follow=False)
_process("sealer", "Sums the log up in a Merkle tree, and signs it once a second.", follow=False)


if __name__ == "__main__":
    main()
