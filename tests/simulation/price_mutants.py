"""Bugs in prices and in what a customer is told of them, planted one at a time: each breaks a promise that
`services/simulation/priced.py` holds the events to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from domain.cart import cart
from domain.deadline import DeadlineReached
from domain.kernel import Fact, Reaction
from domain.product import product, state
from services.agents.product import AGENTS as PRODUCT_AGENTS
from services.simulation.system import Parts
from tests.simulation.mutants import _agents
from tests.simulation.planting import Mutant, changed

(PRODUCT_AGENT,) = PRODUCT_AGENTS


def _early(process: Any, fact: Fact) -> Reaction[Any]:
    """With a price that holds all that are to come soon are said to hold."""
    event = fact.event
    if isinstance(event, DeadlineReached):
        fact = fact._replace(event=event.model_copy(update={"due_at": event.due_at + timedelta(minutes=1)}))
    return PRODUCT_AGENT.react(process, fact)


def _deaf(process: Any, fact: Fact) -> Reaction[Any]:
    """Nobody says that a price holds."""
    return (
        Reaction(process) if isinstance(fact.event, DeadlineReached) else PRODUCT_AGENT.react(process, fact)
    )


PRICE_MUTANTS = (
    Mutant(
        "who presses pays what it costs by now, told or not",
        Parts(),
        planted=changed(
            cart, "_claim", "if differs and command.accept != drift_token(differs):", "if False:"
        ),
    ),
    Mutant(
        "what a customer takes changes no line",
        Parts(),
        planted=changed(cart, "_with_changes", "unit_price_cents=new.unit_price_cents, quantity", "quantity"),
    ),
    Mutant(
        "a price that was withdrawn holds all the same",
        Parts(),
        planted=changed(state, "without_point", " if each.valid_from != valid_from", ""),
    ),
    Mutant(
        "a price is said to hold with every other one of its product",
        Parts(),
        planted=changed(
            product, "applicable", "if point and (applied is None or applied < point.valid_from)", "if point"
        ),
    ),
    Mutant(
        "a price is said to hold before its time",
        Parts(agents=_agents(replace(PRODUCT_AGENT, react=_early))),
        orders=40,
    ),
    Mutant("nobody says that a price holds", Parts(agents=_agents(replace(PRODUCT_AGENT, react=_deaf)))),
)
