"""Do the auditor's commands say what they don't take, before they ask for anything?"""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from services.cli import app


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


def test_an_export_is_no_stream() -> None:
    assert "an export is a file, as its manifest comes beside it" in printed("export", "--to", "-")
