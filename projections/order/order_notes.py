"""What have the merchant's own people written about their orders? Personal: erased with the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from domain.erasure import SubjectErased
from domain.kernel import Fact
from domain.order import NoteText, OrderNoteAdded
from projections.read_model import ReadModel, Rows


@dataclass(slots=True)
class NoteRow:
    merchant: str
    order_id: str
    note_id: str
    subject: str
    text: str | None
    written_by: str
    written_at: datetime


class ErasedSubject(NamedTuple):
    """Whose notes are to be NULL."""

    subject: str


def _row(event: OrderNoteAdded, fact: Fact) -> NoteRow:
    text = event.text.text if isinstance(event.text, NoteText) else None  # the person is erased
    ids = (fact.merchant, event.order_id, event.note_id, event.subject)
    return NoteRow(*ids, text, fact.actor, fact.occurred_at)


def project(facts: Sequence[Fact]) -> Rows:
    return {
        "insert_notes": [_row(fact.event, fact) for fact in facts if isinstance(fact.event, OrderNoteAdded)],
        "erase_notes": [
            ErasedSubject(fact.event.subject) for fact in facts if isinstance(fact.event, SubjectErased)
        ],
    }


ORDER_NOTES = ReadModel(
    "order_notes",
    ("order_notes",),
    (OrderNoteAdded, SubjectErased),
    project,
    personal={"order_notes": ("text",)},
)
