"""Do the auditor's commands say what they don't take, before they ask for anything?"""

from __future__ import annotations

from dataclasses import fields

import pytest
from typer.testing import CliRunner

from projections.read_models import READ_MODELS
from services.audit.filters import EventFilter
from services.cli import app
from services.cli_help import PANELS, keys_of_tables
from services.cli_history import CONDITIONS


def printed(*arguments: str, code: int = 2) -> str:
    """What a command says, without the frame that a terminal has around it."""
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code, done.output
    return " ".join(done.output.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("orders", "--column", "total_cents", "--svg", "x.svg"), "numbers have no tree: it takes no --svg"),
        (("orders", "1001", "--column", "total_cents"), "its numbers have no tree: it takes no 1001"),
        (("order", "1001", "--after", "5"), "order is no table: it takes no --after"),
        (("order", "1001", "--whole"), "order is no table: it takes no --whole"),
        (("order", "1001", "--column", "x"), "order is no table: it takes no --column"),
        (("event", "17", "--order-id", "1001"), "event is no table: it takes no --order-id"),
        (("event", "17", "--line", "0"), "event is no table: it takes no --line"),
        (("order", "1001", "--svg", "x.svg", "--json"), "a picture is written: it takes no --json"),
        (("order", "1001", "--svg", "why.png"), "it writes SVG: name it why.svg"),
    ],
)  # fmt: skip
def test_why_refuses_what_it_would_ignore(arguments: tuple[str, ...], said: str) -> None:
    assert said in printed("why", *arguments)


@pytest.mark.parametrize("command", ["history", "follow", "export"])
def test_every_condition_is_an_option(command: str) -> None:
    assert list(CONDITIONS) == [each.name for each in fields(EventFilter)]
    said = printed(command, "--help", code=0)
    assert all(f"--{name.replace('_', '-')} " in said for name in CONDITIONS)


def test_an_export_is_no_stream() -> None:
    assert "an export is a file, as its manifest comes beside it" in printed("export", "--to", "-")


def test_the_help_of_all_begins_with_what_one_begins_with() -> None:
    said = printed("--help", code=0)
    named = [f" {name} " for names in PANELS.values() for name in names]
    places = [said.index(panel) for panel in ("Begin ─", "What happened, and why ─", "Processes, which")]
    assert places == sorted(places)
    begun = said[places[0] :]
    assert [name for name in named if name not in begun] == [], "and none of them is gone"
    assert "Commands ─" not in said, "each has its place"
    assert begun.index(" history ") < begun.index(" state ") < begun.index(" diff ") < begun.index(" looked ")


def test_why_tells_the_tables_with_their_keys() -> None:
    keys = keys_of_tables()
    assert set(keys) == {table for model in READ_MODELS.values() for table in model.tables}
    assert keys["sales_by_day"] == ("merchant", "day", "currency")
    assert keys["merchants"] == ("merchant",)
    said = printed("why", "--help", code=0)
    assert all(f"{table}: {', '.join(key)}" in said for table, key in keys.items())
    assert all(f"--{name.replace('_', '-')} " in said for key in keys.values() for name in key)
