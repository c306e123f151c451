"""Who was erased, and why? One stream for each data subject, that ends with its erasure.

What is destroyed is the subject's key, which is not in the log: this says that it was. It is a fact, appended
once the key is gone, so it is never refused; whether a person may be erased is asked before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from domain.kernel import Command, Decider, Event

Subject = Annotated[str, Field(min_length=1, max_length=200)]
Reason = Annotated[str, Field(min_length=1, max_length=1000)]
"""Stands in the log for ever, so it names no person."""
Rule = Annotated[str, Field(min_length=1, max_length=100)]


class SubjectErased(Event):
    """The subject's key is destroyed: each of its personal fields reads `Erased` from now on, old ones too.

    `despite` names the rules that spoke against it and were overruled.
    """

    subject: Subject
    reason: Reason
    despite: tuple[Rule, ...] = ()


class RecordErasure(Command):
    creates = True
    subject: Subject
    reason: Reason
    despite: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Erasure:
    erased: bool = False


def decide(command: RecordErasure, erasure: Erasure) -> tuple[SubjectErased, ...]:
    return () if erasure.erased else (SubjectErased(**dict(command)),)


def evolve(_: Erasure, __: SubjectErased) -> Erasure:
    return Erasure(erased=True)


ERASURE: Decider[RecordErasure, SubjectErased, Erasure] = Decider(
    "erasure",
    decide,
    evolve,
    Erasure(),
    events=(SubjectErased,),
    commands=(RecordErasure,),
    parts=("subject",),
)

AGGREGATES = (ERASURE,)
