"""Which money could not be given back or let go, and which of that comes right by itself later?

Where only a part is known to have come back, the discrepancy stays open for a person.
"""

from __future__ import annotations

from dataclasses import replace

from domain.kernel import Fact, Reaction
from domain.order import DiscrepancyKind, ResolveOrderDiscrepancy
from domain.payment import DisputeLost, PaymentRefunded, RefundFailed, VoidFailed
from services.agents.order.ending import contradicted, ended_if_settled
from services.agents.order.process import OrderProcess, now

MENDED: dict[DiscrepancyKind, str] = {
    "not_voided": "nothing of it is held any more",
    "not_refunded": "it was given back later",
}


def is_held(process: OrderProcess, payment_id: str) -> bool:
    """Whether the provider has money of it that was not taken: also what has lapsed by our books alone."""
    cents = process.held.get(payment_id)
    if cents is None:  # it was not authorised, or before that was kept in mind
        return payment_id not in {*process.captured, *process.released}
    return process.captured.get(payment_id, 0) < cents


def not_voided(process: OrderProcess, event: VoidFailed, fact: Fact) -> Reaction[OrderProcess]:
    payment_id = event.payment_id
    process = process.model_copy(update={"not_voided": process.not_voided | {payment_id}})
    return contradicted(process, fact, "not_voided", payment_id)


def not_refunded(process: OrderProcess, event: RefundFailed, fact: Fact) -> Reaction[OrderProcess]:
    payment_id = event.payment_id
    if 0 < process.captured.get(payment_id, 0) <= process.refunded.get(payment_id, 0):
        return ended_if_settled(process, fact)  # it went back in another way: a bank took it, most likely
    failed = process.not_refunded.get(payment_id, frozenset()) | {event.refund_id}
    process = process.model_copy(update={"not_refunded": {**process.not_refunded, payment_id: failed}})
    return contradicted(process, fact, "not_refunded", payment_id)


def mended(reaction: Reaction[OrderProcess], fact: Fact) -> Reaction[OrderProcess]:
    """What the fact, of a payment, has made good is forgotten, and resolved."""
    before, payment_id = reaction.process, getattr(fact.event, "payment_id", "")
    if payment_id not in {*before.not_voided, *before.not_refunded}:
        return reaction  # as it is: what changes nothing is no cause of what is done later
    changed = {"not_voided": _still_held(before, fact), "not_refunded": _still_owed(before, fact)}
    process = before.model_copy(update=changed)
    ids = {"order_id": process.order_id, "about": payment_id}
    commands = [
        ResolveOrderDiscrepancy(**ids, kind=kind, reason=reason)
        for kind, reason in MENDED.items()
        if payment_id in getattr(before, kind) and payment_id not in getattr(process, kind)
    ]
    more = now(process, fact, *commands).commands
    return replace(reaction, process=process, commands=(*reaction.commands, *more))


def _still_held(process: OrderProcess, fact: Fact) -> frozenset[str]:
    payment_id = getattr(fact.event, "payment_id", "")
    if payment_id not in process.not_voided or is_held(process, payment_id):
        return process.not_voided
    return process.not_voided - {payment_id}


def _still_owed(process: OrderProcess, fact: Fact) -> dict[str, frozenset[str]]:
    """A refund that failed is made good by itself, or once all that was captured went back: of another one
    nobody knows whether it was for the same cents."""
    event = fact.event
    if not isinstance(event, PaymentRefunded | DisputeLost) or event.payment_id not in process.not_refunded:
        return process.not_refunded
    payment_id, failed = event.payment_id, process.not_refunded[event.payment_id]
    if isinstance(event, PaymentRefunded):
        failed = failed - {event.refund_id}
    if process.refunded.get(payment_id, 0) >= process.captured.get(payment_id, 0):
        failed = frozenset()
    others = {name: each for name, each in process.not_refunded.items() if name != payment_id}
    return {**others, payment_id: failed} if failed else others
