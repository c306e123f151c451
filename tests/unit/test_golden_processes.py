"""Does an agent go on with a process that its code of before has kept?

`golden_processes.json` was written by agents at work. What one keeps is read again after every change of its
code: a field that went, or whose type is another, needs a validator that reads it as it was kept. Rows are
added, never changed.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from services.agents.registered import AGENTS
from tests.golden import load_rows

INITIAL = {agent.name: agent.initial for agent in AGENTS}
ROWS = load_rows("golden_processes.json")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["agent"]))
def test_a_process_of_before_is_read_and_kept(row: dict[str, Any]) -> None:
    kind: Any = type(INITIAL[row["agent"]])
    process = kind.model_validate_json(orjson.dumps(row["kept"]))
    assert kind.model_validate_json(process.model_dump_json()) == process


def test_every_agent_that_keeps_orders_has_a_row() -> None:
    assert INITIAL.keys() - {row["agent"] for row in ROWS} == {"product"}


def test_what_a_change_that_came_to_nothing_will_yet_take_is_let_go_also_if_it_was_kept_before() -> None:
    rows = [each["kept"] for each in ROWS if each["kept"].get("undone") and each["kept"]["growth"]]
    assert rows
    for row in rows:
        process: Any = type(INITIAL["inventory"]).model_validate_json(orjson.dumps(row))
        assert process.growth == ()
        assert [each.model_dump() for each in process.leaving[row["grower"]]] == row["growth"]
