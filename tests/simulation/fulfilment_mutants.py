"""Bugs on the way from an order to its parcels, planted one at a time: where its units come from, how they
are picked, who carries them, and what becomes of its stock when a parcel is booked anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from domain.allocation import allocation
from domain.carrier import LabelVoided, carriers, invoice, shipment
from domain.inventory import ReleaseStock
from domain.kernel import Fact, Group, Reaction, Target
from domain.streams import stock_stream
from domain.warehouse.network import Network
from services.agents.inventory import INVENTORY_AGENT, InventoryProcess
from services.agents.warehouse import fetched
from services.simulation.system import Parts
from tests.simulation.mutants import _agents
from tests.simulation.planting import Mutant, changed


def _let_go_with_label(process: Any, fact: Fact) -> Reaction[Any]:
    """No label, no parcel: what it was to hold is for anybody."""
    if not isinstance(fact.event, LabelVoided):
        return INVENTORY_AGENT.react(process, fact)
    places = ({"sku": item.sku, "warehouse": item.warehouse} for item in process.items)
    releases = tuple(
        Target(stock_stream(fact.merchant, **place), ReleaseStock(order_id=process.order_id, **place))
        for place in places
    )
    return Reaction(process, (Group(releases),) if releases else ())


FULFILMENT_MUTANTS = (
    Mutant(
        "the stock of a label that is given back is let go",
        Parts(
            agents=_agents(
                replace(
                    INVENTORY_AGENT,
                    interests=(*INVENTORY_AGENT.interests, LabelVoided),
                    react=_let_go_with_label,
                )
            )
        ),
        "mild,staff=1",
    ),
    Mutant(
        "what a picker did not find stays planned",
        Parts(),
        "all,staff=1",
        planted=changed(
            allocation,
            "remove_short",
            "now = _picks(_at(allocation.picks) - _at(short))",
            "now = allocation.picks",
        ),
        orders=80,
    ),
    Mutant(
        "what was not found is taken off twice",
        Parts(),
        "all,staff=1",
        planted=changed(
            InventoryProcess, "with_units", "min(items[place], each.quantity)", "items[place] + each.change"
        ),
        orders=80,
    ),
    Mutant(
        "nobody tells a pick list that the carrier has its goods",
        Parts(),
        "all,staff=1",
        planted=changed(fetched, "_conclude", ", each_list(fact, lists, conclude))", ")"),
    ),
    Mutant(
        "a carrier that refuses has the last word",
        Parts(),
        "all,staff=1",
        planted=changed(
            shipment, "_booking_refused", "return instead or (LabelRefused", "return (LabelRefused"
        ),
    ),
    Mutant(
        "a parcel that is billed again fits",
        Parts(),
        "mild",
        planted=changed(invoice, "_wrong", "if times:", "if False:"),
        orders=80,  # two invoices must have it
    ),
    Mutant(
        "a suspended carrier is asked all the same",
        Parts(),
        "mild",
        planted=changed(carriers, "quotes", "None if carrier.suspended else ", ""),
    ),
    Mutant(
        "a closed warehouse is chosen all the same",
        Parts(),
        "mild",
        planted=changed(Network, "terms_at", " if place.is_open", ""),
    ),
)
