"""Are the facts of a dataset what independent oracles say?"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from services.play.facts import compute_facts, matches
from services.play.reader import read_olist
from services.play.rows import OlistRows
from services.play.synthetic import synthetic_rows

MINIATURE = Path(__file__).parents[1] / "fixtures" / "olist_miniature"
MONEY_ENDS = ("captured", "refunded", "voided", "never_approved", "open")


def differing(directory: Path) -> dict[str, tuple[object, object]]:
    """Each oracle that the facts do not meet: expected and computed."""
    oracles = json.loads((directory / "oracles.json").read_text())
    facts = compute_facts(read_olist(directory))
    pairs = {key: (oracle["value"], facts[key]["value"]) for key, oracle in oracles.items()}
    return {key: pair for key, pair in pairs.items() if not matches(*pair)}


def test_the_miniature_meets_its_oracles() -> None:
    assert differing(MINIATURE) == {}


def test_every_fact_of_the_miniature_has_an_oracle() -> None:
    oracles = json.loads((MINIATURE / "oracles.json").read_text())
    assert oracles.keys() == compute_facts(read_olist(MINIATURE)).keys()


@pytest.mark.olist
@pytest.mark.skipif("TILLROLL_OLIST_DIR" not in os.environ, reason="TILLROLL_OLIST_DIR is not set")
def test_the_real_data_meets_its_oracles() -> None:
    assert differing(Path(os.environ["TILLROLL_OLIST_DIR"])) == {}


@pytest.mark.olist
@pytest.mark.skipif("TILLROLL_OLIST_DIR" not in os.environ, reason="TILLROLL_OLIST_DIR is not set")
def test_where_the_money_of_the_real_data_ends() -> None:
    facts = compute_facts(read_olist(Path(os.environ["TILLROLL_OLIST_DIR"])))
    found = {key: facts[f"tillroll.{key}"]["value"] for key in MONEY_ENDS}
    assert found == {
        "captured": "2746236.32",
        "refunded": "563.61",
        "voided": "17383.45",
        "never_approved": "3393.38",
        "open": "8298.03",
    }
    assert facts["tillroll.merchant_orders"]["value"] == 17_396
    assert facts["tillroll.payment_portions"]["value"] == 18_122


@pytest.mark.parametrize("seed", range(3))
def test_all_money_ends_somewhere(seed: int) -> None:
    facts = compute_facts(synthetic_rows(600, seed))
    ends = sum(round(float(facts[f"tillroll.{key}"]["value"]) * 100) for key in MONEY_ENDS)
    assert ends == round(float(facts["olist_core.sum_payments"]["value"]) * 100)


def test_a_dataset_of_nothing_has_facts_too() -> None:
    facts = compute_facts(OlistRows((), (), (), (), (), (), ()))
    assert facts["olist_core.orders"]["value"] == 0
    assert facts["olist_core.first_purchase"]["value"] is None


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ("3999.9", "3999.90", True),
        (["0.85", "3999.9"], ["0.85", "3999.90"], True),
        ({"a": "1.0"}, {"a": "1.00"}, True),
        ({"a": "1.0"}, {"a": "1.00", "b": "0"}, False),
        (["1.0"], ["1.0", "2.0"], False),
        ("2017-01-05 10:00:00", "2017-01-05 10:00:01", False),
        (3, 3, True),
        (3, "3", False),
        (0, None, False),
    ],
)
def test_numbers_match_as_numbers(expected: object, found: object, same: bool) -> None:
    assert matches(expected, found) is same
