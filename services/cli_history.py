"""`tillroll history`, `state`, `diff`, `follow` and `export`: what happened, how it stood, what made the
difference."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli_run import AsJson, run
from services.settings import Settings

state_app = typer.Typer(help="How something stood at any moment.", no_args_is_help=True)
diff_app = typer.Typer(
    help="What changed between two moments, and the event that changed it.", no_args_is_help=True
)

_NAMED = Parameter.KEYWORD_ONLY
_MOMENT = "A position, or a time with a zone such as 2026-03-01T12:00:00Z; default: now."
At = Annotated[str, typer.Option("--at", help=_MOMENT)]
From = Annotated[
    str, typer.Option("--from", help="The first moment: a position or a time; default: the beginning.")
]
To = Annotated[str, typer.Option("--to", help=_MOMENT)]
Personal = Annotated[bool, typer.Option("--personal", help="Open personal fields; else they stay sealed.")]
_ENCODED = (
    "its parts are percent-encoded where they hold anything but letters, digits, _ and ~: order o-1 of demo"
    " has the stream order-demo.o%2D1"
)
Stream = Annotated[str, typer.Argument(help=f"For example order-m1.1001; {_ENCODED}.")]
Agent = Annotated[
    str, typer.Argument(help="order, cart, inventory, allocation, warehouse, payment, product or shipping.")
]
ProcessName = Annotated[
    str,
    typer.Argument(
        help="Of what: MERCHANT/ORDER_ID, or the order's stream; of the agents cart and product such as"
        " cart-m1.c1 or product-m1.A%2D1."
    ),
]
Table = Annotated[str, typer.Argument(help="A table of a read model, for example orders or sales_by_day.")]
Key = Annotated[
    str,
    typer.Option(
        help="Only rows of an order (MERCHANT/ORDER_ID, or its stream) or, where a table's rows are of such,"
        " of another stream, for example stock-m1.A.main: much faster."
    ),
]
After = Annotated[int, typer.Option(min=0, help="Events after this position.")]


class Format(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"
    PARQUET = "parquet"


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time needs a zone: 2026-03-01T12:00:00Z")
    return at


def _option(about: str, **more: Any) -> Any:
    return typer.Option(help=about, **more)


Text = Annotated[str | None, _option(f"Of this stream; {_ENCODED}.")]
Type = Annotated[str | None, _option("Of this type, for example OrderPlaced.")]
Merchant = Annotated[str | None, _option("Of this merchant.")]
Actor = Annotated[str | None, _option("Whose command it was, for example agent:order.")]
Correlation = Annotated[str | None, _option("What belongs together.")]
Causation = Annotated[str | None, _option("The event or request that caused it.")]
Subject = Annotated[str | None, _option("The pseudonym of a person: events with personal data of it.")]
Order = Annotated[
    str | None,
    _option("All events about this order: MERCHANT/ORDER_ID, its id with --merchant, or its stream."),
]
Time = Annotated[datetime | None, typer.Option(parser=_time, metavar="TIME", help="Inclusive; with a zone.")]
Until = Annotated[datetime | None, typer.Option(parser=_time, metavar="TIME", help="Exclusive; with a zone.")]


CONDITIONS: dict[str, Any] = {
    "stream": Text,
    "type": Type,
    "merchant": Merchant,
    "actor": Actor,
    "correlation": Correlation,
    "causation": Causation,
    "subject": Subject,
    "order": Order,
    "occurred_from": Time,
    "occurred_until": Until,
    "recorded_from": Time,
    "recorded_until": Until,
}
"""The options of every command that takes conditions, by the names that an `EventFilter` has for them."""


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each condition, in place of its parameter `wanted`, an `EventFilter`."""

    @wraps(command)
    def of_conditions(**given: Any) -> None:
        from services.audit.filters import EventFilter  # noqa: PLC0415

        wanted = EventFilter(**{name: given.pop(name) for name in CONDITIONS})
        command(wanted=wanted, **given)

    parameters: dict[str, Parameter] = {}
    for name, own in signature(command, eval_str=True).parameters.items():
        if name == "wanted":
            parameters |= {
                option: Parameter(option, _NAMED, default=None, annotation=kind)
                for option, kind in CONDITIONS.items()
            }
        else:
            parameters[name] = own.replace(kind=_NAMED)
    of_conditions.__signature__ = Signature(list(parameters.values()))  # type: ignore[attr-defined]
    of_conditions.__annotations__ = {name: each.annotation for name, each in parameters.items()}
    return of_conditions


@filtered
def history(
    wanted: Any,
    after: After = 0,
    until: Annotated[str, typer.Option(help=_MOMENT)] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many; default: all.")] = None,
    personal: Personal = False,
    as_json: AsJson = False,
) -> None:
    """Events of the log, in order: all that fit every condition. With --json a line of JSON each."""
    from services.audit.history_console import show_events  # noqa: PLC0415

    run(show_events(Settings.load(), wanted, after, until, limit, open_=personal, as_json=as_json))


