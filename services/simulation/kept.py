"""Was every command carried out, once, in order and rightly? And was every request seen through?

A command that appends nothing is checked by no version, so it is here: at some moment between when it was
sent and when it was answered, nothing (or a refusal) must have been the right answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

import orjson

from domain.aggregates import aggregate_of
from domain.kernel import Event, Fact, Group, Refused
from eventstore.log import Appended
from eventstore.seams import derived_id
from services.agents.agent import order_key
from services.agents.reactions import Key, decode_groups
from services.agents.sender import merchant_in
from services.gateways.gateway import Account, Gateway
from services.simulation.invariants import History
from services.simulation.shop import Answered
from services.simulation.tables import Tables

Ledger: TypeAlias = Mapping[tuple[str, UUID], Appended]
Decided: TypeAlias = dict[str, list[Event]] | str
"""The events by stream, or the rule by which it is refused."""


class Past:
    """The states of all streams at any position."""

    def __init__(self, history: History) -> None:
        self._positions: dict[str, list[int]] = defaultdict(lambda: [0])
        self._states: dict[str, list[Any]] = {}
        for fact in history.facts:
            aggregate = aggregate_of(fact.stream)
            states = self._states.setdefault(fact.stream, [aggregate.initial])
            states.append(aggregate.evolve(states[-1], fact.event))
            self._positions[fact.stream].append(fact.position)

    def state(self, stream: str, position: int) -> Any:
        if stream not in self._states:
            return aggregate_of(stream).initial
        return self._states[stream][bisect_right(self._positions[stream], position) - 1]

    def decided(self, group: Group, position: int) -> Decided:
        """What comes of a group on the states of that position."""
        states: dict[str, Any] = {}
        events: dict[str, list[Event]] = {}
        try:
            for target in group.targets:
                aggregate = aggregate_of(target.stream)
                if target.stream not in states:
                    states[target.stream] = self.state(target.stream, position)
                decided = aggregate.decide(target.command, states[target.stream])
                states[target.stream] = aggregate.fold(decided, states[target.stream])
                events.setdefault(target.stream, []).extend(decided)
        except Refused as refused:
            return refused.rule
        noes = {stream: [each for each in new if each.refusal] for stream, new in events.items()}
        told = noes if any(noes.values()) else events
        return {stream: new for stream, new in told.items() if new}

    def was_right(self, group: Group, answer: Decided, since: int, until: int) -> bool:
        """Whether that was the right answer at some position from `since` to `until`."""
        streams = {target.stream for target in group.targets}
        moments = {until} | {
            position - change
            for stream in streams
            for position in self._positions.get(stream, ())
            for change in (0, 1)
            if since <= position - change <= until
        }
        return any(self.decided(group, moment) == answer for moment in sorted(moments, reverse=True))


def log_is_of_commands(history: History, ledger: Ledger) -> Iterator[str]:
    """Each event was appended by one command that the ledger knows."""
    ranges = [(e.first_position, e.last_position) for e in ledger.values()]
    spans = sorted(each for each in ranges if each[0] <= each[1])
    after = 1
    for first, last in spans:
        if first != after:
            yield f"events from {min(first, after)} are of no command, or of two"
        after = last + 1
    if after != len(history.events) + 1:
        yield f"events from {after} are of no command"


def commands_are_done(history: History, past: Past, tables: Tables, ledger: Ledger) -> Iterator[str]:
    """What agents decided was done: once, in order, and nothing else was done by them."""
    commanded: set[int] = set()
    latest: dict[tuple[str, str], int] = defaultdict(int)
    for (agent, position), recorded in sorted(tables.reactions.rows.items(), key=lambda row: row[0][1]):
        fact = history.facts[position - 1]
        who = agent, order_key(fact)
        for ordinal, group in enumerate(decode_groups(recorded.commands)):
            name = f"command {ordinal} of {agent} at {position}"
            merchant = merchant_in(group.targets[0].stream)
            entry = ledger.get((merchant, derived_id(fact.id, "agent", agent, str(ordinal))))
            if entry is None:
                yield f"{name} is lost"
                continue
            if entry.last_position < latest[who]:
                yield f"{name} was done before an earlier one of its key"
            latest[who] = entry.last_position
            commanded.update(range(entry.first_position, entry.last_position + 1))
            if not past.was_right(group, _answer(history, entry), position, entry.first_position - 1):
                yield f"{name} was answered by what was not true: {_answer(history, entry)}"
    for fact in history.facts:
        if fact.actor.startswith("agent:") and fact.position not in commanded:
            yield f"{fact.actor} appended position {fact.position}, which no reaction commands"


def _answer(history: History, entry: Appended) -> Decided:
    if entry.answer and "refused" in (said := orjson.loads(entry.answer)):
        rule: str = said["refused"]["rule"]
        return rule
    events: dict[str, list[Event]] = {}
    for fact in history.facts[entry.first_position - 1 : entry.last_position]:
        events.setdefault(fact.stream, []).append(fact.event)
    return events


def answers_were_right(past: Past, answered: Answered) -> Iterator[str]:
    """Whoever was told no, or that there is nothing to do, was told the truth."""
    for name, sent in answered.sent.items():
        done = answered.done[name]
        if done.events or (done.repeated and not done.refused):
            continue
        answer: Decided = done.refused.rule if done.refused else {}
        if not past.was_right(sent.group, answer, sent.head, done.position):
            yield f"{name} was answered {answer or 'that nothing is to do'}, which was not true"


def requests_are_answered(
    history: History, gateways: Sequence[Gateway], spoilt: Collection[Key]
) -> Iterator[str]:
    """What was asked of a provider has its outcome, or nobody wants it any more; or nobody takes it back."""
    stuck = {key for _, key in spoilt}
    for gateway, fact in _open_requests(history, gateways):
        if order_key(fact) in stuck:
            continue
        state = history.states[fact.stream]
        if (
            not gateway.unwanted(fact.event, state) and state.void != "refused"
        ):  # else there is nothing to tell
            yield f"position {fact.position} of {fact.stream} asked for what has no outcome"


def open_paths(history: History, gateways: Sequence[Gateway]) -> set[str]:
    """Where a provider may be asked for what it has not said yet."""
    requests = list(_open_requests(history, gateways))
    by_state = {gateway.where(fact, history.states[fact.stream]) for gateway, fact in requests}
    return by_state | {gateway.where(fact) for gateway, fact in requests}


def _open_requests(history: History, gateways: Sequence[Gateway]) -> Iterator[tuple[Gateway, Fact]]:
    for gateway in gateways:
        for fact in history.facts:
            asked = fact.category == gateway.category and type(fact.event) in gateway.interests
            if asked and not gateway.answered(fact.event, history.states[fact.stream]):
                yield gateway, fact


def all_is_known(
    history: History, gateway: Gateway, accounts: Iterable[tuple[str, Any]], render: Callable[[Any], Account]
) -> Iterator[str]:
    """Whatever a provider would say, once more, is no news: in any order, any number of times."""
    for stream, theirs in accounts:
        account = orjson.loads(orjson.dumps(render(theirs), option=orjson.OPT_UTC_Z))
        command = gateway.record(stream, account)
        state = history.states.get(stream)
        if command is None:
            continue
        if state is None:
            yield f"{stream} is known to the {gateway.name} provider alone"
        elif news := aggregate_of(stream).decide(command, state):
            yield f"the {gateway.name} provider would have news of {stream}: {news}"


def webhooks_are_kept(
    history: History, tables: Tables, provider: str, journal: Sequence[bytes]
) -> Iterator[str]:
    """What a provider has told, and we have acknowledged, is in the inbox, and matches what is there."""
    for key, row in tables.inbox.rows.items():
        if row.matched and row.stream not in history.states:
            yield f"webhook {key} is matched with nothing"
    lines = (orjson.loads(line) for line in journal if b'"fact_told"' in line)
    told = (line["webhook_id"] for line in lines)
    yield from (f"webhook {each} was dropped" for each in told if (provider, each) not in tables.inbox.rows)
