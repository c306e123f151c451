"""The whole system as simulated processes: which there are, what runs in each, how they find one another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from eventstore.keyring import MemoryKeyStore
from eventstore.memory import MemoryLog
from eventstore.tasks import TaskGroup
from projections.read_model import ReadModel
from projections.read_models import READ_MODELS
from projections.runner import ProjectionRunner
from services.agents.agent import Agent
from services.agents.registered import AGENTS
from services.agents.runner import AgentRunner
from services.gateways.breaker import PATIENCE, Breaker, Patience
from services.gateways.carrier_routes import CarrierProviders
from services.gateways.gateway import Gateway
from services.gateways.inbox import Inbox, InboxUnavailable
from services.gateways.provider import Provider
from services.gateways.registered import GATEWAYS
from services.gateways.runner import GatewayRunner
from services.gateways.stripe_provider import StripeProvider
from services.processes.lasting import AWAY, persist
from services.relay import Relay
from services.scheduler import Scheduler
from services.simulation.bus import Broker, SimulatedBus
from services.simulation.calls import Calls
from services.simulation.clock import START, SeededIds, SeededRandom, SimulatedClock
from services.simulation.faults import Faults
from services.simulation.loop import SimulatedLoop
from services.simulation.nemesis import Nemesis
from services.simulation.network import Network, Unreachable
from services.simulation.node import Line, Node, Server
from services.simulation.outside import Outside, Refusals
from services.simulation.poison import poisoned
from services.simulation.process import Process
from services.simulation.processes import Processes
from services.simulation.read_models import watched
from services.simulation.store_line import StoreLine
from services.simulation.tables import Tables
from services.worlds.carrier import carrier_core
from services.worlds.core import Core
from services.worlds.payment import PAYMENT
from services.worlds.webhooks import Webhook

ACKNOWLEDGE_SECONDS = 5.0
PROJECTED_PAGE = 24
"""Small, so that there are projectors far behind, who prepare a page while another is merged."""
READ_MODELS_A_HISTORY = 4
"""All of them would cost a fifth of the time; many histories have them all."""
DOORS = ("api-1", "api-2")
SCHEDULERS = ("scheduler-1", "scheduler-2")
WORLDS: Mapping[str, Core[Any]] = {"payment-world": PAYMENT, "carrier-world": carrier_core()}


@dataclass(slots=True)
class Parts:
    """What may be put in place of production's, to see whether it is noticed."""

    agents: tuple[Agent, ...] = AGENTS
    agent_runner: type[AgentRunner] = AgentRunner
    read_models: tuple[ReadModel, ...] = tuple(READ_MODELS.values())
    projection_runner: type[ProjectionRunner] = ProjectionRunner
    gateway_runner: type[GatewayRunner] = GatewayRunner
    inbox: type[Inbox] = Inbox
    scheduler: type[Scheduler] = Scheduler
    relay: type[Relay] = Relay
    gateways: tuple[Gateway, ...] = GATEWAYS
    log: type[MemoryLog] = MemoryLog
    tables: type[Tables] = Tables
    node: type[Node] = Node


def _some(models: Sequence[ReadModel], random: Random) -> tuple[ReadModel, ...]:
    """Of the read models those that this history has."""
    chosen = random.sample(range(len(models)), min(READ_MODELS_A_HISTORY, len(models)))
    return tuple(models[number] for number in sorted(chosen))


