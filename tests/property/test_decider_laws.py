"""Do the laws of every aggregate hold for any run of commands, each of them given twice?"""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates import AGGREGATES
from domain.cart.commands import AddItem
from domain.inventory import (
    AdjustStock,
    AllocateMoreStock,
    CancelExpectedStock,
    MoveStock,
    ReceiveStock,
    RecordShortPick,
    ReleaseStock,
    RestoreReservation,
    ReturnStock,
    SendStock,
    ShipStock,
    WriteOffStock,
)
from domain.inventory.transfer import ResolveTransferDiscrepancy
from domain.kernel import Command, Event, Refused
from eventstore.codec import decode_event
from tests.strategies import COMMANDS, runs_of

COUNTS_EACH_TIME = (
    ReceiveStock,
    AdjustStock,
    MoveStock,
    WriteOffStock,
    SendStock,
    ShipStock,
    ReturnStock,
    RecordShortPick,
    RestoreReservation,
    AllocateMoreStock,
    ReleaseStock,
    CancelExpectedStock,
    ResolveTransferDiscrepancy,
    AddItem,
)
"""Without an id of their own: said again they are new facts (redelivery is the command ledger's business)."""

each_aggregate = pytest.mark.parametrize("category", sorted(AGGREGATES))


def answer(category: str, command: Command, state: Any) -> tuple[Event, ...] | str:
    """The events of the command, or the rule that refused it; nothing else may come of it."""
    try:
        return AGGREGATES[category].decide(command, state)
    except Refused as refused:
        return refused.rule


def after(category: str, state: Any, answered: tuple[Event, ...] | str) -> Any:
    return state if isinstance(answered, str) else AGGREGATES[category].fold(answered, state)


def test_every_command_has_a_strategy() -> None:
    assert set(COMMANDS) == {each for decider in AGGREGATES.values() for each in decider.commands}


@each_aggregate
@given(data=st.data())
def test_any_command_on_any_state_twice(category: str, data: st.DataObject) -> None:
    decider = AGGREGATES[category]
    state = decider.initial
    stream: list[Event] = []
    for command in data.draw(runs_of(decider)):
        picture = repr(state)
        answered = answer(category, command, state)
        assert answer(category, command, state) == answered, "a decision has no memory and no luck"
        stream.extend(() if isinstance(answered, str) else answered)
        state, before = after(category, state, answered), state
        assert repr(before) == picture, "a state is never changed in place"
        if not isinstance(command, COUNTS_EACH_TIME):
            again = answer(category, command, state)
            assert after(category, state, again) == state, "a repeated command changes nothing"
    assert decider.fold(stream) == reduce(decider.evolve, stream, decider.initial) == state
    assert all(type(event) in decider.events for event in stream)


@each_aggregate
@given(data=st.data())
def test_what_was_decided_survives_storage(category: str, data: st.DataObject) -> None:
    decider = AGGREGATES[category]
    state = decider.initial
    for command in data.draw(runs_of(decider)):
        answered = answer(category, command, state)
        for event in () if isinstance(answered, str) else answered:
            stored = event.model_dump_json(exclude_defaults=True).encode()
            assert decode_event(type(event).__name__, event.schema_version, stored) == event
        state = after(category, state, answered)