@filtered
def follow(
    wanted: Any,
    after: Annotated[int | None, typer.Option(min=0, help="Begin after this position; default: now.")] = None,
    until: Annotated[
        int | None, typer.Option(min=0, help="End at this position, also one to come; default: never.")
    ] = None,
    personal: Personal = False,
    as_json: AsJson = False,
) -> None:
    """Events as they come, until Ctrl-C, or up to a position."""
    from services.audit.history_console import follow_events  # noqa: PLC0415

    run(follow_events(Settings.load(), wanted, after, until, open_=personal, as_json=as_json))


@filtered
def export(
    *,
    to: Annotated[Path, typer.Option(help="The file; its manifest comes beside it.")],
    format_: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.NDJSON,
    wanted: Any,
    first: Annotated[int, typer.Option("--from", min=1, help="The first position.")] = 1,
    until: Annotated[str, typer.Option(help=_MOMENT)] = "",
    as_json: AsJson = False,
) -> None:
    """Every stored byte of the log, of a range of it, or of what fits every condition, with a manifest that
    holds its root hash and says what is left out."""
    from services.audit.history_console import write_export  # noqa: PLC0415

    if str(to) == "-":
        raise typer.BadParameter("an export is a file, as its manifest comes beside it", param_hint="--to")
    run(write_export(Settings.load(), to, format_.value, wanted, first, until, as_json=as_json))


@state_app.command("stream")
def state_stream(stream: Stream, at: At = "", personal: Personal = False, as_json: AsJson = False) -> None:
    """An aggregate as it stood."""
    _state({"stream": stream}, at, personal=personal, as_json=as_json)


@state_app.command("process")
def state_process(
    agent: Agent, key: ProcessName, at: At = "", personal: Personal = False, as_json: AsJson = False
) -> None:
    """An agent's process of an order, a cart or a product as it stood, by the agent's present rules."""
    _state({"agent": agent, "key": key}, at, personal=personal, as_json=as_json)


def _state(named: dict[str, str], at: str, *, personal: bool, as_json: bool) -> None:
    from services.audit.desk import Asked  # noqa: PLC0415
    from services.audit.history_console import show_state  # noqa: PLC0415

    run(show_state(Settings.load(), Asked(**named), at, open_=personal, as_json=as_json))


@state_app.command("rows")
def state_rows(
    table: Table,
    key: Key = "",
    column: Annotated[str | None, typer.Option(help="Only rows in which this column …")] = None,
    value: Annotated[str | None, typer.Option(help="… has this value.")] = None,
    at: At = "",
    personal: Personal = False,
    as_json: AsJson = False,
) -> None:
    """Rows of a read model as it stood, a JSON object a line."""
    from services.audit.desk import Asked  # noqa: PLC0415
    from services.audit.history_console import show_rows  # noqa: PLC0415

    if (column is None) != (value is None):
        raise typer.BadParameter("--column and --value go together")
    where = {column: value} if column is not None and value is not None else None
    run(show_rows(Settings.load(), Asked(table=table, key=key), at, where, open_=personal, as_json=as_json))


@diff_app.command("stream")
def diff_stream(
    stream: Stream, first: From = "", last: To = "", personal: Personal = False, as_json: AsJson = False
) -> None:
    """Of an aggregate."""
    _diff({"stream": stream}, first, last, personal=personal, as_json=as_json)


@diff_app.command("process")
def diff_process(
    agent: Agent,
    key: ProcessName,
    first: From = "",
    last: To = "",
    personal: Personal = False,
    as_json: AsJson = False,
) -> None:
    """Of an agent's process of an order, a cart or a product."""
    _diff({"agent": agent, "key": key}, first, last, personal=personal, as_json=as_json)


@diff_app.command("rows")
def diff_rows(
    table: Table,
    key: Key = "",
    first: From = "",
    last: To = "",
    personal: Personal = False,
    as_json: AsJson = False,
) -> None:
    """Of all tables of the read model that the table belongs to: one event changes several."""
    _diff({"table": table, "key": key}, first, last, personal=personal, as_json=as_json)


def _diff(named: dict[str, str], first: str, last: str, *, personal: bool, as_json: bool) -> None:
    from services.audit.desk import Asked  # noqa: PLC0415
    from services.audit.history_console import show_difference  # noqa: PLC0415

    run(show_difference(Settings.load(), Asked(**named), first, last, open_=personal, as_json=as_json))


def add_history(app: typer.Typer) -> None:
    """Put these commands into the one that holds all."""
    for each in (history, follow, export):
        app.command()(each)
    app.add_typer(state_app, name="state")
    app.add_typer(diff_app, name="diff")
