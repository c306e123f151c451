"""Bugs in rules and folds, planted one at a time: a check that folds with them sees nothing wrong.

So what is true must be told from the events alone: see `services/simulation/oracles.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from domain import order
from domain.carrier import shipment
from domain.inventory import stock, stock_state
from domain.kernel import Fact, Reaction
from domain.order import OrderConfirmed
from domain.payment import requests
from services.agents import inventory as inventory_agent
from services.agents import payment as payment_agent
from services.agents import sender
from services.agents.inventory import INVENTORY_AGENT
from services.agents.runner import AgentRunner
from services.scheduler import Scheduler
from services.simulation.system import Parts
from tests.simulation.mutants import _agents
from tests.simulation.planting import Mutant, changed


def _reserve_only(process: Any, fact: Fact) -> Reaction[Any]:
    """What a confirmed order has reserved is not committed to it: it lapses while the parcel is packed."""
    if isinstance(fact.event, OrderConfirmed):
        return Reaction(process)
    return INVENTORY_AGENT.react(process, fact)


@contextmanager
def _undone() -> Iterator[None]:
    """Where a parcel is, the last scan that came says."""
    real = shipment.evolve

    def evolve(state: shipment.Shipment, event: shipment.ShipmentEvent) -> shipment.Shipment:
        new = real(state, event)
        return replace(new, delivered=False) if isinstance(event, shipment.ShipmentScanned) else new

    object.__setattr__(shipment.SHIPMENT, "evolve", evolve)
    try:
        with patch.object(shipment, "evolve", evolve):
            yield
    finally:
        object.__setattr__(shipment.SHIPMENT, "evolve", real)


RULE_MUTANTS = (
    Mutant(
        "what left is still on hand",
        Parts(),
        planted=changed(
            stock_state,
            "change_of",
            "StockSent(quantity=quantity):\n            return Change(on_hand=-quantity)",
            "StockSent(quantity=quantity):\n            return Change()",
        ),
    ),
    Mutant(
        "what came back is for sale",
        Parts(),
        planted=changed(
            stock_state,
            "change_of",
            "Change(on_hand=quantity, quality_control=quantity)",
            "Change(on_hand=quantity)",
        ),
    ),
    Mutant(
        "who waits for much is passed over",
        Parts(),
        planted=changed(stock, "fill", "            return\n", "            continue\n"),
    ),
    Mutant(
        "what arrived is still expected",
        Parts(),
        planted=changed(
            stock_state,
            "change_of",
            "ExpectedStockCancelled(quantity=quantity):\n            return Change(incoming=-quantity)",
            "ExpectedStockCancelled(quantity=quantity):\n            return Change()",
        ),
    ),
    Mutant(
        "what comes of a filled back-order belongs to whoever brought the goods",
        Parts(),
        planted=changed(sender, "belonging", 'getattr(fact.event, "correlation", "")', '""'),
    ),
    Mutant(
        "of each product one is reserved",
        Parts(),
        planted=changed(inventory_agent, "_by_place", "+= each.quantity", "= 1"),
    ),
    Mutant(
        "confirmed orders lose what they reserved",
        Parts(agents=_agents(replace(INVENTORY_AGENT, react=_reserve_only))),
    ),
    Mutant(
        "what is shipped can be cancelled",
        Parts(),
        planted=changed(order, "cancel", '"completed" if returned', '"completed"'),
        orders=40,
    ),
    Mutant(
        "money is taken before anything is sent",
        Parts(),
        planted=changed(
            payment_agent,
            "_authorized",
            "if process.goods.any_sent:",
            "process = _left(process, process.goods.left_with_all(payment_id), fact).process\n    if True:",
        ),
    ),
    Mutant(
        "the last cent can't be captured",
        Parts(),
        planted=changed(requests, "_lost", "command.amount_cents > left", "command.amount_cents >= left"),
    ),
    Mutant("a late scan undoes a delivery", Parts(), planted=_undone),
    Mutant(
        "deadlines come early",
        Parts(),
        planted=changed(
            Scheduler, "reach", "now=self._clock.now()", "now=self._clock.now().replace(hour=23)"
        ),
    ),
    Mutant(
        "what agents do has no cause",
        Parts(),
        planted=changed(AgentRunner, "_context", "causation=fact.event_id", 'causation=""'),
    ),
)
