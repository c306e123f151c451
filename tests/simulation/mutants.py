"""Bugs, planted one at a time: does the simulator find them?

Each is a small change of production's code, of a kind that has been made before: each names what it breaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from commands.executor import Executor, _Decision
from domain.carrier import ShipmentDispatched
from domain.inventory import Stock, promises
from domain.kernel import Fact, Group, Reaction, one
from domain.order import OrderCancelled
from domain.payment import PaymentCaptured, RequestVoid, requests
from domain.streams import payment_stream
from services.agents.agent import Agent
from services.agents.inventory import INVENTORY_AGENT
from services.agents.payment import PAYMENT_AGENT
from services.agents.registered import AGENTS
from services.agents.runner import AgentRunner
from services.gateways.calls import OpenCalls
from services.gateways.lanes import Lanes
from services.scheduler import Scheduler
from services.simulation.system import Parts
from tests.simulation.mutant_parts import (
    CarelessTables,
    DeafNode,
    DroppingInbox,
    EarlyDoneRunner,
    EventfulLog,
    ForgetfulLog,
    ForgetfulRunner,
    FreshIdsRunner,
    GreedyRunner,
    HalfLog,
    HastyDeadlines,
    HastyGateway,
    HastyInbox,
    HastyLog,
    HurriedRunner,
    LosingTables,
    RangelessTables,
    RememberingRunner,
    SelfishRunner,
    SettlingInbox,
    StaleGateway,
    SureGateway,
    TrustingLog,
    TrustingNode,
    UnfencedTables,
)
from tests.simulation.planting import Mutant, changed

# ---- rules


def _agents(*those: Agent) -> tuple[Agent, ...]:
    by_name = {agent.name: agent for agent in those}
    return tuple(by_name.get(agent.name, agent) for agent in AGENTS)


def _void_always(process: Any, fact: Fact) -> Reaction[Any]:
    """Release and refund swapped: what was captured is voided, where it should be refunded."""
    reaction = PAYMENT_AGENT.react(process, fact)
    if isinstance(fact.event, PaymentCaptured) and reaction.commands:
        payment_id = fact.event.payment_id
        void = one(payment_stream(fact.merchant, payment_id), RequestVoid(payment_id=payment_id))
        return replace(reaction, commands=(void,))
    return reaction


def _keep_stock(process: Any, fact: Fact) -> Reaction[Any]:
    """A cancelled order keeps its stock."""
    reaction = INVENTORY_AGENT.react(process, fact)
    return replace(reaction, commands=()) if isinstance(fact.event, OrderCancelled) else reaction


def _wrong_merchant(process: Any, fact: Fact) -> Reaction[Any]:
    """Stock is booked out of another merchant's warehouse."""
    reaction = INVENTORY_AGENT.react(process, fact)
    if not isinstance(fact.event, ShipmentDispatched):
        return reaction
    groups = (
        Group(tuple(replace(t, stream=t.stream.replace("-m2.", "-m1.")) for t in group.targets))
        for group in reaction.commands
    )
    return replace(reaction, commands=tuple(groups))


@contextmanager
def _promising() -> Iterator[None]:
    """Stock is promised without a look at what is there."""

    def promise(command: Any, _: Stock, promised: Any, __: Any) -> tuple[Any, ...]:
        return (promised,)

    with patch.object(promises, "_promise", promise):
        yield


_LAPSED = 'payment.expired and payment.void != "refused"'