class System:
    """Start it inside its loop; `heal` ends all faults."""

    def __init__(self, loop: SimulatedLoop, random: SeededRandom, faults: Faults, parts: Parts) -> None:
        self.loop = loop
        self.random = random
        self.poison = faults.poison
        self.parts = parts
        self.read_models = _some(parts.read_models, random.stream("read models"))
        self.processes = Processes(loop, forgiven=AWAY)
        self.clock = SimulatedClock(loop)
        self.outside_clock = SimulatedClock(loop)
        ids = SeededIds(self.clock, random.stream("log"))
        log = parts.log(self.clock, ids)
        self.server = Server(log, parts.tables(log, self.clock), MemoryKeyStore())
        self.store = StoreLine(loop, random.stream("store"), faults)
        self.store.on_down.append(self._lose_unsynced)
        self.broker = Broker(loop, random.stream("bus"), faults)
        self.nemesis = Nemesis(self.processes, self.clock, random.stream("nemesis"), faults, WORLDS)
        self.network = Network(loop, self.processes, random, faults)
        self.journals: dict[str, list[bytes]] = {name: [] for name in WORLDS}
        self.refusals = {name: Refusals() for name in WORLDS}
        self.told: dict[tuple[str, str], bytes] = {}
        """Webhooks by provider and id, as sent: of those that are matched the inbox keeps no body."""
        self.posts = {core.kind: _Post(self, core.kind) for core in WORLDS.values()}
        self.outsides: dict[str, Outside] = {}
        self.nodes: dict[str, Node] = {}
        self.inboxes: dict[str, Inbox] = {}
        self.commits = Commits(log)
        self.calls = Calls()
        self.caught_up = asyncio.Event()
        """Schedulers wait for it: in a replay, what was withdrawn must be so again before it could be due."""
        self.caught_up.set()
        self.deaths = 0
        loop.on_death.append(self._bury)
        self.mains: dict[str, Callable[[Node], Awaitable[None]]] = {
            **dict.fromkeys(DOORS, _serve),
            "relay-1": self._relay,
            "relay-2": self._relay,
            "agents-1": self._agents,
            "agents-2": self._agents,
            "agents-3": self._agents,
            "projector-1": self._projector,
            "projector-2": self._projector,
            **dict.fromkeys(SCHEDULERS, self._scheduler),
            "gateways-1": self._gateways,
            "gateways-2": self._gateways,
        }

    def start(self) -> None:
        for name in (*WORLDS, *self.mains):
            self.start_process(name)

    def start_process(self, name: str) -> None:
        """Begin the first life of that process."""

        async def main() -> None:
            await (self._world(name) if name in WORLDS else self._ours(name))

        self.processes.start(name, main)

    def heal(self) -> None:
        """No faults from now on, but of the bus, which always may lose messages; who was stopped goes on."""
        for name in self.processes.names():
            if self.processes.alive(name):
                self.processes.resume(name)
        for name in self.processes.names():
            self.broker.heal(name)
            self.clock.set_right(name)
        self.store.come_up()
        self.nemesis.faults = self.store.faults = self.network.faults = Faults()
        self.broker.faults = self.broker.faults.of_messages()

    def pass_by(self, seconds: float) -> None:
        """So much time goes by for all, in a moment."""
        self.clock.pass_by(seconds)
        self.outside_clock.pass_by(seconds)

    async def ask(self, name: str, work: Callable[[Any], Awaitable[Any]], timeout_s: float) -> Any:
        """Have work done with the parts of that process, over the network."""

        async def served() -> Any:
            parts = (self.outsides if name in WORLDS else self.nodes).get(name)
            if parts is None:
                raise Unreachable(f"{name} does not listen yet")
            return await work(parts)

        return await self.network.ask(name, served, timeout_s)

    def forget(self) -> None:
        """All that is derived from the log is gone, and all webhooks come once more."""
        self.caught_up.clear()
        for name in self.mains:
            self.processes.kill(name)
        inbox = self.server.tables.inbox.rows
        self.server.tables = self.parts.tables(self.server.log, self.clock)
        for key, row in inbox.items():
            again = row._replace(body=self.told[key], attempts=0, next_at=START, matched=False)
            self.server.tables.inbox.put(key, again)
        self.server.tables.sync()

    def _bury(self, process: Process) -> None:
        """Its parts are gone with it: the next life has none before it has made them."""
        self.deaths += 1
        for parts in (self.outsides, self.nodes, self.inboxes):
            parts.pop(process.name, None)

    def _lose_unsynced(self) -> None:
        tables = self.server.tables
        tables.crash(self.random.stream("crash").randint(0, tables.unsynced))

    # ---- what runs in them

    async def _ours(self, name: str) -> None:
        node = self.parts.node(
            Line(self.store, self.processes[name]),
            self.server,
            SimulatedBus(self.broker),
            self.clock,
            SeededIds(self.clock, self.random.stream(f"ids {name}")),
            self.random.stream(f"chance {name}"),
        )
        node.name = name
        self.nodes[name] = node
        await node.log.start()
        await self.mains[name](node)

    async def _relay(self, node: Node) -> None:
        await persist(
            "relay", self.parts.relay(node.log, node.bus, node.database, self.commits.of(node.name)).run
        )

    async def _agents(self, node: Node) -> None:
        async with node.feed.running():
            runner = self.parts.agent_runner(
                poisoned(self.parts.agents, self.poison), node.feed, node.executor, node.database, node.clock
            )
            await persist("agents", runner.run)

    async def _projector(self, node: Node) -> None:
        async with node.feed.running():
            models = watched(self.read_models, self.poison)
            runner = self.parts.projection_runner(
                node.feed, node.database, node.keyring, models=models, page=PROJECTED_PAGE
            )
            await persist("projector", runner.run)

    async def _scheduler(self, node: Node) -> None:
        await self.caught_up.wait()
        await persist("scheduler", self.parts.scheduler(node.executor, node.database, node.clock).run)

    async def _gateways(self, node: Node) -> None:
        self.calls.begin(self.loop.process, self.loop.time())
        providers = {gateway.name: self._provider(gateway, node) for gateway in self.parts.gateways}
        inbox = self.parts.inbox(self.parts.gateways, node.executor, node.database, node.clock, providers)
        self.inboxes[node.name] = inbox
        async with node.feed.running(), TaskGroup() as tasks:
            tasks.create_task(persist("inbox", inbox.run))
            for gateway in self.parts.gateways:
                runner = self._gateway_runner(gateway, providers[gateway.name], node)
                tasks.create_task(persist(runner.follower, runner.run))

    def _provider(self, gateway: Gateway, node: Node) -> Provider:
        """The one that answers in the simulation, over its network."""

        async def exchange(
            method: str, path: str, body: bytes | None, headers: dict[str, str] | None
        ) -> tuple[int, bytes]:
            key = (headers or {}).get("Idempotency-Key", "")
            self.calls.note(self.loop.process, self.loop.time(), method, path, key)

            async def work(outside: Outside) -> tuple[int, bytes]:
                return await outside.answer(method, path, body, headers)

            answer: tuple[int, bytes] = await self.ask(f"{gateway.name}-world", work, PATIENCE.timeout_s)
            return answer

        def breaker() -> Breaker:
            return Breaker(now=self.loop.time, throw=node.random.random)

        if gateway.wire == "stripe":
            return StripeProvider(exchange, "sk_test_simulated", breaker())
        return CarrierProviders(exchange, breaker=breaker)

    def _gateway_runner(self, gateway: Gateway, provider: Provider, node: Node) -> GatewayRunner:
        return self.parts.gateway_runner(
            gateway,
            provider,
            node.feed,
            node.executor,
            node.database,
            node.keyring,
            node.clock,
            Patience(throw=node.random.random),
        )

    async def _world(self, name: str) -> None:
        core = WORLDS[name]
        post, refusals = self.posts[core.kind], self.refusals[name]
        outside = Outside(core, self.journals[name], refusals, post, self.outside_clock.now)
        self.outsides[name] = outside
        await asyncio.Event().wait()


