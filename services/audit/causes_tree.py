"""How does the tree of causes grow? Event by event, in the order of the log: each finds its cause there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.kernel import Deadline, Fact, Group
from services.audit.causes import DEPTH_MAX, Cause
from services.audit.causes_outside import FORGOTTEN, from_outside, told_by_ledger
from services.audit.causes_replay import rules_of, same_commands
from services.audit.causes_trail import (
    ACTORS,
    GATEWAYS,
    Replayed,
    Trail,
    command_of_agent,
    command_of_deadline,
    commands_of_gateway,
    key_of,
)
from services.audit.causes_words import said
from services.audit.stored import Unreadable

UNREADABLE = (
    "the event can't be read: a newer version wrote it, or somebody altered it (`tillroll verify` tells)"
)


def tree_of(
    trail: Trail, asked: str, wanted: set[int], *, effects: bool = False, marked: bool = True
) -> Cause:
    """The causes of the events `wanted`, with `effects` also all that they led to.

    `asked` names what was asked about; unless `marked` is False, the events are marked as that.
    """
    tree = _Tree(trail)
    tree.grow()
    root = Cause("asked", "asked", asked, led_to=tree.roots)
    kept = tree.ancestors_of(wanted)
    for position in wanted:
        tree.events[position].wanted = marked
    _prune(root, kept | tree.below(wanted) if effects else kept)
    for key in sorted(trail.long):
        what = f"{key} is too long to be read whole: deadlines that were asked for of it are not all here"
        root.led_to.append(Cause(f"{key} long", "missing", what, missing="long"))
    if trail.aside:
        what = (
            f"events of other orders that came of the same decisions, and are not here: {len(trail.aside):,}"
        )
        root.led_to.append(Cause("others", "missing", what, missing="cut"))
    if trail.cut:
        what = f"there is more: the tree was cut after {len(trail.facts):,} events"
        root.led_to.append(Cause("cut", "missing", what, missing="cut"))
    return root


def _prune(root: Cause, kept: set[int]) -> None:
    pending = [(0, root)]
    while pending:
        depth, each = pending.pop()
        each.led_to = [child for child in each.led_to if id(child) in kept]
        if depth >= DEPTH_MAX and each.led_to:
            each.led_to = [Cause(f"{each.id} cut", "missing", "the branch is cut here", missing="cut")]
        pending += [(depth + 1, child) for child in each.led_to]


class _Tree:
    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        # what was decided, and on which facts, may stand beyond the cut: then nothing is said of it
        self._cut = f"not seen: the tree was cut after {len(trail.facts):,} events" if trail.cut else ""
        self.roots: list[Cause] = []
        self.events: dict[int, Cause] = {}
        self._nodes: dict[str, Cause] = {}
        self._parents: dict[int, Cause] = {}

    def grow(self) -> None:
        """Causes have lower positions than what they led to, so each event finds its cause in the tree."""
        for position in sorted(self._trail.facts):
            fact = self._trail.facts[position]
            title, details = said(fact, self._trail.stored[position])
            node = Cause(f"event {position}", "event", title, details, position, fact.occurred_at)
            if isinstance(fact.event, Unreadable):
                node.missing = UNREADABLE
            above = self._cause_of(fact, node)
            self._hang(node, above)
            self.events[position] = node
            if self._trail.is_of_another(fact):
                node.details["other_order"] = key_of(fact)
                above.details["other_orders"] = above.details.get("other_orders", 0) + 1
            self._lead_on(fact)

    def ancestors_of(self, wanted: set[int]) -> set[int]:
        kept: set[int] = set()
        for position in wanted:
            node: Cause | None = self.events[position]
            while node is not None and id(node) not in kept:
                kept.add(id(node))
                node = self._parents.get(id(node))
        return kept

    def below(self, wanted: set[int]) -> set[int]:
        """These and all that they led to."""
        found: set[int] = set()
        pending = [self.events[position] for position in wanted]
        while pending:
            node = pending.pop()
            if id(node) not in found:
                found.add(id(node))
                pending += node.led_to
        return found

    def _hang(self, node: Cause, parent: Cause | None) -> None:
        if parent is None:
            self.roots.append(node)
        else:
            self._parents[id(node)] = parent
            parent.led_to.append(node)

    def _node(self, node: Cause, parent: Cause | None) -> Cause:
        """The node of that id, which is hung up where it is new."""
        known = self._nodes.get(node.id)
        if known is None:
            self._nodes[node.id] = known = node
            self._hang(node, parent)
        return known

    # what an event came of

    def _cause_of(self, fact: Fact, node: Cause) -> Cause:
        position = self._trail.positions.get(fact.causation)
        if position is None or position >= fact.position:
            return self._node(from_outside(self._trail, fact), None)
        cause, above = self._trail.facts[position], self.events[position]
        if isinstance(fact.event, Unreadable):
            return above
        who, _, name = fact.actor.partition(":")
        if who == "agent":
            return self._of_agent(fact, cause, name)
        if fact.actor in GATEWAYS:
            return self._of_gateway(fact, cause, above)
        if fact.category == "deadline":
            return self._of_deadline(fact, cause, above)
        node.missing = f"what {fact.actor or 'somebody'} did because of it is not stored"
        return above

    def _of_agent(self, fact: Fact, cause: Fact, agent: str) -> Cause:
        """The command that made it: by the ledger, else by its stream."""
        recorded = self._trail.recorded.get((cause.position, agent))
        reaction = self._reaction(cause, agent)
        if recorded is None:
            reaction.missing = self._cut or f"what the agent {agent} decided is not recorded any more"
            return reaction
        guess: Cause | None = None
        for ordinal, group in enumerate(recorded.groups):
            entry = self._trail.ledger.get(command_of_agent(cause, agent, ordinal))
            if entry and entry.first <= fact.position <= entry.last:
                return self._command(cause, agent, ordinal, group)
            if entry is None and fact.stream in {target.stream for target in group.targets}:
                guess = guess or self._command(cause, agent, ordinal, group)
        if guess is None:
            reaction.missing = "none of its recorded commands made all that came of it"
        return guess or reaction

    def _of_gateway(self, fact: Fact, cause: Fact, above: Cause) -> Cause:
        gateway = GATEWAYS[fact.actor]
        entries = {
            what: self._trail.ledger.get(each)
            for what, each in commands_of_gateway(cause, gateway.name).items()
        }
        covered = [what for what, e in entries.items() if e and e.first <= fact.position <= e.last]
        what = (
            covered[0]
            if covered
            else ("unavailable" if "Unavailable" in type(fact.event).__name__ else "outcome")
        )
        node = Cause(
            f"call {cause.position} {what}",
            "call",
            f"{gateway.name} gateway: {what} of {type(cause.event).__name__}",
            {
                "gateway": gateway.name,
                "request": cause.position,
                "what": what,
                **told_by_ledger(entries[what]),
            },
        )
        if not covered:
            node.missing = FORGOTTEN
        known = self._node(node, above)
        if (tries := said(fact, self._trail.stored[fact.position])[1].get("failed_tries")) is not None:
            known.details["failed_tries"] = tries
        return known

    def _of_deadline(self, fact: Fact, cause: Fact, above: Cause) -> Cause:
        event: Any = fact.event
        replayed = self._trail.replayed.get((cause.position, event.agent))
        asked = [each for each in replayed.deadlines if each.name == event.name] if replayed else []
        node = self._deadline(cause, event.agent, event.name, event.due_at, "reached", above)
        node.details |= told_by_ledger(self._trail.ledger.get(command_of_deadline(event)))
        if not asked:
            node.missing = f"that the agent {event.agent} asked for it is told by the event alone"
        return node

    # what an event led to

    def _lead_on(self, fact: Fact) -> None:
        """What is known to have come of it, whether or not it made events."""
        position = fact.position
        for (_, agent), recorded in self._at(self._trail.recorded, position):
            for ordinal, group in enumerate(recorded.groups):
                self._command(fact, agent, ordinal, group)
        for (_, agent), replayed in self._at(self._trail.replayed, position):
            self._ask_deadlines(fact, agent, replayed)
        for (_, gateway), call in self._at(self._trail.open_calls, position):
            details = {"gateway": gateway, "failed_tries": call.attempts, "next_at": call.next_at.isoformat()}
            title = f"{gateway} gateway: no outcome yet of {type(fact.event).__name__}"
            self._node(Cause(f"call {position} open", "call", title, details), self.events[position])
        for who, agent in sorted(self._trail.parked):
            if who == position:
                title = f"agent {agent}: parked, its handler failed here or before"
                self._node(Cause(f"parked {who} {agent}", "reaction", title), self.events[who])

    @staticmethod
    def _at(table: dict[tuple[int, str], Any], position: int) -> list[tuple[tuple[int, str], Any]]:
        names = dict.fromkeys(ACTORS)
        return [((position, name), table[position, name]) for name in names if (position, name) in table]

    def _ask_deadlines(self, fact: Fact, agent: str, replayed: Replayed) -> None:
        for deadline in replayed.deadlines:
            if deadline.due_at is not None:
                above = self._reaction(fact, agent)
                state = self._state(fact, agent, deadline)
                self._deadline(fact, agent, deadline.name, deadline.due_at, state, above)

    def _state(self, fact: Fact, agent: str, deadline: Deadline) -> str:
        """What became of a deadline: of those that were asked for later, the first of its name ends it."""
        if self._trail.pending.get((agent, deadline.key, deadline.name)) == deadline.due_at:
            return "waits"
        for position in sorted(p for p, who in self._trail.replayed if who == agent and p > fact.position):
            for later in self._trail.replayed[position, agent].deadlines:
                if (later.key, later.name) == (deadline.key, deadline.name):
                    return "withdrawn" if later.due_at is None else "asked for anew"
        return "is over"

    def _reaction(self, fact: Fact, agent: str) -> Cause:
        recorded = self._trail.recorded.get((fact.position, agent))
        replayed = self._trail.replayed.get((fact.position, agent))
        details: dict[str, Any] = {"agent": agent}
        missing = ""
        if recorded:
            details["rule_version"] = recorded.rule_version
            if self._cut:
                missing = f"{self._cut}, so it was not decided again"
            elif key_of(fact) not in self._trail.whole:
                missing = "all that it knew is not in this tree, so it was not decided again"
            elif recorded.rule_version != rules_of(agent):
                missing = f"today's rules are {rules_of(agent)}, so it was not decided again"
            else:
                details["same_if_decided_again"] = same_commands(recorded, replayed)
        else:
            missing = (
                self._cut
                or "it gave no command, so it is not recorded: this is what the rules of today make of it"
            )
        if replayed:
            details["facts"] = list(replayed.taken)
        version = f", rules {recorded.rule_version}" if recorded else ""
        node = Cause(
            f"reaction {fact.position} {agent}",
            "reaction",
            f"agent {agent}{version}",
            details,
            missing=missing,
        )
        return self._node(node, self.events[fact.position])

    def _command(self, cause: Fact, agent: str, ordinal: int, group: Group) -> Cause:
        command_id = command_of_agent(cause, agent, ordinal)
        entry = self._trail.ledger.get(command_id)
        names = ", ".join(f"{type(target.command).__name__} {target.stream}" for target in group.targets)
        details = {"actor": f"agent:{agent}", "command_id": str(command_id), **told_by_ledger(entry)}
        node = Cause(f"command {command_id}", "command", names, details)
        if entry is None:
            node.missing = FORGOTTEN
        return self._node(node, self._reaction(cause, agent))

    def _deadline(
        self, fact: Fact, agent: str, name: str, due_at: datetime, state: str, above: Cause
    ) -> Cause:
        details = {"agent": agent, "name": name, "due_at": due_at.isoformat(), "state": state}
        title = f"deadline {name} of the agent {agent}: {state}"
        node = Cause(f"deadline {fact.position} {agent} {name}", "deadline", title, details, at=due_at)
        known = self._node(node, above)
        if state == "reached":
            known.title, known.details["state"] = title, state
        return known