MUTANTS = (
    Mutant("the ledger is not consulted", Parts(log=ForgetfulLog)),
    Mutant("versions are not checked", Parts(log=TrustingLog)),
    Mutant("a conflict burns a position", Parts(log=HastyLog)),
    Mutant("an append over streams is not atomic", Parts(log=HalfLog)),
    Mutant("pages are not fenced", Parts(tables=UnfencedTables), "all,pause=0.3"),
    Mutant("open calls are not kept", Parts(tables=CarelessTables), "all,crash=0.2"),
    Mutant(
        "deadlines are forgotten before they are appended",
        Parts(tables=HastyDeadlines),
        "all,unanswered=0.1",
    ),
    Mutant("a follower trusts a jump", Parts(node=TrustingNode)),
    Mutant("decided commands are not resumed", Parts(agent_runner=ForgetfulRunner)),
    Mutant("a resumed command has a new id", Parts(agent_runner=FreshIdsRunner)),
    Mutant(
        "a page and a renewal name no range",
        Parts(tables=RangelessTables),
        "all,pause=0.6,crash=0.1",
        orders=40,
    ),
    Mutant("a worker takes the facts of others", Parts(agent_runner=GreedyRunner)),
    Mutant("what others left is not resumed", Parts(agent_runner=SelfishRunner), "all,crash=0.2"),
    Mutant("no answer is taken for a no", Parts(gateway_runner=HastyGateway)),
    Mutant("webhooks are acknowledged before they are kept", Parts(inbox=DroppingInbox)),
    Mutant(
        "webhooks are settled whatever came of them",
        Parts(inbox=SettlingInbox),
        "none,refuse=0.15",
        orders=40,
    ),
    Mutant(
        "captured money is voided",
        Parts(agents=_agents(replace(PAYMENT_AGENT, react=_void_always))),
        orders=40,
    ),
    Mutant(
        "a cancelled order keeps its stock",
        Parts(agents=_agents(replace(INVENTORY_AGENT, react=_keep_stock))),
    ),
    Mutant(
        "stock goes out of another's warehouse",
        Parts(agents=_agents(replace(INVENTORY_AGENT, react=_wrong_merchant))),
    ),
    Mutant("stock is promised that is not there", Parts(), planted=_promising),
    Mutant("what decided nothing is not in the ledger", Parts(log=EventfulLog)),
    Mutant("appends are answered before they are on the disk", Parts(tables=LosingTables), "all,down=0.01"),
    Mutant("commands of a key are not in order", Parts(agent_runner=HurriedRunner)),
    Mutant("what is resumed is done before it is", Parts(agent_runner=EarlyDoneRunner), "all,crash=0.2"),
    Mutant("who leads again remembers", Parts(agent_runner=RememberingRunner), "all,pause=0.3"),
    Mutant("who comes late is not in doubt", Parts(gateway_runner=SureGateway), "all,crash=0.3"),
    Mutant(
        "an older answer is taken for this request's", Parts(gateway_runner=StaleGateway), "all,pause=0.3"
    ),
    Mutant("a webhook of what is not there yet is dropped", Parts(inbox=HastyInbox)),
    Mutant(
        "what comes after a parked event is taken",
        Parts(),
        "all,poison=0.01",
        planted=changed(
            AgentRunner, "_take", "self._parked.update(whose for whose, _, _ in reactions.parked)", "pass"
        ),
    ),
    Mutant(
        "who leads next forgets what is parked",
        Parts(),
        "all,poison=0.01",
        planted=changed(AgentRunner, "_parked_keys", "in rows}", "in ()}"),
    ),
    Mutant("the head is not looked at", Parts(node=DeafNode)),
    Mutant(
        "a refusal is answered on an old state",
        Parts(),
        planted=changed(Executor, "_attempt", "if fresh:", "if True:"),
    ),
    Mutant(
        "one that says no does not stop the others",
        Parts(),
        planted=changed(_Decision, "kept", "saying_no or filled", "filled"),
    ),
    Mutant(
        "a call that our own trouble stopped counts as made",
        Parts(),
        planted=changed(
            Lanes,
            "_attempt",
            "error=str(error))\n        return False",
            "error=str(error))\n        return True",
        ),
    ),
    Mutant(
        "a table is told again what is open",
        Parts(),
        planted=changed(OpenCalls, "changes", "call.kept = True", "pass"),
    ),
    Mutant(
        "a wrong clock is waited for",
        Parts(),
        "all,clock=0.2,outage=0.05",
        planted=changed(
            Lanes, "_see_through", "min(max(0.0, wait_s), self._patience.pause_s_max)", "max(0.0, wait_s)"
        ),
    ),
    Mutant(
        "a deadline comes once in a life",
        Parts(),
        planted=changed(Scheduler, "_append", ", due_at.isoformat(), cause)", ")"),
    ),
    Mutant(
        "a refund that was refused is asked for under its old name",
        Parts(),
        planted=changed(requests, "_fresh", "if name not in payment.refunds", ""),
        orders=80,
    ),
    Mutant(
        "what has lapsed is not let go",
        Parts(),
        planted=changed(requests, "void", _LAPSED, "payment.expired"),
        orders=40,
    ),
)
