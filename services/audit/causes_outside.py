"""What came from outside and caused an event: a command that somebody gave, or a webhook?"""

from __future__ import annotations

from typing import Any

from domain.kernel import Fact
from services.audit.causes import Cause
from services.audit.causes_trail import GATEWAYS, Entry, Trail, command_of_words, is_event_id, request_of

FORGOTTEN = "the ledger does not know it: it keeps entries for a time only"


def from_outside(trail: Trail, fact: Fact) -> Cause:
    """A command that somebody gave, a webhook, or a cause that is not to be seen."""
    gateway = GATEWAYS.get(fact.actor)
    if gateway and ((gateway.name, fact.causation) in trail.webhooks or not is_event_id(fact.causation)):
        return _webhook(trail, fact)
    if request := request_of(fact):
        entry = trail.ledger.get(request)
        details = {"actor": fact.actor, "command_id": str(request), **told_by_ledger(entry)}
        node = Cause(f"request {request}", "command", f"command of {fact.actor} over HTTP", details)
        node.missing = "" if entry else FORGOTTEN
        return node
    if is_event_id(fact.causation):
        return Cause(
            f"event {fact.causation}",
            "missing",
            f"an event {fact.causation}",
            {"event_id": fact.causation},
            missing="it is not among the events that were found or that may be seen",
        )
    return _other_command(trail, fact)


def _other_command(trail: Trail, fact: Fact) -> Cause:
    command_id = command_of_words(fact)
    entry = trail.ledger.get(command_id)
    details = {"actor": fact.actor, "because_of": fact.causation, **told_by_ledger(entry)}
    what = f"command of {fact.actor or 'somebody'}, because of {fact.causation}"
    name = f"command {command_id}"
    if entry is None:
        # several commands may tell the same cause, but only one of a batch appends to a stream
        name += f" {fact.stream} {fact.recorded_at.isoformat()}"
    missing = "" if entry else "the event does not tell its command's id, by which the ledger would know it"
    return Cause(name, "command", what, details, at=fact.occurred_at, missing=missing)


def _webhook(trail: Trail, fact: Fact) -> Cause:
    provider = GATEWAYS[fact.actor].name
    arrival = trail.webhooks.get((provider, fact.causation))
    details: dict[str, Any] = {"provider": provider, "webhook_id": fact.causation}
    if arrival:
        details |= {
            "received_at": arrival.received_at.isoformat(),
            "matched_nothing": arrival.attempts,
            "matched_at": arrival.matched_at.isoformat() if arrival.matched_at else None,
        }
    return Cause(
        f"webhook {provider} {fact.causation}",
        "webhook",
        f"webhook {fact.causation} of the {provider} provider",
        details,
        at=arrival.received_at if arrival else None,
        missing="" if arrival else "the inbox does not know it",
    )


def told_by_ledger(entry: Entry | None) -> dict[str, Any]:
    if entry is None:
        return {}
    told: dict[str, Any] = {"recorded_at": entry.recorded_at.isoformat()}
    if refused := entry.answer.get("refused"):
        return {**told, "came_to": f"refused: {refused.get('rule')}: {refused.get('message')}"}
    if entry.first > entry.last:
        return {**told, "came_to": "nothing had to change"}
    return {**told, "first_position": entry.first, "last_position": entry.last}