class _Post:
    """A world's webhooks to whichever gateways answer: see `services.worlds.webhooks.Post`."""

    def __init__(self, system: System, provider: str) -> None:
        self._system = system
        self._provider = provider

    async def __call__(self, webhook: Webhook) -> bool:
        names = [name for name in self._system.inboxes if self._system.processes.alive(name)]
        if not names:
            return False
        name = names[int(self._system.random.stream("webhooks").random() * len(names))]
        body = self._system.told[self._provider, webhook.id] = webhook.body()

        async def work(_: Node) -> None:
            inbox = self._system.inboxes.get(name)
            if inbox is None:
                raise Unreachable(f"{name} does not listen yet")
            await inbox.receive(self._provider, webhook.id, body)

        try:
            await self._system.ask(name, work, ACKNOWLEDGE_SECONDS)
        except (InboxUnavailable, OSError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        pass


@dataclass(slots=True)
class Commits:
    """Tells relays of commits, as NOTIFY does; see `services.relay.Commits`."""

    log: MemoryLog
    listeners: dict[str, Callable[[], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.log.listeners.append(self._tell)

    def _tell(self, _: int) -> None:
        for on_commit in self.listeners.values():
            on_commit()

    def of(self, name: str) -> _CommitsOf:
        return _CommitsOf(self, name)


@dataclass(slots=True)
class _CommitsOf:
    commits: Commits
    name: str

    async def listen(self, on_commit: Callable[[], None]) -> None:
        self.commits.listeners[self.name] = on_commit
        on_commit()
        await asyncio.Event().wait()


async def _serve(_: Node) -> None:
    await asyncio.Event().wait()
