"""Does an agent append to no context but its own, whatever it is told, in whatever order?

Every registered agent is given any facts, of any type, made of the events' own schemas. Ids are few, so that
facts are often about the same; personal fields are sealed, as agents see them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.aggregates import AGGREGATES, EVENT_TYPES, aggregate_of, categories_of, checked_stream
from domain.cart.orders import cart_of_checkout
from domain.contexts import CONTEXTS, module_of
from domain.kernel import Event, Fact, Reaction, one
from domain.order import MarkReserved, OrderPlaced, OrderReserved
from domain.streams import order_stream, stream_parts
from eventstore.codec import personal_fields
from services.agents.agent import Agent, order_key
from services.agents.reactions import PageOfReactions, decode_groups, encode_groups
from services.agents.registered import AGENTS
from services.gateways.registered import GATEWAYS
from tests.schemas import values_of
from tests.strategies import START

MERCHANTS = ("m1", "m1", "m1", "m2")
_ORDERS = ("o1", "o1", "o1", "o2")
FEW = {
    name: st.sampled_from(few)
    for name, few in {
        "order_id": _ORDERS,
        "payment_id": ("o1.p0", "o1.p0", "o1.p1"),
        "shipment_id": _ORDERS,
        "checkout_id": ("k1",),
        "currency": ("BRL",),
        "sku": ("A-1", "B.2"),
        "warehouse": ("main", "east"),
        "amount_cents": (1, 60, 100),
        "quantity": (1, 2),
        "key": tuple(order_stream(merchant, order) for merchant in MERCHANTS for order in _ORDERS),
        "name": ("reservation", "authorization o1.p0", "reversal o1.p0"),
        "agent": tuple(agent.name for agent in AGENTS),
    }.items()
}
"""What a field of one of these names may be: the ids that events share, and the words of deadlines."""
SEALED = {"sealed": "bm9uY2U="}

each_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)


@cache
def events(kind: type[Event]) -> st.SearchStrategy[Event | None]:
    """None for a value that a rule of the event's own refuses, which no schema tells."""
    sealed = dict.fromkeys(personal_fields(kind), SEALED)

    def read(document: dict[str, Any]) -> Event | None:
        try:
            return kind.model_validate(document | sealed)
        except ValidationError:
            return None

    return values_of(kind.model_json_schema(), FEW).map(read)


OPENING = st.lists(st.tuples(st.just("m1"), events(OrderPlaced)), max_size=2)


@st.composite
def facts_for(draw: st.DrawFn, agent: Agent) -> list[Fact]:
    """Mostly an order to begin with, then what it listens to; now and then anything that there is."""
    anything = tuple(EVENT_TYPES.values())
    kinds = st.one_of(*[st.sampled_from(agent.interests)] * 9, st.sampled_from(anything))
    told = st.tuples(st.sampled_from(MERCHANTS), kinds.flatmap(events))
    heard = [*draw(OPENING), *draw(st.lists(told, min_size=10, max_size=30))]
    told = [(merchant, event) for merchant, event in heard if event]
    return [_fact(*each, position) for position, each in enumerate(told, 1)]


def _fact(merchant: str, event: Event, position: int) -> Fact:
    (owner,) = [each for each in AGGREGATES.values() if type(event) in each.events]
    named = (merchant if part == "merchant" else str(getattr(event, part, "x")) for part in owner.parts)
    moment = START + timedelta(minutes=position)
    whose = (merchant, "k1", "because", UUID(int=position), moment, moment)
    return Fact(position, owner.stream(*named), position, event, *whose)


def merchants_in(fact: Fact) -> set[str]:
    """Whose it is; and of a checkout over several merchants, the one that an order is for, or whose cart it
    is of."""
    named = {getattr(fact.event, "merchant", fact.merchant)}
    if cart := cart_of_checkout(getattr(fact.event, "checkout_id", "")):
        named.add(cart[0])
    return {fact.merchant, *named}


@each_agent
@given(data=st.data())
def test_whatever_an_agent_is_told_it_commands_its_own_context_alone(
    agent: Agent, data: st.DataObject
) -> None:
    processes: dict[str, Any] = {}
    for fact in data.draw(facts_for(agent)):
        key = order_key(fact)
        reaction = agent.react(processes.get(key, agent.initial), fact)
        processes[key] = reaction.process
        assert reaction.process == agent.initial or key.partition("-")[0] in agent.keyed_by
        assert {each.key.partition("-")[0] for each in reaction.deadlines} <= {*agent.keyed_by}
        for target in (each for group in reaction.commands for each in group.targets):
            assert agent.owns(checked_stream(target.stream))
            aggregate = aggregate_of(target.stream)
            assert type(target.command) in aggregate.commands
            assert "merchant" not in aggregate.parts or stream_parts(target.stream)[0] in merchants_in(fact)
        assert decode_groups(encode_groups(reaction.commands)) == reaction.commands


@each_agent
def test_an_agent_is_in_the_module_of_the_context_that_it_owns(agent: Agent) -> None:
    module = module_of("services.agents", agent.context)
    assert module
    assert agent in module.AGENTS


def test_a_category_is_of_one_context_and_a_gateway_tells_its_own() -> None:
    owned = [category for context in CONTEXTS for category in categories_of(context)]
    assert sorted(owned) == sorted(AGGREGATES)
    for context in CONTEXTS:
        for gateway in getattr(module_of("services.gateways", context), "GATEWAYS", ()):
            assert gateway in GATEWAYS
            assert gateway.category in categories_of(context)


def test_what_an_agent_would_do_elsewhere_is_not_done() -> None:
    """Its key is parked with the fact, and nothing of the reaction is recorded."""
    abroad = one(order_stream("m1", "o1"), MarkReserved(order_id="o1"))
    agent = replace(AGENTS[0], context="payment", react=lambda process, _: Reaction(process, (abroad,)))
    reactions = PageOfReactions()
    reactions.take(agent, _fact("m1", OrderReserved(order_id="o1"), 1), "order-m1.o1", agent.initial)
    ((whose, position, error),) = reactions.parked
    assert (whose, position) == ((agent.name, "order-m1.o1"), 1)
    assert "may append to payment only, not to {'order-m1.o1'}" in error
    assert not reactions.commands
    assert not reactions.processes
