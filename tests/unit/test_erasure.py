"""Does the log say once that somebody was erased?"""

from __future__ import annotations

from domain.erasure import ERASURE, RecordErasure, SubjectErased
from tests.specification import Specification

erasure = Specification(ERASURE)


def test_an_erasure_is_recorded_with_its_reason() -> None:
    command = RecordErasure(subject="s1", reason="asked for", despite=("orders_are_over",))
    erased = SubjectErased(subject="s1", reason="asked for", despite=("orders_are_over",))
    erasure.given().when(command).then(erased)


def test_a_second_one_changes_nothing() -> None:
    erased = SubjectErased(subject="s1", reason="asked for")
    erasure.given(erased).when(RecordErasure(subject="s1", reason="asked again")).then()
