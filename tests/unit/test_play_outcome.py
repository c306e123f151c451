"""What does a person see at the end of a play: what needs a look, and no rate that was not run?"""

from __future__ import annotations

import pytest

from services.play.driver import Report
from services.play.oracles import Answer
from services.play.outcome import Outcome, show
from services.play.plan import PlannedRows

GOOD = Answer("olist_core.orders", 7, 7, "olist_core_orders")
WRONG = Answer("olist_core.sum_price", "1.00", "2.00", "olist_core_sum_price")
UNASKED = Answer("olist_core.items_seq_gap", 3, None, "", "their numbers are not kept")
OTHER = Answer("tillroll.captured_cents", 5, 5, "tillroll_captured_cents")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def said(capsys: pytest.CaptureFixture[str], *answers: Answer, done: int = 20, every: bool = False) -> str:
    report = Report(checkouts=7, orders=8, done=done)
    show(Outcome(report, PlannedRows({}, ()), 2.0, list(answers)), every=every)
    return capsys.readouterr().out


def test_what_matches_is_counted_and_the_rest_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, GOOD, WRONG, UNASKED, OTHER)
    assert GOOD.name not in text
    assert OTHER.name not in text
    for each in (WRONG.name, "2.00", UNASKED.name, "can't be asked: their numbers are not kept"):
        assert each in text, "on one line of eighty columns"
    assert "olist_core: 1 of 2 oracles match, 1 can't be asked" in text
    assert "tillroll: 1 of 1 oracles match" in text


def test_all_of_them_with_their_queries_where_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, GOOD, OTHER, every=True)
    for each in (GOOD, OTHER):
        assert each.name in text
        assert each.query in text


def test_a_play_that_found_everything_done_tells_no_rate(capsys: pytest.CaptureFixture[str]) -> None:
    assert "3.5 checkouts a second" in said(capsys, GOOD)
    again = said(capsys, GOOD, done=0)
    assert "a second" not in again
    assert "had been played before" in again
