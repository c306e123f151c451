"""How is the help of `tillroll` laid out? By what somebody wants to do, in the order in which that comes."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand, TyperGroup

PANELS = {
    "Begin": ("up", "demo", "play", "simulate", "status", "user"),
    "What happened, and why": ("history", "follow", "state", "diff", "why", "export", "mcp", "looked"),
    "That nothing was altered": ("checkpoint", "proof", "export-verifier", "verify"),
    "Look after it": ("parked", "reconcile", "rebuild", "migrate", "backup", "restore", "erase", "scrub"),
    "Processes, which `up` starts": (
        *("api", "relay", "projector", "agents", "gateways", "scheduler", "sealer", "world"),
    ),
}
_TABLE = re.compile(r"CREATE TABLE (\w+)_g0 \((.*?)\n\)", re.DOTALL)
_KEY = re.compile(r"PRIMARY KEY \((.+?)\)|(\w+) [^\n]*PRIMARY KEY")


class InPanels(TyperGroup):
    """Whatever is in no panel comes before them."""

    def list_commands(self, ctx: Any) -> list[str]:
        placed = [name for names in PANELS.values() for name in names if name in self.commands]
        return [*(name for name in self.commands if name not in placed), *placed]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command: Any = super().get_command(ctx, cmd_name)
        for panel, names in PANELS.items():
            if command and cmd_name in names:
                command.rich_help_panel = panel
        return command


class WithTables(TyperCommand):
    """Its help ends with the tables that there are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        tables = "\n".join(f"- {table}: {', '.join(key)}" for table, key in keys_of_tables().items())
        self.epilog = f"The tables, each with the key of its rows:\n\n{tables}"
        super().format_help(ctx, formatter)


def keys_of_tables() -> dict[str, tuple[str, ...]]:
    """Each table of the read models with the columns that tell its rows apart."""
    from projections.read_model import statement  # noqa: PLC0415 - commands import what they need
    from projections.read_models import READ_MODELS  # noqa: PLC0415

    made = "".join(statement(name, "create_tables", 0).decode() for name in READ_MODELS)
    return {table: _key_in(columns) for table, columns in _TABLE.findall(made)}


def _key_in(columns: str) -> tuple[str, ...]:
    found = _KEY.search(columns)
    assert found, columns
    return tuple((found[1] or found[2]).split(", "))
